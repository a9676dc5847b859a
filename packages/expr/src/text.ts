import type { Bitset } from '@elanus/core';
import { bitsetWords } from '@elanus/core';
import type { CompareOp } from './ast.ts';
import type { LikeMatcher } from './like.ts';

/** Texts or bytes of consecutive rows: row i is `data[starts[i], ends[i])`. */
export interface TextView {
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly data: Uint8Array;
}

/** Order of `data[start, end)` and `other`, byte by byte: below, at or above zero. */
export function compareBytes(
  data: Uint8Array,
  span: { readonly start: number; readonly end: number },
  other: Uint8Array,
): number {
  const length = Math.min(span.end - span.start, other.length);
  for (let i = 0; i < length; i++) {
    const difference = (data[span.start + i] as number) - (other[i] as number);
    if (difference !== 0) return difference;
  }
  return span.end - span.start - other.length;
}

/** Bits of the rows for which `text op value` is true, in the order of UTF-8 bytes. */
export function compareTexts(view: TextView, op: CompareOp, value: Uint8Array): Bitset {
  const bits = new Uint32Array(bitsetWords(view.starts.length));
  if (op === '==' || op === '!=') equalTexts(view, value, bits);
  else orderedTexts(view, { value, less: op[0] === '<', equal: op.length === 2 }, bits);
  if (op === '!=') for (let i = 0; i < bits.length; i++) bits[i] = ~(bits[i] as number);
  return bits;
}

function equalTexts(view: TextView, value: Uint8Array, bits: Uint32Array): void {
  const { starts, ends, data } = view;
  const length = value.length;
  for (let row = 0; row < starts.length; row++) {
    const start = starts[row] as number;
    if ((ends[row] as number) - start !== length) continue;
    let i = 0;
    while (i < length && data[start + i] === value[i]) i++;
    if (i === length) bits[row >>> 5] = (bits[row >>> 5] as number) | (1 << (row & 31));
  }
}

function orderedTexts(
  view: TextView,
  rule: { readonly value: Uint8Array; readonly less: boolean; readonly equal: boolean },
  bits: Uint32Array,
): void {
  const { starts, ends, data } = view;
  const { value, less, equal } = rule;
  for (let row = 0; row < starts.length; row++) {
    const start = starts[row] as number;
    const length = (ends[row] as number) - start;
    const common = length < value.length ? length : value.length;
    let i = 0;
    while (i < common && data[start + i] === value[i]) i++;
    const order =
      i < common ? (data[start + i] as number) - (value[i] as number) : length - value.length;
    if (order === 0 ? equal : order < 0 === less) {
      bits[row >>> 5] = (bits[row >>> 5] as number) | (1 << (row & 31));
    }
  }
}

/** Bits of the rows whose text matches a pattern; only rows set in `mask` are looked at. */
export function likeTexts(view: TextView, matcher: LikeMatcher, mask?: Bitset): Bitset {
  const { starts, ends, data } = view;
  const bits = new Uint32Array(bitsetWords(starts.length));
  for (let row = 0; row < starts.length; row++) {
    if (mask !== undefined && (((mask[row >>> 5] as number) >>> (row & 31)) & 1) === 0) continue;
    if (matcher.matches(data, starts[row] as number, ends[row] as number)) {
      bits[row >>> 5] = (bits[row >>> 5] as number) | (1 << (row & 31));
    }
  }
  return bits;
}

/** A set of byte strings that answers without copying what is asked. */
export interface ByteSet {
  /** Place of the text among the distinct values, or -1. */
  find(data: Uint8Array, start: number, end: number): number;
  /** How many distinct values there are. */
  readonly size: number;
}

/** Makes a set for lists in filters: a hash table over the values' bytes. */
export function makeByteSet(values: readonly Uint8Array[]): ByteSet {
  let size = 16;
  while (size < values.length * 2) size *= 2;
  const slots = new Int32Array(size).fill(-1);
  const distinct: Uint8Array[] = [];
  const slotOf = (data: Uint8Array, start: number, end: number): number => {
    let slot = hashBytes(data, start, end) & (size - 1);
    for (;;) {
      const value = distinct[slots[slot] as number];
      if (value === undefined) return slot;
      if (value.length === end - start && sameBytes(data, start, value)) return slot;
      slot = (slot + 1) & (size - 1);
    }
  };
  for (const value of values) {
    const slot = slotOf(value, 0, value.length);
    if ((slots[slot] as number) >= 0) continue;
    slots[slot] = distinct.length;
    distinct.push(value);
  }
  return {
    size: distinct.length,
    find: (data, start, end) => slots[slotOf(data, start, end)] as number,
  };
}

function sameBytes(data: Uint8Array, start: number, value: Uint8Array): boolean {
  for (let i = 0; i < value.length; i++) if (data[start + i] !== value[i]) return false;
  return true;
}

function hashBytes(data: Uint8Array, start: number, end: number): number {
  let h = 0x811c9dc5;
  for (let i = start; i < end; i++) h = Math.imul(h ^ (data[i] as number), 0x01000193);
  return (h ^ (h >>> 15)) >>> 0;
}

/** Bits of the rows whose text is in the set. */
export function textsIn(view: TextView, set: ByteSet): Bitset {
  const { starts, ends, data } = view;
  const bits = new Uint32Array(bitsetWords(starts.length));
  for (let row = 0; row < starts.length; row++) {
    if (set.find(data, starts[row] as number, ends[row] as number) >= 0) {
      bits[row >>> 5] = (bits[row >>> 5] as number) | (1 << (row & 31));
    }
  }
  return bits;
}
