import { crc32 } from '@elanus/kernels/checksum';
import { ElanusError, isElanusError } from '@elanus/core';
import type { FileHandle, Fs, ObjectListing, ObjectStat, ObjectStore } from '@elanus/core';
import { listFolder, makeFolder } from '../fs/folder.ts';
import { closedError } from '../log/append-check.ts';
import type { Footer } from './footer.ts';
import { FOOTER_BYTES, nameSum, OBJECT_FORMAT, readFooter, writeFooter } from './footer.ts';
import { checkObjectName } from './name-check.ts';

/** How objects are kept as files. */
export interface FileObjectOptions {
  readonly fs: Fs;
  /** Where in the file system. Default `objects`. */
  readonly folder?: string;
  /** `process` leaves out the syncs. Default `power`. */
  readonly durability?: 'process' | 'power';
}

/** Where files are written before they get their name; no object can lie there. */
const TMP = '.tmp';

/** Bytes written or checked in one turn of the event loop. */
const CHUNK_BYTES = 512 * 1024;

/** Files of a folder looked at together. */
const STATS_AT_ONCE = 64;

class FileObjectStore implements ObjectStore {
  readonly #fs: Fs;
  readonly #folder: string;
  readonly #sync: boolean;
  readonly #putting = new Set<string>();
  /** Folders whose names are safe, so that a put costs no look at each of them. */
  readonly #safe = new Set<string>();
  #nextTmp = 1;
  #closed = false;

  constructor(options: FileObjectOptions) {
    this.#fs = options.fs;
    this.#folder = options.folder ?? 'objects';
    this.#sync = options.durability !== 'process';
  }

