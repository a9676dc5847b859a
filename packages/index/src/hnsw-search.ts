import {
  createGraphScratch,
  elementBytes,
  ENTRIES_MAX,
  graphScratchBytes,
  OUTCOME,
  OUTCOME_WORDS,
  restartScratch,
} from '@elanus/kernels';
import type { GraphMode, GraphView, GraphWalk, SearchGraph } from '@elanus/kernels';

import { recallAimed } from './recall-curve.ts';
import type { FilteredCurve, RecallCurve, Width, WidthMemo } from './recall-curve.ts';
import { allowedRows } from './flat.ts';
import { alone, candidatesFor, cutsBestSide, scanSteps } from './sq8-search.ts';
import type { ScanSource } from './sq8-search.ts';
import type { NumberSearch, SearchWork } from './vector-index.ts';

/**
 * Search of an HNSW index: a walk of the graph finds candidates by their codes or numbers, exact
 * scores decide. A scan answers instead where it costs less (few rows, a strict filter) or
 * where a walk could lose rows: parts of the rows, bounds that cut off the best side, a query
 * outside the grid, fewer candidates than results. So there are never fewer than min(limit,
 * allowed) results.
 */

/** What a walk reads, besides codes and column. */
export interface HnswSource extends ScanSource {
  /** Undefined when codes tell so little on this data that no graph was built. */
  readonly graph: GraphView | undefined;
  /** Of walks through all rows. */
  readonly curve: RecallCurve;
  /** Of filtered ones; empty where those find as much as the others. */
  readonly filtered: readonly FilteredCurve[];
  readonly scratches: ScratchShelf;
  readonly widths: WidthMemo;
  readonly plans: PlanMemo;
}

/**
 * Nanoseconds for a row of codes, and for each byte of it: in a scan of all rows, in a scan of
 * some, in a walk (random reads, the pool). Measured from 16 to 1,536 dimensions with AVX2; only
 * the ratios matter, and those differ little between machines.
 */
const SCAN_NS = { row: 4, byte: 0.035 } as const;
const SCATTERED_NS = { row: 9, byte: 0.05 } as const;
const WALK_NS = { row: 60, byte: 0.07 } as const;
/** Cost of an exact score, in rows of a scan. */
const EXACT_COST = 5;
/** A walk that steps over rows needs at least this share of them allowed to hang together. */
const TWO_HOP_SHARE_MIN = 0.03;
/** A filtered walk may take so many times the distances that are likely; then a scan answers. */
const PATIENCE = 6;
/** By how much a filtered walk by inner products is widened in files that did not measure it. */
const FILTERED_INNER_WIDTH = 3;
/** Of the share that a filter lets through, what must be met around a query for a two-hop walk. */
const AROUND = 0.15;
/** Results of a walk that stands still without bounds: what range searches keep at most. */
const RANGE_CAPACITY = 8192;
/** Of walks over numbers, which lie on none. */
const NO_GRID = { low: 0, step: 1 } as const;
/** Candidates that a scan keeps in order as they come; more are kept in a heap. */
const SCANNED_MAX = 512;
/** Candidates that are more of the scanned rows than this tell nothing. */
const SCANNED_SHARE_MAX = 3 / 4;
const UNLIMITED = 0xffffffff;
/** What walks are called; scans depend on whether codes chose. */
const PLAN_NAMES = {
  all: 'graph',
  test: 'graph-test',
  'two-hop': 'graph-two-hop',
  scan: undefined,
} as const;
/** Nodes that a two-hop walk begins with (native/graph.h), and room. */
const SEED_ROOM = 16;

/** How searches that are alike are answered. */
interface WalkPlan {
  readonly walk: GraphWalk;
  /** Undefined: every allowed row is looked at. */
  readonly width: Width | undefined;
  /** Whether the kernels can walk so. */
  readonly possible: boolean;
  /** Bytes of the scratch that it takes. */
  readonly scratchBytes: number;
}

/** What decides how a search is answered. */
interface WalkAsked {
  /** Rows that it may return. */
  readonly rows: number;
  readonly limit: number;
  readonly ef: number | undefined;
  readonly recall: number | undefined;
  readonly candidates: number | undefined;
  readonly bounded: boolean;
}

