import { halfToNumber } from '@elanus/core';

import type { RowMemory } from './memory.ts';

/**
 * How the numbers of a row are stored. Every element is a float32 number exactly, and kernels turn
 * it into one before anything else, so rows score as the same rows in float32 would, bit by bit.
 */
export type RowElement = 'float32' | 'float16' | 'bfloat16' | 'int8';

/** All elements; the place of each is its number in the kernels and in index files: append only. */
export const ROW_ELEMENTS: readonly RowElement[] = ['float32', 'float16', 'bfloat16', 'int8'];

const BYTES = { float32: 4, float16: 2, bfloat16: 2, int8: 1 } as const;

/** Bytes of one element. */
export function elementBytes(element: RowElement): number {
  return BYTES[element];
}

/** The number of an element in the kernels; that of float32 for none given. */
export function elementCode(element: RowElement | undefined): number {
  return element === undefined ? 0 : ROW_ELEMENTS.indexOf(element);
}

/** Elements as they are stored: 16-bit floats are their bits. */
export type ElementArray = Float32Array | Uint16Array | Int8Array;

/** `length` elements of the memory from byte `at` on (default: the start). */
export function elementsOf(
  memory: RowMemory,
  element: RowElement,
  span: { readonly length: number; readonly at?: number | undefined },
): ElementArray {
  const { buffer, byteOffset } = memory;
  const at = byteOffset + (span.at ?? 0);
  if (element === 'float32') return new Float32Array(buffer, at, span.length);
  if (element === 'int8') return new Int8Array(buffer, at, span.length);
  return new Uint16Array(buffer, at, span.length);
}

/**
 * Elements as float32 numbers, exactly: rows that serve as queries, samples.
 *
 * @param out takes the numbers; a new array when absent
 */
export function decodeElements(
  element: RowElement,
  source: ElementArray,
  out: Float32Array = new Float32Array(source.length),
): Float32Array {
  if (element === 'float32' || element === 'int8') {
    out.set(source);
    return out;
  }
  for (let i = 0; i < source.length; i++) out[i] = halfToNumber(element, source[i] ?? 0);
  return out;
}

/** Numbers `[at, at + length)` of a memory of elements, as float32. */
export function decodeRows(
  memory: RowMemory,
  element: RowElement,
  span: { readonly at: number; readonly length: number },
): Float32Array {
  const at = span.at * elementBytes(element);
  return decodeElements(element, elementsOf(memory, element, { length: span.length, at }));
}
