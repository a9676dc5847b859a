import type {
  ArrayColumn,
  Bitset,
  CollectionSchema,
  Column,
  ColumnBatch,
  Field,
  FieldId,
  NumberColumn,
  BytesColumn,
} from '@elanus/core';
import {
  DYNAMIC_FIELD_ID,
  ElanusError,
  LIMITS,
  TIMESTAMP_FIELD,
  createBitset,
  denseBytes,
  didYouMean,
  dynamicField,
  keysIncrease,
  setBit,
} from '@elanus/core';
import type { Cells } from './cells.ts';
import { bytesColumn, cellError, describe, listOf, scalarColumn } from './cells.ts';
import { checkExact } from './check-exact.ts';
import type { FiniteCheck } from './encode-vectors.ts';
import { vectorColumn } from './encode-vectors.ts';

/** A row as callers write it. */
export type InputRow = Readonly<Record<string, unknown>>;

/** How rows become columns. */
export interface EncodeOptions extends FiniteCheck {
  /** Number of the first row, for errors; 0 when absent. */
  readonly firstRow?: number;
  /** Makes keys for a varchar key with auto ids; without it such a column is left out. */
  readonly makeId?: (() => string) | undefined;
}

/**
 * Rows as columns of a collection's schema: every value checked and copied, so that later changes
 * to the caller's objects mean nothing. Columns of auto ids are left out. One pass a field, no
 * intermediate rows.
 *
 * @throws every error about rows, with the row and the field it is about.
 */
export function encodeRows(
  rows: readonly InputRow[],
  schema: CollectionSchema,
  options: EncodeOptions = {},
): ColumnBatch {
  if (rows.length === 0) throw new ElanusError('empty_write', {});
  const firstRow = options.firstRow ?? 0;
  checkNames(rows, schema, firstRow);
  const columns = new Map<FieldId, Column>();
  for (const field of schema.fields) {
    if (field.primary === true && field.autoId === true) {
      refuseGivenIds(rows, field, firstRow);
      const column = madeIds(rows.length, field, options);
      if (column !== undefined) columns.set(field.id, column);
      continue;
    }
    const values = rows.map((row) => row[field.name]);
    columns.set(field.id, fieldColumn({ values, field, firstRow }, options));
  }
  if (schema.dynamic) columns.set(DYNAMIC_FIELD_ID, dynamicColumn(rows, schema, firstRow));
  const batch = { rowCount: rows.length, columns };
  checkBatchBounds(batch, schema, firstRow);
  return batch;
}

/** A field's column out of its values; the entry for callers that have columns already. */
export function fieldColumn(given: Cells, options: EncodeOptions): Column {
  const { field } = given;
  if (field.type === 'vector') return vectorColumn(given, options);
  const { values, valid } = present(given);
  const cells = { ...given, values };
  if (field.type === 'array') return arrayColumn(cells, valid);
  return scalarColumn(field.type, cells, valid);
}

/** What holds over all columns: values that can be read back, distinct keys, bytes of a row. */
export function checkBatchBounds(
  batch: ColumnBatch,
  schema: CollectionSchema,
  firstRow: number,
): void {
  checkExact(batch, schema.fields, firstRow);
  const key = schema.fields.find((field) => field.primary === true);
  const column = key === undefined ? undefined : batch.columns.get(key.id);
  if (key !== undefined && column !== undefined) checkDistinct(column, key, firstRow);
  checkRowBytes(batch, firstRow);
}

const decoder = new TextDecoder();

function checkDistinct(column: Column, field: Field, firstRow: number): void {
  const rows = 'offsets' in column ? column.offsets.length - 1 : column.values.length;
  if (keysIncrease(column)) return;
  const seen = new Map<unknown, number>();
  for (let row = 0; row < rows; row++) {
    const key = keyAt(column as NumberColumn | BytesColumn, row);
    const first = seen.get(key);
    if (first !== undefined) {
      throw new ElanusError('duplicate_key', {
        key: String(key),
        field: field.name,
        row: firstRow + row,
        hint: `Row ${firstRow + first} has it too.`,
      });
    }
    seen.set(key, row);
  }
}