/** The last plan: searches ask the same again and again. */
export class PlanMemo {
  #asked: WalkAsked | undefined;
  #plan: WalkPlan | undefined;

  /** Undefined where a scan costs less. */
  find(source: HnswSource, graph: GraphView, args: NumberSearch): WalkPlan | undefined {
    const { top, ef, recall, candidates, bounds } = args;
    const { limit } = top;
    const bounded = bounds !== undefined;
    const rows = allowedRows(source, args);
    const known = this.#asked;
    if (
      known?.rows === rows &&
      known.limit === limit &&
      known.ef === ef &&
      known.recall === recall &&
      known.candidates === candidates &&
      known.bounded === bounded
    ) {
      return this.#plan;
    }
    const asked = { rows, limit, ef, recall, candidates, bounded };
    this.#plan = planWalk(source, graph, asked);
    this.#asked = asked;
    return this.#plan;
  }
}

/** What a search writes to on its way. */
interface Scratch {
  readonly words: Uint32Array;
  /** What became of each query; grows with their number. */
  outcomes: Uint32Array;
}

/** Scratches of a thread: a search that pauses keeps its own, another takes the next. */
export class ScratchShelf {
  readonly #free: Scratch[] = [];

  take({ walk, scratchBytes }: WalkPlan, queries: number): Scratch {
    const last = this.#free.pop();
    const fits = last !== undefined && last.words.byteLength >= scratchBytes;
    const scratch = fits ? last : this.#make(walk);
    restartScratch(scratch.words);
    const length = queries * OUTCOME_WORDS;
    if (scratch.outcomes.length < length) scratch.outcomes = new Uint32Array(length);
    else for (let i = 0; i < length; i++) scratch.outcomes[i] = 0;
    return scratch;
  }

  #make({ graph, capacity }: GraphWalk): Scratch {
    const room = Math.max(512, capacity);
    return {
      words: createGraphScratch({ graph, capacity: room, build: false }),
      outcomes: new Uint32Array(64 * OUTCOME_WORDS),
    };
  }

  put(scratch: Scratch): void {
    if (this.#free.length < 2) this.#free.push(scratch);
  }
}

/** What rows cost, in rows of a scan. */
interface Costs {
  /** Of a scan of some rows. */
  readonly scattered: number;
  /** Of a walk. */
  readonly walked: number;
  /** A candidate that is scored exactly. */
  readonly exact: number;
}

function costsOf({ coded, column }: ScanSource, graph: GraphView): Costs {
  const { dim, element = 'float32' } = column;
  const stride = coded?.stride ?? dim * elementBytes(element);
  const scanned = SCAN_NS.row + SCAN_NS.byte * stride;
  return {
    scattered: (SCATTERED_NS.row + SCATTERED_NS.byte * stride) / scanned,
    walked: (WALK_NS.row + WALK_NS.byte * graph.stride) / scanned,
    exact: coded === undefined ? 1 : EXACT_COST,
  };
}

/** Distances that a filtered walk is likely to take, in those of an unfiltered one. */
export function penalty(mode: GraphMode, share: number): number {
  if (mode === 'two-hop') return 1.5 * share ** -0.35;
  return mode === 'test' ? share ** -0.6 : 1;
}

function walkMode(share: number, costOf: (mode: GraphMode) => number): GraphMode {
  if (share >= 1) return 'all';
  if (share < TWO_HOP_SHARE_MIN) return 'test';
  return costOf('two-hop') < costOf('test') ? 'two-hop' : 'test';
}

function widthOfSearch(source: HnswSource, asked: WalkAsked, share: number): Width | undefined {
  const { limit, ef } = asked;
  const recall = recallAimed(asked.recall);
  const width = source.widths.find(source.curve, { limit, ef, recall });
  // Inner products lead a walk to few rows: when some of those are left out, it has to be wider, or
  // there is no way to the others.
  if (width === undefined || source.metric !== 'ip' || share >= 1 || ef !== undefined) {
    return width;
  }
  const { filtered } = source;
  const measured = filtered.findLast((one) => one.share <= share) ?? filtered[0];
  if (measured !== undefined) {
    const wider = measured.widths.find(measured.curve, { limit, recall });
    if (wider === undefined) return undefined;
    const stricter = Math.max(1, measured.share / share);
    return { ...wider, ef: Math.max(width.ef, Math.ceil(wider.ef * stricter)) };
  }
  const wide = width.ef * FILTERED_INNER_WIDTH;
  return source.widths.find(source.curve, { limit, ef: wide, recall: 1 });
}

