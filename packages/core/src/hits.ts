import { assert } from './assert.ts';
import { isBetter, type Metric } from './metric.ts';
import { takeRoom, type Room } from './slab.ts';

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

/** No hits for `nq` queries; small arrays lie in a slab (see slab.ts). */
export function emptyHits(nq: number, limit: number, like: 'int64' | 'varchar'): Hits {
  return hitsIn(takeRoom(hitBytes(nq, limit, like)), { nq, limit, like });
}

function hitBytes(nq: number, limit: number, like: 'int64' | 'varchar'): number {
  return nq * limit * (like === 'int64' ? 24 : 16) + nq * 4;
}

/** Hits whose arrays lie one behind the other. */
function hitsIn(
  { buffer, offset }: Room,
  of: { readonly nq: number; readonly limit: number; readonly like: 'int64' | 'varchar' },
): Hits {
  const { nq, limit, like } = of;
  const size = nq * limit;
  const narrowAt = offset + size * (like === 'int64' ? 16 : 8);
  return {
    nq,
    limit,
    counts: new Uint32Array(buffer, narrowAt + size * 8, nq),
    scores: new Float32Array(buffer, narrowAt, size),
    keys:
      like === 'int64'
        ? new BigInt64Array(buffer, offset + size * 8, size)
        : Array.from({ length: size }, () => ''),
    segments: new Float64Array(buffer, offset, size),
    rows: new Uint32Array(buffer, narrowAt + size * 4, size),
  };
}

/**
 * Hits with numbers for keys, query after query without room between them, in arrays of their own.
 */
export interface CompactHits {
  /** [nq] */
  readonly counts: Uint32Array;
  readonly scores: Float32Array;
  readonly keys: BigInt64Array;
}

/** Scores and keys of hits, copied; see `CompactHits`. */
export function compactHits({ nq, limit, counts, scores, keys }: Hits): CompactHits {
  assert(keys instanceof BigInt64Array, 'keys are numbers');
  let size = 0;
  for (let q = 0; q < nq; q++) size += counts[q] ?? 0;
  const { buffer, offset } = takeRoom(size * 12 + nq * 4);
  const out = {
    counts: new Uint32Array(buffer, offset + size * 12, nq),
    scores: new Float32Array(buffer, offset + size * 8, size),
    keys: new BigInt64Array(buffer, offset, size),
  };
  let to = 0;
  for (let q = 0; q < nq; q++) {
    const count = counts[q] ?? 0;
    out.counts[q] = count;
    for (let from = q * limit; from < q * limit + count; from++, to++) {
      out.scores[to] = scores[from] ?? 0;
      out.keys[to] = keys[from] ?? 0n;
    }
  }
  return out;
}

/** The same hits in one buffer of their own, to be sent to another thread. */
export function ownHits({ nq, limit, counts, scores, keys, segments, rows }: Hits): Hits {
  const like = keys instanceof BigInt64Array ? 'int64' : 'varchar';
  const bytes = hitBytes(nq, limit, like);
  const own = hitsIn({ buffer: new ArrayBuffer(bytes), offset: 0 }, { nq, limit, like });
  own.counts.set(counts);
  own.scores.set(scores);
  own.segments.set(segments);
  own.rows.set(rows);
  if (!(keys instanceof BigInt64Array)) return { ...own, keys };
  (own.keys as BigInt64Array).set(keys);
  return own;
}

/** Hits with numbers for keys as bytes, to be sent to another thread. */
export function bytesOfHits(hits: Hits): Uint8Array<ArrayBuffer> {
  return new Uint8Array(ownHits(hits).segments.buffer as ArrayBuffer);
}

/** What `bytesOfHits` made, without a copy; the bytes begin where their buffer does. */
export function hitsOfBytes(
  { buffer }: Uint8Array<ArrayBuffer>,
  { nq, limit }: { readonly nq: number; readonly limit: number },
): Hits {
  return hitsIn({ buffer, offset: 0 }, { nq, limit, like: 'int64' });
}

/** Orders two keys of one kind: numbers by value, strings by UTF-16 code unit. */
export function compareKeys(a: bigint | string, b: bigint | string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Merges partial results into one, keeping the best `limit` per query: the one reduction used by
 * segments, nodes, shards and the proxy. Deterministic: score, then key. Several are written to
 * `into`, where that is given.
 *
 * Cost: nq * limit * parts comparisons.
 */
export function mergeHits(parts: readonly Hits[], metric: Metric, into?: Hits): Hits {
  const [first] = parts;
  assert(first !== undefined, 'at least one part');
  if (parts.length === 1) return first;
  const like = first.keys instanceof BigInt64Array ? 'int64' : 'varchar';
  const out = into ?? emptyHits(first.nq, first.limit, like);
  const cursors = parts.map((hits) => ({ hits, at: 0, end: 0 }));
  for (let q = 0; q < out.nq; q++) {
    for (const cursor of cursors) {
      cursor.at = q * cursor.hits.limit;
      cursor.end = cursor.at + (cursor.hits.counts[q] ?? 0);
    }
    out.counts[q] = mergeQuery(cursors, metric, { hits: out, at: q * out.limit });
  }
  return out;
}

/** A place in some hits. */
interface Place {
  readonly hits: Hits;
  at: number;
}

/** A place that moves on to the end of one query's hits. */
interface Cursor extends Place {
  end: number;
}

/** Moves the best hits of all cursors to `out`; returns how many. */
function mergeQuery(cursors: readonly Cursor[], metric: Metric, out: Place): number {
  let count = 0;
  for (; count < out.hits.limit; count++) {
    let best: Cursor | undefined;
    for (const cursor of cursors) {
      if (cursor.at >= cursor.end) continue;
      if (best === undefined || precedes(metric, cursor, best)) best = cursor;
    }
    if (best === undefined) break;
    copyHit(best, out);
    best.at++;
    out.at++;
  }
  return count;
}

function precedes(metric: Metric, a: Place, b: Place): boolean {
  const sa = a.hits.scores[a.at] ?? 0;
  const sb = b.hits.scores[b.at] ?? 0;
  if (sa !== sb) return isBetter(metric, sa, sb);
  return compareKeys(a.hits.keys[a.at] ?? 0n, b.hits.keys[b.at] ?? 0n) < 0;
}

function copyHit(from: Place, to: Place): void {
  to.hits.scores[to.at] = from.hits.scores[from.at] ?? 0;
  to.hits.segments[to.at] = from.hits.segments[from.at] ?? 0;
  to.hits.rows[to.at] = from.hits.rows[from.at] ?? 0;
  (to.hits.keys as (bigint | string)[])[to.at] = from.hits.keys[from.at] ?? 0n;
}