/** A key as JavaScript has it: bigint, or text. */
export function keyAt(column: NumberColumn | BytesColumn, row: number): bigint | string {
  if ('offsets' in column) {
    return decoder.decode(column.data.slice(column.offsets[row], column.offsets[row + 1]));
  }
  return BigInt(column.values[row] as bigint);
}

/** Bytes each row takes, for the limit that lets any row fit a broker's message. */
function checkRowBytes(batch: ColumnBatch, firstRow: number): void {
  let fixed = 0;
  const variable: Uint32Array[] = [];
  const widths: number[] = [];
  let possible = 0;
  for (const column of batch.columns.values()) {
    if (column.kind === 'vector') fixed += denseBytes(column.type, column.dim);
    else if (column.kind === 'sparse') widths[variable.push(column.offsets) - 1] = 8;
    else if (!('offsets' in column)) fixed += column.values.BYTES_PER_ELEMENT;
    else if (column.kind !== 'array') variable.push(column.offsets);
    else if ('offsets' in column.element) {
      variable.push(
        column.offsets.map((at) => (column.element as BytesColumn).offsets[at] as number),
      );
    } else {
      variable.push(column.offsets);
      widths[variable.length - 1] = column.element.values.BYTES_PER_ELEMENT;
    }
  }
  for (const [i, offsets] of variable.entries()) {
    possible += (offsets[offsets.length - 1] as number) * (widths[i] ?? 1);
  }
  if (fixed + possible <= LIMITS.rowBytesMax) return;
  for (let row = 0; row < batch.rowCount; row++) {
    let bytes = fixed;
    variable.forEach((offsets, i) => {
      bytes += ((offsets[row + 1] as number) - (offsets[row] as number)) * (widths[i] ?? 1);
    });
    if (bytes <= LIMITS.rowBytesMax) continue;
    throw new ElanusError('row_too_large', { row: firstRow + row, got: `${bytes} bytes` });
  }
}

function checkNames(rows: readonly InputRow[], schema: CollectionSchema, firstRow: number): void {
  const names = new Set(schema.fields.map((field) => field.name));
  for (let i = 0; i < rows.length; i++) {
    const row: unknown = rows[i];
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      throw new ElanusError('wrong_type', {
        row: firstRow + i,
        expected: 'an object',
        got: describe(row),
      });
    }
    for (const name in row) {
      if (names.has(name) || (schema.dynamic && !name.startsWith('$'))) continue;
      throw unknownField(name, schema, firstRow + i);
    }
  }
}

function unknownField(name: string, schema: CollectionSchema, row: number): Error {
  const hint =
    name === TIMESTAMP_FIELD || name === 'score'
      ? 'It is answered by reads and cannot be written.'
      : didYouMean(
          name,
          schema.fields.map((field) => field.name),
        );
  return new ElanusError('unknown_field', { field: name, row, hint });
}

function refuseGivenIds(rows: readonly InputRow[], field: Field, firstRow: number): void {
  const index = rows.findIndex((row) => row[field.name] !== undefined);
  if (index < 0) return;
  throw new ElanusError('value_not_allowed', {
    field: field.name,
    row: firstRow + index,
    hint: 'Keys of this collection are made automatically; leave the key out.',
  });
}

function madeIds(rows: number, field: Field, options: EncodeOptions): Column | undefined {
  const { makeId } = options;
  if (makeId === undefined || field.type !== 'varchar') return undefined;
  const values = Array.from({ length: rows }, () => makeId());
  return bytesColumn('varchar', { values, field, firstRow: 0 }, undefined);
}

