import { createTopK, decodeRows, floatsOf, rowsPerCall } from '@elanus/kernels';
import type { Kernels, RowMemory } from '@elanus/kernels';

import type { NumberColumn } from './column.ts';

/**
 * Seeded k-means: rows are cut into lists around centroids. The same rows and seed give the same
 * centroids on every machine: distances have equal bits everywhere, means are summed in doubles in
 * the order of the rows.
 */

/** Centroids, and how rows are compared with them. */
export interface Centroids {
  /** [count x dim] f32; of length 1 for 'ip'. */
  readonly rows: RowMemory;
  readonly count: number;
  readonly dim: number;
  /** 'ip' puts a row to the centroid of its direction, 'l2' to the nearest one. */
  readonly metric: 'l2' | 'ip';
}

/** Rows of the sample for each centroid. */
export const SAMPLE_ROWS = 48;
/** Times that centroids move. */
export const ITERATIONS = 8;
/** Rows that are compared with the centroids together, at most. */
const BATCH_MAX = 64;

/** Rows whose lists are found in one step: one native call's worth. */
function batchOf({ count, dim }: Pick<Centroids, 'count' | 'dim'>): number {
  return Math.max(1, Math.min(BATCH_MAX, Math.floor(rowsPerCall(dim, 1) / count)));
}

/** Finds the list of each row that `rowsAt` gives; of equally near centroids the first. */
export function* assignSteps(
  kernels: Kernels,
  centroids: Centroids,
  rows: {
    readonly count: number;
    readonly rowsAt: (from: number, count: number) => Float32Array;
    /** [count] takes the lists. */
    readonly lists: Uint32Array;
  },
): Generator<undefined, void, undefined> {
  const { dim, count, metric } = centroids;
  const size = batchOf(centroids);
  const shape = { metric, dim, rows: centroids.rows, rowBase: 0 };
  for (let at = 0; at < rows.count; at += size) {
    const n = Math.min(size, rows.count - at);
    const top = createTopK(n, 1);
    const queries = rows.rowsAt(at, n);
    const fit = rowsPerCall(dim, n);
    for (let from = 0; from < count; from += fit) {
      kernels.scanRows({ ...shape, from, to: Math.min(count, from + fit), queries, top });
      yield;
    }
    rows.lists.set(top.rows, at);
  }
}

/** Rows between two steps of plain arithmetic: about a millisecond, before it is compiled. */
const pauseOf = (dim: number): number => Math.max(1, Math.floor(100_000 / dim));

/** The numbers of a seeded shuffle: a generator of its own, since none is passed in. */
function randomOf(seed: number): (below: number) => number {
  let state = Math.imul(seed, 2_654_435_761) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Rows spread over a column, shuffled. */
export function sampleOrder(of: {
  readonly rowCount: number;
  readonly count: number;
  readonly seed: number;
}): Uint32Array {
  const random = randomOf(of.seed);
  const order = Uint32Array.from({ length: of.count }, (_, i) =>
    Math.floor((i * of.rowCount) / of.count),
  );
  for (let i = order.length - 1; i > 0; i--) {
    const other = random(i + 1);
    [order[i], order[other]] = [order[other] ?? 0, order[i] ?? 0];
  }
  return order;
}

/** Rows of the sample as float32; for 'ip' brought to length 1. */
function* sampleSteps(
  column: NumberColumn,
  of: { readonly count: number; readonly seed: number; readonly scales: Float32Array | undefined },
): Generator<undefined, Float32Array, undefined> {
  const { rowCount, dim, rows, element = 'float32' } = column;
  const order = sampleOrder({ rowCount, count: of.count, seed: of.seed });
  const sample = new Float32Array(of.count * dim);
  const pause = pauseOf(dim);
  for (const [i, row] of order.entries()) {
    const numbers = decodeRows(rows, element, { at: row * dim, length: dim });
    const scale = of.scales?.[row] ?? 1;
    for (let j = 0; j < dim; j++) sample[i * dim + j] = (numbers[j] ?? 0) * scale;
    if (i % pause === 0) yield;
  }
  return sample;
}

/** Moves centroids to the means of their rows; one without rows takes one of the sample. */
function* moveSteps(
  centroids: Centroids,
  sample: Float32Array,
  lists: Uint32Array,
): Generator<undefined, void, undefined> {
  const { dim, count, metric } = centroids;
  const sums = new Float64Array(count * dim);
  const sizes = new Uint32Array(count);
  const pause = pauseOf(dim);
  for (const [row, list] of lists.entries()) {
    sizes[list] = (sizes[list] ?? 0) + 1;
    const [from, to] = [row * dim, list * dim];
    for (let j = 0; j < dim; j++) sums[to + j] = (sums[to + j] ?? 0) + (sample[from + j] ?? 0);
    if (row % pause === 0) yield;
  }
  const values = floatsOf(centroids.rows, count * dim);
  for (let list = 0; list < count; list++) {
    const at = list * dim;
    const size = sizes[list] ?? 0;
    if (size === 0) {
      const row = (list * 7919) % lists.length;
      values.set(sample.subarray(row * dim, (row + 1) * dim), at);
      continue;
    }
    let square = 0;
    for (let j = 0; j < dim; j++) square += (sums[at + j] ?? 0) ** 2;
    const scale = metric === 'ip' ? (square > 0 ? 1 / Math.sqrt(square) : 0) : 1 / size;
    for (let j = 0; j < dim; j++) values[at + j] = (sums[at + j] ?? 0) * scale;
    if (list % pause === 0) yield;
  }
}

/** Rows, lists and dimension of a column that is cut into lists. */
export interface ListShape {
  readonly count: number;
  readonly dim: number;
  readonly rowCount: number;
}

/** About how many steps training and filling the lists take. */
export function trainStepCount(of: ListShape): number {
  const sampled = Math.min(of.rowCount, of.count * SAMPLE_ROWS);
  return (ITERATIONS * sampled + of.rowCount) / batchOf(of);
}

/** Bytes that training takes at most besides the centroids: the sample, its lists, the sums. */
export function trainBytes(of: ListShape): number {
  const { count, dim, rowCount } = of;
  const sampled = Math.min(rowCount, count * SAMPLE_ROWS);
  return sampled * (dim * 4 + 8) + count * (dim * 8 + 4);
}

/**
 * Trains centroids on a sample of the column, in steps of one native call. `scales` are the inverse
 * norms of the rows when lists are of directions.
 */
export function* trainSteps(
  kernels: Kernels,
  column: NumberColumn,
  into: { readonly centroids: Centroids; readonly seed: number; scales: Float32Array | undefined },
): Generator<undefined, void, undefined> {
  const { centroids, seed, scales } = into;
  const { dim, count } = centroids;
  const size = Math.min(column.rowCount, count * SAMPLE_ROWS);
  const sample = yield* sampleSteps(column, { count: size, seed, scales });
  floatsOf(centroids.rows, count * dim).set(sample.subarray(0, count * dim));
  const lists = new Uint32Array(size);
  const rowsAt = (from: number, n: number): Float32Array =>
    sample.subarray(from * dim, (from + n) * dim);
  for (let i = 0; i < ITERATIONS; i++) {
    yield* assignSteps(kernels, centroids, { count: size, rowsAt, lists });
    yield* moveSteps(centroids, sample, lists);
  }
}
