/**
 * A bloom filter over primary keys: says "certainly not here" without reading a segment's keys.
 * Double hashing over two 32-bit halves; 10 bits a key and 7 probes give about 1 % false answers.
 * Source: Kirsch and Mitzenmacher, "Less Hashing, Same Performance".
 */
const BITS_PER_KEY = 10;
const PROBES = 7;

/** The filter's words; bit counts are a power of two. */
export type Bloom = Uint32Array;

/** An empty filter sized for `keys`. */
export function createBloom(keys: number): Bloom {
  const bits = 2 ** Math.ceil(Math.log2(Math.max(64, keys * BITS_PER_KEY)));
  return new Uint32Array(bits / 32);
}

/** Adds a key. */
export function addToBloom(bloom: Bloom, key: bigint | string): void {
  const { a, b } = hashKey(key);
  const mask = bloom.length * 32 - 1;
  for (let i = 0; i < PROBES; i++) {
    const bit = (a + Math.imul(i, b)) & mask;
    bloom[bit >>> 5] = (bloom[bit >>> 5] ?? 0) | (1 << (bit & 31));
  }
}

/** Whether the key may have been added; false is certain. */
export function mayContain(bloom: Bloom, key: bigint | string): boolean {
  const { a, b } = hashKey(key);
  const mask = bloom.length * 32 - 1;
  for (let i = 0; i < PROBES; i++) {
    const bit = (a + Math.imul(i, b)) & mask;
    if ((((bloom[bit >>> 5] ?? 0) >>> (bit & 31)) & 1) === 0) return false;
  }
  return true;
}

function hashKey(key: bigint | string): { readonly a: number; readonly b: number } {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  const mix = (unit: number): void => {
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul((b ^ unit) + ((b << 7) | (b >>> 25)), 0x85ebca6b);
  };
  if (typeof key === 'string') {
    for (let i = 0; i < key.length; i++) mix(key.charCodeAt(i));
  } else {
    mix(Number(BigInt.asUintN(32, key)));
    mix(Number(BigInt.asUintN(32, key >> 32n)));
  }
  a = Math.imul(a ^ (a >>> 15), 0x2c1b3c6d);
  b = Math.imul(b ^ (b >>> 13), 0x297a2d39);
  return { a: (a ^ (a >>> 16)) >>> 0, b: ((b ^ (b >>> 16)) | 1) >>> 0 };
}
