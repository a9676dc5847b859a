import { assert } from './assert.ts';

/**
 * Bit i of a bitset is bit `i & 31` of word `i >> 5`, lowest first: the layout the native kernels
 * read. Bits at and above the logical length are kept zero by everything here.
 */
export type Bitset = Uint32Array;

/** Words needed for `bits` bits. */
export function bitsetWords(bits: number): number {
  return (bits + 31) >>> 5;
}

/** A zeroed bitset; on shared memory when threads are to read it. */
export function createBitset(bits: number, options?: { readonly shared?: boolean }): Bitset {
  const bytes = bitsetWords(bits) * 4;
  return new Uint32Array(options?.shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes));
}

/** A bitset with the first `bits` bits set. */
export function filledBitset(bits: number): Bitset {
  const set = createBitset(bits);
  set.fill(0xffffffff);
  clearTail(set, bits);
  return set;
}

/** Zeroes the bits at and above `bits` in the last words. */
export function clearTail(set: Bitset, bits: number): void {
  const full = bits >>> 5;
  if (full < set.length) set[full] = (set[full] ?? 0) & ((1 << (bits & 31)) - 1);
  set.fill(0, full + 1);
}

/** Whether bit `index` is set. */
export function hasBit(set: Bitset, index: number): boolean {
  return (((set[index >>> 5] ?? 0) >>> (index & 31)) & 1) === 1;
}

/** Sets bit `index`. */
export function setBit(set: Bitset, index: number): void {
  const word = index >>> 5;
  set[word] = (set[word] ?? 0) | (1 << (index & 31));
}

/** Clears bit `index`. */
export function clearBit(set: Bitset, index: number): void {
  const word = index >>> 5;
  set[word] = (set[word] ?? 0) & ~(1 << (index & 31));
}

/** Number of set bits. */
export function countBits(set: Bitset): number {
  let count = 0;
  // By number: stepping through by an iterator takes several times as long.
  for (let i = 0; i < set.length; i++) {
    let word = set[i] ?? 0;
    word -= (word >>> 1) & 0x55555555;
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
    count += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return count;
}

/** `into &= other`, word by word; both of one length. */
export function andInto(into: Bitset, other: Bitset): void {
  assert(into.length === other.length, 'bitsets of one length');
  for (let i = 0; i < into.length; i++) into[i] = (into[i] ?? 0) & (other[i] ?? 0);
}

/** `into &= ~other`, word by word; both of one length. */
export function andNotInto(into: Bitset, other: Bitset): void {
  assert(into.length === other.length, 'bitsets of one length');
  for (let i = 0; i < into.length; i++) into[i] = (into[i] ?? 0) & ~(other[i] ?? 0);
}

/** Calls `visit` with each set bit in `[from, to)`, ascending. */
export function forEachBit(
  set: Bitset,
  range: { readonly from: number; readonly to: number },
  visit: (index: number) => void,
): void {
  for (let w = range.from >>> 5; w < bitsetWords(range.to); w++) {
    let word = set[w] ?? 0;
    while (word !== 0) {
      const bit = 31 - Math.clz32(word & -word);
      word &= word - 1;
      const index = (w << 5) + bit;
      if (index >= range.from && index < range.to) visit(index);
    }
  }
}
