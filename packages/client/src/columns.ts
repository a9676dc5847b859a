import { checkBatchBounds, fieldColumn, findBad, notFinite } from '@elanus/api';
import type {
  CollectionSchema,
  Column,
  ColumnBatch,
  DenseArray,
  DenseType,
  Field,
  FieldId,
} from '@elanus/core';
import {
  DYNAMIC_FIELD_ID,
  ElanusError,
  denseArray,
  denseWidth,
  didYouMean,
  dynamicField,
  isDenseArray,
  vectorShape,
} from '@elanus/core';

/** One column as callers give it. */
interface Given {
  readonly values: ArrayLike<unknown>;
  /** Whether row `i` holds a value; undefined: all do. */
  readonly holds: ((row: number) => boolean) | undefined;
}

/** An Arrow table as far as we look at it; any version of Arrow fits. */
export interface ArrowTable {
  readonly numRows: number;
  readonly schema: { readonly fields: readonly { readonly name: string }[] };
  getChild(name: string): ArrowVector | null;
}

/** An Arrow column as far as we look at it. */
export interface ArrowVector {
  readonly length: number;
  get(index: number): unknown;
}

/** Whether a value looks like an Arrow table. */
export function isArrowTable(value: unknown): value is ArrowTable {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as ArrowTable).getChild === 'function' &&
    typeof (value as ArrowTable).numRows === 'number'
  );
}

/** An Arrow table in the column form; values are read by Arrow's own `get`. */
export function columnsOfArrow(table: ArrowTable): Record<string, unknown> {
  const columns: Record<string, unknown> = {};
  for (const { name } of table.schema.fields) {
    const vector = table.getChild(name);
    if (vector === null) continue;
    columns[name] = Array.from({ length: vector.length }, (_, i) => plain(vector.get(i)));
  }
  return columns;
}

/** Arrow answers lists as vectors: turns those into arrays. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if ('toArray' in value && typeof value.toArray === 'function') return value.toArray() as unknown;
  return value;
}

/**
 * Rows in the column form as a batch: copied, checked, defaults filled in. Typed arrays of the
 * field's own type are copied as they are; everything else goes value by value.
 *
 * @throws every error about rows, and columns_ragged.
 */
export function encodeColumns(
  columns: Readonly<Record<string, unknown>>,
  schema: CollectionSchema,
  options: { readonly idAt: ((row: number) => string) | undefined },
): ColumnBatch {
  const rowCount = rowsOf(columns, schema);
  if (rowCount === 0) throw new ElanusError('empty_write', {});
  const batch = new Map<FieldId, Column>();
  for (const field of schema.fields) {
    const given = givenOf(columns[field.name], field);
    if (field.primary === true && field.autoId === true) {
      if (given !== undefined) throw idsGiven(field);
      const { idAt } = options;
      if (field.type === 'varchar' && idAt !== undefined) {
        const values = Array.from({ length: rowCount }, (_, row) => idAt(row));
        batch.set(field.id, fieldColumn({ values, field, firstRow: 0 }, {}));
      }
      continue;
    }
    batch.set(field.id, encodeColumn(field, given, rowCount));
  }
  if (schema.dynamic) {
    const values = Array.from({ length: rowCount }, (): undefined => undefined);
    batch.set(DYNAMIC_FIELD_ID, fieldColumn({ values, field: dynamicField(), firstRow: 0 }, {}));
  }
  const made = { rowCount, columns: batch };
  checkBatchBounds(made, schema, 0);
  return made;
}

function idsGiven(field: Field): Error {
  return new ElanusError('value_not_allowed', {
    field: field.name,
    hint: 'Keys of this collection are made automatically; leave the key out.',
  });
}

