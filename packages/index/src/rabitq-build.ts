import { createTopK, rabitqBits, rabitqRowsPerCall, rabitqSigns, sortTopK } from '@elanus/kernels';
import type { RabitqView, TopK } from '@elanus/kernels';

import { rowOf } from './column.ts';
import { flatSteps } from './flat.ts';
import type { IvfSource } from './ivf-search.ts';
import type { Centroids, ListShape } from './kmeans.ts';
import { permuted } from './graph-order.ts';
import type { ProbePoint } from './probe-curve.ts';
import { REFINES, refined, rotatedQueries, scanBits } from './rabitq-search.ts';
import { nearestLists } from './ivf-search.ts';
import { CURVE_END, CURVE_LIMITS } from './recall-curve.ts';

/** Rows that measure recall. */
const MEASURED = 128;
/** Candidates that are measured: more would take longer to score than lists take to scan. */
const CANDIDATES_MAX = 1600;
/** Lists that are looked at while it is measured, at most: more are not worth it. */
const PROBES_MAX = 4096;

/** Steps of each row that measures recall: its lists, then more and more of them, twice. */
const MEASURES = 18;

/** About how many steps encoding and measuring take. */
export function rabitqStepCount({ count, dim, rowCount }: ListShape): number {
  const encoded = count + rowCount / rabitqRowsPerCall(dim);
  return encoded + Math.min(MEASURED, rowCount) * MEASURES;
}

/** A source whose rows are 1-bit codes. */
export type BitSource = IvfSource & { readonly bits: RabitqView };

/** Random bits of a seed: a permutation of 2^32 numbers, one after the other. */
export function writeSigns(view: RabitqView, seed: number): void {
  const { memory, signs, dim } = view;
  const words = new Uint32Array(memory.buffer, memory.byteOffset + signs, rabitqSigns(dim));
  const low = permuted(2 ** 16, seed);
  const high = permuted(2 ** 16, seed + 4);
  for (let i = 0; i < words.length; i++) words[i] = low(i) * 2 ** 16 + high(i);
}

/** Rotates the centroids into the file and encodes the rows of each list; a step is a call. */
export function* encodeLists(
  source: BitSource,
  centroids: Centroids,
): Generator<undefined, void, undefined> {
  const { kernels, bits: view, metric, column, inverseNorms, listStarts } = source;
  const { dim, count } = centroids;
  const padded = rabitqBits(dim);
  const { memory } = view;
  const raw = new Float32Array(centroids.rows.buffer, centroids.rows.byteOffset, count * dim);
  const at = memory.byteOffset + view.centroids;
  const rotated = new Float32Array(memory.buffer, at, count * padded);
  const size = rabitqRowsPerCall(dim);
  for (let list = 0; list < count; list += size) {
    const queries = raw.subarray(list * dim, (list + size) * dim);
    kernels.rotateQueries({ view, queries, out: rotated.subarray(list * padded) });
    yield;
  }
  const { rows, element } = column;
  const shape = { view, metric, rows, element, inverseNorms };
  for (let list = 0; list < count; list++) {
    const end = listStarts[list + 1] ?? 0;
    for (let from = listStarts[list] ?? 0; from < end; from += size) {
      kernels.encodeRabitq({ ...shape, list, from, to: Math.min(end, from + size) });
      yield;
    }
  }
}

/** For each of REFINES, how many of the truth its candidates hold, the own row left out. */
function countHeld(
  of: { readonly found: TopK; readonly truth: Uint32Array; readonly own: number },
  limit: number,
  held: number[],
): void {
  const { found, truth, own } = of;
  const count = found.counts[0] ?? 0;
  const scores = found.scores.slice(0, count).sort();
  const rankOf = (row: number): number => {
    const at = found.rows.subarray(0, count).indexOf(row);
    return at < 0 ? Infinity : scores.indexOf(found.scores[at] ?? 0);
  };
  const ownRank = rankOf(own);
  for (const row of truth) {
    if (row === own) continue;
    const rank = rankOf(row);
    const before = rank > ownRank ? rank - 1 : rank;
    for (const [i, refine] of REFINES.entries()) {
      if (before < refined(refine, limit)) held[i] = (held[i] ?? 0) + 1;
    }
  }
}

/**
 * Searches of more and more lists, with rows as queries, for every number of candidates at once.
 */
export function* measureBits(source: BitSource): Generator<undefined, ProbePoint[], undefined> {
  const { rowCount, dim } = source.column;
  const nq = Math.min(MEASURED, rowCount);
  const own = Array.from({ length: nq }, (_, i) => Math.floor(((i + 0.5) * rowCount) / nq));
  const queries = new Float32Array(nq * dim);
  for (const [i, row] of own.entries()) queries.set(rowOf(source.column, row), i * dim);
  const points: ProbePoint[] = [];
  for (const limit of CURVE_LIMITS) {
    // One more than asked for: the own row is left out.
    if (limit + 1 > rowCount) break;
    const truth = createTopK(nq, limit + 1);
    yield* flatSteps(source, { queries, top: truth });
    sortTopK(truth, source.metric);
    points.push(...(yield* measureLimit(source, { queries, own, truth, limit })));
  }
  return points;
}

function* measureLimit(
  source: BitSource,
  of: {
    readonly queries: Float32Array;
    readonly own: readonly number[];
    readonly truth: TopK;
    readonly limit: number;
  },
): Generator<undefined, ProbePoint[], undefined> {
  const { queries, own, truth, limit } = of;
  const count = Math.min(source.centroids.count, PROBES_MAX);
  const rotated = rotatedQueries(source, queries);
  yield;
  const measured = REFINES.filter((refine) => refined(refine, limit) <= CANDIDATES_MAX);
  const candidates = refined(measured.at(-1) ?? 1, limit) + 1;
  const width = rabitqBits(source.column.dim);
  const near: Uint32Array[] = [];
  for (let q = 0; q < own.length; q++) {
    const query = rotated.subarray(q * width, (q + 1) * width);
    near.push(...(yield* nearestLists(source, query, { nq: 1, wanted: count })));
    yield;
  }
  const points: ProbePoint[] = [];
  for (let nprobe = 1; ; nprobe = Math.min(count, Math.ceil(nprobe * 1.5))) {
    const held = REFINES.map(() => 0);
    for (const [q, row] of own.entries()) {
      const query = rotated.subarray(q * width, (q + 1) * width);
      const lists = near[q]?.subarray(0, nprobe) ?? new Uint32Array(0);
      const asked = { query, lists, probes: nprobe, allowed: undefined, least: 0, candidates };
      const found = yield* scanBits(source, asked);
      const from = q * truth.limit;
      const rows = truth.rows.subarray(from, from + (truth.counts[q] ?? 0));
      countHeld({ found, truth: rows, own: row }, limit, held);
      yield;
    }
    // Of truth rows without the own one there are `limit`, all but where it is not among them.
    const shares = measured.map((_, i) => Math.min(1, (held[i] ?? 0) / (own.length * limit)));
    for (const [i, refine] of measured.entries()) {
      points.push({ limit, nprobe, refine, recall: shares[i] ?? 0 });
    }
    if ((shares.at(-1) ?? 0) >= CURVE_END || nprobe === count) return points;
  }
}
