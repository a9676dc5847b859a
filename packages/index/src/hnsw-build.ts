import { assert } from '@elanus/core';
import { bytesOf, createTopK, DEGREE_MAX, sortTopK } from '@elanus/kernels';
import type { GraphView, TopK } from '@elanus/kernels';

import { heldQueries, TRUTH_WIDTH, truthOf, truthWork, writeFacts } from './coded-rows.ts';
import { createCrew, dismiss, lead, TRUTH_MAX } from './crew.ts';
import type { Crew } from './crew.ts';
import { chainTwins, linkSteps } from './graph-build.ts';
import type { GraphBuild } from './graph-build.ts';
import { findTwins, layeredRows, writeOrder } from './graph-order.ts';
import type { LinkOrder } from './graph-order.ts';
import { hnswSteps, penalty, PlanMemo, ScratchShelf } from './hnsw-search.ts';
import type { HnswSource } from './hnsw-search.ts';
import { GRAPH_ROWS_MAX, indexLayout } from './index-file.ts';
import type { GraphShape, IndexFile, IndexHeader } from './index-file.ts';
import { graphOf } from './open.ts';
import { CURVE_EFS, CURVE_END, CURVE_LIMITS, WidthMemo, writeCurve } from './recall-curve.ts';
import type { CurvePoint } from './recall-curve.ts';
import { scanSteps } from './sq8-search.ts';
import type { ScanSource } from './sq8-search.ts';

/** Parameters of a graph; the defaults are those of Milvus and hnswlib. */
export interface HnswParams {
  /** Links of an upper node, 2 to 64; a row has up to twice as many. Default 16. */
  readonly M?: number | undefined;
  /** Nodes that a row chooses its links from, at least M, at most 2048. Default 200. */
  readonly efConstruction?: number | undefined;
  /** Decides which rows are in the upper layers. Default 1. */
  readonly seed?: number | undefined;
}

/** The largest efConstruction. */
export const EF_CONSTRUCTION_MAX = 2048;
/** Rows that measure recall: a standard error of about half a percent. */
const HELD_OUT = TRUTH_MAX.queries;
/** Filters that walks by inner products are measured under, and the narrowest of those walks. */
const FILTERED_PERCENTS = [10, 30] as const;
const FILTERED_EF_MIN = 20;
/** Up to this dimension rows of equal codes mostly differ, and a walk cannot tell them apart. */
const COARSE_DIM = 4;
/** At most this share of the rows is held out. */
const HELD_OUT_SHARE = 20;
/** Codes that tell so little that a scan of them looks at most rows exactly need no graph. */
const CANDIDATES_SHARE_MAX = 1 / 4;

/** How many of the rows measure recall. */
export function heldOutRows(nodes: number): number {
  return Math.min(HELD_OUT, Math.floor(nodes / HELD_OUT_SHARE));
}

/** Whether codes tell enough for walks by them. */
export function isWorthGraph({ column, candidatesOfTen }: ScanSource): boolean {
  const { rowCount } = column;
  return rowCount > 0 && candidatesOfTen <= rowCount * CANDIDATES_SHARE_MAX;
}

/** M of the parameters, or its default. */
export function graphDegree(params: HnswParams | undefined): number {
  return params?.M ?? 16;
}

/** The graph that parameters ask for, over rows none of which is a twin. @throws RangeError */
export function graphShape(params: HnswParams | undefined, rowCount: number): GraphShape {
  const degree = graphDegree(params);
  const efConstruction = params?.efConstruction ?? 200;
  if (!Number.isInteger(degree) || degree < 2 || degree > DEGREE_MAX) {
    throw new RangeError(`M: expected a whole number from 2 to ${DEGREE_MAX}`);
  }
  const sound = Number.isInteger(efConstruction) && efConstruction >= degree;
  if (!sound || efConstruction > EF_CONSTRUCTION_MAX) {
    throw new RangeError(
      `efConstruction: expected a whole number from M to ${EF_CONSTRUCTION_MAX}`,
    );
  }
  return { degree, nodes: layeredRows(Math.min(rowCount, GRAPH_ROWS_MAX)), efConstruction };
}

/** What a graph is added to: rows, in a file that has room for it and holds their codes. */
export interface GraphTask {
  readonly source: ScanSource;
  readonly file: IndexFile;
  /** As if no row were a twin. */
  readonly header: IndexHeader;
  readonly seed: number;
  readonly crew: Crew | undefined;
}

/** Links all rows, measures recall, chains twins; gives what the header says of the graph. */
export function* graphSteps(task: GraphTask): Generator<undefined, GraphShape, undefined> {
  const { source, file, header } = task;
  const { graph } = header;
  assert(graph !== undefined, 'a header of a graph');
  const { rowCount } = header;
  const few = { ...graph, nodes: 0 };
  const { column } = source;
  const vectors = graphOf(file, header, column);
  if (vectors === undefined || !isWorthGraph(source)) return few;
  const first = yield* findTwins({ codes: vectorBytes(vectors), rowCount, stride: vectors.stride });
  const crew = task.crew ?? createCrew(rowCount, graph.degree);
  const nodes = first.reduce((count, twin, row) => count + (twin === row ? 1 : 0), 0);
  if (column.dim <= COARSE_DIM && nodes * 2 < rowCount) return few;
  const heldOut = heldOutRows(nodes);
  const order = writeOrder({ first, degree: graph.degree, seed: task.seed, heldOut }, crew.order);
  yield;
  const shape = { ...graph, nodes: layeredRows(order.nodes) };
  const view = graphOf(file, { ...header, graph: shape }, column);
  assert(view !== undefined, 'a graph of at least one row');
  const { efConstruction } = graph;
  const build: GraphBuild = { kernels: source.kernels, graph: view, efConstruction, crew };
  try {
    const known = order.nodes - order.heldOut;
    yield* linkSteps(build, { from: 0, to: known });
    const curve = yield* measure({ ...source, graph: view, first }, crew, order);
    writeCurve(file, indexLayout({ ...header, graph: shape }).sections.curve.offset, curve);
    yield* linkSteps(build, { from: known, to: order.nodes });
  } finally {
    dismiss(crew);
  }
  chainTwins(view, first);
  return shape;
}

