import { largerIsBetter } from '@elanus/core';
import {
  createTopK,
  elementBytes,
  ENTRIES_MAX,
  encodeQuerySq8,
  rowsPerCall,
} from '@elanus/kernels';
import type { RowMemory, ScoreBounds, Sq8Grid, Sq8Query, TopK } from '@elanus/kernels';

import { allowedRows, flatSteps, slotView, spanOf, stepRows } from './flat.ts';
import type { FlatSource } from './flat.ts';
import type { NumberSearch, SearchWork } from './vector-index.ts';

/**
 * Search over 8-bit codes, in two stages: the grid distance picks candidates, exact scores of the
 * candidates decide. The exact scan is taken instead where candidates could lose rows:
 *
 *  - the span or the filter leaves so few rows that candidates would be most of them;
 *  - bounds cut off the best side: the best codes are then not the best results;
 *  - an L2 query lies outside the grid: clipped codes order rows wrongly there.
 *
 * A row outside the grid is clipped towards it, which brings it nearer to every query inside: it
 * becomes a candidate too early, never too late.
 */

/** What a search over codes reads, besides the column. */
export interface Sq8Source extends FlatSource {
  readonly codes: RowMemory;
  /** Bytes of a row of codes. */
  readonly stride: number;
  /** [rows] see `Kernels.encodeSq8` */
  readonly terms: Uint32Array;
  /** [rows] IP only: squared norms. */
  readonly norms: Float32Array | undefined;
  readonly grid: Sq8Grid;
  /** Typical norm of the coded rows: IP and COSINE queries are scaled to it. */
  readonly typicalNorm: number;
  /** Candidates that hold ten results, as measured when the index was built. */
  readonly candidatesOfTen: number;
}

/** Codes that lie outside the grid by more than this many steps in all make a query exact. */
export const OVERSHOOT_MAX = 32;
/** Candidates are worth it when they are at most this share of the rows. */
const SHARE_MAX = 1 / 4;
/**
 * What rows that a filter leaves cost, in nanoseconds: a row and each byte of it, its exact score
 * or its codes; and to begin with codes (the query on the grid, a second heap, a second call).
 * Measured with AVX2 at 784 dimensions (bench/kernels/scan.ts); only the ratios matter.
 */
const EXACT_NS = { row: 9, byte: 0.035 } as const;
const CODES_NS = { row: 9, byte: 0.05, begin: 12_000 } as const;
/** Codes that stay in the second-level cache while several queries pass. */
const BLOCK_BYTES = 256 * 1024;

/** Rows to scan, with their codes where an index keeps some. */
export interface ScanSource extends FlatSource {
  /** Undefined: scans are exact. */
  readonly coded: Sq8Source | undefined;
  /** Candidates that hold ten results. */
  readonly candidatesOfTen: number;
}

/** A scan by codes, or an exact one where there are none. */
export function scanSteps(
  source: ScanSource,
  args: NumberSearch,
): Generator<undefined, SearchWork, undefined> {
  return source.coded ? sq8Steps(source.coded, args) : flatSteps(source, args);
}

/** Candidates per query for a limit. */
export function candidatesFor(source: Pick<ScanSource, 'candidatesOfTen'>, limit: number): number {
  const scaled = Math.ceil((source.candidatesOfTen * limit) / 10);
  return Math.max(source.candidatesOfTen, scaled);
}

/**
 * A query on the grid. The order by IP and COSINE does not change when the query is scaled, so it
 * is brought to the length of a typical row and, further, into the symmetric grid: there
 * |x|^2 - distance^2 orders the rows.
 */
export function placeQuery(source: Sq8Source, query: Float32Array): Sq8Query {
  const placed = encodeQuerySq8(query, source.grid, scaleOf(source, query));
  if (placed.codes.length === source.stride) return placed;
  const codes = new Int8Array(source.stride);
  codes.set(placed.codes);
  return { ...placed, codes };
}

function scaleOf(source: Sq8Source, query: Float32Array): number {
  if (source.metric === 'l2') return 1;
  let square = 0;
  let largest = 0;
  for (const x of query) {
    square += x * x;
    largest = Math.max(largest, Math.abs(x));
  }
  if (square === 0) return 1;
  const edge = Math.abs(source.grid.low);
  return Math.min(source.typicalNorm / Math.sqrt(square), edge / largest);
}

/** Whether the best rows may lie outside of the bounds. */
export function cutsBestSide(source: FlatSource, bounds: ScoreBounds | undefined): boolean {
  if (bounds === undefined) return false;
  return largerIsBetter(source.metric) ? bounds.max !== Infinity : bounds.min > 0;
}

