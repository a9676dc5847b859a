import { assert } from './assert.ts';
import { isBetter, type Metric } from './metric.ts';

/** Primary keys of some rows: 64-bit integers or strings. */
export type Keys = BigInt64Array | readonly string[];

/**
 * Result rows of `nq` queries, best first, ties by smaller key. Query q's hits stand at
 * `[q * limit, q * limit + counts[q])` of the parallel arrays.
 */
export interface Hits {
  readonly nq: number;
  readonly limit: number;
  readonly counts: Uint32Array;
  readonly scores: Float32Array;
  readonly keys: Keys;
  /** Where each hit's row lives: the segment's id and the row within it. */
  readonly segments: Float64Array;
  readonly rows: Uint32Array;
}

/** No hits for `nq` queries. */
export function emptyHits(nq: number, limit: number, like: 'int64' | 'varchar'): Hits {
  const size = nq * limit;
  return {
    nq,
    limit,
    counts: new Uint32Array(nq),
    scores: new Float32Array(size),
    keys: like === 'int64' ? new BigInt64Array(size) : new Array<string>(size).fill(''),
    segments: new Float64Array(size),
    rows: new Uint32Array(size),
  };
}

/** Orders two keys of one kind: numbers by value, strings by UTF-16 code unit. */
export function compareKeys(a: bigint | string, b: bigint | string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Merges partial results into one, keeping the best `limit` per query: the one reduction used by
 * segments, nodes, shards and the proxy. Deterministic: score, then key.
 *
 * Cost: nq * limit * parts comparisons.
 */
export function mergeHits(parts: readonly Hits[], metric: Metric): Hits {
  const [first] = parts;
  assert(first !== undefined, 'at least one part');
  if (parts.length === 1) return first;
  const like = first.keys instanceof BigInt64Array ? 'int64' : 'varchar';
  const out = emptyHits(first.nq, first.limit, like);
  const cursors = new Uint32Array(parts.length);
  for (let q = 0; q < out.nq; q++) {
    cursors.fill(0);
    mergeQuery({ parts, metric, out, q, cursors });
  }
  return out;
}

function mergeQuery(input: {
  readonly parts: readonly Hits[];
  readonly metric: Metric;
  readonly out: Hits;
  readonly q: number;
  readonly cursors: Uint32Array;
}): void {
  const { parts, metric, out, q, cursors } = input;
  let count = 0;
  while (count < out.limit) {
    let best = -1;
    let bestAt = 0;
    for (let p = 0; p < parts.length; p++) {
      const part = parts[p];
      const cursor = cursors[p] ?? 0;
      if (part === undefined || cursor >= (part.counts[q] ?? 0)) continue;
      const at = q * part.limit + cursor;
      const current = best < 0 ? undefined : parts[best];
      if (current === undefined || precedes(metric, part, at, current, bestAt)) {
        best = p;
        bestAt = at;
      }
    }
    const winner = parts[best];
    if (winner === undefined) break;
    cursors[best] = (cursors[best] ?? 0) + 1;
    copyHit(winner, bestAt, out, q * out.limit + count);
    count++;
  }
  out.counts[q] = count;
}

function precedes(metric: Metric, a: Hits, i: number, b: Hits, j: number): boolean {
  const sa = a.scores[i] ?? 0;
  const sb = b.scores[j] ?? 0;
  if (sa !== sb) return isBetter(metric, sa, sb);
  return compareKeys(a.keys[i] ?? 0n, b.keys[j] ?? 0n) < 0;
}

function copyHit(from: Hits, i: number, to: Hits, j: number): void {
  to.scores[j] = from.scores[i] ?? 0;
  to.segments[j] = from.segments[i] ?? 0;
  to.rows[j] = from.rows[i] ?? 0;
  (to.keys as (bigint | string)[])[j] = from.keys[i] ?? 0n;
}
