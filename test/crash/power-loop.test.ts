// Goal: W1 in class `power` on a real file system. Method: see power-loop.ts; 50 cuts are a command
// of their own. That cuts are real is shown by class `process`, which loses what it was given.
import { expect, test } from 'vitest';
import { powerLoop } from './power-loop.ts';

const WHY = 'mounting is not allowed here';

test('power cuts lose nothing acknowledged', { timeout: 300_000 }, async (context) => {
  const report = await powerLoop(3, 7);
  if (report === undefined) return context.skip(WHY);
  expect(report).toMatchObject({ kills: 3, lost: 0, ghosts: 0 });
  expect(report.acknowledged).toBeGreaterThan(5);
});

test('what is not synced is lost by them', { timeout: 300_000 }, async (context) => {
  const report = await powerLoop(1, 7, 'process').catch((error: unknown) => error);
  if (report === undefined) return context.skip(WHY);
  expect(report).not.toMatchObject({ lost: 0 });
});
