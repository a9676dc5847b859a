import { crc32 } from '@elanus/kernels/checksum';
import { ElanusError } from '@elanus/core';
import type { Clock, ObjectListing, ObjectStat, ObjectStore } from '@elanus/core';
import { closedError } from '../log/append-check.ts';
import { checkObjectName } from './name-check.ts';

interface Stored {
  readonly bytes: Uint8Array;
  readonly crc32: number;
  readonly modifiedMs: number;
}

/** What a memory store holds: outlives the store, so that a test can open it again. */
export interface MemoryObjectContent {
  readonly objects: Map<string, Stored>;
}

/** How the memory store behaves. */
export interface MemoryObjectOptions {
  readonly clock: Clock;
  readonly data?: MemoryObjectContent;
}

/** Bytes copied or summed in one turn of the event loop: a tenth of a millisecond or two. */
const TURN_BYTES = 512 * 1024;

/** Holds no objects yet. */
export function memoryObjectContent(): MemoryObjectContent {
  return { objects: new Map() };
}

class MemoryObjectStore implements ObjectStore {
  readonly #clock: Clock;
  readonly #objects: Map<string, Stored>;
  readonly #putting = new Set<string>();
  #closed = false;
  /** Bytes worked on since the last turn this store asked for. */
  #sinceTurn = 0;

  constructor(options: MemoryObjectOptions) {
    this.#clock = options.clock;
    this.#objects = (options.data ?? memoryObjectContent()).objects;
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
    if (this.#objects.has(name) || this.#putting.has(name)) {
      throw new ElanusError('object_exists', { name });
    }
    this.#putting.add(name);
    try {
      const pieces: Uint8Array[] = [];
      let sum = 0;
      let size = 0;
      for await (const part of parts) {
        for await (const piece of this.#pieces(part)) {
          pieces.push(piece.slice());
          sum = crc32(piece, sum);
          size += piece.length;
        }
      }
      const bytes = await this.#join(pieces, size);
      const stored = { bytes, crc32: sum, modifiedMs: this.#clock.wallMs() };
      this.#objects.set(name, stored);
      return statOf(name, stored);
    } finally {
      this.#putting.delete(name);
    }
  }

  /** What one turn takes of some bytes, turn by turn. */
  async *#pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += TURN_BYTES) {
      const piece = bytes.subarray(at, at + TURN_BYTES);
      yield piece;
      this.#sinceTurn += piece.length;
      if (this.#sinceTurn < TURN_BYTES) continue;
      this.#sinceTurn = 0;
      await this.#clock.turn();
    }
  }

  async #join(pieces: readonly Uint8Array[], size: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const part of pieces) {
      for await (const piece of this.#pieces(part)) {
        bytes.set(piece, at);
        at += piece.length;
      }
    }
    return bytes;
  }

  #find(name: string): Stored {
    this.#check(name);
    const stored = this.#objects.get(name);
    if (stored === undefined) throw new ElanusError('object_not_found', { name });
    return stored;
  }

  async get(name: string): Promise<Uint8Array> {
    await this.verify(name);
    const { bytes } = this.#find(name);
    return this.#join([bytes], bytes.length);
  }

  async readInto(name: string, offset: number, target: Uint8Array): Promise<void> {
    const { bytes } = this.#find(name);
    if (offset + target.length > bytes.length) {
      const why = `bytes ${offset} to ${offset + target.length} of ${bytes.length}`;
      throw new ElanusError('object_corrupt', { name, why });
    }
    let at = 0;
    for await (const piece of this.#pieces(bytes.subarray(offset, offset + target.length))) {
      target.set(piece, at);
      at += piece.length;
    }
  }

  async stat(name: string): Promise<ObjectStat | undefined> {
    this.#check(name);
    const stored = this.#objects.get(name);
    return stored === undefined ? undefined : statOf(name, stored);
  }

  async verify(name: string): Promise<void> {
    const stored = this.#find(name);
    let sum = 0;
    for await (const piece of this.#pieces(stored.bytes)) sum = crc32(piece, sum);
    if (sum === stored.crc32) return;
    throw new ElanusError('object_corrupt', { name, why: 'checksum differs' });
  }

  async *list(prefix: string): AsyncGenerator<ObjectListing> {
    if (this.#closed) throw closedError('objects');
    for (const name of [...this.#objects.keys()].filter((one) => one.startsWith(prefix)).sort()) {
      const stored = this.#objects.get(name);
      if (stored === undefined) continue;
      yield { name, size: stored.bytes.length, modifiedMs: stored.modifiedMs };
    }
  }

  async remove(name: string): Promise<void> {
    this.#check(name);
    this.#objects.delete(name);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}

function statOf(name: string, stored: Stored): ObjectStat {
  const { crc32: sum, modifiedMs } = stored;
  return { name, size: stored.bytes.length, crc32: sum, modifiedMs };
}

/** Objects in memory. */
export function memoryObjectStore(options: MemoryObjectOptions): ObjectStore {
  return new MemoryObjectStore(options);
}
