import type { ArrayColumn, ColumnBatch, Field, NumberColumn } from '@elanus/core';
import { ElanusError, isPresent } from '@elanus/core';

/** Whole numbers that an int64 column can hold and its readers cannot. */
interface Range {
  readonly low: bigint;
  readonly high: bigint;
  readonly expected: string;
  readonly hint: string;
}

/** What a JavaScript number holds exactly. */
const EXACT: Range = {
  low: BigInt(Number.MIN_SAFE_INTEGER),
  high: BigInt(Number.MAX_SAFE_INTEGER),
  expected: 'below 2^53 in size',
  hint: "The field is read as a number, which is not exact beyond; declare it as 'bigint'.",
};

/** What a Date holds: 100 million days around 1970. */
const INSTANTS: Range = {
  low: -8_640_000_000_000_000n,
  high: 8_640_000_000_000_000n,
  expected: 'an instant that a Date can hold',
  hint: 'Milliseconds since 1970, at most 8.64e15.',
};

/** Columns that have a range are of 64-bit integers. */
type Integers = NumberColumn & { readonly values: BigInt64Array };

/** The range that a field is read in; undefined when all 64 bits are read as they are. */
function rangeOf(field: Field): Range | undefined {
  const type = field.type === 'array' ? field.element?.type : field.type;
  if (type === 'timestamp') return INSTANTS;
  return type === 'int64' && field.as === 'number' ? EXACT : undefined;
}

/**
 * Refuses values that nobody could read back as they were written: nothing is ever rounded, so it
 * is told before it is kept. One pass over columns of instants and of int64 read as numbers, and
 * over lists of those.
 *
 * @throws ElanusError value_out_of_range
 */
export function checkExact(batch: ColumnBatch, fields: readonly Field[], firstRow: number): void {
  for (const field of fields) {
    const range = rangeOf(field);
    const column = batch.columns.get(field.id) as NumberColumn | ArrayColumn | undefined;
    if (range === undefined || column === undefined) continue;
    const { values } = (column.kind === 'array' ? column.element : column) as Integers;
    for (let at = outside(values, range, 0); at >= 0; at = outside(values, range, at + 1)) {
      const row = column.kind === 'array' ? rowOf(column.offsets, at) : at;
      // What stands behind a null is read by nobody.
      if (!isPresent(column, row)) continue;
      throw outOfRange(range, { field, value: values[at] as bigint, row: firstRow + row });
    }
  }
}

/** Position of the first value from `from` on that is out of the range, or -1. */
function outside(values: BigInt64Array, { low, high }: Range, from: number): number {
  // The upper halves decide for all but the extremes, and need no object for each value.
  const halves = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  const limit = Number(high >> 32n);
  for (let i = from; i < values.length; i++) {
    const half = halves[i * 2 + 1] as number;
    if (half < limit && half > -limit) continue;
    const value = values[i] as bigint;
    if (value < low || value > high) return i;
  }
  return -1;
}

/** The row whose list holds an element. */
function rowOf(offsets: Uint32Array, element: number): number {
  let row = 0;
  while ((offsets[row + 1] as number) <= element) row++;
  return row;
}

/** One value of a column. */
interface Value {
  readonly field: Field;
  readonly value: bigint;
  readonly row: number;
}

function outOfRange(range: Range, { field, value, row }: Value): ElanusError {
  const { expected, hint } = range;
  const details = { field: field.name, row, expected, got: String(value), hint };
  return new ElanusError('value_out_of_range', details);
}

/**
 * An int64 as the number that its field says it is read as: never a rounded one.
 *
 * @throws ElanusError value_out_of_range (kept before this was refused at the door)
 */
export function exactNumber(value: bigint, field: Field, row: number): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw outOfRange(EXACT, { field, value, row });
}
