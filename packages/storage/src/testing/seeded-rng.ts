import type { Rng } from '@elanus/core';

/** Repeatable randomness for tests: the same seed, the same run. */
export function seededRng(seed: number): Rng {
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  const u32 = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
  return {
    u32,
    bytes: (length) => Uint8Array.from({ length }, () => u32() & 0xff),
  };
}
