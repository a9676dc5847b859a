import { LIMITS } from '@elanus/core';
import { createTopK, ENTRIES_MAX, mergeTopK, rowsPerCall, sortTopK } from '@elanus/kernels';
import type { Kernels, RabitqView, Sq8Query, TopK } from '@elanus/kernels';

import { flatSteps, slotView } from './flat.ts';
import type { FlatSource } from './flat.ts';
import type { Centroids } from './kmeans.ts';
import { probesFor, recallOfProbes } from './probe-curve.ts';
import type { ProbePoint } from './probe-curve.ts';
import { refined, refinePlan, rotatedQueries, scanBits } from './rabitq-search.ts';
import { recallAimed } from './recall-curve.ts';
import { alone, candidatesFor, cutsBestSide } from './sq8-search.ts';
import { OVERSHOOT_MAX, placeQuery } from './sq8-search.ts';
import type { Sq8Source } from './sq8-search.ts';
import type { IndexSearch, NumberSearch, SearchWork } from './vector-index.ts';

/**
 * Search of lists: the rows around the centroids nearest to the query are scored, all of them
 * (IVF_FLAT) or those that their codes pick (IVF_SQ8). An exact scan answers instead where it costs
 * less (a strict filter), where lists could lose rows (parts of the rows, bounds that cut off the
 * best side, codes of a query that lies outside the grid) and where the lists held fewer rows than
 * results; so there are never fewer than min(limit, allowed) results.
 */
export interface IvfSource extends FlatSource {
  readonly centroids: Centroids;
  /** [lists + 1] u32: where each list begins. */
  readonly listStarts: Uint32Array;
  /** [rows] u32, rising within a list. */
  readonly listRows: Uint32Array;
  /** IVF_SQ8: codes, terms and norms in the order of `listRows`. */
  readonly coded: Sq8Source | undefined;
  /** IVF_RABITQ: 1-bit codes; the centroids are rotated then. */
  readonly bits: RabitqView | undefined;
  readonly curve: readonly ProbePoint[];
}

/** A source whose rows are 1-bit codes. */
type BitSource = IvfSource & { readonly bits: RabitqView };

const isBitSource = (source: IvfSource): source is BitSource => source.bits !== undefined;

/** What a search of lists needs to know before it begins, whatever the rows are. */
export interface Probed {
  readonly kernels: Kernels;
  readonly column: { readonly rowCount: number };
  readonly centroids: { readonly count: number };
  readonly curve: readonly ProbePoint[];
  readonly bits?: RabitqView | undefined;
}

/** Rows of a list, by place in `listRows`. */
export interface List {
  readonly from: number;
  readonly to: number;
}

/** Lists that are ranked, for each that is looked at: some hold few rows that may be returned. */
export const SPARE_PROBES = 4;
/** By how much more lists are looked at when a filter leaves rows out. */
const FILTERED_PROBES = -0.5;

/** A list, cut to what there is. */
export function listAt(
  { listStarts, listRows }: Pick<IvfSource, 'listStarts' | 'listRows'>,
  list: number,
): List {
  const to = Math.min(listRows.length, listStarts[list + 1] ?? 0);
  return { from: Math.min(to, listStarts[list] ?? 0), to };
}

/** How many lists are looked at, and what so many found of the truth when no filter was there. */
export interface ProbePlan {
  readonly probes: number;
  readonly recall: number | undefined;
  /** IVF_RABITQ: candidates for each result. */
  readonly refine?: number | undefined;
}

/** What was measured to reach the recall, or what the search chose itself. */
function wantedPlan(source: Probed, args: IndexSearch): ProbePlan | undefined {
  const { nprobe, top } = args;
  const { limit } = top;
  const recall = recallAimed(args.recall);
  if (source.bits !== undefined) {
    const asked = { limit, recall, nprobe, refine: args.refine };
    const plan = refinePlan(source.curve, asked, source.bits);
    return plan && { probes: plan.nprobe, refine: plan.refine, recall: plan.recall };
  }
  const probes = nprobe ?? probesFor(source.curve, limit, recall);
  if (probes === undefined) return undefined;
  return { probes, recall: recallOfProbes(source.curve, limit, probes) };
}

/** How a search looks at lists; undefined = scan. `cut` says that bounds cut off the best rows. */
export function planProbes(source: Probed, args: IndexSearch, cut: boolean): ProbePlan | undefined {
  const { rowCount } = source.column;
  const { count } = source.centroids;
  const { nprobe, refine } = args;
  if (refine !== undefined && !(refine >= 1 && refine <= LIMITS.refineMax)) {
    throw new RangeError(`refine: expected 1 to ${LIMITS.refineMax}`);
  }
  if (nprobe !== undefined && !(Number.isInteger(nprobe) && nprobe >= 1)) {
    throw new RangeError('nprobe: expected a whole number, at least 1');
  }
  const whole = (args.from ?? 0) === 0 && (args.to ?? rowCount) === rowCount;
  const wanted = wantedPlan(source, args);
  if (args.exact === true || !whole || cut) return undefined;
  const passing = args.allowed ? source.kernels.popcount(args.allowed) : rowCount;
  const rows = Math.min(rowCount, passing);
  if (wanted === undefined || rows <= args.top.limit) return undefined;
  const share = rows / rowCount;
  const probes = Math.min(count, Math.ceil(wanted.probes * share ** FILTERED_PROBES));
  // Of the rows in the lists most would be left out: those that are not are fewer.
  if (share < 1 && rows < (rowCount * probes) / count) return undefined;
  return { ...wanted, probes };
}

