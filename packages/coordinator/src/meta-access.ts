/** Typed access to the metadata store: records by key, transactions that must apply. */
import { ElanusError, type MetaCompare, type MetaOp, type MetaStore } from '@elanus/core';
import { decodeRecord, encodeRecord } from '@elanus/protocol';
import type { Fence } from '@elanus/runtime';

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

/** Who writes. */
export interface Writer {
  /** Unlike that of any other writer: what was written says by whom. */
  readonly name?: string;
  /** Holds while we may write: compared in every transaction. E1. */
  readonly fence?: Fence | undefined;
}

/** See the file's header. */
export class MetaAccess {
  readonly #meta: MetaStore;
  readonly #fence: Fence | undefined;
  readonly #name: string;
  #marks = 0;

  constructor(meta: MetaStore, { name = 'alone', fence }: Writer = {}) {
    this.#meta = meta;
    this.#fence = fence;
    this.#name = name;
  }

  /** Text that no record has yet: two writers that put the same number can be told apart. */
  mark(): string {
    return `${this.#name}-${++this.#marks}`;
  }

  /** @throws ElanusError unavailable when another leads now, whatever we believe */
  async mustLead(): Promise<void> {
    const fence = this.#fence;
    if (fence === undefined) return;
    const held = await this.#meta.get(fence.key);
    if (held?.createRevision === fence.createRevision) return;
    throw new ElanusError('unavailable', {
      what: 'the coordinator',
      hint: 'Another process leads.',
    });
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
   * @throws ElanusError unavailable when another leads now, or nobody knows what became of it
   */
  async txn(compare: readonly MetaCompare[], then: readonly MetaOp[]): Promise<boolean> {
    const fenced = this.#fence === undefined ? compare : [...compare, this.#fence];
    const outcome = await this.#meta.txn({ compare: fenced, then });
    if (outcome.kind === 'ok') return true;
    if (outcome.kind === 'conflict') {
      await this.mustLead();
      return false;
    }
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
