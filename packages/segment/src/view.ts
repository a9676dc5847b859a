import {
  denseArray,
  denseWidth,
  type Column,
  type DenseType,
  type FieldId,
  type SegmentId,
  type SparseColumn,
  type VectorColumn,
} from '@elanus/core';
import type { IndexHandle, ScalarIndex } from '@elanus/index';
import { floatsOf, type RowMemory } from '@elanus/kernels';

/** Vectors of one field in one chunk, in memory that threads share. */
export type VectorRows = DenseRows | SparseRows;

/** Dense vectors, row-major. */
export interface DenseRows {
  readonly type: DenseType;
  readonly dim: number;
  readonly memory: RowMemory;
  /** One per row; present when the field's metric is COSINE. */
  readonly inverseNorms: Float32Array | undefined;
}

/** Sparse vectors: u32 offsets [rows + 1], u32 indices and f32 values [entries]. */
export interface SparseRows {
  readonly type: 'sparse';
  readonly entries: number;
  readonly offsets: RowMemory;
  readonly indices: RowMemory;
  readonly values: RowMemory;
}

/** The first `rowCount` dense vectors as a column over their memory. */
export function denseView(rows: DenseRows, rowCount: number): VectorColumn {
  const { type, dim, memory } = rows;
  const { buffer, byteOffset: offset } = memory;
  const values = denseArray(type, { buffer, offset, length: rowCount * denseWidth(type, dim) });
  return { kind: 'vector', type, dim, values };
}

/** `length` 32-bit words of a memory. */
export function wordsOf(memory: RowMemory, length: number): Uint32Array {
  return new Uint32Array(memory.buffer, memory.byteOffset, length);
}

/** The first `rowCount` sparse vectors as a column over their memory. */
export function sparseView(rows: SparseRows, rowCount: number): SparseColumn {
  return {
    kind: 'sparse',
    offsets: wordsOf(rows.offsets, rowCount + 1),
    indices: wordsOf(rows.indices, rows.entries),
    values: floatsOf(rows.values, rows.entries),
  };
}

/** The first `rowCount` vectors as a column over their memory. */
export function vectorsView(rows: VectorRows, rowCount: number): VectorColumn | SparseColumn {
  return rows.type === 'sparse' ? sparseView(rows, rowCount) : denseView(rows, rowCount);
}

/**
 * A run of rows whose columns lie in one piece. Growing segments have several, sealed ones one.
 * Arrays may be longer than `rowCount`: what lies behind belongs to the writer.
 */
export interface ChunkView {
  /** Number of the first row within the segment; a multiple of 32, so that bitsets can be cut. */
  readonly rowBase: number;
  readonly rowCount: number;
  readonly columns: ReadonlyMap<FieldId, Column>;
  readonly vectors: ReadonlyMap<FieldId, VectorRows>;
  readonly timestamps: BigUint64Array;
  /** Codes of the whole chunk, by vector field, where it has them. */
  readonly codes: ReadonlyMap<FieldId, IndexHandle>;
  /** Indexes of scalar columns, where filters have asked for them often enough. */
  readonly scalars?: ReadonlyMap<FieldId, ScalarIndex> | undefined;
}

/**
 * What readers hold of a segment: handles on shared memory, clonable to threads, immutable. Rows
 * stand in timestamp order, so what a read may see is a prefix minus deletes.
 */
export interface SegmentView {
  readonly segmentId: SegmentId;
  readonly rowCount: number;
  readonly chunks: readonly ChunkView[];
  /** Indexes over the whole segment, by vector field. */
  readonly indexes: ReadonlyMap<FieldId, IndexHandle>;
}

/** The chunk that holds a row of the segment. */
export function chunkOf(view: SegmentView, row: number): ChunkView {
  let low = 0;
  let high = view.chunks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((view.chunks[middle]?.rowBase ?? 0) <= row) low = middle;
    else high = middle - 1;
  }
  const chunk = view.chunks[low];
  if (chunk === undefined) throw new Error('assertion failed: a row lies in a chunk');
  return chunk;
}

/** Rows with timestamp <= `at`: a prefix, found by binary search. */
export function visibleRows(view: SegmentView, at: bigint): number {
  // Most reads see everything there is.
  if (view.rowCount === 0 || rowTimestamp(view, view.rowCount - 1) <= at) return view.rowCount;
  let low = 0;
  let high = view.rowCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const chunk = chunkOf(view, middle);
    if ((chunk.timestamps[middle - chunk.rowBase] ?? 0n) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** When a row was written. */
export function rowTimestamp(view: SegmentView, row: number): bigint {
  const chunk = chunkOf(view, row);
  return chunk.timestamps[row - chunk.rowBase] ?? 0n;
}