/** Fills defaults in and marks what is absent; `undefined` is left only where null is allowed. */
function present(cells: Cells): { values: readonly unknown[]; valid: Bitset | undefined } {
  const { values, field } = cells;
  let absent = -1;
  for (let i = 0; i < values.length && absent < 0; i++) {
    if (values[i] === undefined || values[i] === null) absent = i;
  }
  if (absent < 0) return { values, valid: undefined };
  if (field.default !== undefined) {
    const value = defaultValue(field);
    if (field.nullable !== true) {
      return { values: values.map((item) => item ?? value), valid: undefined };
    }
    return markAbsent(values.map((item) => (item === undefined ? value : item)));
  }
  if (field.nullable === true) return markAbsent(values);
  if (values[absent] === null) {
    throw cellError(cells, {
      code: 'wrong_type',
      index: absent,
      expected: `${field.type}, not null`,
    });
  }
  throw new ElanusError('missing_field', { field: field.name, row: cells.firstRow + absent });
}

function markAbsent(values: readonly unknown[]): { values: unknown[]; valid: Bitset | undefined } {
  const valid = createBitset(values.length);
  const kept = values.map((value, i) => {
    if (value === null || value === undefined) return undefined;
    setBit(valid, i);
    return value;
  });
  return { values: kept, valid };
}

/** A default in the form rows have: JSON defaults are kept as text, 64-bit ones as decimals. */
function defaultValue(field: Field): unknown {
  if (field.type === 'json') return JSON.parse(String(field.default));
  const wide = field.type === 'int64' || field.type === 'timestamp';
  return wide ? BigInt(field.default ?? 0) : field.default;
}

function arrayColumn(cells: Cells, valid: Bitset | undefined): ArrayColumn {
  const { values, field, firstRow } = cells;
  const max = field.maxCapacity ?? LIMITS.arrayCapacityMax;
  const offsets = new Uint32Array(values.length + 1);
  const flat: unknown[] = [];
  for (let i = 0; i < values.length; i++) {
    const list = listOf(values[i]);
    if (list === undefined)
      throw cellError(cells, { code: 'wrong_type', index: i, expected: 'array' });
    if (list.length > max) {
      const expected = `at most ${max} elements`;
      throw cellError(cells, { code: 'value_too_long', index: i, expected });
    }
    for (let k = 0; k < list.length; k++) {
      const item = list[k];
      if (item === null || item === undefined) {
        const hint = 'Elements of arrays are never null.';
        throw cellError(cells, { code: 'wrong_type', index: i, expected: 'values', hint });
      }
      flat.push(item);
    }
    offsets[i + 1] = flat.length;
  }
  const element = elementField(field);
  const type = element.type as NumberColumn['kind'] | BytesColumn['kind'];
  try {
    const column = scalarColumn(type, { values: flat, field: element, firstRow: 0 }, undefined);
    return { kind: 'array', offsets, element: column, valid };
  } catch (error) {
    throw relocate(error, offsets, firstRow);
  }
}

function elementField(field: Field): Field {
  const { type, maxLength } = field.element ?? { type: 'int64' };
  const base: Field = { id: field.id, name: field.name, type };
  return maxLength === undefined ? base : { ...base, maxLength };
}

/** Errors about elements count elements: turns the element's number into its row's. */
function relocate(error: unknown, offsets: Uint32Array, firstRow: number): unknown {
  if (!(error instanceof ElanusError)) return error;
  const details = error.details as { readonly row?: number };
  const element = details.row ?? 0;
  let row = 0;
  while ((offsets[row + 1] as number) <= element) row++;
  return new ElanusError(error.code, { ...details, row: firstRow + row });
}

function dynamicColumn(
  rows: readonly InputRow[],
  schema: CollectionSchema,
  firstRow: number,
): Column {
  const names = new Set(schema.fields.map((field) => field.name));
  const values = rows.map((row) => {
    const extra = Object.entries(row).filter(
      ([name, value]) => !names.has(name) && value !== undefined,
    );
    return extra.length === 0 ? undefined : Object.fromEntries(extra);
  });
  const cells = { values, field: dynamicField(), firstRow };
  return fieldColumn(cells, {});
}