/** The vectors of all nodes. */
function vectorBytes({ vectors, memory, codes, rowCount, stride }: GraphView): Uint8Array {
  return vectors ? bytesOf(vectors, rowCount * stride) : bytesOf(memory, rowCount * stride, codes);
}

/** A graph, and the rows that it knows as others' twins. */
export interface Measured extends ScanSource {
  readonly graph: GraphView;
  readonly first: Uint32Array;
}

/** Rows that the graph knows so far: what walks can find, and so what the truth is taken from. */
function writeKnown(source: Measured, held: Uint32Array, known: Uint32Array): void {
  for (let row = 0; row < source.first.length; row++) {
    if (source.first[row] === row) known[row >>> 5] = (known[row >>> 5] ?? 0) | (1 << (row & 31));
  }
  for (const row of held) known[row >>> 5] = (known[row >>> 5] ?? 0) & ~(1 << (row & 31));
}

/** The true neighbours of the rows that were held out; the threads of a crew share them out. */
function* findTruth(
  source: Measured,
  crew: Crew,
  { nodes, heldOut }: LinkOrder,
): Generator<undefined, TopK, undefined> {
  const limit = Math.min(TRUTH_MAX.limit, nodes - heldOut);
  writeKnown(source, crew.order.subarray(nodes - heldOut, nodes), crew.known);
  writeFacts(crew, source, limit);
  const stage = {
    kind: 'truth',
    roundStart: nodes - heldOut,
    level: 0,
    layer: 0,
    nodes: source.graph.nodes,
    count: heldOut,
  } as const;
  yield* lead(
    crew,
    stage,
    truthWork(crew, () => source),
  );
  const truth = truthOf(crew, limit, { from: 0, to: heldOut });
  yield;
  sortTopK(truth, source.metric);
  yield;
  return truth;
}

/** Share of the first `limit` rows of the truth that were found. */
function recallOf(found: TopK, truth: TopK, limit: number): number {
  let hits = 0;
  let all = 0;
  for (let query = 0; query < truth.nq; query++) {
    const own = query * found.limit;
    const rows = new Set(found.rows.subarray(own, own + (found.counts[query] ?? 0)));
    const from = query * truth.limit;
    const count = Math.min(limit, truth.counts[query] ?? 0);
    for (const row of truth.rows.subarray(from, from + count)) hits += rows.has(row) ? 1 : 0;
    all += count;
  }
  return all === 0 ? 1 : hits / all;
}

/** Walks of all widths with the rows that were held out as queries: the recall curve. */
export function* measure(
  source: Measured,
  crew: Crew,
  order: LinkOrder,
): Generator<undefined, CurvePoint[], undefined> {
  const { nodes, heldOut } = order;
  if (heldOut === 0) return [];
  const queries = heldQueries(source, crew.order.subarray(nodes - heldOut, nodes));
  yield;
  const truth = yield* findTruth(source, crew, order);
  const walked: HnswSource = {
    ...source,
    curve: [],
    filtered: [],
    scratches: new ScratchShelf(),
    widths: new WidthMemo(),
    plans: new PlanMemo(),
  };
  const points: CurvePoint[] = [];
  for (const limit of CURVE_LIMITS) {
    if (limit > truth.limit) break;
    for (const ef of CURVE_EFS) {
      if (ef < limit) continue;
      const top = createTopK(heldOut, limit);
      const work = yield* hnswSteps(walked, { queries, top, ef });
      const recall = recallOf(top, truth, limit);
      points.push({ limit, ef, recall, distances: work.codeScores / heldOut, percent: 100 });
      if (recall >= CURVE_END) break;
    }
  }
  if (source.metric !== 'ip') return points;
  const known = { ...walked, curve: points, widths: new WidthMemo(), plans: new PlanMemo() };
  return [...points, ...(yield* measureFiltered(known, crew, queries))];
}

/**
 * Walks by inner products go to few rows, those of the largest norms: what is left when a filter
 * takes some of these away is measured, too.
 */
function* measureFiltered(
  source: HnswSource,
  crew: Crew,
  queries: Float32Array,
): Generator<undefined, CurvePoint[], undefined> {
  const points: CurvePoint[] = [];
  const nq = queries.length / source.column.dim;
  const [limit] = CURVE_LIMITS;
  for (const percent of FILTERED_PERCENTS) {
    const allowed = crew.known.map((word, at) => word & randomWord(at, percent));
    const truth = createTopK(nq, limit);
    const candidates = source.candidatesOfTen * TRUTH_WIDTH;
    yield* scanSteps(source, { queries, allowed, candidates, top: truth });
    sortTopK(truth, source.metric);
    for (const ef of CURVE_EFS) {
      if (ef < FILTERED_EF_MIN) continue;
      const top = createTopK(nq, limit);
      const work = yield* hnswSteps(source, { queries, top, ef, allowed });
      const mode = work.plan === 'graph-test' ? 'test' : 'two-hop';
      const distances = work.codeScores / nq / penalty(mode, percent / 100);
      const recall = recallOf(top, truth, limit);
      points.push({ limit, ef, recall, distances, percent });
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
