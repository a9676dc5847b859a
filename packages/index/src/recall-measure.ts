import { createTopK, sortTopK } from '@elanus/kernels';
import type { GraphView, TopK } from '@elanus/kernels';

import { heldQueries, readAsked, truthOf, truthWork, writeFacts } from './coded-rows.ts';
import type { MeasureAsked } from './coded-rows.ts';
import { lead, steppedWork, TRUTH_MAX } from './crew.ts';
import type { Crew, Stage, Work } from './crew.ts';
import type { LinkOrder } from './graph-order.ts';
import { hnswSteps, penalty } from './hnsw-search.ts';
import type { HnswSource } from './hnsw-search.ts';
import { CURVE_EFS, CURVE_END, CURVE_LIMITS } from './recall-curve.ts';
import type { CurvePoint } from './recall-curve.ts';

/**
 * Measures what walks of all widths find, with rows that the graph does not know yet as queries.
 * The threads of a crew share the queries out; each has a place of its own for what became of it,
 * so that the curve does not depend on who walked.
 */

/** Filters that walks by inner products are measured under, and the narrowest of those walks. */
const FILTERED_PERCENTS = [10, 30] as const;
const FILTERED_EF_MIN = 20;

/** A graph that is being built. */
export interface Measured {
  readonly crew: Crew;
  readonly order: LinkOrder;
  readonly graph: GraphView;
  /** From `findTwins`. */
  readonly first: Uint32Array;
  /** Keeps points where every thread of the crew sees them. */
  readonly keep: (points: readonly CurvePoint[]) => void;
  /** The index as it stands, with the curve that was kept last. */
  readonly sourceOf: () => HnswSource;
}

/** Rows that the graph knows so far: what walks can find, and so what the truth is taken from. */
function writeKnown({ crew, first }: Measured, held: Uint32Array): void {
  const { known } = crew;
  for (let row = 0; row < first.length; row++) {
    if (first[row] === row) known[row >>> 5] = (known[row >>> 5] ?? 0) | (1 << (row & 31));
  }
  for (const row of held) known[row >>> 5] = (known[row >>> 5] ?? 0) & ~(1 << (row & 31));
}

/** A stage of as many pieces as rows were held out. */
function stageOf({ order, graph }: Measured, kind: 'truth' | 'walk'): Stage {
  const roundStart = order.nodes - order.heldOut;
  return { kind, roundStart, level: 0, layer: 0, nodes: graph.nodes, count: order.heldOut };
}

/** The true neighbours of the rows that were held out, among those that are known. */
function* findTruth(measured: Measured, limit: number): Generator<undefined, TopK, undefined> {
  const { crew, order, sourceOf } = measured;
  const source = sourceOf();
  const truth = truthOf(crew, limit, { from: 0, to: order.heldOut });
  truth.counts.fill(0);
  truth.tied.fill(0);
  writeFacts(crew, source, { limit });
  yield* lead(
    crew,
    stageOf(measured, 'truth'),
    truthWork(crew, () => source),
  );
  yield;
  sortTopK(truth, source.metric);
  yield;
  return truth;
}

/** How many of the first `limit` rows of the truth were found. */
function hitsOf(
  found: TopK,
  truth: TopK,
  { query, limit }: { query: number; limit: number },
): number {
  const rows = new Set(found.rows.subarray(0, found.counts[0] ?? 0));
  const from = query * truth.limit;
  const count = Math.min(limit, truth.counts[query] ?? 0);
  let hits = 0;
  for (const row of truth.rows.subarray(from, from + count)) hits += rows.has(row) ? 1 : 0;
  return hits;
}

/**
 * Walks with some of the rows that were held out as queries, and notes what became of each;
 * `sourceOf` gives the index with the curve that was kept last.
 */
export function walkWork(crew: Crew, sourceOf: (nodes: number) => HnswSource): Work {
  let last: { readonly filtered: boolean; readonly source: HnswSource } | undefined;
  return steppedWork(function* ({ roundStart, nodes }, from, to) {
    const { limit: all, walk } = readAsked(crew);
    const { limit, ef, filtered } = walk;
    if (last?.filtered !== filtered) last = { filtered, source: sourceOf(nodes) };
    const { source } = last;
    const queries = heldQueries(source, crew.order.subarray(roundStart + from, roundStart + to));
    const truth = truthOf(crew, all, { from, to });
    const allowed = filtered ? crew.known : undefined;
    const { dim } = source.column;
    for (let query = 0; query < to - from; query++) {
      const top = createTopK(1, limit);
      const own = queries.subarray(query * dim, (query + 1) * dim);
      const work = yield* hnswSteps(source, { queries: own, top, ef, allowed });
      crew.walks.hits[from + query] = hitsOf(top, truth, { query, limit });
      crew.walks.distances[from + query] = work.codeScores;
      crew.walks.tested[from + query] = work.plan === 'graph-test' ? 1 : 0;
      yield;
    }
  });
}

