import type { WireError } from './errors.ts';

/** A job over flushed segments as people see it. Plain JSON. */
export interface JobStatus {
  readonly shard: number;
  /** `index`: one segment gets its indexes; `compaction`: rows move to a new segment. */
  readonly kind: 'index' | 'compaction';
  /**
   * `waiting`: it failed and is tried again after a pause; `failed`: so often that it rests until
   * its shard changes, a compaction is asked for, or ten minutes are over.
   */
  readonly state: 'running' | 'waiting' | 'failed';
  /** Segments and rows that it reads. */
  readonly segments: number;
  readonly rows: number;
  /** Tries of this round, the running one included. */
  readonly attempts: number;
  /** Why the last try failed. */
  readonly failure?: string | undefined;
}

/** How much lies in a collection's segments. Plain JSON. */
export interface SegmentTotals {
  readonly segments: number;
  /** Rows in them, those included that are hidden but not removed yet. */
  readonly rows: number;
  /** Bytes of their rows, without indexes. */
  readonly bytes: number;
}

/** A compaction that was asked for. Plain JSON. */
export interface CompactionStatus {
  readonly id: string;
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  /** When it was asked for. */
  readonly before: SegmentTotals;
  /** When this was answered; at its end, once it has ended. */
  readonly after: SegmentTotals;
  /** Jobs that it took so far. */
  readonly jobs: number;
  /** Why it failed; while it runs, why its last job did, which is tried again. */
  readonly failure?: WireError | undefined;
}
