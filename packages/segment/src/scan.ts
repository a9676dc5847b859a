/** Exact scores of the rows of a chunk, whatever the type of their vectors. */
import {
  assert,
  sliceColumn,
  type Metric,
  type SparseColumn,
  type VectorColumn,
} from '@elanus/core';
import { decodeElements, type Kernels, type ScoreBounds, type TopK } from '@elanus/kernels';
import { scanSparse } from './scan-sparse.ts';
import { sparseView, type ChunkView, type VectorRows } from './view.ts';

/** Queries of one search, in the type of the field they are for. */
export type Queries = VectorColumn | SparseColumn;

/**
 * Queries as kernels and indexes take them: float32 for every type of numbers, each exactly as it
 * was; bits as their bytes; sparse ones as they are.
 */
export type ScanQueries =
  | { readonly kind: 'numbers'; readonly values: Float32Array }
  | { readonly kind: 'bits'; readonly values: Uint8Array }
  | { readonly kind: 'sparse'; readonly column: SparseColumn };

/** Queries made ready, once a search. */
export function scanQueries(queries: Queries): ScanQueries {
  if (queries.kind === 'sparse') return { kind: 'sparse', column: queries };
  const { type, values } = queries;
  if (values instanceof Uint8Array) return { kind: 'bits', values };
  if (values instanceof Float32Array) return { kind: 'numbers', values };
  assert(type !== 'binary', 'bits lie in bytes');
  return { kind: 'numbers', values: decodeElements(type, values) };
}

/** Query `q` of `nq` alone. */
export function oneQuery(queries: ScanQueries, q: number, nq: number): ScanQueries {
  if (queries.kind === 'sparse') {
    const column = sliceColumn(queries.column, q, q + 1);
    assert(column.kind === 'sparse', 'a slice keeps its kind');
    return { kind: 'sparse', column };
  }
  const width = queries.values.length / nq;
  const [from, to] = [q * width, (q + 1) * width];
  if (queries.kind === 'bits') return { kind: 'bits', values: queries.values.slice(from, to) };
  return { kind: 'numbers', values: queries.values.slice(from, to) };
}

/** A scan of rows `[from, to)` of a chunk. */
export interface RowScan {
  readonly metric: Metric;
  readonly chunk: ChunkView;
  readonly rows: VectorRows;
  readonly from: number;
  readonly to: number;
  /** Bit i set = row i of the chunk may be returned; absent = all. */
  readonly allowed: Uint32Array | undefined;
  readonly queries: ScanQueries;
  /** Inclusive bounds of the score. */
  readonly bounds: ScoreBounds | undefined;
  readonly top: TopK;
}

/** Offers the rows' scores to `top`. Cost: rows x numbers x queries multiply-adds. */
export function scanRows(kernels: Kernels, scan: RowScan): void {
  const { metric, chunk, rows, queries, from, to, allowed, bounds, top } = scan;
  const { rowBase } = chunk;
  const span = { rowBase, from, to, allowed, bounds, top };
  if (rows.type === 'sparse') {
    assert(queries.kind === 'sparse', 'queries are of the type of the rows');
    scanSparse({ ...span, rows: sparseView(rows, chunk.rowCount), queries: queries.column });
    return;
  }
  const { type, dim, memory, inverseNorms } = rows;
  if (type === 'binary') {
    assert(queries.kind === 'bits', 'queries are of the type of the rows');
    assert(metric !== 'l2' && metric !== 'ip' && metric !== 'cosine', 'a metric of bits');
    kernels.scanBits({ ...span, metric, dim, rows: memory, queries: queries.values });
    return;
  }
  assert(queries.kind === 'numbers', 'queries are of the type of the rows');
  assert(metric === 'l2' || metric === 'ip' || metric === 'cosine', 'a metric of numbers');
  const shape = { metric, dim, element: type, rows: memory, inverseNorms };
  kernels.scanRows({ ...span, ...shape, queries: queries.values });
}
