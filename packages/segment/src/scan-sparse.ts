/**
 * Inner products of sparse vectors, exactly: products of two float32 are exact in a double, summed
 * by rising index and rounded once at the end, so both ways below give the same score.
 */
import { hasBit, type SparseColumn } from '@elanus/core';
import { offerTopK, type ScoreBounds, type TopK } from '@elanus/kernels';

/** A scan of rows `[from, to)`. */
export interface SparseScan {
  readonly rows: SparseColumn;
  readonly rowBase: number;
  readonly from: number;
  readonly to: number;
  readonly allowed: Uint32Array | undefined;
  /** One row a query. */
  readonly queries: SparseColumn;
  readonly bounds: ScoreBounds | undefined;
  readonly top: TopK;
}

/**
 * Queries with larger indices are merged with the rows; the others become a table, 8 MiB at most.
 */
const TABLE_MAX = 1 << 20;
/** Kept from scan to scan, all zeroes between them: fresh memory costs more than a short scan. */
let table = new Float64Array(0);

/**
 * Offers every allowed row within the bounds to `top`, those that share no index with the query
 * too: their score is 0. Cost: entries of the rows, for each query.
 */
export function scanSparse(scan: SparseScan): void {
  const { queries } = scan;
  for (let slot = 0; slot + 1 < queries.offsets.length; slot++) {
    const indices = queries.indices.subarray(queries.offsets[slot], queries.offsets[slot + 1]);
    const values = queries.values.subarray(queries.offsets[slot], queries.offsets[slot + 1]);
    const size = (indices[indices.length - 1] ?? 0) + 1;
    if (size > TABLE_MAX) {
      scanQuery(scan, slot, (from, to) => mergeProduct(scan.rows, { from, to, indices, values }));
      continue;
    }
    if (table.length < size) table = new Float64Array(Math.min(TABLE_MAX, size * 2));
    for (let i = 0; i < indices.length; i++) table[indices[i] as number] = values[i] as number;
    const known = table;
    scanQuery(scan, slot, (from, to) => tableProduct(scan.rows, { from, to, table: known, size }));
    for (let i = 0; i < indices.length; i++) table[indices[i] as number] = 0;
  }
}

function scanQuery(
  scan: SparseScan,
  slot: number,
  product: (from: number, to: number) => number,
): void {
  const { rows, rowBase, allowed, bounds, top } = scan;
  const { offsets } = rows;
  const root = slot * top.limit;
  for (let row = scan.from; row < scan.to; row++) {
    if (allowed !== undefined && !hasBit(allowed, row)) continue;
    const score = Math.fround(product(offsets[row] as number, offsets[row + 1] as number));
    if (bounds !== undefined && !(score >= bounds.min && score <= bounds.max)) continue;
    // Most rows of a long scan are worse than what is kept.
    if (top.counts[slot] === top.limit && score < (top.scores[root] as number)) continue;
    offerTopK({ top, slot, metric: 'ip' }, { score, row: rowBase + row });
  }
}

/** The product with a query that lies in a table by index. */
function tableProduct(
  rows: SparseColumn,
  of: { readonly from: number; to: number; table: Float64Array; size: number },
): number {
  const { indices, values } = rows;
  const { to, table, size } = of;
  let sum = 0;
  for (let i = of.from; i < to; i++) {
    const index = indices[i] as number;
    // Indices rise: the rest lies beyond the query's last.
    if (index >= size) break;
    sum += (table[index] as number) * (values[i] as number);
  }
  return sum;
}

/** The product with a query by walking both in step. */
function mergeProduct(
  rows: SparseColumn,
  of: { readonly from: number; to: number; indices: Uint32Array; values: Float32Array },
): number {
  const { from, to, indices, values } = of;
  let sum = 0;
  let q = 0;
  for (let i = from; i < to && q < indices.length; i++) {
    const index = rows.indices[i] as number;
    while (q < indices.length && (indices[q] as number) < index) q++;
    if (q < indices.length && indices[q] === index) {
      sum += (values[q] as number) * (rows.values[i] as number);
    }
  }
  return sum;
}
