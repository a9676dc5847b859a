/** Typed access to the metadata store: records by key, transactions that must apply. */
import { ElanusError, type MetaCompare, type MetaOp, type MetaStore } from '@elanus/core';
import { decodeRecord, encodeRecord } from '@elanus/protocol';

/** A record with the revision it was read at. */
export interface Held<T> {
  readonly key: string;
  readonly record: T;
  readonly modRevision: number;
}

/** Puts a record. */
export function put(key: string, record: object): MetaOp {
  return { put: key, value: encodeRecord(record) };
}

/** See the file's header. */
export class MetaAccess {
  readonly #meta: MetaStore;

  constructor(meta: MetaStore) {
    this.#meta = meta;
  }

  async get<T>(key: string): Promise<Held<T> | undefined> {
    const entry = await this.#meta.get(key);
    if (entry === undefined) return undefined;
    return { key, record: decodeRecord<T>(entry.value, key), modRevision: entry.modRevision };
  }

  async range<T>(prefix: string): Promise<readonly Held<T>[]> {
    const { entries } = await this.#meta.range(prefix);
    return entries.map(({ key, value, modRevision }) => ({
      key,
      record: decodeRecord<T>(value, key),
      modRevision,
    }));
  }

  /**
   * Applies a transaction. An unknown outcome is settled by reading back the first key it puts.
   * @returns false when a compare failed
   */
  async txn(compare: readonly MetaCompare[], then: readonly MetaOp[]): Promise<boolean> {
    const outcome = await this.#meta.txn({ compare, then });
    if (outcome.kind === 'ok') return true;
    if (outcome.kind === 'conflict') return false;
    const probe = then.find((op) => 'put' in op);
    if (probe !== undefined && 'put' in probe) {
      const entry = await this.#meta.get(probe.put);
      if (entry !== undefined && Buffer.compare(entry.value, probe.value) === 0) return true;
    }
    throw outcome.cause instanceof ElanusError
      ? outcome.cause
      : new ElanusError('unavailable', { what: 'the metadata store' }, { cause: outcome.cause });
  }
}

/** The compare that a record is as it was read. */
export function unchanged(held: Held<unknown>): MetaCompare {
  return { key: held.key, modRevision: held.modRevision };
}
