// Goal: W1, W4, W5 whatever the wall clock does. Method: see clock-loop.ts.
import { expect, test } from 'vitest';
import { clockLoop } from './clock-loop.ts';

test('clocks that jump by hours lose and repeat nothing', { timeout: 300_000 }, async (context) => {
  const report = await clockLoop(4, 3);
  if (report === undefined) return context.skip('libfaketime is not installed');
  expect(report).toMatchObject({ kills: 4, lost: 0, ghosts: 0 });
  expect(report.acknowledged).toBeGreaterThan(5);
});