/** Rows of a list that may be returned, as rerank takes them. */
function rowsIn(source: IvfSource, list: List, args: NumberSearch): Uint32Array {
  const { allowed, rowBase = 0 } = args;
  const rows = source.listRows.subarray(list.from, list.to);
  if (allowed === undefined && rowBase === 0) return rows;
  const kept = rows.filter(
    (row) => allowed === undefined || ((allowed[row >>> 5] ?? 0) >>> (row & 31)) & 1,
  );
  for (let i = 0; i < kept.length; i++) kept[i] = (kept[i] ?? 0) + rowBase;
  return kept;
}

/** One query on its way. */
interface Probe {
  readonly args: NumberSearch;
  readonly query: Float32Array;
  /** From the nearest on. */
  readonly lists: readonly List[];
  /** So many of them are looked at, more when those hold fewer rows than results. */
  readonly probes: number;
  /** Takes the result of this query alone. */
  readonly own: TopK;
}

function rerank(source: IvfSource, probe: Probe, list: Uint32Array): void {
  const { kernels, metric, inverseNorms, column } = source;
  const { dim, rows, element, rowCount } = column;
  const { rowBase = 0, bounds } = probe.args;
  const shape = { metric, dim, rows, element, inverseNorms, rowBase, rowCount };
  kernels.rerankRows({ ...shape, list, query: probe.query, bounds, top: probe.own, slot: 0 });
}

/** Scores all rows of the lists; gives how many. */
function* scoreLists(source: IvfSource, probe: Probe): Generator<undefined, number, undefined> {
  const size = rowsPerCall(source.column.dim, 1);
  let [scored, since] = [0, 0];
  for (const [i, list] of probe.lists.entries()) {
    if (i >= probe.probes && scored >= probe.own.limit) break;
    const rows = rowsIn(source, list, probe.args);
    for (let at = 0; at < rows.length; at += size) {
      rerank(source, probe, rows.subarray(at, at + size));
      since += Math.min(size, rows.length - at);
      if (since < size) continue;
      since = 0;
      yield;
    }
    scored += rows.length;
  }
  return scored;
}

/** Sets the bits of the places whose rows may be returned; gives how many there are. */
export function allowPlaces(
  list: List & { readonly rows: Uint32Array },
  allowed: Uint32Array,
  to: Uint32Array,
): number {
  let count = 0;
  for (let place = list.from; place < list.to; place++) {
    const row = list.rows[place] ?? 0;
    if ((((allowed[row >>> 5] ?? 0) >>> (row & 31)) & 1) === 0) continue;
    to[place >>> 5] = (to[place >>> 5] ?? 0) | (1 << (place & 31));
    count++;
  }
  return count;
}

/** Candidates by their codes, then exact scores; gives how many codes were looked at. */
function* scanLists(
  source: IvfSource,
  coded: Sq8Source,
  probe: Probe & { readonly placed: Sq8Query },
): Generator<undefined, { readonly codes: number; readonly exact: number }, undefined> {
  const { args, lists, placed } = probe;
  const { allowed, top } = args;
  const dim = coded.stride;
  const wanted = Math.max(top.limit, args.candidates ?? candidatesFor(coded, top.limit));
  const found = createTopK(1, Math.min(ENTRIES_MAX, wanted));
  const places = allowed && new Uint32Array(Math.ceil(source.listRows.length / 32));
  const { codes, terms, norms, grid } = coded;
  const weight = Math.fround(grid.step * grid.step);
  const fixed = { dim, codes, terms, norms, weight, rowBase: 0, allowed: places };
  const asked = { ...fixed, query: placed.codes, queryTerm: placed.term, top: found, slot: 0 };
  const size = rowsPerCall(dim, 1);
  let [scanned, since] = [0, 0];
  for (const [i, list] of lists.entries()) {
    if (i >= probe.probes && (found.counts[0] ?? 0) >= top.limit) break;
    if (allowed && places) allowPlaces({ ...list, rows: source.listRows }, allowed, places);
    for (let from = list.from; from < list.to; from += size) {
      const to = Math.min(list.to, from + size);
      source.kernels.scanSq8({ ...asked, from, to });
      since += to - from;
      if (since < size) continue;
      since = 0;
      yield;
    }
    scanned += list.to - list.from;
  }
  const { rowBase = 0 } = args;
  const count = found.counts[0] ?? 0;
  const rows = found.rows.slice(0, count);
  for (let i = 0; i < count; i++) rows[i] = (source.listRows[rows[i] ?? 0] ?? 0) + rowBase;
  rerank(source, probe, rows.sort());
  return { codes: scanned, exact: count };
}