  /** Makes the folders and removes what a crash left unfinished. */
  async sweep(): Promise<void> {
    await this.#fs.remove(this.#path(TMP));
    await makeFolder(this.#fs, this.#path(TMP), this.#safe);
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  #check(name: string): void {
    if (this.#closed) throw closedError('objects');
    checkObjectName(name);
  }

  async put(
    name: string,
    parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<ObjectStat> {
    this.#check(name);
    if (this.#putting.has(name)) throw new ElanusError('object_exists', { name });
    this.#putting.add(name);
    const tmp = this.#path(`${TMP}/${this.#nextTmp++}`);
    try {
      if ((await this.#fs.stat(this.#path(name))) !== undefined) {
        throw new ElanusError('object_exists', { name });
      }
      const { size, sum } = await this.#write({ path: tmp, name }, parts);
      await this.#publish(tmp, name);
      const stat = await this.#fs.stat(this.#path(name));
      return { name, size, crc32: sum, modifiedMs: stat?.modifiedMs ?? 0 };
    } catch (error) {
      await this.#fs.remove(tmp).catch(() => undefined);
      throw error;
    } finally {
      this.#putting.delete(name);
    }
  }

  async #write(
    { path, name }: { readonly path: string; readonly name: string },
    parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<{ readonly size: number; readonly sum: number }> {
    const handle = await this.#fs.open(path, 'create');
    let size = 0;
    let sum = 0;
    try {
      for await (const part of parts) {
        for (let at = 0; at < part.byteLength; at += CHUNK_BYTES) {
          const chunk = part.subarray(at, at + CHUNK_BYTES);
          sum = crc32(chunk, sum);
          await handle.write(chunk, size);
          size += chunk.byteLength;
        }
      }
      const footer = writeFooter({ size, crc32: sum, name: nameSum(name) });
      await handle.write(footer, size);
      if (this.#sync) await handle.sync();
    } finally {
      await handle.close();
    }
    return { size, sum };
  }

  /** Gives the finished file its name, durably. */
  async #publish(tmp: string, name: string): Promise<void> {
    const path = this.#path(name);
    const parent = path.slice(0, path.lastIndexOf('/'));
    await makeFolder(this.#fs, parent, this.#safe);
    await this.#fs.rename(tmp, path);
    if (this.#sync) await this.#fs.syncFolder(parent);
  }

  /** Opens an object's file and checks its footer. */
  async #open(
    name: string,
  ): Promise<{ readonly handle: FileHandle; readonly footer: Footer } | undefined> {
    this.#check(name);
    let handle: FileHandle;
    try {
      const stat = await this.#fs.stat(this.#path(name));
      if (stat?.kind !== 'file') return undefined;
      handle = await this.#fs.open(this.#path(name), 'read');
    } catch (error) {
      if (isElanusError(error, 'file_not_found')) return undefined;
      throw error;
    }
    try {
      return { handle, footer: await checkedFooter(handle, name) };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Opens an object that must exist, and closes it behind the work. */
  async #with<T>(
    name: string,
    work: (handle: FileHandle, footer: Footer) => Promise<T>,
  ): Promise<T> {
    const found = await this.#open(name);
    if (found === undefined) throw new ElanusError('object_not_found', { name });
    try {
      return await work(found.handle, found.footer);
    } finally {
      await found.handle.close();
    }
  }

  get(name: string): Promise<Uint8Array> {
    return this.#with(name, async (handle, footer) => {
      const bytes = new Uint8Array(footer.size);
      let sum = 0;
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
        const chunk = bytes.subarray(at, at + CHUNK_BYTES);
        await readFully(handle, at, { name, chunk });
        sum = crc32(chunk, sum);
      }
      checkSum(name, sum, footer);
      return bytes;
    });
  }

  readInto(name: string, offset: number, target: Uint8Array): Promise<void> {
    return this.#with(name, async (handle, footer) => {
      if (offset + target.length > footer.size) {
        const why = `bytes ${offset} to ${offset + target.length} of ${footer.size}`;
        throw new ElanusError('object_corrupt', { name, why });
      }
      await readFully(handle, offset, { name, chunk: target });
    });
  }

  async stat(name: string): Promise<ObjectStat | undefined> {
    const found = await this.#open(name);
    if (found === undefined) return undefined;
    await found.handle.close();
    const stat = await this.#fs.stat(this.#path(name));
    const { size, crc32: sum } = found.footer;
    return { name, size, crc32: sum, modifiedMs: stat?.modifiedMs ?? 0 };
  }

  verify(name: string): Promise<void> {
    return this.#with(name, async (handle, footer) => {
      const buffer = new Uint8Array(Math.min(CHUNK_BYTES, footer.size));
      let sum = 0;
      for (let at = 0; at < footer.size; at += CHUNK_BYTES) {
        const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, footer.size - at));
        await readFully(handle, at, { name, chunk });
        sum = crc32(chunk, sum);
      }
      checkSum(name, sum, footer);
    });
  }

  async *list(prefix: string): AsyncGenerator<ObjectListing> {
    if (this.#closed) throw closedError('objects');
    yield* this.#walk('', prefix);
  }

  /** A folder sorts as if its name ended in `/`: then the walk is in order of whole names. */
  async *#walk(folder: string, prefix: string): AsyncGenerator<ObjectListing> {
    const entries = (await listFolder(this.#fs, this.#path(folder)))
      .map((entry) => folder + entry)
      .filter((name) => name !== TMP && (name.startsWith(prefix) || prefix.startsWith(name)));
    const found: ObjectListing[] = [];
    for (let at = 0; at < entries.length; at += STATS_AT_ONCE) {
      const some = entries.slice(at, at + STATS_AT_ONCE);
      const stats = await Promise.all(some.map((name) => this.#fs.stat(this.#path(name))));
      for (const [i, name] of some.entries()) {
        const stat = stats[i];
        if (stat === undefined) continue;
        const { kind, size, modifiedMs } = stat;
        if (kind === 'folder') found.push({ name: `${name}/`, size: 0, modifiedMs });
        else found.push({ name, size: Math.max(0, size - FOOTER_BYTES), modifiedMs });
      }
    }
    for (const one of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (one.name.endsWith('/')) yield* this.#walk(one.name, prefix);
      else if (one.name.startsWith(prefix)) yield one;
    }
  }

  async remove(name: string): Promise<void> {
    this.#check(name);
    const path = this.#path(name);
    if ((await this.#fs.stat(path))?.kind !== 'file') return;
    await this.#fs.remove(path);
    if (this.#sync) await this.#fs.syncFolder(path.slice(0, path.lastIndexOf('/')));
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}

async function checkedFooter(handle: FileHandle, name: string): Promise<Footer> {
  const size = await handle.size();
  const bytes = Buffer.alloc(FOOTER_BYTES);
  const got = size < FOOTER_BYTES ? 0 : await handle.read(bytes, size - FOOTER_BYTES);
  const footer = got === FOOTER_BYTES ? readFooter(bytes) : undefined;
  if (footer !== undefined && footer.version > OBJECT_FORMAT) {
    const { version } = footer;
    throw new ElanusError('format_too_new', { what: name, version, supported: OBJECT_FORMAT });
  }
  if (footer?.size !== size - FOOTER_BYTES) {
    throw new ElanusError('object_corrupt', { name, why: 'the end of the file is missing' });
  }
  if (footer.name !== undefined && footer.name !== nameSum(name)) {
    throw new ElanusError('object_corrupt', { name, why: 'it is the file of another object' });
  }
  return footer;
}

async function readFully(
  handle: FileHandle,
  offset: number,
  into: { readonly name: string; readonly chunk: Uint8Array },
): Promise<void> {
  if ((await handle.read(into.chunk, offset)) === into.chunk.length) return;
  throw new ElanusError('object_corrupt', { name: into.name, why: 'the file became shorter' });
}

function checkSum(name: string, sum: number, footer: Footer): void {
  if (sum === footer.crc32) return;
  throw new ElanusError('object_corrupt', { name, why: 'checksum differs' });
}

/**
 * Objects as plain files below a folder: written aside, synced, renamed, and the folder synced. A
 * checksum stands behind the payload. Leftovers of a crash are swept when it opens.
 */
export async function fileObjectStore(options: FileObjectOptions): Promise<ObjectStore> {
  const store = new FileObjectStore(options);
  await store.sweep();
  return store;
}
