import type {
  ArrayColumn,
  BytesColumn,
  CollectionSchema,
  Column,
  ColumnBatch,
  DenseArray,
  Field,
  NumberColumn,
  VectorColumn,
} from '@elanus/core';
import {
  DYNAMIC_FIELD,
  DYNAMIC_FIELD_ID,
  TIMESTAMP_FIELD,
  TIMESTAMP_FIELD_ID,
  denseWidth,
  halfToNumber,
  isPresent,
} from '@elanus/core';
import { toBase64 } from './base64.ts';
import { exactNumber } from './check-exact.ts';

/** How columns become rows. */
export interface DecodeOptions {
  /** The caller's selection: which keys of `$meta` are wanted; all when absent. */
  readonly select?: readonly string[] | undefined;
  /** Keys of `$meta` left out. */
  readonly omit?: readonly string[] | undefined;
  /** Values as JSON can carry them: 64-bit integers as decimal strings, instants as ISO text. */
  readonly json?: boolean;
  /** Rows that get the fields besides what they have; new ones when absent. */
  readonly rows?: OutputRow[];
}

/** A row as callers read it. */
export type OutputRow = Record<string, unknown>;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Columns as rows: plain objects in the schema's field order, then `$ts`, then keys of `$meta`.
 * Copies everything; nothing of the batch stays reachable.
 */
export function decodeRows(
  batch: ColumnBatch,
  schema: CollectionSchema,
  options: DecodeOptions = {},
): OutputRow[] {
  const { rows = emptyRows(batch.rowCount) } = options;
  for (const field of schema.fields) {
    const column = batch.columns.get(field.id);
    if (column === undefined) continue;
    const valueAt = reader(column, field, options.json === true);
    for (let i = 0; i < rows.length; i++) {
      (rows[i] as OutputRow)[field.name] = isPresent(column, i) ? valueAt(i) : null;
    }
  }
  addTimestamps(rows, batch.columns.get(TIMESTAMP_FIELD_ID), options);
  const meta = batch.columns.get(DYNAMIC_FIELD_ID);
  if (meta !== undefined) addDynamic(rows, meta as BytesColumn, options);
  return rows;
}

function emptyRows(count: number): OutputRow[] {
  const rows: OutputRow[] = [];
  for (let i = 0; i < count; i++) rows.push({});
  return rows;
}

function addTimestamps(
  rows: OutputRow[],
  column: Column | undefined,
  options: DecodeOptions,
): void {
  if (column === undefined) return;
  const values = (column as NumberColumn).values;
  for (let i = 0; i < rows.length; i++) {
    const value = values[i] as bigint;
    (rows[i] as OutputRow)[TIMESTAMP_FIELD] = options.json === true ? String(value) : value;
  }
}

function addDynamic(rows: OutputRow[], column: BytesColumn, options: DecodeOptions): void {
  const { select, omit } = options;
  const wanted = select === undefined ? undefined : new Set(select);
  const whole = wanted?.has(DYNAMIC_FIELD) === true;
  for (let i = 0; i < rows.length; i++) {
    if (!isPresent(column, i)) continue;
    const extra = JSON.parse(textAt(column, i)) as Record<string, unknown>;
    const row = rows[i] as OutputRow;
    for (const key of Object.keys(extra)) {
      if (wanted !== undefined && !whole && !wanted.has(key)) continue;
      if (omit?.includes(key) === true || Object.hasOwn(row, key)) continue;
      Object.defineProperty(row, key, {
        value: extra[key],
        enumerable: true,
        writable: true,
        configurable: true,
      });
    }
  }
}

function textAt(column: BytesColumn, row: number): string {
  return decoder.decode(column.data.slice(column.offsets[row], column.offsets[row + 1]));
}

