/**
 * One key with its value. Keys are 1 to 512 printable ASCII characters without space, so that every
 * store sorts them alike. Revisions are the store's, global, and rise with each transaction that
 * changes something. `value` belongs to the reader.
 */
export interface MetaEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
}

/**
 * A condition of a transaction. `exists: false` = the key is absent. An absent key has revision 0.
 */
export type MetaCompare =
  | { readonly key: string; readonly modRevision: number }
  | { readonly key: string; readonly createRevision: number }
  | { readonly key: string; readonly exists: boolean };

/**
 * An effect of a transaction. No key twice in one transaction. A put without `leaseId` frees the
 * key of a lease it had. Values are captured at the call.
 */
export type MetaOp =
  | {
      readonly put: string;
      readonly value: Uint8Array;
      /** The key goes when the lease ends. */
      readonly leaseId?: string;
    }
  | { readonly delete: string };

/** At most 128 compares, 128 operations and 1 MiB of keys and values: etcd's limits, everywhere. */
export interface MetaTxn {
  readonly compare: readonly MetaCompare[];
  readonly then: readonly MetaOp[];
}

/** What became of a transaction. `unknown` may have been applied: read back and decide. */
export type MetaTxnOutcome =
  | { readonly kind: 'ok'; readonly revision: number }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'unknown'; readonly cause: unknown };

/** A change seen by a watch. */
export interface MetaChange {
  readonly kind: 'put' | 'delete';
  readonly key: string;
  /** Undefined for a delete. */
  readonly value: Uint8Array | undefined;
  readonly modRevision: number;
}

/** All changes of one transaction that a watch sees: resuming at `revision + 1` misses nothing. */
export interface MetaUpdate {
  readonly revision: number;
  readonly changes: readonly MetaChange[];
}

/** A promise to stay alive; keys put under it vanish when it ends. */
export interface MetaLease {
  readonly id: string;
  /** @throws ElanusError lease_expired when the lease has ended. */
  keepAlive(): Promise<void>;
  revoke(): Promise<void>;
}

/** The port to the metadata store, the only commit point: sqlite, memory, later etcd. */
export interface MetaStore {
  get(key: string): Promise<MetaEntry | undefined>;
  /** Entries whose key starts with `prefix`, by key, with the revision they were read at. */
  range(prefix: string): Promise<{
    readonly entries: readonly MetaEntry[];
    readonly revision: number;
  }>;
  /**
   * Applies all of `then` if every compare holds, atomically and durably. With nothing to change
   * the revision stays. Transactions sent without waiting may be applied in any order.
   *
   * @throws ElanusError txn_too_large, txn_duplicate_key, lease_expired
   */
  txn(txn: MetaTxn): Promise<MetaTxnOutcome>;
  /**
   * Changes under `prefix` with revision >= `fromRevision` (at least 1), in order, gap-free, until
   * `signal` ends it without an error. A hint: decisions read. History does not outlive a reopening
   * of the embedded store. @throws ElanusError revision_compacted when history is gone: list, then
   * watch from the list's revision + 1.
   */
  watch(
    prefix: string,
    options: { readonly fromRevision: number; readonly signal: AbortSignal },
  ): AsyncIterable<MetaUpdate>;
  /** A lease that ends `ttlMs` after the last keep-alive, rounded up as the store needs. */
  grant(ttlMs: number): Promise<MetaLease>;
  /** Forgets history below `revision` (at most the newest); current values stay. */
  compact(revision: number): Promise<void>;
  close(): Promise<void>;
}
