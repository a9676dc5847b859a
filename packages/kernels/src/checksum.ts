import { loadAddon, loadZlibCrc32 } from './native.ts';

/** Below this the call into the addon costs more than it saves. */
const NATIVE_BYTES_MIN = 128;
/** One native call stays well below 10 ms. */
const NATIVE_BYTES_MAX = 16 * 1024 * 1024;
/** From here on zlib is worth the 3 ms that loading it takes. */
const ZLIB_BYTES_MIN = 4096;

type Sum = (bytes: Uint8Array, seed: number) => number;

const addon = loadAddon();
const native: Sum | undefined = addon?.hasCrc32 === true ? addon.crc32 : undefined;
let zlib: Sum | undefined;

/**
 * CRC-32 (IEEE, as zlib's) of bytes, continued from `seed`: the sum of what came before them. By
 * carry-less multiplication where the addon and the machine have it (10 to 20 GB/s from cache), by
 * `node:zlib` elsewhere (about 3 GB/s), and a byte at a time where there is little.
 */
export function crc32(bytes: Uint8Array, seed = 0): number {
  const { length } = bytes;
  if (native === undefined) return portable(bytes, seed);
  if (length < NATIVE_BYTES_MIN) return bytewise(bytes, seed);
  if (length <= NATIVE_BYTES_MAX) return native(bytes, seed);
  let sum = seed;
  for (let at = 0; at < length; at += NATIVE_BYTES_MAX) {
    sum = native(bytes.subarray(at, at + NATIVE_BYTES_MAX), sum);
  }
  return sum;
}

/** zlib once much was asked for; until then nobody waits for it to load. */
function portable(bytes: Uint8Array, seed: number): number {
  if (zlib === undefined) {
    if (bytes.length < ZLIB_BYTES_MIN) return bytewise(bytes, seed);
    zlib = loadZlibCrc32();
  }
  return zlib(bytes, seed);
}

function bytewise(bytes: Uint8Array, seed: number): number {
  let sum = ~seed;
  for (let at = 0; at < bytes.length; at++) {
    sum = (BYTE_SUMS[(sum ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (sum >>> 8);
  }
  return ~sum >>> 0;
}

const POLYNOMIAL = 0xedb88320;

/** CRC of each byte by itself. */
const BYTE_SUMS: Int32Array = new Int32Array(256).map((_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = (sum & 1) === 1 ? (sum >>> 1) ^ POLYNOMIAL : sum >>> 1;
  return sum;
});

/** Product of two polynomials over GF(2), modulo the CRC's; bit 31 is x^0, as in a CRC-32. */
function multiply(a: number, b: number): number {
  let product = 0;
  let power = b;
  for (let bit = 31; bit >= 0; bit--) {
    if (((a >>> bit) & 1) === 1) product ^= power;
    power = (power & 1) === 1 ? (power >>> 1) ^ POLYNOMIAL : power >>> 1;
  }
  return product >>> 0;
}

/** x^(8 * 2^n) for n = 0, 1, ..: what 2^n zero bytes behind a text multiply its CRC by. */
const ZEROES: readonly number[] = (() => {
  let power = 0x00800000;
  return Array.from({ length: 40 }, () => {
    const before = power;
    power = multiply(power, power);
    return before;
  });
})();

/**
 * CRC-32 of two texts in a row from the CRC of each, without their bytes: `bytes` is the length of
 * the second, below 2^40. Cost: a few hundred steps.
 */
export function joinCrc32(first: number, second: number, bytes: number): number {
  let shifted = first;
  let rest = bytes;
  for (let n = 0; rest > 0; n++) {
    if (rest % 2 === 1) shifted = multiply(ZEROES[n] ?? 0, shifted);
    rest = Math.floor(rest / 2);
  }
  return (shifted ^ second) >>> 0;
}
