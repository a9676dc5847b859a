import type { CollectionDetails, Explanation, ScoreRange } from '@elanus/api';
import type { CollectionSchema, Consistency, IndexChoice } from '@elanus/core';
import type { ArrowTable } from './columns.ts';
import type { Compacted, CompactOptions } from './compact.ts';
import type {
  ColumnsOf,
  FieldOption,
  Filter,
  HitOf,
  InsertOf,
  KeyOf,
  Projected,
  QueryOf,
  ScalarName,
  Selectable,
  VectorName,
  WriteOutcome,
} from './infer.ts';
import type { CallSettings } from './retry.ts';
import type { Fields } from './schema.ts';

/** What every read may say. */
export interface ReadOptions extends CallSettings {
  /** The database's level when absent: `session`. */
  readonly consistency?: Consistency | undefined;
}

/** What every write may say. */
export interface WriteOptions extends CallSettings {
  /**
   * Made by the client when absent: 1 to 128 bytes that stand for the whole call. The same call
   * with the same key and rows has one effect within 15 minutes: what was done is answered again,
   * the rest is done. Give your own to repeat across restarts.
   *
   * Where the database makes the keys of rows, only the same client can repeat (it remembers which
   * ones it took, of its last 1,000 calls): any other is refused with idempotency_mismatch, and
   * nothing is written twice. What has to be repeated across restarts needs keys of the caller's.
   */
  readonly idempotencyKey?: string | undefined;
}

/** What an insert may say. */
export interface InsertOptions extends WriteOptions {
  /** When a key exists: refuse the write (the default), leave the old row, or replace it. */
  readonly onConflict?: 'error' | 'skip' | 'replace' | undefined;
  /** Called after each acknowledged batch. */
  readonly onProgress?: ((progress: { readonly rows: number }) => void) | undefined;
}

/** Every form rows can come in. */
export type RowSource<S extends Fields, D extends boolean> =
  | readonly InsertOf<S, D>[]
  | ColumnsOf<S>
  | ArrowTable
  | Iterable<InsertOf<S, D>>
  | AsyncIterable<InsertOf<S, D>>;

type Names<S, D> = readonly Selectable<S, D>[] | undefined;
type Omitted<S> = readonly ScalarName<S>[] | undefined;

interface Projecting<Select, Omit> {
  /** The fields to answer; `[]`: key and score only. */
  readonly select?: Select;
  /** Scalar fields to leave out. */
  readonly omit?: Omit;
}

interface Filtering<S, D extends boolean> {
  readonly filter?: Filter<S, D> | undefined;
}

interface Paging {
  readonly limit?: number;
  readonly offset?: number;
}

interface Tuning {
  /** Bounds on the score; ends count. */
  readonly within?: ScoreRange;
  /** Share of the true neighbours to be found, above 0, at most 1 (exact); 0.98 when not said. */
  readonly recall?: number;
  /**
   * Instead: `ef`, how many results a walk of a graph looks for; `nprobe`, how many lists of an IVF
   * index are looked at; `refine`, how many rows of 1-bit codes are scored exactly for each
   * result; `exact: 1`; `dropRatio`, the share of a sparse query's smallest values
   * that candidates are found without, 0 when not said.
   */
  readonly params?: Readonly<Record<string, number>>;
}

/** What a search says besides its queries. */
export type SearchOptions<S, D extends boolean, Select, Omit> = Paging &
  Filtering<S, D> &
  Projecting<Select, Omit> &
  Tuning &
  ReadOptions &
  FieldOption<S>;

/** One page of a scan. */
export interface ScanPage<R> {
  readonly rows: R[];
  /** Pass as `page` to read on; undefined after the last page. */
  readonly next: string | undefined;
}

/** All rows that pass, of one instant: in arrays, one by one, or page by page. */
export interface Scan<R> extends AsyncIterable<R[]> {
  rows(): AsyncIterable<R>;
  page(): Promise<ScanPage<R>>;
}

/** What to delete: keys, a filter that says something, or explicitly everything. */
export type DeleteTarget<S, D extends boolean> =
  | { readonly ids: readonly KeyOf<S>[] }
  | { readonly filter: Filter<S, D> }
  | { readonly all: true };

/** A collection to write to and read from, typed by its definition. */
export interface Collection<S extends Fields = Fields, D extends boolean = boolean> {
  readonly name: string;
  /** The schema as the catalog had it when it was last read, `as` as this handle shows it. */
  readonly schema: CollectionSchema;

