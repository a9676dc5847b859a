/** How near to exact a search has to be; travels with it from the proxy to the index. */
export interface SearchEffort {
  /** Scan float32 rows even where an index stands. */
  readonly exact: boolean;
  /** Share of the true neighbours to be found, above 0, at most 1; absent: the index's default. */
  readonly recall?: number | undefined;
  /** HNSW: results that a walk looks for, whatever the recall. */
  readonly ef?: number | undefined;
  /** IVF: lists that are looked at, whatever the recall. */
  readonly nprobe?: number | undefined;
  /** IVF_RABITQ: rows scored exactly for each result, whatever the recall. */
  readonly refine?: number | undefined;
  /** SPARSE_INVERTED: share of a query's smallest values that candidates are found without. */
  readonly dropRatio?: number | undefined;
}

/** How one segment was searched, for `explain`. */
export interface SegmentPlan {
  readonly segmentId: number;
  readonly way: 'index' | 'scan' | 'skipped';
  readonly kind: string;
  readonly rows: number;
  readonly allowed: number;
  /** How the rows were found: 'exact', 'codes', 'graph' and its variants; '' when skipped. */
  readonly strategy: string;
  /** Scores computed in full, and from codes, over all queries. */
  readonly exactScores: number;
  readonly codeScores: number;
  /** Recall that was measured for a search like this, without filter; undefined: not known. */
  readonly recall: number | undefined;
}
