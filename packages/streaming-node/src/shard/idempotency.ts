import {
  idempotencyKeyMs,
  LIMITS,
  timestampFromMs,
  timestampMs,
  type Column,
  type ColumnBatch,
  type Timestamp,
} from '@elanus/core';
import { crc32 } from '@elanus/kernels/checksum';

/** What a remembered write answered. */
export interface RememberedWrite {
  readonly count: number;
  readonly timestamp: Timestamp;
  readonly payloadHash: number;
  /** Absent: it was written by a release that did not keep them. */
  readonly rows?: WrittenRows;
}

/** Which rows a write was about, whatever the schema says that rows have besides. */
export interface WrittenRows {
  /** Of the fields that they came with; 31 bits, never 0. */
  readonly fieldsHash: number;
  /** Of what is done with them, and of their keys, in order. */
  readonly keysHash: number;
}

/** A write that comes with a key. */
export interface NamedWrite {
  readonly payloadHash: number;
  readonly rows: WrittenRows;
}

/**
 * Whether a write is the one that is remembered. By another schema the same rows are other bytes:
 * then their keys decide.
 */
export function isSameWrite(
  known: Pick<RememberedWrite, 'payloadHash' | 'rows'>,
  { payloadHash, rows }: NamedWrite,
): boolean {
  if (known.payloadHash === payloadHash) return true;
  const before = known.rows;
  if (before === undefined || before.fieldsHash === rows.fieldsHash) return false;
  return before.keysHash === rows.keysHash;
}

/** The hash of the fields of rows. */
export function hashFields({ columns }: ColumnBatch): number {
  const ids = Uint32Array.from(columns.keys());
  return crc32(new Uint8Array(ids.buffer)) >>> 1 || 1;
}

const encoder = new TextEncoder();

/** Where the hash of the keys of a write begins: to delete rows is not to write them. */
export function hashKind(kind: string): number {
  return crc32(encoder.encode(kind));
}

/** The hash of keys behind others of the same write: it does not matter how they were cut. */
export function hashKeys(keys: Column, before: number): number {
  if (keys.kind !== 'varchar') {
    const { buffer, byteOffset, byteLength } = (keys as { readonly values: BigInt64Array }).values;
    return crc32(new Uint8Array(buffer, byteOffset, byteLength), before);
  }
  const { data, offsets } = keys;
  return crc32(data.subarray(offsets[0], offsets[offsets.length - 1]), before);
}

/**
 * Idempotency keys of a vchannel: those of the last 15 minutes, at most 100,000. Folded from the
 * log by `apply`, kept in the recovery snapshot, so that a retry after a restart finds its answer.
 */
export class IdempotencyWindow {
  readonly #writes = new Map<string, RememberedWrite>();
  #forgottenMs = 0;

  get size(): number {
    return this.#writes.size;
  }

  get(key: string): RememberedWrite | undefined {
    return this.#writes.get(key);
  }

  /**
   * Keys that were made by then may have been forgotten, whatever the calendar says now: it was
   * ahead, the window went on, and then it was set back.
   */
  get forgottenMs(): number {
    return this.#forgottenMs;
  }

  /** Keys that were made by then are forgotten. */
  forget(madeMs: number): void {
    this.#forgottenMs = Math.max(this.#forgottenMs, madeMs);
  }

  /** Remembers a write, in timestamp order, and forgets what has left the window. */
  remember(key: string, write: RememberedWrite): void {
    this.#writes.set(key, write);
    const oldest = timestampFromMs(timestampMs(write.timestamp) - LIMITS.idempotencyWindowMs);
    for (const [old, { timestamp }] of this.#writes) {
      const over = this.#writes.size > LIMITS.idempotencyKeysMax;
      if (!over && timestamp >= oldest) break;
      this.#writes.delete(old);
      // Whose calendar is ahead does not speak for others.
      const madeMs = Math.min(idempotencyKeyMs(old) ?? 0, timestampMs(timestamp));
      if (timestamp < oldest) this.forget(madeMs);
    }
  }

  entries(): IterableIterator<[string, RememberedWrite]> {
    return this.#writes.entries();
  }
}
