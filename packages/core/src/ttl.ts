/**
 * How long rows live. What has expired once has expired for ever: a longer life that is chosen
 * later does not bring rows back, so that it makes no difference when their bytes were removed.
 */
import { timestampFromMs, timestampMs, type Timestamp } from './timestamp.ts';

/** A time to live and since when it holds, until the next one does. Plain JSON. */
export interface TtlSpan {
  /** Wall-clock milliseconds. */
  readonly sinceMs: number;
  /** A row this old has expired; null: rows live for ever. */
  readonly ttlMs: number | null;
}

/** Spans that are kept apart; more changes within an hour are taken together. */
const SPANS_MAX = 64;

/** The time to live that holds now; undefined: for ever. */
export function ttlOf(spans: readonly TtlSpan[] | undefined): number | undefined {
  return spans?.at(-1)?.ttlMs ?? undefined;
}

/**
 * Rows of before this timestamp have expired for a read at `at`; 0: none have. The one rule that
 * reads, writes, recovery and compaction go by. Never decreases as `at` grows.
 */
export function expiredBefore(spans: readonly TtlSpan[] | undefined, at: Timestamp): Timestamp {
  if (spans === undefined) return 0n;
  const atMs = timestampMs(at);
  let lastMs = -1;
  for (const [i, { sinceMs }] of spans.entries()) {
    if (sinceMs <= atMs) lastMs = Math.max(lastMs, expiredMs(spans, i, atMs));
  }
  return lastMs < 0 ? 0n : timestampFromMs(lastMs + 1);
}

/** Rows of this millisecond and before had expired by the end of a span, or by `atMs` in it. */
function expiredMs(spans: readonly TtlSpan[], i: number, atMs: number): number {
  const ttlMs = spans[i]?.ttlMs ?? null;
  if (ttlMs === null) return -1;
  return Math.min(atMs, spans[i + 1]?.sinceMs ?? atMs) - ttlMs;
}

/**
 * The spans once another time to live holds. Those that ended before the horizon, back to which
 * reads reach, become one that lets the same rows expire.
 */
export function withTtl(
  spans: readonly TtlSpan[],
  change: { readonly ttlMs: number | null; readonly nowMs: number; readonly horizonMs: number },
): readonly TtlSpan[] {
  const { ttlMs, nowMs, horizonMs } = change;
  const last = spans.at(-1);
  if ((last?.ttlMs ?? null) === ttlMs) return spans;
  // A clock that was set back does not change what was.
  const next = [...spans, { ttlMs, sinceMs: Math.max(nowMs, last?.sinceMs ?? 0) }];
  for (;;) {
    const [first, , third] = next;
    if (first === undefined || third === undefined) return next;
    if (third.sinceMs > horizonMs && next.length <= SPANS_MAX) return next;
    const end = third.sinceMs;
    const expired = Math.max(expiredMs(next, 0, end), expiredMs(next, 1, end));
    next.splice(0, 2, { sinceMs: first.sinceMs, ttlMs: expired < 0 ? null : end - expired });
  }
}
