import { expect, test } from 'vitest';

import { fuzzDoor } from './fuzz-door.ts';
import { availableIsas } from './load.ts';
import { loadAddon } from './native.ts';

test('random calls of the addon are refused or harmless', () => {
  const addon = loadAddon();
  if (addon === undefined) {
    expect(availableIsas()).toEqual(['wasm']);
    return;
  }
  for (const seed of [1, 20_260_101]) {
    const outcome = fuzzDoor(addon, { seed, until: (calls) => calls === 20_000 });
    expect(outcome.strange).toEqual([]);
    expect(outcome.taken).toBeGreaterThan(3000);
    expect(outcome.taken).toBeLessThan(17_000);
  }
});
