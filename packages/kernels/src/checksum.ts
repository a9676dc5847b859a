import { crc32 as zlibCrc32 } from 'node:zlib';
import { loadAddon } from './native.ts';

/** Below this the call into the addon costs more than it saves. */
const NATIVE_BYTES_MIN = 512;
/** One native call stays well below 10 ms. */
const NATIVE_BYTES_MAX = 16 * 1024 * 1024;

type Sum = (bytes: Uint8Array, seed: number) => number;

const addon = loadAddon();
const native: Sum | undefined = addon?.hasCrc32 === true ? addon.crc32 : undefined;

/**
 * CRC-32 (IEEE, as zlib's) of bytes, continued from `seed`: the sum of what came before them. By
 * carry-less multiplication where the addon and the machine have it (10 to 20 GB/s from cache), by
 * `node:zlib` elsewhere (about 3 GB/s).
 */
export function crc32(bytes: Uint8Array, seed = 0): number {
  const { length } = bytes;
  if (native === undefined || length < NATIVE_BYTES_MIN) return zlibCrc32(bytes, seed);
  if (length <= NATIVE_BYTES_MAX) return native(bytes, seed);
  let sum = seed;
  for (let at = 0; at < length; at += NATIVE_BYTES_MAX) {
    sum = native(bytes.subarray(at, at + NATIVE_BYTES_MAX), sum);
  }
  return sum;
}