  /**
   * Adds rows. Values are captured when the call is made; those of an iterable when it is read.
   *
   * One write (up to 100,000 rows, 63 MiB) is refused whole when a key exists. Longer arrays are
   * several writes, and so are iterables (10,000 rows or 4 MiB each), two under way at a time: when
   * one is refused, those before it and the one beside it stay. Columns and Arrow tables are one
   * write always. Over several shards a write is atomic in each: one that loses a race for a key is
   * told what each shard did, and repeating it with its key writes the rest.
   *
   * @throws key_exists, duplicate_key and every other error about a row: `details.row` counts the
   * caller's rows; write_partial; request_too_large for columns beyond one write;
   * deadline_exceeded, cancelled and write_unknown with `details.idempotencyKey`, to repeat the
   * whole call with.
   */
  insert(rows: RowSource<S, D>, options?: InsertOptions): Promise<WriteOutcome<S>>;
  /** Adds rows, replacing those with the same keys. */
  upsert(rows: RowSource<S, D>, options?: InsertOptions): Promise<WriteOutcome<S>>;
  delete(
    target: DeleteTarget<S, D>,
    options?: WriteOptions & ReadOptions,
  ): Promise<{ readonly count: number; readonly timestamp: bigint }>;

  /** The row with this key, or undefined; for a list of keys, rows in its order. */
  get<const L extends Names<S, D> = undefined, const O extends Omitted<S> = undefined>(
    ids: readonly KeyOf<S>[],
    options?: ReadOptions & Projecting<L, O>,
  ): Promise<(Projected<S, D, L, O> | undefined)[]>;
  get<const L extends Names<S, D> = undefined, const O extends Omitted<S> = undefined>(
    id: KeyOf<S>,
    options?: ReadOptions & Projecting<L, O>,
  ): Promise<Projected<S, D, L, O> | undefined>;

  /** Rows that pass the filter, in the order of keys: at most 16,384; `scan` has no cap. */
  query<const L extends Names<S, D> = undefined, const O extends Omitted<S> = undefined>(
    options?: Filtering<S, D> & Paging & Projecting<L, O> & ReadOptions,
  ): Promise<Projected<S, D, L, O>[]>;
  count(options?: Filtering<S, D> & ReadOptions): Promise<number>;

  /** The nearest rows, nearest first: for one vector a list, for several a list of lists. */
  search<const L extends Names<S, D> = undefined, const O extends Omitted<S> = undefined>(
    options: SearchOptions<S, D, L, O> & { readonly vector: QueryOf<S> },
  ): Promise<HitOf<S, D, L, O>[]>;
  search<const L extends Names<S, D> = undefined, const O extends Omitted<S> = undefined>(
    options: SearchOptions<S, D, L, O> & { readonly vectors: readonly QueryOf<S>[] },
  ): Promise<HitOf<S, D, L, O>[][]>;
  search<const L extends Names<S, D> = undefined, const O extends Omitted<S> = undefined>(
    options: SearchOptions<S, D, L, O> & { readonly ids: readonly KeyOf<S>[] },
  ): Promise<HitOf<S, D, L, O>[][]>;

  scan<const L extends Names<S, D> = undefined, const O extends Omitted<S> = undefined>(
    options?: Filtering<S, D> &
      Projecting<L, O> &
      ReadOptions & { readonly pageRows?: number; readonly page?: string | undefined },
  ): Scan<Projected<S, D, L, O>>;

  /** How a search is answered: plan, segments, candidates, expected recall, time by stage. */
  explain(
    options: SearchOptions<S, D, undefined, undefined> & { readonly vector: QueryOf<S> },
  ): Promise<Explanation>;
  describe(options?: CallSettings): Promise<CollectionDetails>;

  /**
   * Merges segments and removes deleted rows now; both happen by themselves too, later and when it
   * is worth it. What grows is flushed first; neighbours become segments of up to 512 MB, and rows
   * that were deleted longer ago than reads of the past reach (an hour) leave the files. Files that
   * nobody needs any more are removed some minutes later. Reads and writes go on; it costs as much
   * as writing the rows again and building their indexes, as `describe().jobs` shows.
   *
   * @throws cancelled, deadline_exceeded: the compaction ends, what it has done stays;
   * collection_dropped; what its jobs fail with again and again, such as disk_full
   */
  compact(options?: CompactOptions): Promise<Compacted>;

  /**
   * Chooses another index for a vector field, while reads and writes go on: segments are built
   * again one by one, each served by its old index until then. `describe().indexes` tells how far
   * it is. The same choice again changes nothing.
   *
   * @throws unknown_field; invalid_argument, limit_out_of_range for what the kind does not take
   */
  index(field: VectorName<S>, choice: IndexChoice, options?: CallSettings): Promise<void>;
}
