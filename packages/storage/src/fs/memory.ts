import { ElanusError, assert } from '@elanus/core';
import type { Clock, FileHandle, FileStat, Fs, Rng } from '@elanus/core';

/** A call that a fault hook may spoil. */
export interface FsCall {
  readonly kind: 'open' | 'read' | 'write' | 'sync' | 'truncate' | 'rename' | 'remove' | 'mkdir';
  readonly path: string;
  /** 0 for the first call of any kind. */
  readonly index: number;
}

/** What the hook makes of a call. `short`: a write that stores only a part, then fails. */
export type FsFault = 'disk_full' | 'read_only' | 'io_error' | 'short' | undefined;

/** How the memory file system behaves. */
export interface MemoryFsOptions {
  readonly clock?: Clock;
  /** Asked before every call. */
  readonly fault?: (call: FsCall) => FsFault;
  /** `lies`: every sync reports success and does nothing. A test of the tests. */
  readonly sync?: 'honest' | 'lies';
}

/** A file system that can lose what was not synced. */
export interface MemoryFs extends Fs {
  /**
   * Power loss: of each file a random part of the unsynced pages is kept, torn at sectors; of each
   * folder a random prefix of the unsynced names. Returns what the machine finds when it is back;
   * this one and its handles are dead, as is the process that used them.
   */
  crash(rng: Rng): MemoryFs;
  /** Replaces the fault hook. */
  setFault(fault: ((call: FsCall) => FsFault) | undefined): void;
  /** Changes one stored byte, as a failing disk does. */
  flipByte(path: string, offset: number): void;
}

const PAGE = 4096;
const SECTOR = 512;

/** A file: what readers see, what the disk holds, and which pages differ. */
interface FileNode {
  readonly kind: 'file';
  bytes: Uint8Array;
  size: number;
  durable: Uint8Array;
  dirty: Set<number>;
  modifiedMs: number;
}

interface FolderNode {
  readonly kind: 'folder';
  names: Map<string, Node>;
  durable: Map<string, Node>;
  /** Changes of names since the last sync, oldest first. */
  pending: { readonly name: string; readonly node: Node | undefined }[];
}

type Node = FileNode | FolderNode;

const newFolder = (): FolderNode => ({
  kind: 'folder',
  names: new Map(),
  durable: new Map(),
  pending: [],
});

function setName(folder: FolderNode, name: string, node: Node | undefined): void {
  if (node === undefined) folder.names.delete(name);
  else folder.names.set(name, node);
  folder.pending.push({ name, node });
}

function applyName(names: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node === undefined) names.delete(name);
  else names.set(name, node);
}

function resize(file: FileNode, size: number): void {
  if (size > file.bytes.length) {
    const grown = new Uint8Array(Math.max(size, file.bytes.length * 2, PAGE));
    grown.set(file.bytes.subarray(0, file.size));
    file.bytes = grown;
  }
  if (size < file.size) file.bytes.fill(0, size, file.size);
  const low = Math.min(size, file.size);
  const high = Math.max(size, file.size);
  for (let page = Math.floor(low / PAGE); page * PAGE < high; page++) file.dirty.add(page);
  file.size = size;
}

/** What the disk holds of a file after power loss. */
function tornFile(file: FileNode, rng: Rng): Uint8Array {
  const grown = Math.max(0, file.size - file.durable.length);
  const size =
    file.size >= file.durable.length
      ? file.durable.length + (grown === 0 ? 0 : rng.u32() % (grown + 1))
      : rng.u32() % 2 === 0
        ? file.size
        : file.durable.length;
  const bytes = new Uint8Array(size);
  bytes.set(file.durable.subarray(0, size));
  for (const page of file.dirty) {
    const fate = rng.u32() % 3;
    if (fate === 0) continue;
    const start = page * PAGE;
    const length = fate === 1 ? PAGE : (rng.u32() % (PAGE / SECTOR)) * SECTOR;
    const end = Math.min(start + length, size, file.size);
    if (end > start) bytes.set(file.bytes.subarray(start, end), start);
  }
  return bytes;
}

