import { bitRowsPerCall, bytesOf, createTopK } from '@elanus/kernels';
import type { Kernels, RowMemory } from '@elanus/kernels';

import type { VectorColumn } from './column.ts';
import { ITERATIONS, SAMPLE_ROWS, sampleOrder } from './kmeans.ts';
import type { ListShape } from './kmeans.ts';

/**
 * Seeded k-majority: rows of bits are cut into lists around rows of bits. As everything is counted
 * in whole numbers, the same rows and seed give the same centroids on every machine.
 */

/** Centroids of bits, and how rows are compared with them. */
export interface BitCentroids {
  /** [count x dim / 8] bytes. */
  readonly rows: RowMemory;
  readonly count: number;
  /** Bits. */
  readonly dim: number;
  /** TANIMOTO orders rows as JACCARD does. */
  readonly metric: 'hamming' | 'jaccard';
}

/** Rows that are compared with the centroids together, at most. */
const BATCH_MAX = 64;
/** Bytes that are counted between two steps: about a millisecond. */
const STEP_BYTES = 100_000;

/** Rows whose lists are found in one step: one native call's worth. */
function batchOf({ count, dim }: Pick<BitCentroids, 'count' | 'dim'>): number {
  return Math.max(1, Math.min(BATCH_MAX, Math.floor(bitRowsPerCall(dim, 1) / count)));
}

/** Finds the list of each of `rows`, tight bytes; of equally near centroids the first. */
export function* assignBitSteps(
  kernels: Kernels,
  centroids: BitCentroids,
  into: { readonly rows: Uint8Array; readonly lists: Uint32Array },
): Generator<undefined, void, undefined> {
  const { metric, dim, count } = centroids;
  const { rows, lists } = into;
  const size = batchOf(centroids);
  const span = { metric, dim, rows: centroids.rows, rowBase: 0, from: 0, to: count };
  for (let at = 0; at < lists.length; at += size) {
    const n = Math.min(size, lists.length - at);
    const top = createTopK(n, 1);
    const queries = rows.subarray((at * dim) / 8, ((at + n) * dim) / 8);
    kernels.scanBits({ ...span, queries, top });
    lists.set(top.rows, at);
    yield;
  }
}

/** Adds each bit of a row to its count; gives how many are set. */
function countRow(row: Uint8Array, counts: Uint32Array): number {
  let set = 0;
  for (const [i, byte] of row.entries()) {
    for (let left = byte; left !== 0; left &= left - 1) {
      const bit = i * 8 + 31 - Math.clz32(left & -left);
      counts[bit] = (counts[bit] ?? 0) + 1;
      set++;
    }
  }
  return set;
}

/** Sets the bits that more than half of the rows have. */
function writeMajority(counts: Uint32Array, size: number, centre: Uint8Array): void {
  centre.fill(0);
  for (const [bit, count] of counts.entries()) {
    if (count * 2 > size) centre[bit >>> 3] = (centre[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }
}

/**
 * Sets the most frequent bits, as many as a row has on average: of rows with few bits no bit may be
 * in half of them, and a centroid without bits is as far from every row. Of equals the first.
 */
function writeFrequent(counts: Uint32Array, kept: number, centre: Uint8Array): void {
  centre.fill(0);
  const most = counts.reduce((max, count) => Math.max(max, count), 0);
  const having = new Uint32Array(most + 1);
  for (const count of counts) having[count] = (having[count] ?? 0) + 1;
  let [least, above] = [most, 0];
  for (; least > 1 && above + (having[least] ?? 0) < kept; least--) above += having[least] ?? 0;
  let equals = kept - above;
  for (const [bit, count] of counts.entries()) {
    if (count < least || count === 0 || (count === least && equals-- <= 0)) continue;
    centre[bit >>> 3] = (centre[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }
}

/** Rows of each list, one list after the other. */
function grouped(lists: Uint32Array, count: number) {
  const starts = new Uint32Array(count + 1);
  for (const list of lists) starts[list + 1] = (starts[list + 1] ?? 0) + 1;
  for (let i = 1; i <= count; i++) starts[i] = (starts[i] ?? 0) + (starts[i - 1] ?? 0);
  const next = starts.slice();
  const rows = new Uint32Array(lists.length);
  for (const [row, list] of lists.entries()) {
    const place = next[list] ?? 0;
    next[list] = place + 1;
    rows[place] = row;
  }
  return { starts, rows };
}

/** Moves centroids into the middle of their rows; one without rows takes one of the sample. */
function* moveSteps(
  centroids: BitCentroids,
  sample: Uint8Array,
  lists: Uint32Array,
): Generator<undefined, void, undefined> {
  const { dim, count, metric } = centroids;
  const width = dim / 8;
  const values = bytesOf(centroids.rows, count * width);
  const counts = new Uint32Array(dim);
  const { starts, rows } = grouped(lists, count);
  let counted = 0;
  for (let list = 0; list < count; list++) {
    const centre = values.subarray(list * width, (list + 1) * width);
    const [from, to] = [starts[list] ?? 0, starts[list + 1] ?? 0];
    if (from === to) {
      const row = (list * 7919) % lists.length;
      centre.set(sample.subarray(row * width, (row + 1) * width));
      continue;
    }
    counts.fill(0);
    let set = 0;
    for (const row of rows.subarray(from, to)) {
      set += countRow(sample.subarray(row * width, (row + 1) * width), counts);
      counted += width;
      if (counted < STEP_BYTES) continue;
      counted = 0;
      yield;
    }
    if (metric === 'hamming') writeMajority(counts, to - from, centre);
    else writeFrequent(counts, Math.round(set / (to - from)), centre);
  }
}

const sampled = ({ count, rowCount }: ListShape): number => Math.min(rowCount, count * SAMPLE_ROWS);

/** About how many steps training and filling the lists take. */
export function bitTrainStepCount(of: ListShape): number {
  const moved = (ITERATIONS * sampled(of) * of.dim) / 8 / STEP_BYTES;
  return moved + (ITERATIONS * sampled(of) + of.rowCount) / batchOf(of);
}

/** Bytes that training takes at most besides the centroids. */
export function bitTrainBytes(of: ListShape): number {
  return sampled(of) * (of.dim / 8 + 12) + of.count * 8 + of.dim * 4;
}

/** Trains centroids on a sample of the column, in steps of a few milliseconds. */
export function* trainBitSteps(
  kernels: Kernels,
  column: VectorColumn,
  into: { readonly centroids: BitCentroids; readonly seed: number },
): Generator<undefined, void, undefined> {
  const { centroids, seed } = into;
  const { dim, count } = centroids;
  const { rowCount } = column;
  const width = dim / 8;
  const size = sampled({ count, dim, rowCount });
  const bytes = bytesOf(column.rows, rowCount * width);
  const sample = new Uint8Array(size * width);
  for (const [i, row] of sampleOrder({ rowCount, count: size, seed }).entries()) {
    sample.set(bytes.subarray(row * width, (row + 1) * width), i * width);
  }
  yield;
  bytesOf(centroids.rows, count * width).set(sample.subarray(0, count * width));
  const lists = new Uint32Array(size);
  for (let i = 0; i < ITERATIONS; i++) {
    yield* assignBitSteps(kernels, centroids, { rows: sample, lists });
    yield* moveSteps(centroids, sample, lists);
  }
}
