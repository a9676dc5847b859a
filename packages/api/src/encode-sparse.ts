/**
 * Sparse vectors as callers give them: `{ indices, values }`, `{ [index]: value }`, or a list of
 * `[index, value]` or `{ index, value }`. Indices in any order; a value of 0 is as good as none.
 */
import type { SparseColumn } from '@elanus/core';
import { ElanusError, LIMITS } from '@elanus/core';
import type { Cells } from './cells.ts';
import { cellError, describe, listOf } from './cells.ts';

/** The entries of one vector, as they were given. */
interface Entries {
  readonly indices: ArrayLike<unknown>;
  readonly values: ArrayLike<unknown>;
}

/** A row as it is kept: indices rise. */
interface SparseRow {
  readonly indices: Uint32Array;
  readonly values: Float32Array;
}

/**
 * Sparse vectors as a column, sorted, without zeroes.
 *
 * @throws wrong_type, value_out_of_range, value_not_allowed (an index twice), vector_not_finite,
 * value_too_long, missing_field
 */
export function sparseColumn(cells: Cells): SparseColumn {
  const rows = cells.values.map((_, i) => sparseRow(cells, i));
  const offsets = new Uint32Array(rows.length + 1);
  rows.forEach(({ indices }, i) => {
    offsets[i + 1] = (offsets[i] as number) + indices.length;
  });
  const entries = offsets[rows.length] as number;
  const indices = new Uint32Array(entries);
  const values = new Float32Array(entries);
  rows.forEach((row, i) => {
    indices.set(row.indices, offsets[i]);
    values.set(row.values, offsets[i]);
  });
  return { kind: 'sparse', offsets, indices, values };
}

function sparseRow(cells: Cells, index: number): SparseRow {
  const value = cells.values[index];
  if (value === undefined) {
    const row = cells.firstRow + index;
    throw new ElanusError('missing_field', { field: cells.field.name, row });
  }
  const given = entriesOf(value);
  if (given === undefined || given.indices.length !== given.values.length) {
    const expected = '{ indices, values } of one length, { [index]: value } or [index, value][]';
    throw cellError(cells, { code: 'wrong_type', index, expected });
  }
  const max = LIMITS.sparseEntriesMax;
  if (given.indices.length > max) {
    const expected = `at most ${max} values`;
    throw cellError(cells, { code: 'value_too_long', index, expected });
  }
  const row = checkEntries(cells, index, given);
  if (rises(row.indices)) return row;
  const sorted = sortRow(row);
  const twice = sorted.indices.findIndex((one, i) => one === sorted.indices[i - 1]);
  if (twice < 0) return sorted;
  throw new ElanusError('value_not_allowed', {
    field: cells.field.name,
    row: cells.firstRow + index,
    got: `index ${sorted.indices[twice]} twice`,
  });
}

const isEntry = (item: unknown): item is { readonly index: unknown; readonly value: unknown } =>
  typeof item === 'object' && item !== null && 'index' in item && 'value' in item;

function entriesOf(value: unknown): Entries | undefined {
  if (Array.isArray(value)) return entriesOfList(value);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return undefined;
  if ('indices' in value && 'values' in value) {
    const [indices, values] = [listOf(value.indices), listOf(value.values)];
    return indices === undefined || values === undefined ? undefined : { indices, values };
  }
  const names = Object.keys(value);
  if (!names.every((name) => /^\d{1,10}$/.test(name))) return undefined;
  return { indices: names.map(Number), values: Object.values(value) };
}

function entriesOfList(list: readonly unknown[]): Entries | undefined {
  if (list.every((item) => Array.isArray(item) && item.length === 2)) {
    const pairs = list as readonly (readonly [unknown, unknown])[];
    return { indices: pairs.map(([index]) => index), values: pairs.map(([, value]) => value) };
  }
  if (!list.every(isEntry)) return undefined;
  return { indices: list.map(({ index }) => index), values: list.map(({ value }) => value) };
}

/** The entries in the arrays they are kept in, zeroes left out. */
function checkEntries(cells: Cells, row: number, given: Entries): SparseRow {
  const indices = new Uint32Array(given.indices.length);
  const values = new Float32Array(given.indices.length);
  let count = 0;
  for (let k = 0; k < indices.length; k++) {
    const [index, value] = [given.indices[k], given.values[k]];
    if (typeof index !== 'number' || typeof value !== 'number') {
      const got = `${describe(index)}: ${describe(value)}`;
      throw entryError(cells, row, { code: 'wrong_type', expected: 'numbers', got });
    }
    if (!Number.isInteger(index) || index < 0 || index > LIMITS.sparseIndexMax) {
      const expected = `indices from 0 to ${LIMITS.sparseIndexMax}`;
      throw entryError(cells, row, { code: 'value_out_of_range', expected, got: `${index}` });
    }
    indices[count] = index;
    values[count] = value;
    const kept = values[count] as number;
    if (kept === 0 && value >= 0) continue;
    const got = `${value} at ${index}`;
    if (!Number.isFinite(value)) throw entryError(cells, row, { code: 'vector_not_finite', got });
    if (value < 0 || !Number.isFinite(kept)) {
      const expected = 'values of 0 and above that fit a float32';
      throw entryError(cells, row, { code: 'value_out_of_range', expected, got });
    }
    count++;
  }
  return { indices: indices.subarray(0, count), values: values.subarray(0, count) };
}

function entryError(
  cells: Cells,
  index: number,
  bad: {
    readonly code: 'wrong_type' | 'value_out_of_range' | 'vector_not_finite';
    readonly expected?: string;
    readonly got: string;
  },
): Error {
  const { code, ...rest } = bad;
  const row = cells.firstRow + index;
  return new ElanusError(code, { field: cells.field.name, row, ...rest });
}

/** Whether each index lies above the one before it. */
export function rises(indices: Uint32Array): boolean {
  for (let i = 1; i < indices.length; i++) {
    if ((indices[i] as number) <= (indices[i - 1] as number)) return false;
  }
  return true;
}

function sortRow(row: SparseRow): SparseRow {
  const order = Uint32Array.from(row.indices, (_, i) => i);
  order.sort((a, b) => (row.indices[a] as number) - (row.indices[b] as number));
  return {
    indices: order.map((at) => row.indices[at] as number),
    values: Float32Array.from(order, (at) => row.values[at] as number),
  };
}
