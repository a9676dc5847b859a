/**
 * A file system to look at and not to change: reads come from the disk, writes stay in memory.
 * Opening a log cuts its torn tail and opening objects sweeps leftovers; a doctor wants to see what
 * an opening would see, and leave the patient as it is.
 */
import { ElanusError, type FileHandle, type FileStat, type Fs } from '@elanus/core';

/** The file system as it is now; what is done to it is forgotten. */
export function frozenFs(disk: Fs): Fs {
  return new FrozenFs(disk);
}

class MemoryHandle implements FileHandle {
  readonly #file: { bytes: Uint8Array };

  constructor(file: { bytes: Uint8Array }) {
    this.#file = file;
  }

  async read(target: Uint8Array, offset: number): Promise<number> {
    const part = this.#file.bytes.subarray(offset, offset + target.length);
    target.set(part);
    return part.length;
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    const end = offset + bytes.length;
    if (end > this.#file.bytes.length) await this.truncate(end);
    this.#file.bytes.set(bytes, offset);
  }

  writev(parts: readonly Uint8Array[], offset: number): Promise<void> {
    return this.write(Buffer.concat(parts), offset);
  }

  async sync(): Promise<void> {}

  async truncate(size: number): Promise<void> {
    const resized = new Uint8Array(size);
    resized.set(this.#file.bytes.subarray(0, size));
    this.#file.bytes = resized;
  }

  async size(): Promise<number> {
    return this.#file.bytes.length;
  }

  async close(): Promise<void> {}
}

class FrozenFs implements Fs {
  readonly root: string;
  readonly #disk: Fs;
  readonly #files = new Map<string, { bytes: Uint8Array }>();
  readonly #folders = new Set<string>();
  readonly #removed = new Set<string>();

  constructor(disk: Fs) {
    this.#disk = disk;
    this.root = disk.root;
  }

  #isRemoved(path: string): boolean {
    for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      if (this.#removed.has(at)) return true;
    }
    return false;
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<FileHandle> {
    const known = this.#files.get(path);
    if (known !== undefined && mode !== 'create') return new MemoryHandle(known);
    if (mode === 'create') {
      const file = { bytes: new Uint8Array(0) };
      this.#files.set(path, file);
      return new MemoryHandle(file);
    }
    if (this.#isRemoved(path)) {
      throw new ElanusError('file_not_found', { path, why: 'removed' });
    }
    if (mode === 'read') return this.#disk.open(path, 'read');
    const file = { bytes: await this.#readAll(path) };
    this.#files.set(path, file);
    return new MemoryHandle(file);
  }

  async #readAll(path: string): Promise<Uint8Array> {
    const handle = await this.open(path, 'read');
    try {
      const bytes = new Uint8Array(await handle.size());
      await handle.read(bytes, 0);
      return bytes;
    } finally {
      await handle.close();
    }
  }

  async stat(path: string): Promise<FileStat | undefined> {
    const known = this.#files.get(path);
    if (known !== undefined) return { kind: 'file', size: known.bytes.length, modifiedMs: 0 };
    if (this.#folders.has(path)) return { kind: 'folder', size: 0, modifiedMs: 0 };
    return this.#isRemoved(path) ? undefined : this.#disk.stat(path);
  }

  async list(path: string): Promise<readonly string[]> {
    const prefix = path === '' ? '' : `${path}/`;
    const there = (await this.#disk.stat(path)) === undefined ? [] : await this.#disk.list(path);
    const names = new Set(there.filter((name) => !this.#isRemoved(prefix + name)));
    for (const known of [...this.#files.keys(), ...this.#folders]) {
      if (!known.startsWith(prefix)) continue;
      const [name = ''] = known.slice(prefix.length).split('/');
      if (name !== '') names.add(name);
    }
    return [...names].sort();
  }

  async mkdir(path: string): Promise<void> {
    this.#folders.add(path);
  }

  async rename(from: string, to: string): Promise<void> {
    const bytes = this.#files.get(from)?.bytes ?? (await this.#readAll(from));
    this.#files.set(to, { bytes });
    await this.remove(from);
  }

  async remove(path: string): Promise<void> {
    this.#removed.add(path);
    const inside = (name: string): boolean => name === path || name.startsWith(`${path}/`);
    for (const name of [...this.#files.keys()].filter(inside)) this.#files.delete(name);
    for (const name of [...this.#folders].filter(inside)) this.#folders.delete(name);
  }

  async syncFolder(): Promise<void> {}

  freeBytes(): Promise<number | undefined> {
    return this.#disk.freeBytes();
  }
}
