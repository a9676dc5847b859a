import type { BinaryMetric, FloatMetric, Metric } from '@elanus/core';
import { decodeRows } from '@elanus/kernels';
import type { Kernels, RowElement, RowMemory } from '@elanus/kernels';

/**
 * The vectors of a segment, as an index sees them: shared memory that the segment owns. An index
 * points at it and never copies it. Structured clone sends it to threads as it is.
 */
export interface VectorColumn {
  /** [rowCount x dim] elements, row-major and tight; binary: [rowCount x dim / 8] bytes. */
  readonly rows: RowMemory;
  readonly rowCount: number;
  readonly dim: number;
  /** How the numbers are stored; default float32. */
  readonly element?: ColumnElement | undefined;
}

/** What a column of vectors holds: numbers of some width, or bits. */
export type ColumnElement = RowElement | 'binary';

/** Sparse vectors of a segment, as an index sees them. */
export interface SparseRows {
  readonly element: 'sparse';
  readonly rowCount: number;
  /** Sparse vectors have no dimension. */
  readonly dim: 0;
  /** Numbers of all rows together. */
  readonly entries: number;
  /** [rowCount + 1] u32: row i holds entries `[offsets[i], offsets[i + 1])`. */
  readonly offsets: RowMemory;
  /** [entries] u32, rising strictly within a row, below 2^32 - 1 */
  readonly indices: RowMemory;
  /** [entries] f32, finite and above 0 */
  readonly values: RowMemory;
}

/** Any column that an index can be over. */
export type IndexColumn = VectorColumn | SparseRows;

/** A column of numbers. */
export interface NumberColumn extends VectorColumn {
  readonly element?: RowElement | undefined;
}

/** The column, known to hold numbers. @throws RangeError for one of bits */
export function numberColumn(column: IndexColumn): NumberColumn {
  if (column.element === 'sparse') throw new RangeError('column: expected dense rows');
  const { element } = column;
  if (element === 'binary') throw new RangeError('column: expected numbers, not bits');
  return { ...column, element };
}

/** The metric, known to be one of numbers. @throws RangeError */
export function floatMetric(metric: Metric): FloatMetric {
  if (metric === 'l2' || metric === 'ip' || metric === 'cosine') return metric;
  throw new RangeError(`metric: ${metric} compares bits`);
}

/** The metric, known to be one of bits. @throws RangeError */
export function binaryMetric(metric: Metric): BinaryMetric {
  if (metric === 'hamming' || metric === 'jaccard' || metric === 'tanimoto') return metric;
  throw new RangeError(`metric: ${metric} compares numbers`);
}

/** The column, known to hold bits. @throws RangeError */
export function bitColumn(column: IndexColumn): VectorColumn {
  if (column.element !== 'binary') throw new RangeError('column: expected bits');
  return column;
}

/** One row of a column as float32 numbers: what a query looks like. */
export function rowOf(column: NumberColumn, row: number): Float32Array {
  const { rows, dim, element = 'float32' } = column;
  return decodeRows(rows, element, { at: row * dim, length: dim });
}

/** Inverse norms of a whole column on shared memory: what COSINE needs beside the rows. */
export function columnNorms(kernels: Kernels, column: VectorColumn): Float32Array {
  const { dim, rowCount, rows, element } = numberColumn(column);
  const out = new Float32Array(new SharedArrayBuffer(rowCount * 4));
  kernels.inverseNorms({ dim, rows, element, from: 0, to: rowCount, out });
  return out;
}
