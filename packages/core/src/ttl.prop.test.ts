// Goal: what has expired stays so, whatever is chosen later, and forgetting old choices changes no
// answer within the horizon. Method: random histories against a model that steps through time.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timestampFromMs, timestampMs } from './timestamp.ts';
import { expiredBefore, ttlOf, withTtl, type TtlSpan } from './ttl.ts';

/** Times to live in the order they are chosen, each so many milliseconds after the one before. */
const history = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 0, max: 20 }),
    ttlMs: fc.option(fc.integer({ min: 1, max: 30 })),
  }),
  { maxLength: 12 },
);

/** Rows of which millisecond and before have expired at each millisecond, step by step. */
function expiredOf(spans: readonly TtlSpan[], untilMs: number): number[] {
  let expired = -1;
  return Array.from({ length: untilMs + 1 }, (_, ms) => {
    // At the millisecond of a change both hold.
    for (const [i, { sinceMs, ttlMs }] of spans.entries()) {
      const endMs = spans[i + 1]?.sinceMs ?? untilMs;
      if (ttlMs !== null && sinceMs <= ms && ms <= endMs) expired = Math.max(expired, ms - ttlMs);
    }
    return expired;
  });
}

const asMs = (spans: readonly TtlSpan[], ms: number): number => {
  const before = expiredBefore(spans, timestampFromMs(ms, 77));
  return before === 0n ? -1 : timestampMs(before) - 1;
};

test('reads at any instant see what the model says, and nothing comes back', () => {
  fc.assert(
    fc.property(history, (changes) => {
      let nowMs = 0;
      let spans: readonly TtlSpan[] = [];
      const all: TtlSpan[] = [];
      for (const { afterMs, ttlMs } of changes) {
        nowMs += afterMs;
        const before = spans;
        spans = withTtl(spans, { ttlMs, nowMs, horizonMs: 0 });
        if (spans !== before) all.push({ sinceMs: nowMs, ttlMs });
      }
      const model = expiredOf(all, nowMs + 40);
      for (const [ms, expired] of model.entries()) expect(asMs(spans, ms)).toBe(expired);
    }),
  );
});

test('choices that ended before the horizon are forgotten, their effect is not', () => {
  fc.assert(
    fc.property(history, fc.integer({ min: 0, max: 60 }), (changes, retentionMs) => {
      let nowMs = 0;
      let whole: readonly TtlSpan[] = [];
      let short: readonly TtlSpan[] = [];
      for (const { afterMs, ttlMs } of changes) {
        nowMs += afterMs;
        whole = withTtl(whole, { ttlMs, nowMs, horizonMs: -1 });
        short = withTtl(short, { ttlMs, nowMs, horizonMs: nowMs - retentionMs });
        const from = Math.max(0, nowMs - retentionMs);
        for (let ms = from; ms < nowMs + 40; ms++) expect(asMs(short, ms)).toBe(asMs(whole, ms));
      }
    }),
  );
});

test('the last choice holds; the same again is no change', () => {
  const spans = withTtl([], { ttlMs: 5, nowMs: 10, horizonMs: 0 });
  expect(ttlOf(spans)).toBe(5);
  expect(withTtl(spans, { ttlMs: 5, nowMs: 20, horizonMs: 0 })).toBe(spans);
  expect(ttlOf(withTtl(spans, { ttlMs: null, nowMs: 20, horizonMs: 0 }))).toBeUndefined();
  expect(ttlOf(undefined)).toBeUndefined();
  let many: readonly TtlSpan[] = [];
  for (let i = 1; i < 500; i++) many = withTtl(many, { ttlMs: i, nowMs: i, horizonMs: 0 });
  expect(many.length).toBeLessThanOrEqual(64);
});
