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

/** Where checked entries go. */
interface Entering {
  readonly indices: Uint32Array;
  readonly values: Float32Array;
  /** Entries of the rows before. */
  readonly at: number;
}

/**
 * Sparse vectors as a column, sorted, without zeroes. Cost: one pass over the entries.
 *
 * @throws wrong_type, value_out_of_range, value_not_allowed (an index twice), vector_not_finite,
 * value_too_long, missing_field
 */
export function sparseColumn(cells: Cells): SparseColumn {
  const rows = cells.values.map((_, i) => entriesOfRow(cells, i));
  const most = rows.reduce((sum, { indices }) => sum + indices.length, 0);
  const offsets = new Uint32Array(rows.length + 1);
  const indices = new Uint32Array(most);
  const values = new Float32Array(most);
  let at = 0;
  rows.forEach((row, i) => {
    const end = enterRow({ cells, index: i }, row, { indices, values, at });
    sortRow({ cells, index: i }, indices.subarray(at, end), values.subarray(at, end));
    at = end;
    offsets[i + 1] = end;
  });
  if (at === most) return { kind: 'sparse', offsets, indices, values };
  return { kind: 'sparse', offsets, indices: indices.slice(0, at), values: values.slice(0, at) };
}

function entriesOfRow(cells: Cells, index: number): Entries {
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
  if (given.indices.length <= LIMITS.sparseEntriesMax) return given;
  const expected = `at most ${LIMITS.sparseEntriesMax} values`;
  throw cellError(cells, { code: 'value_too_long', index, expected });
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

/** One row among others. */
interface RowPlace {
  readonly cells: Cells;
  readonly index: number;
}

/** Checks a row's entries and writes them, zeroes left out. @returns where the next row begins */
function enterRow(place: RowPlace, given: Entries, to: Entering): number {
  const { indices, values } = to;
  const count = given.indices.length;
  let at = to.at;
  for (let k = 0; k < count; k++) {
    const index = given.indices[k];
    const value = given.values[k];
    if (typeof index !== 'number' || typeof value !== 'number') {
      const got = `${describe(index)}: ${describe(value)}`;
      throw entryError(place, { code: 'wrong_type', expected: 'numbers', got });
    }
    if (!(index >= 0 && index <= LIMITS.sparseIndexMax && Number.isInteger(index))) {
      const expected = `indices from 0 to ${LIMITS.sparseIndexMax}`;
      throw entryError(place, { code: 'value_out_of_range', expected, got: `${index}` });
    }
    indices[at] = index;
    values[at] = value;
    const kept = values[at] as number;
    if (kept > 0 && kept < Infinity) at++;
    else if (kept !== 0 || value < 0) throw valueError(place, index, value);
  }
  return at;
}

function valueError(place: RowPlace, index: number, value: number): Error {
  const got = `${value} at ${index}`;
  if (!Number.isFinite(value)) return entryError(place, { code: 'vector_not_finite', got });
  const expected = 'values of 0 and above that fit a float32';
  return entryError(place, { code: 'value_out_of_range', expected, got });
}

function entryError(
  { cells, index }: RowPlace,
  bad: {
    readonly code: 'wrong_type' | 'value_out_of_range' | 'value_not_allowed' | 'vector_not_finite';
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

/** Puts the entries of a row in order, where they lie. @throws value_not_allowed: an index twice */
function sortRow(place: RowPlace, indices: Uint32Array, values: Float32Array): void {
  if (rises(indices)) return;
  // Index and place in one number of 48 bits: typed arrays of numbers sort by themselves.
  const places = LIMITS.sparseEntriesMax;
  const keys = Float64Array.from(indices, (index, i) => index * places + i).sort();
  const before = values.slice();
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as number;
    indices[i] = Math.floor(key / places);
    values[i] = before[key % places] as number;
  }
  if (rises(indices)) return;
  const twice = indices.find((one, i) => one === indices[i - 1]);
  throw entryError(place, { code: 'value_not_allowed', got: `index ${twice} twice` });
}
