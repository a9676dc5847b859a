/**
 * Bitsets and value checks in plain JavaScript, for the WebAssembly kernels: their arguments lie
 * outside its memory, and copying them in would cost more than the loop. Same refusals as native.
 */

function twoSets(into: Uint32Array, other: Uint32Array): void {
  if (!(into instanceof Uint32Array) || !(other instanceof Uint32Array)) {
    throw new TypeError('bitsets: expected Uint32Arrays');
  }
  if (into.length !== other.length) throw new RangeError('bitsets: expected one length');
}

/** `into &= other`. @throws TypeError | RangeError */
export function andWords(into: Uint32Array, other: Uint32Array): void {
  twoSets(into, other);
  for (let i = 0; i < into.length; i++) into[i] = (into[i] ?? 0) & (other[i] ?? 0);
}

/** `into |= other`. @throws TypeError | RangeError */
export function orWords(into: Uint32Array, other: Uint32Array): void {
  twoSets(into, other);
  for (let i = 0; i < into.length; i++) into[i] = (into[i] ?? 0) | (other[i] ?? 0);
}

/** `into &= ~other`. @throws TypeError | RangeError */
export function andNotWords(into: Uint32Array, other: Uint32Array): void {
  twoSets(into, other);
  for (let i = 0; i < into.length; i++) into[i] = (into[i] ?? 0) & ~(other[i] ?? 0);
}

/** Number of set bits. @throws TypeError */
export function countWords(words: Uint32Array): number {
  if (!(words instanceof Uint32Array)) throw new TypeError('words: expected a Uint32Array');
  let count = 0;
  for (let x of words) {
    x -= (x >>> 1) & 0x55555555;
    x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
    count += Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return count;
}

/** Index of the first NaN or infinity, -1 when there is none. @throws TypeError */
export function firstNonFinite(values: Float32Array): number {
  if (!(values instanceof Float32Array)) throw new TypeError('values: expected a Float32Array');
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}
