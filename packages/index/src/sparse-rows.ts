import type { SparseColumn } from '@elanus/core';
import { floatsOf } from '@elanus/kernels';
import type { RowMemory } from '@elanus/kernels';

import type { SparseRows } from './column.ts';

/** `length` 32-bit words of a memory from byte `at` on. */
export function wordsAt(memory: RowMemory, length: number, at = 0): Uint32Array {
  return new Uint32Array(memory.buffer, memory.byteOffset + at, length);
}

/** The rows as typed arrays over their memory. */
export function sparseView(rows: SparseRows): SparseColumn {
  const { rowCount, entries } = rows;
  return {
    kind: 'sparse',
    offsets: wordsAt(rows.offsets, rowCount + 1),
    indices: wordsAt(rows.indices, entries),
    values: floatsOf(rows.values, entries),
  };
}

/**
 * Exact score of one row: products of two float32 are exact in a double, summed by rising index and
 * rounded once at the end. Searches that begin elsewhere come to the same bits.
 */
export function sparseScore(
  rows: SparseColumn,
  row: number,
  query: { readonly indices: Uint32Array; readonly values: Float32Array },
): number {
  const { indices, values } = query;
  const to = Math.min(rows.offsets[row + 1] ?? 0, rows.indices.length);
  let sum = 0;
  let q = 0;
  for (let i = rows.offsets[row] ?? 0; i < to && q < indices.length; i++) {
    const index = rows.indices[i] ?? 0;
    while (q < indices.length && (indices[q] ?? 0) < index) q++;
    if (indices[q] === index) sum += (values[q] ?? 0) * (rows.values[i] ?? 0);
  }
  return Math.fround(sum);
}
