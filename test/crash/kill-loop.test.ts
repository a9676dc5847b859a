// Goal: W1, W6, R5 on real processes. Method: see kill-loop.ts; 200 kills are a command of their
// own.
import { expect, test } from 'vitest';
import { killLoop } from './kill-loop.ts';

test('kill -9 loses nothing acknowledged and leaves no ghosts', { timeout: 300_000 }, async () => {
  const report = await killLoop(6, 7);
  expect(report).toMatchObject({ kills: 6, lost: 0, ghosts: 0 });
  // A writer lives for a moment only; on a busy machine it writes little in that.
  expect(report.acknowledged).toBeGreaterThan(6);
});
