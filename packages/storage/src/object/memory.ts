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

/** Holds no objects yet. */
export function memoryObjectContent(): MemoryObjectContent {
  return { objects: new Map() };
}

class MemoryObjectStore implements ObjectStore {
  readonly #clock: Clock;
  readonly #objects: Map<string, Stored>;
  readonly #putting = new Set<string>();
  #closed = false;

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
      const chunks: Uint8Array[] = [];
      for await (const part of parts) chunks.push(part.slice());
      const bytes = new Uint8Array(Buffer.concat(chunks));
      const stored = { bytes, crc32: crc32(bytes), modifiedMs: this.#clock.wallMs() };
      this.#objects.set(name, stored);
      return statOf(name, stored);
    } finally {
      this.#putting.delete(name);
    }
  }

  #find(name: string): Stored {
    this.#check(name);
    const stored = this.#objects.get(name);
    if (stored === undefined) throw new ElanusError('object_not_found', { name });
    return stored;
  }

  async get(name: string): Promise<Uint8Array> {
    await this.verify(name);
    return this.#find(name).bytes.slice();
  }

  async readInto(name: string, offset: number, target: Uint8Array): Promise<void> {
    const { bytes } = this.#find(name);
    if (offset + target.length > bytes.length) {
      const why = `bytes ${offset} to ${offset + target.length} of ${bytes.length}`;
      throw new ElanusError('object_corrupt', { name, why });
    }
    target.set(bytes.subarray(offset, offset + target.length));
  }

  async stat(name: string): Promise<ObjectStat | undefined> {
    this.#check(name);
    const stored = this.#objects.get(name);
    return stored === undefined ? undefined : statOf(name, stored);
  }

  async verify(name: string): Promise<void> {
    const stored = this.#find(name);
    if (crc32(stored.bytes) === stored.crc32) return;
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
