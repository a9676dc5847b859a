// Goal: a thousand searches at once, half of them aborted: each is answered or cancelled, nothing
// is left behind, and the loop is not held. Method: see burst.ts; ten thousand are `pnpm bench
// load`. The bound on turns is wide: tests run beside others, on machines of any kind.
import { expect, test } from 'vitest';
import { burst } from './burst.ts';

test('1,000 searches at once, half of them aborted', { timeout: 300_000 }, async () => {
  const report = await burst({ searches: 1_000, rows: 10_000, dim: 32, seed: 1 });
  const { answered, cancelled, others, unhandled, rounds } = report;
  expect({ others, unhandled }).toEqual({ others: [], unhandled: 0 });
  expect(answered + cancelled).toBe(1_000);
  expect(answered).toBeGreaterThanOrEqual(500);
  expect(cancelled).toBeGreaterThan(0);
  const sorted = rounds.map((round) => round.cpuMs).toSorted((a, b) => a - b);
  expect(sorted[Math.ceil(sorted.length * 0.95) - 1]).toBeLessThan(20);
  // All are begun in one turn of the caller's, so one round starts them all: 50 us each or so.
  expect(sorted.at(-1)).toBeLessThan(400);
  expect(report.after.heap).toBeLessThan(report.before.heap + 64 * 1024 * 1024);
});
