import type { Kernels, RowMemory } from '@elanus/kernels';

/**
 * The float32 vectors of a segment, as an index sees them: shared memory that the segment owns. An
 * index points at it and never copies it. Structured clone sends it to threads as it is.
 */
export interface VectorColumn {
  /** [rowCount x dim] f32, row-major and tight. */
  readonly rows: RowMemory;
  readonly rowCount: number;
  readonly dim: number;
}

/** Inverse norms of a whole column on shared memory: what COSINE needs beside the rows. */
export function columnNorms(kernels: Kernels, column: VectorColumn): Float32Array {
  const { dim, rowCount, rows } = column;
  const out = new Float32Array(new SharedArrayBuffer(rowCount * 4));
  kernels.inverseNorms({ dim, rows, from: 0, to: rowCount, out });
  return out;
}