/** How to answer; undefined = by a scan of the rows as they lie. */
function planWalk(source: HnswSource, graph: GraphView, asked: WalkAsked): WalkPlan | undefined {
  const { limit, rows } = asked;
  const share = rows / source.column.rowCount;
  const width = widthOfSearch(source, asked, share);
  if (rows <= limit) return undefined;
  if (width === undefined || width.ef > ENTRIES_MAX) return planScan(source, graph, asked);
  const costs = costsOf(source, graph);
  const costOf = (mode: GraphMode): number => penalty(mode, share) * width.distances * costs.walked;
  const mode = walkMode(share, costOf);
  const scored = asked.candidates ?? candidatesFor(source, limit);
  const candidates = Math.max(limit, Math.min(scored, width.ef));
  const again = source.coded === undefined ? 0 : scored * costs.exact;
  const scan = rows * (share < 1 ? costs.scattered : 1) + again;
  const free = asked.ef === undefined || share < TWO_HOP_SHARE_MIN;
  if (free && scan <= costOf(mode) + candidates * costs.exact) {
    return planScan(source, graph, asked);
  }
  const { ef } = width;
  const room = mode === 'all' ? ef : mode === 'test' ? Math.ceil((ef / share) * 2) + 64 : 2 * ef;
  const kept = asked.bounded ? Math.max(room, RANGE_CAPACITY) : room;
  const most = Math.max(ef, Math.min(ENTRIES_MAX, kept + SEED_ROOM));
  const patience = Math.min(PATIENCE * costOf(mode), 2 * scan) / costs.walked;
  const capacity = mode === 'all' && kept === ef ? ef : most;
  const distancesMax = mode === 'all' ? UNLIMITED : Math.ceil(Math.max(1000, patience));
  const leastShare = mode === 'two-hop' ? share * AROUND : 0;
  const how = { mode, ef, capacity, candidates, distancesMax, leastShare };
  return planOf(source, { graph, ...rowsOf(source), ...how }, width);
}

/**
 * A look at each of the rows that a filter leaves, by their codes, as one call: for few rows all
 * that a scan does around it takes longer.
 */
function planScan(source: HnswSource, graph: GraphView, asked: WalkAsked): WalkPlan | undefined {
  const { limit, rows } = asked;
  const filtered = rows < source.column.rowCount;
  const byCodes = source.coded !== undefined && source.metric !== 'ip';
  if (!filtered || !byCodes || asked.bounded) return undefined;
  const wanted = Math.max(limit, asked.candidates ?? candidatesFor(source, limit));
  // Of few rows all are scored.
  const candidates = wanted > rows * SCANNED_SHARE_MAX ? rows + 1 : wanted;
  if (candidates > SCANNED_MAX) return undefined;
  const room = { ef: candidates, capacity: candidates, candidates };
  const how = { mode: 'scan', distancesMax: UNLIMITED, leastShare: 0 } as const;
  return planOf(source, { graph, ...rowsOf(source), ...how, ...room }, undefined);
}

function planOf(source: HnswSource, walk: GraphWalk, width: Width | undefined): WalkPlan {
  const shape = { graph: walk.graph, capacity: walk.capacity, build: false };
  const possible = source.kernels.canWalk(shape);
  return { walk, width, possible, scratchBytes: graphScratchBytes(shape) };
}

/** What is scored exactly. */
function rowsOf({ metric, column, coded, inverseNorms }: HnswSource) {
  const { dim, element, rows } = column;
  return { metric, dim, element, grid: coded?.grid ?? NO_GRID, rows, inverseNorms };
}

/** Whether a walk can answer at all. */
function canWalk(source: HnswSource, args: NumberSearch): boolean {
  const { rowCount } = source.column;
  const whole = (args.from ?? 0) === 0 && (args.to ?? rowCount) === rowCount;
  return args.exact !== true && whole && !cutsBestSide(source, args.bounds);
}

/** Work of several queries together. */
interface Sum {
  exactScores: number;
  codeScores: number;
  visited: number;
  fallbacks: number;
}

