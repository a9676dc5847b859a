import type { IndexColumn } from './column.ts';
import type { IndexFile, IndexHeader } from './index-file.ts';

/**
 * An open index as plain data: structured clone sends it to another thread, which opens it over the
 * same memory by `openHandle`. Nothing is copied and nothing is checked twice.
 */
export interface IndexHandle {
  readonly header: IndexHeader;
  readonly column: IndexColumn;
  /** Absent for an exact index without a file. */
  readonly file?: IndexFile | undefined;
  /** COSINE without a file: the norms of the column. */
  readonly inverseNorms?: Float32Array | undefined;
}
