import fs from 'node:fs';
import { join, parse, resolve } from 'node:path';
import { ElanusError, assert, isElanusError } from '@elanus/core';
import type { ErrorCode, FileHandle, FileStat, Fs } from '@elanus/core';
import { makeRoot } from './folder.ts';

type Callback<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'file_not_found',
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
  EROFS: 'read_only',
  EACCES: 'read_only',
  EPERM: 'read_only',
};

/** The typed error for what the system answered about a path; the system's own text is kept. */
export function fileError(error: unknown, path: string): ElanusError {
  const system = error as NodeJS.ErrnoException;
  const code = CODES[system.code ?? ''] ?? 'io_error';
  return new ElanusError(code as 'io_error', { path, why: system.message }, { cause: error });
}

function call<T>(path: string, start: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error) reject(fileError(error, path));
      else resolve(value);
    });
  });
}

/** One open descriptor. Callbacks instead of `fs.promises`: half the cost of a call. */
class NodeFileHandle implements FileHandle {
  readonly #fd: number;
  readonly #path: string;

  constructor(fd: number, path: string) {
    this.#fd = fd;
    this.#path = path;
  }

  async read(target: Uint8Array, offset: number): Promise<number> {
    let have = 0;
    while (have < target.length) {
      const at = have;
      const got = await call<number>(this.#path, (done) =>
        fs.read(this.#fd, target, at, target.length - at, offset + at, done),
      );
      if (got === 0) break;
      have += got;
    }
    return have;
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    let have = 0;
    while (have < bytes.length) {
      const at = have;
      have += await call<number>(this.#path, (done) =>
        fs.write(this.#fd, bytes, at, bytes.length - at, offset + at, done),
      );
    }
  }

  async writev(parts: readonly Uint8Array[], offset: number): Promise<void> {
    let rest = parts;
    let at = offset;
    while (rest.length > 0) {
      const now = rest;
      const position = at;
      const done = await call<number>(this.#path, (settle) =>
        fs.writev(this.#fd, now, position, settle),
      );
      at += done;
      rest = behind(now, done);
    }
  }

  sync(): Promise<void> {
    return call<void>(this.#path, (done) => fs.fdatasync(this.#fd, done as fs.NoParamCallback));
  }

  truncate(size: number): Promise<void> {
    return call<void>(this.#path, (done) =>
      fs.ftruncate(this.#fd, size, done as fs.NoParamCallback),
    );
  }

  async size(): Promise<number> {
    return (await call<fs.Stats>(this.#path, (done) => fs.fstat(this.#fd, done))).size;
  }

  close(): Promise<void> {
    return call<void>(this.#path, (done) => fs.close(this.#fd, done as fs.NoParamCallback));
  }
}

/** What is left of parts once `done` bytes of them are written. */
function behind(parts: readonly Uint8Array[], done: number): readonly Uint8Array[] {
  let left = done;
  for (const [i, part] of parts.entries()) {
    if (left < part.length) return [part.subarray(left), ...parts.slice(i + 1)];
    left -= part.length;
  }
  return [];
}

const FLAGS = { read: 'r', write: 'r+', create: 'w+' } as const;

class NodeFs implements Fs {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  #path(path: string): string {
    assert(!path.split('/').includes('..'), 'paths stay under the root');
    return join(this.root, path);
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<FileHandle> {
    const full = this.#path(path);
    const fd = await call<number>(full, (done) => fs.open(full, FLAGS[mode], done));
    return new NodeFileHandle(fd, full);
  }

  async stat(path: string): Promise<FileStat | undefined> {
    const full = this.#path(path);
    try {
      const stat = await call<fs.Stats>(full, (done) => fs.stat(full, done));
      const kind = stat.isDirectory() ? 'folder' : 'file';
      return { kind, size: stat.size, modifiedMs: stat.mtimeMs };
    } catch (error) {
      const { code, cause } = error as ElanusError;
      const absent =
        code === 'file_not_found' || (cause as NodeJS.ErrnoException).code === 'ENOTDIR';
      if (absent) return undefined;
      throw error;
    }
  }

  async list(path: string): Promise<readonly string[]> {
    const full = this.#path(path);
    return (await call<string[]>(full, (done) => fs.readdir(full, done))).sort();
  }

  async mkdir(path: string): Promise<void> {
    const full = this.#path(path);
    try {
      await call<string | undefined>(full, (done) => fs.mkdir(full, { recursive: true }, done));
    } catch (error) {
      if (!isElanusError(error, 'file_not_found')) throw error;
      // On a read-only disk Node answers ENOENT to a recursive call, and the truth to a plain one.
      await call<void>(full, (done) => fs.mkdir(full, done as fs.NoParamCallback));
    }
  }

  rename(from: string, to: string): Promise<void> {
    const target = this.#path(to);
    return call<void>(target, (done) =>
      fs.rename(this.#path(from), target, done as fs.NoParamCallback),
    );
  }

  remove(path: string): Promise<void> {
    const full = this.#path(path);
    return call<void>(full, (done) =>
      fs.rm(full, { recursive: true, force: true }, done as fs.NoParamCallback),
    );
  }

  async syncFolder(path: string): Promise<void> {
    if (process.platform === 'win32') return;
    const full = this.#path(path);
    const fd = await call<number>(full, (done) => fs.open(full, 'r', done));
    try {
      await call<void>(full, (done) => fs.fsync(fd, done as fs.NoParamCallback));
    } finally {
      await call<void>(full, (done) => fs.close(fd, done as fs.NoParamCallback));
    }
  }

  async freeBytes(): Promise<number | undefined> {
    const stat = await call<fs.StatsFs>(this.root, (done) => fs.statfs(this.root, done));
    return stat.bavail * stat.bsize;
  }
}

/**
 * The operating system's file system under `root`, a folder that exists or that `mkdir('')` makes.
 */
export function nodeFs(root: string): Fs {
  return new NodeFs(root);
}

/**
 * Makes a folder and those above it, so that their names survive power loss.
 *
 * @throws ElanusError read_only, disk_full, io_error; invalid_argument when it is a file
 */
export async function makeRootFolder(folder: string): Promise<void> {
  const full = resolve(folder);
  const { root } = parse(full);
  const fs = nodeFs(root);
  const path = full.slice(root.length).replaceAll('\\', '/');
  await makeRoot(fs, path);
  if ((await fs.stat(path))?.kind !== 'file') return;
  const hint = 'This is a file; give a folder, or a name that is free.';
  throw new ElanusError('invalid_argument', { argument: 'where', got: folder, hint });
}
