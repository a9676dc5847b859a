import { expect, test } from 'vitest';

import { stopThreads } from '../scripts/stop-threads.mjs';

/** A thousand: `node --conditions=elanus:source packages/index/scripts/stop-threads.mjs`. */
test('threads that are ended in the middle of searches leave nothing behind', async () => {
  const { ended, slowest, wrong } = await stopThreads(30);
  expect(wrong).toEqual([]);
  expect(ended).toBe(30);
  expect(slowest).toBeLessThan(10_000);
});