/** What a source is walked for, and how large the truth is. */
interface WalkPass {
  readonly source: HnswSource;
  readonly truth: TopK;
  readonly walk: NonNullable<MeasureAsked['walk']>;
}

/** One width: the share of the truth that was found, distances a query, and how it walked. */
function* walkAll(
  measured: Measured,
  { source, truth, walk }: WalkPass,
): Generator<undefined, { recall: number; distances: number; tested: boolean }, undefined> {
  const { crew } = measured;
  writeFacts(crew, source, { limit: truth.limit, walk });
  yield* lead(
    crew,
    stageOf(measured, 'walk'),
    walkWork(crew, () => source),
  );
  const { hits, distances, tested } = crew.walks;
  const sum = { hits: 0, all: 0, distances: 0, tested: 0 };
  for (let query = 0; query < truth.nq; query++) {
    sum.hits += hits[query] ?? 0;
    sum.all += Math.min(walk.limit, truth.counts[query] ?? 0);
    sum.distances += distances[query] ?? 0;
    sum.tested += tested[query] ?? 0;
  }
  const recall = sum.all === 0 ? 1 : sum.hits / sum.all;
  return { recall, distances: sum.distances / truth.nq, tested: sum.tested > 0 };
}

/** Walks of all widths with the rows that were held out as queries: the recall curve. */
export function* measure(measured: Measured): Generator<undefined, CurvePoint[], undefined> {
  const { crew, order } = measured;
  const { nodes, heldOut } = order;
  if (heldOut === 0) return [];
  measured.keep([]);
  writeKnown(measured, crew.order.subarray(nodes - heldOut, nodes));
  yield;
  const truth = yield* findTruth(measured, Math.min(TRUTH_MAX.limit, nodes - heldOut));
  const source = measured.sourceOf();
  const points: CurvePoint[] = [];
  for (const limit of CURVE_LIMITS) {
    if (limit > truth.limit) break;
    for (const ef of CURVE_EFS) {
      if (ef < limit) continue;
      const walk = { limit, ef, filtered: false };
      const { recall, distances } = yield* walkAll(measured, { source, truth, walk });
      points.push({ limit, ef, recall, distances, percent: 100 });
      if (recall >= CURVE_END) break;
    }
  }
  if (source.metric !== 'ip') return points;
  measured.keep(points);
  return [...points, ...(yield* measureFiltered(measured))];
}

/**
 * Walks by inner products go to few rows, those of the largest norms: what is left when a filter
 * takes some of these away is measured, too.
 */
function* measureFiltered(measured: Measured): Generator<undefined, CurvePoint[], undefined> {
  const { known } = measured.crew;
  const all = known.slice();
  const source = measured.sourceOf();
  const points: CurvePoint[] = [];
  const [limit] = CURVE_LIMITS;
  for (const percent of FILTERED_PERCENTS) {
    for (const [at, word] of all.entries()) known[at] = word & randomWord(at, percent);
    const truth = yield* findTruth(measured, limit);
    for (const ef of CURVE_EFS) {
      if (ef < FILTERED_EF_MIN) continue;
      const walk = { limit, ef, filtered: true };
      const { recall, distances, tested } = yield* walkAll(measured, { source, truth, walk });
      const unfiltered = distances / penalty(tested ? 'test' : 'two-hop', percent / 100);
      points.push({ limit, ef, recall, distances: unfiltered, percent });
      if (recall >= CURVE_END) break;
    }
  }
  return points;
}

/** Bits of which so many percent are set, the same for the same place. */
function randomWord(at: number, percent: number): number {
  let word = 0;
  for (let bit = 0; bit < 32; bit++) {
    let hash = Math.imul(at * 32 + bit + 1, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    if ((hash ^ (hash >>> 13)) >>> 0 < (percent / 100) * 2 ** 32) word |= 1 << bit;
  }
  return word;
}
