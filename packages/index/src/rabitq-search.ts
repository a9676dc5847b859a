import { createTopK, ENTRIES_MAX, rabitqBits } from '@elanus/kernels';
import type { RabitqView, TopK } from '@elanus/kernels';

import type { FlatSource } from './flat.ts';
import { probesFor, recallOfProbes } from './probe-curve.ts';
import type { ProbePoint } from './probe-curve.ts';

/**
 * Candidates among 1-bit codes: estimates of distances say which rows of the nearest lists are to
 * be scored exactly. How many lists and how many rows go together: more of either finds more, and
 * the index measured which pairs find what.
 */

/** How many candidates are scored exactly for each result, as it is measured. */
export const REFINES = [2, 4, 8, 16, 32, 64] as const;

/** Rows that are scored exactly so that there are `limit` results. */
export function refined(refine: number, limit: number): number {
  return Math.min(ENTRIES_MAX, Math.max(limit, Math.ceil(refine * limit)));
}

/** Lists to look at, and candidates for each result. */
export interface RefinePlan {
  readonly nprobe: number;
  readonly refine: number;
  /** What such a search was measured to find at least; undefined: not known. */
  readonly recall: number | undefined;
}

/** What a search says of its plan. */
export interface RefineAsked {
  readonly limit: number;
  readonly recall: number;
  readonly nprobe: number | undefined;
  readonly refine: number | undefined;
}

/** Shape of the lists, for what a plan costs. */
export interface ListCosts {
  readonly rowCount: number;
  readonly lists: number;
  readonly dim: number;
}

/**
 * Nanoseconds with AVX2, of which only the ratios matter: a list is prepared for (each number), a
 * code is compared (each bit of it), a row is scored exactly (each number, and a miss of the
 * cache).
 */
const LIST_NS = 0.9;
const CODE_NS = { row: 6, bit: 0.016 } as const;
const EXACT_NS = { row: 90, number: 0.08 } as const;

function costOf({ rowCount, lists, dim }: ListCosts, plan: RefinePlan, limit: number): number {
  const bits = rabitqBits(dim);
  const rows = (rowCount / Math.max(1, lists)) * plan.nprobe;
  const scanned = rows * (CODE_NS.row + CODE_NS.bit * bits) + plan.nprobe * LIST_NS * bits;
  return scanned + refined(plan.refine, limit) * (EXACT_NS.row + EXACT_NS.number * dim);
}

/** The points that searches with so many candidates reach at least. */
function withRefine(points: readonly ProbePoint[], refine: number): readonly ProbePoint[] {
  const measured = REFINES.findLast((one) => one <= refine);
  return points.filter((point) => point.refine === measured);
}

/** Plans of a curve that were asked for before: searches ask the same again and again. */
const known = new WeakMap<readonly ProbePoint[], Map<string, RefinePlan | undefined>>();
const REMEMBERED = 64;

/** The cheapest plan that was measured to reach the recall; undefined when none was: then scan. */
export function refinePlan(
  points: readonly ProbePoint[],
  asked: RefineAsked,
  costs: ListCosts,
): RefinePlan | undefined {
  const plans = known.get(points) ?? new Map<string, RefinePlan | undefined>();
  const key = `${asked.limit}/${asked.recall}/${asked.nprobe}/${asked.refine}`;
  if (!plans.has(key)) {
    if (plans.size >= REMEMBERED) plans.clear();
    plans.set(key, findPlan(points, asked, costs));
    known.set(points, plans);
  }
  return plans.get(key);
}

function findPlan(
  points: readonly ProbePoint[],
  asked: RefineAsked,
  costs: ListCosts,
): RefinePlan | undefined {
  const { limit, recall } = asked;
  const found = (nprobe: number, refine: number): RefinePlan => {
    const measured = recallOfProbes(withRefine(points, refine), limit, nprobe);
    return { nprobe, refine, recall: measured };
  };
  if (asked.nprobe !== undefined && asked.refine !== undefined) {
    return found(asked.nprobe, asked.refine);
  }
  if (asked.nprobe !== undefined) {
    const { nprobe } = asked;
    const all = REFINES.map((refine) => found(nprobe, refine));
    const most = all.findLast((plan) => plan.recall !== undefined) ?? found(nprobe, REFINES[2]);
    return all.find((plan) => (plan.recall ?? 0) >= recall) ?? most;
  }
  const refines = asked.refine === undefined ? REFINES : [asked.refine];
  const plans = refines.flatMap((refine) => {
    const nprobe = probesFor(withRefine(points, refine), limit, recall);
    return nprobe === undefined ? [] : [found(nprobe, refine)];
  });
  return plans.sort((a, b) => costOf(costs, a, limit) - costOf(costs, b, limit))[0];
}

/** Rotates queries as rows were; those of COSINE are brought to length 1, or left at 0. */
export function rotatedQueries(
  source: FlatSource & { readonly bits: RabitqView },
  queries: Float32Array,
): Float32Array {
  const { kernels, bits, metric } = source;
  const { dim } = bits;
  const nq = queries.length / dim;
  const out = new Float32Array(nq * rabitqBits(dim));
  if (metric !== 'cosine') {
    kernels.rotateQueries({ view: bits, queries, out });
    return out;
  }
  const scaled = queries.slice();
  for (let from = 0; from < scaled.length; from += dim) {
    let square = 0;
    for (let i = from; i < from + dim; i++) square += (scaled[i] ?? 0) ** 2;
    const scale = square > 0 ? 1 / Math.sqrt(square) : 0;
    for (let i = from; i < from + dim; i++) scaled[i] = (scaled[i] ?? 0) * scale;
  }
  kernels.rotateQueries({ view: bits, queries: scaled, out });
  return out;
}

/** One query that looks for candidates. */
export interface BitProbe {
  readonly query: Float32Array;
  /** Numbers of lists, the nearest first; more of them than are looked at at first. */
  readonly lists: Uint32Array;
  readonly probes: number;
  readonly allowed: Uint32Array | undefined;
  /** Fewer rows than this lead to more lists. */
  readonly least: number;
  readonly candidates: number;
}

/** Rows by their estimates, best first out of the heap; a step is one native call. */
export function* scanBits(
  source: FlatSource & { readonly bits: RabitqView },
  probe: BitProbe,
): Generator<undefined, TopK, undefined> {
  const { query, allowed, probes, least } = probe;
  const top = createTopK(1, probe.candidates);
  for (let from = 0; from < probe.lists.length; ) {
    const to = from === 0 ? probes : from + Math.max(1, Math.ceil(probes / 4));
    const lists = probe.lists.subarray(from, to);
    const state = new Uint32Array(2);
    const asked = { view: source.bits, query, lists, state, allowed, top, slot: 0 };
    while (!source.kernels.scanRabitq(asked)) yield;
    if ((top.counts[0] ?? 0) >= least) break;
    from = to;
  }
  return top;
}