/** Scans codes for all placed queries; `found` holds a heap of candidates for each. */
export function* scanCodes(
  source: Sq8Source,
  args: NumberSearch,
  stage: { readonly placed: readonly (Sq8Query | undefined)[]; readonly found: TopK },
): Generator<undefined, void, undefined> {
  const { kernels, codes, terms, norms, grid, column } = source;
  const { from, to } = spanOf(args, column.rowCount);
  const { placed, found } = stage;
  // Codes are padded with zeros, in rows and queries, so their length serves as dimension.
  const dim = source.stride;
  const cached = Math.max(64, Math.floor(BLOCK_BYTES / dim));
  const perCall = rowsPerCall(dim, 1);
  const size = placed.length === 1 ? stepRows(source, args, perCall) : Math.min(cached, perCall);
  const weight = Math.fround(grid.step * grid.step);
  const fixed = { dim, codes, terms, norms, allowed: args.allowed, weight, rowBase: 0 };
  const first = placed.findIndex((query) => query !== undefined);
  let since = 0;
  for (let at = from; at < to; at += size) {
    const end = Math.min(to, at + size);
    for (const [slot, query] of placed.entries()) {
      if (query === undefined) continue;
      const cached = slot !== first;
      const asked = { query: query.codes, queryTerm: query.term, top: found, slot, cached };
      kernels.scanSq8({ ...fixed, ...asked, from: at, to: end });
      since += end - at;
      if (since < perCall) continue;
      since = 0;
      yield;
    }
  }
}

/** Exact scores of the candidates of one query into the result. */
function rerank(
  source: Sq8Source,
  args: NumberSearch,
  stage: { readonly found: TopK; readonly foundSlot: number; readonly slot: number },
): void {
  const { kernels, metric, column, inverseNorms } = source;
  const { queries, bounds, top, rowBase = 0 } = args;
  const candidates = slotView(stage.found, stage.foundSlot);
  const count = candidates.counts[0] ?? 0;
  const codeWorst = candidates.scores[0] ?? 0;
  // In row order the rows are read forwards; heap order would jump about in memory.
  const list = candidates.rows.slice(0, count).sort();
  if (rowBase !== 0) for (let i = 0; i < count; i++) list[i] = (list[i] ?? 0) + rowBase;
  const { dim, rows, element } = column;
  const shape = { metric, dim, rows, element, inverseNorms, rowBase };
  const query = queries.subarray(stage.slot * dim, (stage.slot + 1) * dim);
  const asked = { rowCount: column.rowCount, list, query, bounds, top, slot: stage.slot };
  kernels.rerankRows({ ...shape, ...asked });
  if (candidates.tied[0] !== 1) return;
  // Rows as far as the worst candidate were dropped unseen. When the worst kept row is one of that
  // distance, a dropped one may equal it.
  const kept = slotView(top, stage.slot);
  const worst = (kept.rows[0] ?? 0) - rowBase;
  const at = candidates.rows.subarray(0, count).indexOf(worst);
  if (at >= 0 && candidates.scores[at] === codeWorst) kept.tied[0] = 1;
}

/** One query of a search as a search of its own. */
export function alone(args: NumberSearch, slot: number, dim: number): NumberSearch {
  const queries = args.queries.subarray(slot * dim, (slot + 1) * dim);
  return { ...args, queries, top: slotView(args.top, slot) };
}

/** Whether exact scores of all rows that a filter leaves cost less than codes and candidates. */
function exactCostsLess(source: Sq8Source, rows: number, candidates: number): boolean {
  const { dim, element } = source.column;
  const exact = EXACT_NS.row + EXACT_NS.byte * dim * elementBytes(element ?? 'float32');
  const codes = CODES_NS.begin + rows * (CODES_NS.row + CODES_NS.byte * source.stride);
  return rows * exact < codes + candidates * exact;
}

/** Search over codes in steps; see the head of this file. */
export function* sq8Steps(
  source: Sq8Source,
  args: NumberSearch,
): Generator<undefined, SearchWork, undefined> {
  const { top, queries } = args;
  const { dim } = source.column;
  if (queries.length !== top.nq * dim) throw new RangeError('queries: expected top.nq x dim');
  const candidates = Math.max(top.limit, args.candidates ?? candidatesFor(source, top.limit));
  const rows = allowedRows(source, args);
  const many = candidates > rows * SHARE_MAX || candidates > ENTRIES_MAX;
  const exactly =
    args.exact === true ||
    many ||
    (args.allowed !== undefined && exactCostsLess(source, rows, candidates));
  if (exactly || cutsBestSide(source, args.bounds)) {
    return yield* flatSteps(source, args);
  }
  const work = { exactScores: 0, codeScores: 0 };
  let exact = 0;
  // As many queries at once as candidate heaps of 4 MiB in all allow.
  const group = Math.max(1, Math.floor(524_288 / candidates));
  for (let first = 0; first < top.nq; first += group) {
    const n = Math.min(group, top.nq - first);
    const placed: (Sq8Query | undefined)[] = [];
    for (let i = 0; i < n; i++) {
      const query = queries.subarray((first + i) * dim, (first + i + 1) * dim);
      const on = placeQuery(source, query);
      placed.push(on.overshoot > OVERSHOOT_MAX ? undefined : on);
    }
    const found = createTopK(n, candidates);
    yield* scanCodes(source, args, { placed, found });
    for (const [i, query] of placed.entries()) {
      if (query === undefined) {
        const done = yield* flatSteps(source, alone(args, first + i, dim));
        work.exactScores += done.exactScores;
        exact++;
        continue;
      }
      rerank(source, args, { found, foundSlot: i, slot: first + i });
      work.exactScores += found.counts[i] ?? 0;
      work.codeScores += rows;
      yield;
    }
  }
  return { plan: exact === 0 ? 'codes' : exact === top.nq ? 'exact' : 'mixed', ...work };
}
