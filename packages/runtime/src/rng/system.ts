import { randomFillSync } from 'node:crypto';
import type { Rng } from '@elanus/core';

/** Bytes drawn from the system at once: a call costs as much as a few hundred bytes. */
const BLOCK_BYTES = 4096;

/** The system's randomness. */
export function systemRng(): Rng {
  const block = Buffer.alloc(BLOCK_BYTES);
  let used = BLOCK_BYTES;
  return {
    u32: () => {
      if (used + 4 > BLOCK_BYTES) {
        randomFillSync(block);
        used = 0;
      }
      const value = block.readUInt32LE(used);
      used += 4;
      return value;
    },
    bytes: (length) => randomFillSync(new Uint8Array(length)),
  };
}
