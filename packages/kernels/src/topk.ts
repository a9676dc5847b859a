import { assert, largerIsBetter } from '@elanus/core';
import type { Metric } from '@elanus/core';

/**
 * Result state of a top-k search, held by the caller so that a scan can be cut and continued. One
 * heap per query, worst entry first, until `sortTopK` puts it best first. Order: score, then lower
 * row; a total order, so the kept rows do not depend on how a scan was cut or shared out.
 */
export interface TopK {
  readonly nq: number;
  readonly limit: number;
  /** [nq x limit] */
  readonly scores: Float32Array;
  /** [nq x limit] */
  readonly rows: Uint32Array;
  /** [nq] entries kept */
  readonly counts: Uint32Array;
  /**
   * [nq] 1 = a row whose score equals the worst kept one was dropped, so whoever breaks ties by key
   * has to look at all rows of that score (a second scan with both bounds at it).
   */
  readonly tied: Uint8Array;
  /** Set by `sortTopK`; a sorted result takes no more rows. */
  sorted: boolean;
}

/**
 * An empty result for `nq` queries of at most `limit` rows each; both at least 1.
 * Memory: nq * limit * 8 bytes, in one buffer: V8 keeps small arrays on its heap and moves each of
 * them out when native code first asks for it, which takes longer than a short search.
 */
export function createTopK(nq: number, limit: number): TopK {
  assert(Number.isInteger(nq) && nq >= 1, 'nq is a whole number, at least 1');
  assert(Number.isInteger(limit) && limit >= 1, 'limit is a whole number, at least 1');
  const entries = nq * limit;
  const buffer = new ArrayBuffer(entries * 8 + nq * 5);
  return {
    nq,
    limit,
    scores: new Float32Array(buffer, 0, entries),
    rows: new Uint32Array(buffer, entries * 4, entries),
    counts: new Uint32Array(buffer, entries * 8, nq),
    tied: new Uint8Array(buffer, entries * 8 + nq * 4, nq),
    sorted: false,
  };
}

/** One query's part of the state, with offsets resolved. */
interface Heap {
  readonly scores: Float32Array;
  readonly rows: Uint32Array;
  readonly at: number;
  readonly larger: boolean;
}

/** One scored row. */
export interface ScoredRow {
  readonly score: number;
  readonly row: number;
}

const number = (values: Float32Array | Uint32Array, i: number): number => values[i] ?? 0;

function isWorse(heap: Heap, i: number, entry: ScoredRow): boolean {
  const score = number(heap.scores, heap.at + i);
  if (score === entry.score) return number(heap.rows, heap.at + i) > entry.row;
  return heap.larger ? score < entry.score : score > entry.score;
}

function put(heap: Heap, i: number, entry: ScoredRow): void {
  heap.scores[heap.at + i] = entry.score;
  heap.rows[heap.at + i] = entry.row;
}

function entryAt(heap: Heap, i: number): ScoredRow {
  return { score: number(heap.scores, heap.at + i), row: number(heap.rows, heap.at + i) };
}

/** Sinks `entry` from the root of the first `count` entries. */
function siftDown(heap: Heap, count: number, entry: ScoredRow): void {
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count && isWorse(heap, child + 1, entryAt(heap, child))) child++;
    if (!isWorse(heap, child, entry)) break;
    put(heap, at, entryAt(heap, child));
    at = child;
  }
  put(heap, at, entry);
}

function siftUp(heap: Heap, from: number, entry: ScoredRow): void {
  let at = from;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (isWorse(heap, parent, entry)) break;
    put(heap, at, entryAt(heap, parent));
    at = parent;
  }
  put(heap, at, entry);
}

/** Where a result goes: query `slot` of `top`, ordered by `metric`. */
export interface TopSlot {
  readonly top: TopK;
  readonly slot: number;
  readonly metric: Metric;
}

/** Offers one row: the same rule as the kernels', for the few rows that JavaScript scores. */
export function offerTopK(into: TopSlot, entry: ScoredRow): void {
  const { top, slot } = into;
  assert(!top.sorted, 'a sorted result takes no more rows');
  const larger = largerIsBetter(into.metric);
  const heap: Heap = { scores: top.scores, rows: top.rows, at: slot * top.limit, larger };
  const count = top.counts[slot] ?? 0;
  const score = Number.isNaN(entry.score) ? (larger ? -Infinity : Infinity) : entry.score;
  const offered = { score, row: entry.row };
  if (count < top.limit) {
    top.counts[slot] = count + 1;
    siftUp(heap, count, offered);
    return;
  }
  const worst = number(heap.scores, heap.at);
  if (!isWorse(heap, 0, offered)) {
    if (score === worst) top.tied[slot] = 1;
    return;
  }
  siftDown(heap, count, offered);
  top.tied[slot] = number(heap.scores, heap.at) === worst ? 1 : 0;
}

/**
 * Adds all rows of `from` to `into`: joins the parts of a scan that threads shared. Both of one
 * `nq` and `limit`; row numbers must not overlap. `from` may be sorted, `into` not.
 */
export function mergeTopK(into: TopK, from: TopK, metric: Metric): void {
  assert(into.nq === from.nq && into.limit === from.limit, 'results of one shape');
  for (let slot = 0; slot < from.nq; slot++) {
    const at = slot * from.limit;
    const count = from.counts[slot] ?? 0;
    for (let i = 0; i < count; i++) {
      const entry = { score: number(from.scores, at + i), row: number(from.rows, at + i) };
      offerTopK({ top: into, slot, metric }, entry);
    }
    if (from.tied[slot] !== 1) continue;
    const worstFrom = number(from.scores, from.sorted ? at + count - 1 : at);
    if (number(into.scores, at) === worstFrom) into.tied[slot] = 1;
  }
}

/** So few are sorted by inserting one after the other: that makes no objects on the way. */
const INSERTED_MAX = 16;

function insertAll({ scores, rows, at, larger }: Heap, count: number): void {
  for (let i = at + 1; i < at + count; i++) {
    const score = number(scores, i);
    const row = number(rows, i);
    let to = i;
    for (; to > at; to--) {
      const before = number(scores, to - 1);
      const first = number(rows, to - 1);
      if (before === score ? first < row : larger ? before > score : before < score) break;
      scores[to] = before;
      rows[to] = first;
    }
    scores[to] = score;
    rows[to] = row;
  }
}

/** Puts each query's rows best first, ties by lower row. Cost: nq * limit * log(limit). */
export function sortTopK(top: TopK, metric: Metric): void {
  if (top.sorted) return;
  const larger = largerIsBetter(metric);
  for (let slot = 0; slot < top.nq; slot++) {
    const heap: Heap = { scores: top.scores, rows: top.rows, at: slot * top.limit, larger };
    const count = top.counts[slot] ?? 0;
    if (count <= INSERTED_MAX) {
      insertAll(heap, count);
      continue;
    }
    for (let last = count - 1; last > 0; last--) {
      const worst = entryAt(heap, 0);
      const moved = entryAt(heap, last);
      siftDown(heap, last, moved);
      put(heap, last, worst);
    }
  }
  top.sorted = true;
}

/** The heap of one query, as the addon takes it. */
export function heapOf(top: TopK, slot: number): readonly unknown[] {
  const { limit } = top;
  if (top.nq === 1) return [limit, top.scores, top.rows, top.counts, top.tied];
  const at = slot * limit;
  return [
    limit,
    top.scores.subarray(at, at + limit),
    top.rows.subarray(at, at + limit),
    top.counts.subarray(slot, slot + 1),
    top.tied.subarray(slot, slot + 1),
  ];
}