function crashFile(file: FileNode, rng: Rng): void {
  if (file.dirty.size > 0 || file.size !== file.durable.length) file.durable = tornFile(file, rng);
  file.bytes = file.durable.slice();
  file.size = file.bytes.length;
  file.dirty = new Set();
}

function crashNode(node: Node, rng: Rng): void {
  if (node.kind === 'file') {
    crashFile(node, rng);
    return;
  }
  const kept = node.pending.length === 0 ? 0 : rng.u32() % (node.pending.length + 1);
  for (const { name, node: child } of node.pending.slice(0, kept)) {
    applyName(node.durable, name, child);
  }
  node.pending = [];
  node.names = new Map(node.durable);
  for (const child of new Set(node.names.values())) crashNode(child, rng);
}

class Memory implements MemoryFs {
  readonly root = ':memory:';
  readonly #options: MemoryFsOptions;
  readonly #tree: FolderNode;
  #fault: ((call: FsCall) => FsFault) | undefined;
  #calls = 0;
  #dead = false;

  constructor(options: MemoryFsOptions, tree: FolderNode) {
    this.#options = options;
    this.#fault = options.fault;
    this.#tree = tree;
  }

  /** Gives the turn away; a machine without power does nothing any more. */
  async #alive(path: string): Promise<void> {
    await Promise.resolve();
    if (this.#dead) throw new ElanusError('io_error', { path, why: 'the power is gone' });
  }

  /** Asks the hook and throws what it says; returns 'short' for the write to handle. */
  async enter(kind: FsCall['kind'], path: string): Promise<'short' | undefined> {
    await this.#alive(path);
    const fault = this.#fault?.({ kind, path, index: this.#calls++ });
    if (fault === undefined || fault === 'short') return fault;
    throw new ElanusError(fault, { path, why: 'injected' });
  }

  get lies(): boolean {
    return this.#options.sync === 'lies';
  }

  wallMs(): number {
    return this.#options.clock?.wallMs() ?? 0;
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#tree;
    for (const name of path.split('/')) {
      if (name === '') continue;
      assert(name !== '..', 'paths stay under the root');
      if (node?.kind !== 'folder') return undefined;
      node = node.names.get(name);
    }
    return node;
  }

  /** The folder that holds a path, with the last name. */
  #parent(path: string): { readonly folder: FolderNode; readonly name: string } {
    const names = path.split('/').filter((name) => name !== '');
    const name = names.pop();
    const folder = this.#find(names.join('/'));
    if (folder?.kind !== 'folder' || name === undefined) {
      throw new ElanusError('file_not_found', { path });
    }
    return { folder, name };
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<FileHandle> {
    await this.enter('open', path);
    const { folder, name } = this.#parent(path);
    const found = folder.names.get(name);
    if (found?.kind === 'folder') throw new ElanusError('io_error', { path, why: 'a folder' });
    if (found !== undefined) {
      if (mode === 'create') resize(found, 0);
      return new MemoryHandle(this, found, path);
    }
    if (mode !== 'create') throw new ElanusError('file_not_found', { path });
    const none = new Uint8Array(0);
    const made: FileNode = {
      kind: 'file',
      bytes: none,
      size: 0,
      durable: none,
      dirty: new Set(),
      modifiedMs: this.wallMs(),
    };
    setName(folder, name, made);
    return new MemoryHandle(this, made, path);
  }

  async stat(path: string): Promise<FileStat | undefined> {
    await this.#alive(path);
    const node = this.#find(path);
    if (node === undefined) return undefined;
    if (node.kind === 'folder') return { kind: 'folder', size: 0, modifiedMs: 0 };
    return { kind: 'file', size: node.size, modifiedMs: node.modifiedMs };
  }

  async list(path: string): Promise<readonly string[]> {
    await this.#alive(path);
    const node = this.#find(path);
    if (node?.kind !== 'folder') throw new ElanusError('file_not_found', { path });
    return [...node.names.keys()].sort();
  }

