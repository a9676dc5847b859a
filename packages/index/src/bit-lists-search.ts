import { bitRowsPerCall, createTopK, mergeTopK, sortTopK } from '@elanus/kernels';
import type { RowMemory, TopK } from '@elanus/kernels';

import { bitSteps } from './bin-flat.ts';
import type { BitSearch, BitSource } from './bin-flat.ts';
import type { BitCentroids } from './bit-means.ts';
import { slotView } from './flat.ts';
import { allowPlaces, listAt, planProbes, SPARE_PROBES } from './ivf-search.ts';
import type { List } from './ivf-search.ts';
import type { ProbePoint } from './probe-curve.ts';
import type { SearchWork } from './vector-index.ts';

/**
 * Search of lists of bits: the rows around the centroids nearest to the query are scored, all of
 * them. They lie a second time in the order of the lists, so that a list is read from one end to
 * the other. The exact scan answers instead as for lists of numbers: see ivf-search.ts.
 */
export interface BitListSource extends BitSource {
  readonly centroids: BitCentroids;
  /** [lists + 1] u32: where each list begins. */
  readonly listStarts: Uint32Array;
  /** [rows] u32, rising within a list. */
  readonly listRows: Uint32Array;
  /** [rows x dim / 8] bytes, in the order of `listRows`. */
  readonly listBits: RowMemory;
  readonly curve: readonly ProbePoint[];
}

/** The lists nearest to each query. */
function* nearestLists(
  source: BitListSource,
  args: BitSearch,
  probes: number,
): Generator<undefined, readonly (readonly List[])[], undefined> {
  const { kernels, centroids } = source;
  const { count, dim, rows, metric } = centroids;
  const wanted = Math.min(count, SPARE_PROBES * probes);
  const near = createTopK(args.top.nq, wanted);
  const size = bitRowsPerCall(dim, args.top.nq);
  const shape = { metric, dim, rows, rowBase: 0, queries: args.queries, top: near } as const;
  for (let from = 0; from < count; from += size) {
    kernels.scanBits({ ...shape, from, to: Math.min(count, from + size) });
    yield;
  }
  sortTopK(near, metric);
  return Array.from({ length: near.nq }, (_, q) => {
    const at = q * wanted;
    const lists = near.rows.subarray(at, at + (near.counts[q] ?? 0));
    return Array.from(lists, (list) => listAt(source, list));
  });
}

/** One query on its way. */
interface Probe {
  readonly args: BitSearch;
  readonly query: Uint8Array;
  /** From the nearest on. */
  readonly lists: readonly List[];
  /** So many of them are looked at, more when those hold fewer rows than results. */
  readonly probes: number;
  /** Takes the result of this query alone, by place in the lists. */
  readonly found: TopK;
}

/** Scores the rows of the lists; gives how many, and how many of them may be returned. */
function* scanLists(
  source: BitListSource,
  probe: Probe,
): Generator<undefined, { readonly scored: number; readonly met: number }, undefined> {
  const { kernels, metric, column, listBits, listRows } = source;
  const { found, query } = probe;
  const { allowed, bounds } = probe.args;
  const places = allowed && new Uint32Array((column.rowCount + 31) >>> 5);
  const shape = { metric, dim: column.dim, rows: listBits, rowBase: 0, allowed: places };
  const size = bitRowsPerCall(column.dim, 1);
  let [scored, met, since] = [0, 0, 0];
  for (const [i, list] of probe.lists.entries()) {
    if (i >= probe.probes && met >= found.limit) break;
    const length = list.to - list.from;
    met += allowed && places ? allowPlaces({ ...list, rows: listRows }, allowed, places) : length;
    for (let from = list.from; from < list.to; from += size) {
      const to = Math.min(list.to, from + size);
      kernels.scanBits({ ...shape, from, to, queries: query, bounds, top: found });
      since += to - from;
      if (since < size) continue;
      since = 0;
      yield;
    }
    scored += length;
  }
  return { scored, met };
}

/** Puts rows where places in the lists are; false = a damaged list named a row that is not. */
function nameRows({ listRows, column }: BitListSource, found: TopK, rowBase: number): boolean {
  for (let i = 0; i < (found.counts[0] ?? 0); i++) {
    const row = listRows[found.rows[i] ?? 0] ?? 0;
    if (row >= column.rowCount) return false;
    found.rows[i] = row + rowBase;
  }
  return true;
}

/** Search in steps; see the head of this file. */
export function* bitListSteps(
  source: BitListSource,
  args: BitSearch,
): Generator<undefined, SearchWork, undefined> {
  const { top, queries } = args;
  const width = source.column.dim / 8;
  if (queries.length !== top.nq * width) throw new RangeError('queries: expected top.nq rows');
  const plan = planProbes(source, args, (args.bounds?.min ?? 0) > 0);
  if (plan === undefined) return yield* bitSteps(source, args);
  const { probes, recall } = plan;
  const near = yield* nearestLists(source, args, probes);
  const sum = { exactScores: 0, codeScores: 0, visited: 0, fallbacks: 0 };
  for (const [slot, lists] of near.entries()) {
    const query = queries.subarray(slot * width, (slot + 1) * width);
    const found = createTopK(1, top.limit);
    const work = yield* scanLists(source, { args, query, lists, probes, found });
    sum.exactScores += work.scored;
    sum.visited += Math.min(probes, lists.length);
    const own = slotView(top, slot);
    if (work.met < top.limit || !nameRows(source, found, args.rowBase ?? 0)) {
      sum.fallbacks++;
      const scan = yield* bitSteps(source, { ...args, queries: query, top: own });
      sum.exactScores += scan.exactScores;
    } else mergeTopK(own, found, source.metric);
    yield;
  }
  const all = sum.fallbacks === top.nq;
  return { plan: sum.fallbacks === 0 ? 'lists' : all ? 'exact' : 'mixed', recall, ...sum };
}