/** How one value of a column is read, in the types rows have. */
function reader(column: Column, field: Field, json: boolean): (row: number) => unknown {
  switch (column.kind) {
    case 'vector':
      return vectorReader(column, json);
    case 'sparse': {
      const { offsets } = column;
      return (row) => {
        const indices = column.indices.slice(offsets[row], offsets[row + 1]);
        const values = column.values.slice(offsets[row], offsets[row + 1]);
        if (!json) return { indices, values };
        return { indices: Array.from(indices), values: Array.from(values) };
      };
    }
    case 'array': {
      const element = elementReader(column, field, json);
      const { offsets } = column;
      return (row) => {
        const list: unknown[] = [];
        const end = offsets[row + 1] as number;
        for (let i = offsets[row] as number; i < end; i++) list.push(element(i));
        return list;
      };
    }
    default:
      return scalarReader(column, field, json);
  }
}

/** Vectors in their own arrays; in JSON as numbers, those of bits as bytes. */
function vectorReader(column: VectorColumn, json: boolean): (row: number) => unknown {
  const { type, values } = column;
  const width = denseWidth(type, column.dim);
  const vectorAt = (row: number): DenseArray => values.slice(row * width, (row + 1) * width);
  if (!json) return vectorAt;
  if (type !== 'float16' && type !== 'bfloat16') return (row) => Array.from(vectorAt(row));
  return (row) => Array.from(vectorAt(row), (bits) => halfToNumber(type, bits));
}

function elementReader(
  column: ArrayColumn,
  field: Field,
  json: boolean,
): (element: number) => unknown {
  const type = field.element?.type ?? 'int64';
  return scalarReader(column.element, { ...field, type }, json);
}

function scalarReader(
  column: NumberColumn | BytesColumn,
  field: Field,
  json: boolean,
): (row: number) => unknown {
  if ('offsets' in column) return bytesReader(column, json);
  const { values } = column;
  switch (column.kind) {
    case 'bool':
      return (row) => values[row] === 1;
    case 'int64':
      if (field.as === 'number') return numberReader(values as BigInt64Array, field, json);
      if (json || field.as === 'string') return (row) => String(values[row]);
      return (row) => values[row];
    case 'timestamp':
      return (row) => instant(values[row] as bigint, json);
    default:
      return (row) => values[row];
  }
}

/** Upper halves up to here, and down to its negative, are of integers that a number holds. */
const HIGH_MAX = 2 ** 21 - 1;

/** JSON carries what no number holds as decimal digits, as it does all other 64-bit integers. */
function numberReader(
  values: BigInt64Array,
  field: Field,
  json: boolean,
): (row: number) => number | string {
  if (!json) {
    // The halves make the number without an object for each; the upper one tells if it is exact.
    const halves = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
    return (row) => {
      const high = halves[2 * row + 1] as number;
      if (high < -HIGH_MAX || high > HIGH_MAX)
        return exactNumber(values[row] as bigint, field, row);
      return high * 2 ** 32 + ((halves[2 * row] as number) >>> 0);
    };
  }
  return (row) => {
    const number = Number(values[row]);
    return Number.isSafeInteger(number) ? number : String(values[row]);
  };
}

function instant(ms: bigint, json: boolean): unknown {
  const date = new Date(Number(ms));
  if (!json) return date;
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}

function bytesReader(column: BytesColumn, json: boolean): (row: number) => unknown {
  if (column.kind === 'json') return (row) => JSON.parse(textAt(column, row)) as unknown;
  if (column.kind === 'varchar') return (row) => textAt(column, row);
  const bytesAt = (row: number): Uint8Array =>
    column.data.slice(column.offsets[row], column.offsets[row + 1]);
  return json ? (row) => toBase64(bytesAt(row)) : bytesAt;
}

/** How to read the keys of a column, as the key's field has them in rows. */
export function keyReader(
  column: NumberColumn | BytesColumn,
  field: Field,
): (row: number) => unknown {
  return scalarReader(column, field, false);
}

/** Keys as the key's field has them in rows. */
export function decodeKeys(
  column: NumberColumn | BytesColumn,
  field: Field,
  json: boolean,
): unknown[] {
  const valueAt = scalarReader(column, field, json);
  const rows = 'offsets' in column ? column.offsets.length - 1 : column.values.length;
  const keys: unknown[] = [];
  for (let row = 0; row < rows; row++) keys.push(valueAt(row));
  return keys;
}
