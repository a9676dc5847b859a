import { expect, test } from 'vitest';
import { fuzz } from '../../../test/expr/fuzz.ts';

test('random filters agree with the naive row interpreter', () => {
  const outcome = fuzz({ filters: 5_000, seed: 20_260_101 });
  expect(outcome.differences).toEqual([]);
  expect(outcome.matches).toBeGreaterThan(10_000);
});