function unanswered(outcomes: Uint32Array, query: number, limit: number): boolean {
  const at = query * OUTCOME_WORDS;
  return outcomes[at] !== OUTCOME.found || (outcomes[at + 1] ?? 0) < limit;
}

/** A walk that is under way. */
interface Walking {
  readonly plan: WalkPlan;
  readonly scratch: Scratch;
  readonly asked: SearchGraph;
}

/** Gets a walk ready; undefined = scan. */
function startWalk(source: HnswSource, args: NumberSearch): Walking | undefined {
  const { graph, column } = source;
  const { top, queries, allowed, bounds, rowBase = 0 } = args;
  if (queries.length !== top.nq * column.dim) throw new RangeError('queries: expected nq x dim');
  if (graph === undefined || !canWalk(source, args)) return undefined;
  const plan = source.plans.find(source, graph, args);
  if (plan === undefined || !plan.possible) return undefined;
  const { walk } = plan;
  const scratch = source.scratches.take(plan, top.nq);
  const { outcomes, words } = scratch;
  const asked = { walk, queries, allowed, bounds, rowBase, top, outcomes, scratch: words };
  return { plan, scratch, asked };
}

/** Search in steps; see the head of this file. */
export function* hnswSteps(
  source: HnswSource,
  args: NumberSearch,
): Generator<undefined, SearchWork, undefined> {
  const walking = startWalk(source, args);
  if (walking === undefined) return yield* scanSteps(source, args);
  try {
    while (!source.kernels.searchGraph(walking.asked)) yield;
    return yield* finish(source, walking, args);
  } finally {
    source.scratches.put(walking.scratch);
  }
}

/** The same at once: a search of one query is so short that a generator would show. */
export function hnswSearch(source: HnswSource, args: NumberSearch): SearchWork {
  const walking = startWalk(source, args);
  if (walking === undefined) return runToEnd(scanSteps(source, args));
  try {
    const { kernels } = source;
    while (!kernels.searchGraph(walking.asked));
    const sum = sumOf(walking);
    if (sum.fallbacks > 0) return runToEnd(finish(source, walking, args));
    return workOf(source, walking, sum);
  } finally {
    source.scratches.put(walking.scratch);
  }
}

/** Runs steps to their end. */
export function runToEnd<T>(steps: Generator<undefined, T, undefined>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Scans for the queries that their walk did not answer. */
function* finish(
  source: HnswSource,
  walking: Walking,
  args: NumberSearch,
): Generator<undefined, SearchWork, undefined> {
  const sum = sumOf(walking);
  const { outcomes } = walking.scratch;
  for (let query = 0; sum.fallbacks > 0 && query < args.top.nq; query++) {
    if (!unanswered(outcomes, query, args.top.limit)) continue;
    const done = yield* scanSteps(source, alone(args, query, source.column.dim));
    sum.exactScores += done.exactScores;
    sum.codeScores += done.codeScores;
  }
  return workOf(source, walking, sum);
}

/** Sums up what became of the queries. */
function sumOf({ asked, plan }: Walking): Sum {
  const { top, outcomes } = asked;
  const { candidates } = plan.walk;
  const sum: Sum = { exactScores: 0, codeScores: 0, visited: 0, fallbacks: 0 };
  for (let query = 0; query < top.nq; query++) {
    const at = query * OUTCOME_WORDS;
    sum.codeScores += outcomes[at + 2] ?? 0;
    sum.visited += outcomes[at + 3] ?? 0;
    sum.exactScores += Math.min(outcomes[at + 1] ?? 0, candidates);
    if (unanswered(outcomes, query, top.limit)) sum.fallbacks++;
  }
  return sum;
}

function workOf(source: HnswSource, { plan, asked }: Walking, sum: Sum): SearchWork {
  const { walk, width } = plan;
  const scan = source.coded === undefined ? 'exact' : 'codes';
  const name = PLAN_NAMES[walk.mode] ?? (sum.exactScores < sum.codeScores ? 'codes' : 'exact');
  return {
    plan: sum.fallbacks > 0 ? (sum.fallbacks === asked.top.nq ? scan : 'mixed') : name,
    ef: width?.ef,
    recall: walk.mode === 'all' ? width?.recall : undefined,
    exactScores: sum.exactScores,
    codeScores: sum.codeScores,
    visited: sum.visited,
    fallbacks: sum.fallbacks,
  };
}
