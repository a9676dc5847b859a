import type { Rng } from '@elanus/core';

/** Bytes drawn from the system at once: a call costs as much as a few hundred bytes. */
const BLOCK_BYTES = 4096;
/** The kernel's own generator, on every system but Windows. */
const DEVICE = '/dev/urandom';

/** The system's randomness, fit for secrets. */
export function systemRng(): Rng {
  const block = Buffer.alloc(BLOCK_BYTES);
  let used = BLOCK_BYTES;
  const take = (length: number): number => {
    if (used + length > BLOCK_BYTES) {
      fillRandom(block);
      used = 0;
    }
    used += length;
    return used - length;
  };
  return {
    u32: () => block.readUInt32LE(take(4)),
    bytes: (length) => {
      const bytes = new Uint8Array(length);
      if (length > BLOCK_BYTES) fillRandom(bytes);
      else {
        const at = take(length);
        bytes.set(block.subarray(at, at + length));
      }
      return bytes;
    },
  };
}

/** As `randomFillSync`, without `node:crypto`: loading that takes 5 ms of every program's start. */
function fillRandom(bytes: Uint8Array): void {
  if (!readDevice(bytes)) process.getBuiltinModule('node:crypto').randomFillSync(bytes);
}

/**
 * Whether the device was there and gave all. The module is asked for, not imported: an import binds
 * every export, `fs.promises` and streams with them, which takes 4 ms of every program's start.
 */
function readDevice(bytes: Uint8Array): boolean {
  const { closeSync, openSync, readSync } = process.getBuiltinModule('node:fs');
  let file: number | undefined;
  try {
    file = openSync(DEVICE, 'r');
    let at = 0;
    while (at < bytes.length) {
      const read = readSync(file, bytes, at, bytes.length - at, null);
      if (read === 0) return false;
      at += read;
    }
    return true;
  } catch {
    return false;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