  async mkdir(path: string): Promise<void> {
    await this.enter('mkdir', path);
    let folder = this.#tree;
    for (const name of path.split('/')) {
      if (name === '') continue;
      let next = folder.names.get(name);
      if (next === undefined) {
        next = newFolder();
        setName(folder, name, next);
      }
      if (next.kind === 'file') throw new ElanusError('io_error', { path, why: 'a file' });
      folder = next;
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await this.enter('rename', to);
    const source = this.#parent(from);
    const target = this.#parent(to);
    const node = source.folder.names.get(source.name);
    if (node === undefined) throw new ElanusError('file_not_found', { path: from });
    setName(target.folder, target.name, node);
    setName(source.folder, source.name, undefined);
  }

  async remove(path: string): Promise<void> {
    await this.enter('remove', path);
    if (this.#find(path) === undefined) return;
    const { folder, name } = this.#parent(path);
    setName(folder, name, undefined);
  }

  async syncFolder(path: string): Promise<void> {
    await this.enter('sync', path);
    const node = this.#find(path);
    if (node?.kind !== 'folder') throw new ElanusError('file_not_found', { path });
    if (this.lies) return;
    node.durable = new Map(node.names);
    node.pending = [];
  }

  freeBytes(): Promise<number | undefined> {
    return Promise.resolve(undefined);
  }

  crash(rng: Rng): MemoryFs {
    this.#dead = true;
    crashNode(this.#tree, rng);
    return new Memory(this.#options, this.#tree);
  }

  setFault(fault: ((call: FsCall) => FsFault) | undefined): void {
    this.#fault = fault;
  }

  flipByte(path: string, offset: number): void {
    const node = this.#find(path);
    assert(node?.kind === 'file' && offset < node.size, 'a byte of a file');
    node.bytes[offset] = (node.bytes[offset] ?? 0) ^ 0xff;
    if (offset < node.durable.length) {
      node.durable[offset] = (node.durable[offset] ?? 0) ^ 0xff;
    }
  }
}

class MemoryHandle implements FileHandle {
  readonly #fs: Memory;
  readonly #file: FileNode;
  readonly #path: string;
  #open = true;

  constructor(fs: Memory, file: FileNode, path: string) {
    this.#fs = fs;
    this.#file = file;
    this.#path = path;
  }

  async #enter(kind: FsCall['kind']): Promise<'short' | undefined> {
    const fault = await this.#fs.enter(kind, this.#path);
    if (!this.#open) {
      throw new ElanusError('io_error', { path: this.#path, why: 'the handle is closed' });
    }
    return fault;
  }

  async read(target: Uint8Array, offset: number): Promise<number> {
    await this.#enter('read');
    const end = Math.min(this.#file.size, offset + target.length);
    if (end <= offset) return 0;
    target.set(this.#file.bytes.subarray(offset, end));
    return end - offset;
  }

  writev(parts: readonly Uint8Array[], offset: number): Promise<void> {
    return this.write(Buffer.concat(parts), offset);
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    const fault = await this.#enter('write');
    const length = fault === 'short' ? bytes.length >>> 1 : bytes.length;
    const file = this.#file;
    if (offset + length > file.size) resize(file, offset + length);
    file.bytes.set(bytes.subarray(0, length), offset);
    const last = Math.floor((offset + length) / PAGE);
    for (let page = Math.floor(offset / PAGE); page <= last; page++) file.dirty.add(page);
    file.modifiedMs = this.#fs.wallMs();
    if (fault === 'short')
      throw new ElanusError('disk_full', { path: this.#path, why: 'injected' });
  }

  async sync(): Promise<void> {
    await this.#enter('sync');
    if (this.#fs.lies) return;
    this.#file.durable = this.#file.bytes.slice(0, this.#file.size);
    this.#file.dirty.clear();
  }

  async truncate(size: number): Promise<void> {
    await this.#enter('truncate');
    resize(this.#file, size);
  }

  async size(): Promise<number> {
    await Promise.resolve();
    return this.#file.size;
  }

  async close(): Promise<void> {
    await Promise.resolve();
    this.#open = false;
  }
}

/** An empty file system in memory, for tests, simulation and databases without a folder. */
export function memoryFs(options: MemoryFsOptions = {}): MemoryFs {
  return new Memory(options, newFolder());
}
