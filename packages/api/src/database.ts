import type {
  Awaitable,
  BytesColumn,
  CollectionSchema,
  ColumnBatch,
  CompactionStatus,
  Consistency,
  FieldDefinition,
  IndexChoice,
  JobStatus,
  NumberColumn,
  SchemaDefinition,
  SparseColumn,
  Timestamp,
  VectorColumn,
} from '@elanus/core';

/** What bounds one call: who may cancel it, and how long it may take (milliseconds from now). */
export interface Call {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Keys of rows: int64 or varchar, never absent. */
export type KeyColumn = NumberColumn | BytesColumn;

/**
 * A filter as callers give it: the object form, or text with bound parameters. Values are bool,
 * number, bigint, string, Date, Uint8Array, null, arrays and plain objects of those.
 */
export type WireFilter =
  | { readonly kind: 'object'; readonly value: Readonly<Record<string, unknown>> }
  | {
      readonly kind: 'text';
      readonly text: string;
      readonly params: Readonly<Record<string, unknown>>;
    };

/** Makes a collection, or opens the one of this name. */
export interface CreateCollectionRequest {
  readonly name: string;
  readonly definition: SchemaDefinition;
  /**
   * What to do when the name is taken: `open` it when the schema agrees (else schema_mismatch), or
   * `refuse` (collection_exists).
   */
  readonly existing: 'open' | 'refuse';
}

/** A collection as the catalog has it. */
export interface CollectionSummary {
  readonly schema: CollectionSchema;
  readonly aliases: readonly string[];
}

/** A collection with what can be counted about it; counts are those of one consistent read. */
export interface CollectionDetails extends CollectionSummary {
  readonly rowCount: number;
  readonly segments: number;
  /** Bytes of memory its segments hold. */
  readonly memoryBytes: number;
  /** Rows that an index already covers; the others are scanned. */
  readonly indexedRows: number;
  /** Rows on their way to an index: it comes by itself. The others are too few for one. */
  readonly indexingRows: number;
  /** The index of each vector field. */
  readonly indexes: readonly IndexDetails[];
  /** What is being done to its segments, and what failed and is tried again. */
  readonly jobs: readonly JobStatus[];
}

/** The index of one vector field: what was chosen, and how far it is built. */
export interface IndexDetails {
  readonly field: string;
  readonly choice: IndexChoice;
  /** What stands over the rows now, by kind and parameters; 'auto' may choose several. */
  readonly parts: readonly IndexPart[];
  /** Rows under an index of this choice. */
  readonly indexedRows: number;
  /**
   * Rows whose index of this choice is on its way; until it is there, an older one or a scan
   * answers. The rest are too few for an index.
   */
  readonly pendingRows: number;
  readonly bytes: number;
  /** Why the last build failed, while builds of this collection fail; they are tried again. */
  readonly failure?: string | undefined;
}

/** Segments of one collection whose indexes are of one kind. */
export interface IndexPart {
  readonly kind: string;
  readonly params: Readonly<Record<string, number>>;
  readonly segments: number;
  readonly rows: number;
  readonly bytes: number;
}

/** Another index for a vector field. */
export interface SetIndexRequest {
  readonly collection: string;
  readonly field: string;
  readonly index: IndexChoice;
}

/** A compaction to be looked at; while it runs, for a change of it within `waitMs`. */
export interface CompactionRequest {
  readonly id: string;
  /** At most 30,000; 0 when absent. */
  readonly waitMs?: number | undefined;
}

/** Changes to a schema; applied together. */
export interface AlterRequest {
  readonly collection: string;
  /** New fields: nullable or with a default. */
  readonly add?: readonly FieldDefinition[] | undefined;
  readonly drop?: readonly string[] | undefined;
  /** New names by old names. */
  readonly rename?: Readonly<Record<string, string>> | undefined;
  /** How long rows live from now on; null: for ever. What has expired stays so. */
  readonly ttlMs?: number | null | undefined;
}

/** Rows to write. The batch belongs to the callee from the call on. */
export interface WriteRequest {
  readonly collection: string;
  /**
   * The collection that the columns' field ids are of; absent: whichever has the name. Another one
   * that was made under the name since has other fields by the same ids, and refuses:
   * collection_dropped.
   */
  readonly collectionId?: number | undefined;
  /** The version the columns' field ids were taken from; an older one is refused or upgraded. */
  readonly schemaVersion: number;
  /** Every stored field's column, but the key's when the database makes the ids. */
  readonly batch: ColumnBatch;
  readonly mode: 'insert' | 'upsert';
  /** Of inserts, when a key exists: refuse all, leave the old row, or replace it. */
  readonly onConflict: 'error' | 'skip' | 'replace';
  readonly idempotencyKey: string;
}

/** What a write did. */
export interface WriteResult {
  /** Rows written, or deleted. */
  readonly count: number;
  /** The keys, row by row, when the database made them. */
  readonly keys?: KeyColumn | undefined;
  /** A session read at or after this sees the write. */
  readonly timestamp: Timestamp;
}

/** Rows to delete. */
export interface DeleteRequest extends ReadPoint {
  readonly collection: string;
  readonly target:
    | { readonly kind: 'keys'; readonly keys: KeyColumn }
    | { readonly kind: 'filter'; readonly filter: WireFilter }
    | { readonly kind: 'all' };
  readonly idempotencyKey: string;
}

/** What a read has to see. */
export interface ReadPoint {
  readonly consistency: Consistency;
  /** The newest timestamp the client has seen of this collection; for `session`. */
  readonly sessionTimestamp?: Timestamp | undefined;
}

/**
 * Which fields come back: those of `select`, or every scalar field but those of `omit`. Names of no
 * field are keys of `$meta` in dynamic collections (the whole `$meta` column is answered), and
 * unknown_field elsewhere. `$ts` is answered as an int64 column under TIMESTAMP_FIELD_ID.
 */
export interface Projection {
  readonly select?: readonly string[] | undefined;
  readonly omit?: readonly string[] | undefined;
}

/** Bounds on the score; ends count. */
export interface ScoreRange {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

/** Nearest rows to one or many queries. */
export interface SearchRequest extends ReadPoint, Projection {
  readonly collection: string;
  /** May be absent when the collection has one vector field. */
  readonly field?: string | undefined;
  readonly queries: /** Vectors of the field's type. */
    | { readonly kind: 'vectors'; readonly column: VectorColumn | SparseColumn }
    /** The stored vectors of these rows; absent rows are key_not_found. */
    | { readonly kind: 'keys'; readonly keys: KeyColumn };
  readonly limit: number;
  readonly offset: number;
  readonly filter?: WireFilter | undefined;
  readonly within?: ScoreRange | undefined;
  /** Target recall in (0, 1]. */
  readonly recall?: number | undefined;
  /** Parameters of the index, instead of a target. */
  readonly params?: Readonly<Record<string, number>> | undefined;
}

/** Rows read at one instant. */
export interface RowsResult {
  /** The schema the field ids belong to. */
  readonly schemaVersion: number;
  readonly rows: ColumnBatch;
  /** What has been seen: the client's next session timestamp. */
  readonly timestamp: Timestamp;
}

/** Hits of all queries, one behind the other, nearest first; the key's column is always there. */
export interface SearchResult extends RowsResult {
  /** Hits of each query. */
  readonly counts: Uint32Array;
  /** One score for each hit. */
  readonly scores: Float32Array;
}

/** Rows by filter, in ascending order of keys. */
export interface QueryRequest extends ReadPoint, Projection {
  readonly collection: string;
  readonly filter?: WireFilter | undefined;
  readonly limit: number;
  readonly offset: number;
}

/** Rows by key. */
export interface GetRequest extends ReadPoint, Projection {
  readonly collection: string;
  readonly keys: KeyColumn;
}

/** The rows found, and for each the position of its key in the request. */
export interface GetResult extends RowsResult {
  readonly positions: Uint32Array;
}

/** How many rows pass. */
export interface CountRequest extends ReadPoint {
  readonly collection: string;
  readonly filter?: WireFilter | undefined;
}

/** A number of rows at one instant. */
export interface CountResult {
  readonly count: number;
  readonly timestamp: Timestamp;
}

/** One page of all rows that pass. */
export interface ScanRequest extends ReadPoint, Projection {
  readonly collection: string;
  readonly filter?: WireFilter | undefined;
  /** Most rows of the page. */
  readonly pageRows: number;
  /**
   * `next` of the page before; it is bound to that scan's instant, filter and projection, and
   * `consistency` is then ignored.
   */
  readonly page?: string | undefined;
}

/** A page, and the token of the next one while there is more. */
export interface ScanResult extends RowsResult {
  readonly next?: string | undefined;
}

/** How a search was, or would be, answered. Plain JSON. */
export interface Explanation {
  /** The filter's canonical text. */
  readonly filter?: string | undefined;
  readonly way: 'inline' | 'pool';
  /** The least of what its segments measured. */
  readonly expectedRecall: number;
  /** Whether the expected recall was measured for searches like this one, or is only likely. */
  readonly recallIs: 'exact' | 'measured' | 'likely';
  /** Rows whose score was computed in full. */
  readonly candidates: number;
  readonly segments: readonly ExplainedSegment[];
  /** Wall time by stage. */
  readonly stages: readonly { readonly name: string; readonly ms: number }[];
}

/** One segment's part in a search. */
export interface ExplainedSegment {
  readonly id: number;
  readonly state: 'growing' | 'sealed' | 'flushed';
  readonly index: string;
  readonly rows: number;
  /** Rows left by filter and visibility. */
  readonly matching: number;
  /** How its rows were found: 'exact', 'codes', 'graph', 'graph-test', 'graph-two-hop', 'mixed'. */
  readonly strategy: string;
  /** Rows whose score was computed in full, over all queries. */
  readonly candidates: number;
  /** Distances computed from 8-bit codes, over all queries. */
  readonly distances: number;
  /** Whether statistics ruled it out. */
  readonly pruned: boolean;
}

/** A run of ids that belong to the caller alone. */
export interface IdBlock {
  readonly first: bigint;
  readonly count: number;
}

/** How the database is. */
export interface Health {
  readonly status: 'ok' | 'starting' | 'degraded';
  readonly version: string;
  /** What an acknowledged write survives. */
  readonly durability: 'process' | 'node' | 'power';
}

/**
 * THE seam between clients and the database: the proxy implements it, the typed client speaks it
 * directly in process, HTTP carries it between processes. Rows are columns here; names, filters and
 * levels are as callers gave them. Every failure is an `ElanusError`; every method honours
 * `call.signal` (cancelled) and `call.timeoutMs` (deadline_exceeded).
 */
export interface Database {
  createCollection(request: CreateCollectionRequest, call?: Call): Promise<CollectionSummary>;
  /** Opens by name or alias. @throws collection_not_found */
  openCollection(collection: string, call?: Call): Promise<CollectionSummary>;
  describeCollection(collection: string, call?: Call): Promise<CollectionDetails>;
  listCollections(call?: Call): Promise<readonly CollectionSummary[]>;
  alterCollection(request: AlterRequest, call?: Call): Promise<CollectionSummary>;
  renameCollection(
    request: { readonly collection: string; readonly to: string },
    call?: Call,
  ): Promise<void>;
  /** Points an alias at a collection, or removes it (`collection` absent). */
  setAlias(
    request: { readonly alias: string; readonly collection?: string | undefined },
    call?: Call,
  ): Promise<void>;
  dropCollection(collection: string, call?: Call): Promise<void>;
  /**
   * Chooses another index for a vector field. Returns when that is kept; segments are built again
   * one by one, and each is served by its old index until then. Idempotent.
   */
  setIndex(request: SetIndexRequest, call?: Call): Promise<void>;
  /**
   * Begins to merge the segments of a collection and to remove what nobody may read any more;
   * answers when that has begun. Each call is a compaction of its own, and one job serves them all.
   */
  compact(collection: string, call?: Call): Promise<CompactionStatus>;
  /** How far a compaction is. @throws compaction_not_found */
  describeCompaction(request: CompactionRequest, call?: Call): Promise<CompactionStatus>;
  /** Ends a compaction; what it has done stays. @throws compaction_not_found */
  cancelCompaction(id: string, call?: Call): Promise<CompactionStatus>;
  /** Takes ids for rows to come, so that a retried write sends the same bytes. */
  reserveIds(
    request: { readonly collection: string; readonly count: number },
    call?: Call,
  ): Promise<IdBlock>;
  write(request: WriteRequest, call?: Call): Promise<WriteResult>;
  delete(request: DeleteRequest, call?: Call): Promise<WriteResult>;
  /** Answered in the turn of the call where nothing has to be waited for. */
  search(request: SearchRequest, call?: Call): Awaitable<SearchResult>;
  query(request: QueryRequest, call?: Call): Promise<RowsResult>;
  get(request: GetRequest, call?: Call): Promise<GetResult>;
  count(request: CountRequest, call?: Call): Promise<CountResult>;
  scan(request: ScanRequest, call?: Call): Promise<ScanResult>;
  explain(request: SearchRequest, call?: Call): Promise<Explanation>;
  health(call?: Call): Promise<Health>;
  /** Idempotent; later calls end in handle_closed. */
  close(): Promise<void>;
}
