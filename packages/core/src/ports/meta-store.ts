/** One key with its value. Revisions are the store's, global and rising with each transaction. */
export interface MetaEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
}

/** A condition of a transaction. `exists: false` = the key is absent. */
export type MetaCompare =
  | { readonly key: string; readonly modRevision: number }
  | { readonly key: string; readonly createRevision: number }
  | { readonly key: string; readonly exists: boolean };

/** An effect of a transaction. No key twice in one transaction. */
export type MetaOp =
  | {
      readonly put: string;
      readonly value: Uint8Array;
      /** The key goes when the lease ends. */
      readonly leaseId?: string;
    }
  | { readonly delete: string };

/** At most 128 compares and 128 operations: etcd's limits, everywhere. */
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
  /** Applies all of `then` if every compare holds, atomically and durably. */
  txn(txn: MetaTxn): Promise<MetaTxnOutcome>;
  /**
   * Changes under `prefix` with modRevision >= `fromRevision`, in order, gap-free, until `signal`.
   * A hint: decisions read. @throws ElanusError revision_compacted when history is gone.
   */
  watch(
    prefix: string,
    options: { readonly fromRevision: number; readonly signal: AbortSignal },
  ): AsyncIterable<MetaChange>;
  grant(ttlMs: number): Promise<MetaLease>;
  /** Forgets history below `revision`; current values stay. */
  compact(revision: number): Promise<void>;
  close(): Promise<void>;
}