function rowsOf(columns: Readonly<Record<string, unknown>>, schema: CollectionSchema): number {
  let rowCount: number | undefined;
  for (const [name, value] of Object.entries(columns)) {
    const field = schema.fields.find((candidate) => candidate.name === name);
    if (field === undefined) {
      const names = schema.fields.map((candidate) => candidate.name);
      throw new ElanusError('unknown_field', { field: name, hint: didYouMean(name, names) });
    }
    const given = givenOf(value, field);
    if (given === undefined) continue;
    const rows = lengthOf(given, field);
    rowCount ??= rows;
    if (rows !== rowCount) {
      throw new ElanusError('columns_ragged', {
        field: name,
        expected: `${rowCount} rows`,
        got: `${rows} rows`,
      });
    }
  }
  return rowCount ?? 0;
}

function lengthOf(given: Given, field: Field): number {
  const flat = field.type === 'vector' && ArrayBuffer.isView(given.values);
  return flat ? given.values.length / widthOf(field) : given.values.length;
}

/** Elements of one vector in a flat array. */
function widthOf(field: Field): number {
  const { type, dim } = vectorShape(field);
  return type === 'sparse' ? 1 : denseWidth(type, dim);
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function givenOf(value: unknown, field: Field): Given | undefined {
  if (value === undefined) return undefined;
  if (isCsr(value) && vectorShape(field).type === 'sparse') {
    return { values: rowsOfCsr(value, field), holds: undefined };
  }
  if (isList(value)) return { values: value, holds: undefined };
  if (typeof value === 'object' && value !== null && 'values' in value && isList(value.values)) {
    const valid = 'valid' in value ? value.valid : undefined;
    return { values: value.values, holds: validity(valid, field) };
  }
  throw new ElanusError('wrong_type', {
    field: field.name,
    expected: 'a typed array, an array, or { values, valid }',
    got: typeof value,
  });
}

/** Sparse vectors in one piece: row i has the entries `[offsets[i] .. offsets[i + 1])`. */
interface Csr {
  readonly offsets: ArrayLike<number>;
  readonly indices: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

function isCsr(value: unknown): value is Csr {
  if (typeof value !== 'object' || value === null) return false;
  const { offsets, indices, values } = value as Partial<Csr>;
  return [offsets, indices, values].every(
    (part) => isList(part) && !(part instanceof BigInt64Array || part instanceof BigUint64Array),
  );
}

function rowsOfCsr({ offsets, indices, values }: Csr, field: Field): readonly unknown[] {
  const bounds = Array.from(offsets);
  const spans = bounds.slice(1).map((end, i) => [bounds[i] ?? 0, end] as const);
  const last = bounds[bounds.length - 1];
  const whole = bounds[0] === 0 && last === indices.length && last === values.length;
  if (!whole || spans.some(([from, to]) => !(Number.isInteger(to) && from <= to))) {
    throw new ElanusError('wrong_type', {
      field: field.name,
      expected: 'offsets from 0 to the number of indices and values, never going back',
    });
  }
  return spans.map(([from, to]) => {
    return { indices: partOf(indices, from, to), values: partOf(values, from, to) };
  });
}

/** Elements `[from, to)` as they are: what is no number is told, not turned into one. */
function partOf(list: ArrayLike<unknown>, from: number, to: number): ArrayLike<unknown> {
  if (Array.isArray(list)) return list.slice(from, to);
  return (list as Float64Array).subarray(from, to);
}

/** Bitmaps are read lowest bit first, as Arrow's; arrays of booleans one by one. */
function validity(valid: unknown, field: Field): Given['holds'] {
  if (valid === undefined || valid === null) return undefined;
  if (valid instanceof Uint8Array)
    return (row) => (((valid[row >>> 3] ?? 0) >>> (row & 7)) & 1) === 1;
  if (valid instanceof Uint32Array) {
    return (row) => (((valid[row >>> 5] ?? 0) >>> (row & 31)) & 1) === 1;
  }
  if (Array.isArray(valid)) return (row) => valid[row] === true;
  throw new ElanusError('wrong_type', {
    field: field.name,
    expected: 'a bitmap',
    got: typeof valid,
  });
}

/** The typed arrays that hold a type's values exactly as columns do. */
const SAME = {
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  timestamp: BigInt64Array,
  double: Float64Array,
  float: Float32Array,
} as const;

function encodeColumn(field: Field, given: Given | undefined, rows: number): Column {
  const values = given?.values ?? Array.from({ length: rows }, (): undefined => undefined);
  const holds = given?.holds;
  if (field.type === 'vector') return vectorsOf(field, values);
  const same = field.type in SAME ? SAME[field.type as keyof typeof SAME] : undefined;
  const real = field.type === 'float' || field.type === 'double';
  if (same !== undefined && !real && values instanceof same && holds === undefined) {
    const kind = field.type as keyof typeof SAME;
    return { kind, values: values.slice(), valid: undefined };
  }
  if (field.type === 'int64' && holds === undefined) {
    const integers = integersOf(values);
    if (integers !== undefined) return { kind: 'int64', values: integers, valid: undefined };
  }
  const bool = field.type === 'bool' && values instanceof Uint8Array;
  const list = Array.from(values, (value, i) => {
    if (holds !== undefined && !holds(i)) return null;
    return bool ? value === 1 : value;
  });
  return fieldColumn({ values: list, field, firstRow: 0 }, {});
}

/** Vectors, one by one or all in one array: [rows x width]. */
function vectorsOf(field: Field, values: ArrayLike<unknown>): Column {
  const { type } = vectorShape(field);
  const flat = ArrayBuffer.isView(values) || typeof values[0] === 'number';
  if (type === 'sparse' || !flat) {
    return fieldColumn({ values: Array.from(values), field, firstRow: 0 }, {});
  }
  const width = widthOf(field);
  if (values.length % width !== 0) {
    throw new ElanusError('dimension_mismatch', {
      field: field.name,
      expected: `a multiple of ${width}`,
      got: String(values.length),
    });
  }
  if (isDenseArray(type, values)) return flatVectors(field, type, values);
  // A row of a typed array is a view on it.
  const all = ArrayBuffer.isView(values) ? (values as unknown as Float32Array) : undefined;
  const list = all === undefined ? Array.from(values) : [];
  const rows = Array.from({ length: values.length / width }, (_, i) => {
    const [from, to] = [i * width, (i + 1) * width];
    return all?.subarray(from, to) ?? list.slice(from, to);
  });
  return fieldColumn({ values: rows, field, firstRow: 0 }, {});
}

/** Vectors in the array of their own type, checked and copied. */
function flatVectors(field: Field, type: DenseType, values: DenseArray): Column {
  const { dim } = vectorShape(field);
  const copy = denseArray(type, values.length);
  const at = capture(type, values, copy);
  if (at < 0) return { kind: 'vector', type, dim, values: copy };
  throw notFinite({ type, values: copy, at, field, firstRow: 0 }, dim);
}

/** Elements copied and checked at a time: they are still in the processor's cache. */
const BLOCK = 16_384;

/** Copies vectors; returns the position of the first value that is no number, or -1. */
function capture(type: DenseType, from: DenseArray, into: DenseArray): number {
  for (let at = 0; at < from.length; at += BLOCK) {
    into.set(from.subarray(at, at + BLOCK), at);
    const bad = findBad(type, into.subarray(at, at + BLOCK), undefined);
    if (bad >= 0) return at + bad;
  }
  return -1;
}

/** Whole numbers as 64-bit integers; undefined when one of them is none, or not exact. */
function integersOf(values: ArrayLike<unknown>): BigInt64Array | undefined {
  if (!(values instanceof Float64Array || values instanceof Int32Array)) return undefined;
  const made = new BigInt64Array(values.length);
  const words = new Int32Array(made.buffer);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isSafeInteger(value)) return undefined;
    words[i * 2] = value;
    words[i * 2 + 1] = Math.floor(value / 2 ** 32);
  }
  return made;
}
