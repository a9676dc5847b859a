import type { Metric, SparseColumn } from '@elanus/core';
import type { ScoreBounds, TopK } from '@elanus/kernels';

import type { IndexHandle } from './handle.ts';

/**
 * FLAT: exact, over the rows as they are. FLAT_SQ8: candidates from 8-bit codes, then exact scores
 * of the candidates; a quarter of the memory traffic. HNSW: a graph over the codes leads to the
 * candidates, so that a search looks at a few thousand rows however many there are; HNSW_FLAT: over
 * the rows as they are, HNSW_BF16: over the rows in bfloat16, then by exact scores. BIN_FLAT:
 * exact, over rows of bits. SPARSE_INVERTED: postings of sparse rows, in blocks that a search
 * leaves out when their best row cannot reach the result. IVF_FLAT: lists of rows around
 * centroids, of which the nearest are searched exactly; IVF_SQ8: by codes, then exactly;
 * IVF_RABITQ: by 1-bit codes; BIN_IVF_FLAT: exactly, over bits.
 */
export type IndexKind =
  | 'FLAT'
  | 'FLAT_SQ8'
  | 'HNSW'
  | 'BIN_FLAT'
  | 'SPARSE_INVERTED'
  | 'IVF_FLAT'
  | 'IVF_SQ8'
  | 'BIN_IVF_FLAT'
  | 'HNSW_FLAT'
  | 'HNSW_BF16'
  | 'IVF_RABITQ';

/** One search over an index; rows of the result are numbered from `rowBase`. */
export interface IndexSearch {
  /**
   * [top.nq x dim] f32, finite (checked at the border), whatever the numbers of the rows; of a
   * column of bits [top.nq x dim / 8] bytes; of sparse rows as many of them.
   */
  readonly queries: Float32Array | Uint8Array | SparseColumn;
  /** Bit i set = row i of this index may be returned; absent = all. */
  readonly allowed?: Uint32Array | undefined;
  /** How many bits of `allowed` are set, where the caller knows it. */
  readonly allowedCount?: number | undefined;
  /** Inclusive bounds of the score: a range search. */
  readonly bounds?: ScoreBounds | undefined;
  /** Takes the result; may hold rows of other segments already. */
  readonly top: TopK;
  /** Added to row numbers; default 0. */
  readonly rowBase?: number | undefined;
  /** Rows `[from, to)` only, so that threads can share one search; default all. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Search exactly whatever the kind: recall 1, and the second pass that breaks ties by key. */
  readonly exact?: boolean | undefined;
  /** Candidates per query that are scored exactly; default from the index's calibration. */
  readonly candidates?: number | undefined;
  /**
   * SPARSE_INVERTED: share of a query's numbers, the smallest ones, that are left out while
   * candidates are looked for; scores are of all. 0 to below 1, default 0: every result is exact.
   */
  readonly dropRatio?: number | undefined;
  /** IVF: lists that are looked at; default what the index measured for `recall`. */
  readonly nprobe?: number | undefined;
  /** IVF_RABITQ: rows that are scored exactly for each result; default what was measured. */
  readonly refine?: number | undefined;
  /** HNSW and IVF: share of the true neighbours to be found, 0 to 1; default `RECALL_DEFAULT`. */
  readonly recall?: number | undefined;
  /** HNSW: results that a walk looks for; default what the index measured for `recall`. */
  readonly ef?: number | undefined;
}

/** A search among rows of numbers. */
export interface NumberSearch extends IndexSearch {
  readonly queries: Float32Array;
}

/** What a search did, for `explain`. */
export interface SearchWork {
  /**
   * How the queries were answered: by exact scan, scan of codes, a walk of the graph (through all
   * rows; leaving out rows that are not allowed; stepping over them), from postings, from
   * lists, or not all the same way.
   */
  readonly plan:
    | 'exact'
    | 'codes'
    | 'mixed'
    | 'graph'
    | 'graph-test'
    | 'graph-two-hop'
    | 'postings'
    | 'lists';
  /** Row scores computed in full, over all queries. */
  readonly exactScores: number;
  /** Row scores computed from codes or by walks, over all queries. */
  readonly codeScores: number;
  /** Walks: results that each looked for. */
  readonly ef?: number | undefined;
  /** Walks: nodes whose links were read, over all queries; lists that were looked at. */
  readonly visited?: number | undefined;
  /** Queries that a walk or lists could not answer and a scan did. */
  readonly fallbacks?: number | undefined;
  /**
   * Recall that the index measured for a walk like this one, without filter; absent = not known.
   */
  readonly recall?: number | undefined;
}

/**
 * One index over the vectors of one segment: the seam behind which kinds differ. A search returns
 * min(limit, allowed rows) rows per query, whatever the data, and the same rows and scores on every
 * instruction set and with any number of threads.
 */
export interface VectorIndex {
  readonly kind: IndexKind;
  readonly metric: Metric;
  readonly dim: number;
  readonly rowCount: number;
  /** Memory of the index itself; the vector column is not counted. */
  readonly bytes: number;
  readonly capabilities: {
    /** Every result is exact; else recall is what the calibration promises. */
    readonly exact: boolean;
    /** `allowed` is honoured without losing results. */
    readonly filter: boolean;
    /** `bounds` are honoured on exact scores. */
    readonly range: boolean;
  };
  /** Runs a search to its end. Throws TypeError or RangeError on arguments of the wrong shape. */
  search(args: IndexSearch): SearchWork;
  /**
   * The same search in steps of a few milliseconds each: between two of them the caller may yield,
   * look at a deadline, or drop the search.
   */
  searchSteps(args: IndexSearch): Generator<undefined, SearchWork, undefined>;
  /** What another thread needs to open the same index over the same memory. */
  handle(): IndexHandle;
}