/** The lists nearest to each query, which is rotated where the centroids are. */
export function* nearestLists(
  source: IvfSource,
  queries: Float32Array,
  of: { readonly nq: number; readonly wanted: number },
): Generator<undefined, readonly Uint32Array[], undefined> {
  const { kernels, centroids, metric } = source;
  const { count, dim, rows } = centroids;
  const by = metric === 'l2' ? 'l2' : 'ip';
  const wanted = Math.min(count, of.wanted);
  const near = createTopK(of.nq, wanted);
  const size = rowsPerCall(dim, of.nq);
  const shape = { metric: by, dim, rows, rowBase: 0, queries, top: near } as const;
  for (let from = 0; from < count; from += size) {
    kernels.scanRows({ ...shape, from, to: Math.min(count, from + size) });
    yield;
  }
  sortTopK(near, by);
  return Array.from({ length: near.nq }, (_, q) => {
    const at = q * wanted;
    return near.rows.subarray(at, at + (near.counts[q] ?? 0));
  });
}

/** Candidates by their 1-bit codes, then exact scores. */
function* refineLists(
  source: BitSource,
  probe: Probe,
  of: { readonly rotated: Float32Array; readonly near: Uint32Array; readonly refine: number },
): Generator<undefined, { readonly codes: number; readonly exact: number }, undefined> {
  const { args, probes } = probe;
  const { limit } = args.top;
  const candidates = args.candidates ?? refined(of.refine, limit);
  const asked = { query: of.rotated, lists: of.near, probes, allowed: args.allowed };
  const wanted = { least: limit, candidates: Math.max(limit, candidates) };
  const found = yield* scanBits(source, { ...asked, ...wanted });
  const { rowBase = 0 } = args;
  const exact = found.counts[0] ?? 0;
  const rows = found.rows.slice(0, exact);
  if (rowBase !== 0) for (let i = 0; i < exact; i++) rows[i] = (rows[i] ?? 0) + rowBase;
  rerank(source, probe, rows.sort());
  const looked = probe.lists.slice(0, probes);
  return { codes: looked.reduce((sum, { from, to }) => sum + to - from, 0), exact };
}

/** Search in steps; see the head of this file. */
export function* ivfSteps(
  source: IvfSource,
  args: NumberSearch,
): Generator<undefined, SearchWork, undefined> {
  const { top, queries } = args;
  const { dim } = source.column;
  if (queries.length !== top.nq * dim) throw new RangeError('queries: expected top.nq x dim');
  const plan = planProbes(source, args, cutsBestSide(source, args.bounds));
  if (plan === undefined) return yield* flatSteps(source, args);
  const { probes, recall, refine = 1 } = plan;
  const coded = isBitSource(source) ? source : undefined;
  const rotated = coded && rotatedQueries(coded, queries);
  const spare = { nq: top.nq, wanted: SPARE_PROBES * probes };
  const nearest = yield* nearestLists(source, rotated ?? queries, spare);
  const sum = { exactScores: 0, codeScores: 0, visited: 0, fallbacks: 0 };
  for (const [slot, near] of nearest.entries()) {
    const query = queries.subarray(slot * dim, (slot + 1) * dim);
    const lists = Array.from(near, (list) => listAt(source, list));
    const own = createTopK(1, top.limit);
    const probe: Probe = { args, query, lists, own, probes };
    /** Rows that may be returned, those that bounds leave out among them. */
    let met = 0;
    const placed = source.coded && placeQuery(source.coded, query);
    if (coded && rotated) {
      const width = coded.centroids.dim;
      const own = rotated.subarray(slot * width, (slot + 1) * width);
      const work = yield* refineLists(coded, probe, { rotated: own, near, refine });
      sum.codeScores += work.codes;
      // Under COSINE a query without a direction has none to look in.
      met = own.some((x) => x !== 0) || source.metric === 'l2' ? work.exact : 0;
    } else if (source.coded && placed && placed.overshoot <= OVERSHOOT_MAX) {
      // For a query outside the grid codes order rows wrongly: then all rows are scored.
      const work = yield* scanLists(source, source.coded, { ...probe, placed });
      sum.codeScores += work.codes;
      met = work.exact;
    } else met = yield* scoreLists(source, probe);
    sum.exactScores += met;
    sum.visited += Math.min(probes, lists.length);
    if (met < top.limit) {
      sum.fallbacks++;
      const work = yield* flatSteps(source, alone(args, slot, dim));
      sum.exactScores += work.exactScores;
    } else mergeTopK(slotView(top, slot), own, source.metric);
    yield;
  }
  const all = sum.fallbacks === top.nq;
  return { plan: sum.fallbacks === 0 ? 'lists' : all ? 'exact' : 'mixed', recall, ...sum };
}
