import type {
  Clock,
  MetaChange,
  MetaEntry,
  MetaLease,
  MetaStore,
  MetaTxn,
  MetaTxnOutcome,
  MetaUpdate,
} from '@elanus/core';
import { ElanusError } from '@elanus/core';
import { closedError } from '../log/append-check.ts';
import { compareHolds } from './compare.ts';
import { History } from './history.ts';
import { Leases } from './leases.ts';
import { checkKey, checkTxn } from './txn-check.ts';

interface Stored extends MetaEntry {
  readonly leaseId: string | undefined;
}

/** What a memory store holds: outlives the store, so that a test can open it again. */
export interface MemoryMetaContent {
  readonly entries: Map<string, Stored>;
  revision: number;
}

/** What becomes of a transaction: `applied` and `lost` are answered `unknown`. */
export type MetaFault = 'applied' | 'lost' | undefined;

/** How the memory store behaves. */
export interface MemoryMetaOptions {
  readonly clock: Clock;
  readonly data?: MemoryMetaContent;
  /** Asked at each transaction. */
  readonly fault?: (txn: MetaTxn) => MetaFault;
}

/** Holds no keys yet. */
export function memoryMetaContent(): MemoryMetaContent {
  return { entries: new Map(), revision: 0 };
}

const copy = (entry: Stored): MetaEntry => ({
  key: entry.key,
  value: entry.value.slice(),
  createRevision: entry.createRevision,
  modRevision: entry.modRevision,
});

function unanswered(): MetaTxnOutcome {
  return { kind: 'unknown', cause: new ElanusError('unavailable', { what: 'metadata' }) };
}

class MemoryMetaStore implements MetaStore {
  readonly #options: MemoryMetaOptions;
  readonly #data: MemoryMetaContent;
  readonly #history: History;
  readonly #leases: Leases;
  #closed = false;

  constructor(options: MemoryMetaOptions) {
    this.#options = options;
    this.#data = options.data ?? memoryMetaContent();
    this.#history = new History(this.#data.revision);
    this.#leases = new Leases(options.clock, async (leaseId) => this.#endLease(leaseId));
    this.#dropLeased(() => true);
  }

  #check(): void {
    if (this.#closed) throw closedError('metadata');
  }

  async get(key: string): Promise<MetaEntry | undefined> {
    this.#check();
    checkKey(key);
    const entry = this.#data.entries.get(key);
    return entry === undefined ? undefined : copy(entry);
  }

  async range(
    prefix: string,
  ): Promise<{ readonly entries: readonly MetaEntry[]; readonly revision: number }> {
    this.#check();
    const keys = [...this.#data.entries.keys()].filter((key) => key.startsWith(prefix)).sort();
    const entries = keys.flatMap((key) => {
      const entry = this.#data.entries.get(key);
      return entry === undefined ? [] : [copy(entry)];
    });
    return { entries, revision: this.#data.revision };
  }

  async txn(txn: MetaTxn): Promise<MetaTxnOutcome> {
    this.#check();
    checkTxn(txn);
    for (const op of txn.then) {
      if ('put' in op && op.leaseId !== undefined) this.#leases.check(op.leaseId);
    }
    const fault = this.#options.fault?.(txn);
    if (fault === 'lost') return unanswered();
    for (const compare of txn.compare) {
      if (!compareHolds(compare, this.#data.entries.get(compare.key))) return { kind: 'conflict' };
    }
    this.#apply(txn);
    if (fault === 'applied') return unanswered();
    return { kind: 'ok', revision: this.#data.revision };
  }

  #apply(txn: MetaTxn): void {
    const { entries } = this.#data;
    const modRevision = this.#data.revision + 1;
    const changes: MetaChange[] = [];
    for (const op of txn.then) {
      if ('delete' in op) {
        if (!entries.delete(op.delete)) continue;
        changes.push({ kind: 'delete', key: op.delete, value: undefined, modRevision });
        continue;
      }
      const key = op.put;
      const value = op.value.slice();
      const createRevision = entries.get(key)?.createRevision ?? modRevision;
      entries.set(key, { key, value, createRevision, modRevision, leaseId: op.leaseId });
      changes.push({ kind: 'put', key, value, modRevision });
    }
    this.#record(changes, modRevision);
  }

  #record(changes: readonly MetaChange[], revision: number): void {
    if (changes.length === 0) return;
    this.#data.revision = revision;
    this.#history.add({ revision, changes });
  }

  /** Deletes keys by their lease, in one revision. */
  #dropLeased(which: (leaseId: string) => boolean): void {
    const modRevision = this.#data.revision + 1;
    const changes: MetaChange[] = [];
    for (const { key, leaseId } of this.#data.entries.values()) {
      if (leaseId === undefined || !which(leaseId)) continue;
      this.#data.entries.delete(key);
      changes.push({ kind: 'delete', key, value: undefined, modRevision });
    }
    this.#record(changes, modRevision);
  }

  #endLease(ended: string): void {
    if (!this.#closed) this.#dropLeased((leaseId) => leaseId === ended);
  }

  watch(
    prefix: string,
    options: { readonly fromRevision: number; readonly signal: AbortSignal },
  ): AsyncIterable<MetaUpdate> {
    return this.#history.watch(prefix, options);
  }

  async grant(ttlMs: number): Promise<MetaLease> {
    this.#check();
    return this.#leases.grant(ttlMs);
  }

  async compact(revision: number): Promise<void> {
    this.#check();
    this.#history.compact(Math.min(revision, this.#data.revision));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#leases.close();
    this.#history.close();
  }
}

/** Metadata in memory. Leases do not outlive the store: their keys go when it is opened again. */
export function memoryMetaStore(options: MemoryMetaOptions): MetaStore {
  return new MemoryMetaStore(options);
}
