import type {
  ArrayColumn,
  BytesColumn,
  CollectionSchema,
  Column,
  ColumnBatch,
  Field,
  NumberColumn,
  SparseColumn,
  VectorColumn,
  VectorType,
} from '@elanus/core';
import {
  ElanusError,
  LIMITS,
  columnRows,
  isPresent,
  isVectorColumn,
  storedFields,
  vectorShape,
} from '@elanus/core';
import { checkBatchBounds } from './encode-rows.ts';
import { rises } from './encode-sparse.ts';
import { findBad, notFinite } from './encode-vectors.ts';
import { jsonText } from './json-text.ts';

/**
 * Judges a batch that came over a wire by its schema, as `encodeRows` judges rows: every stored
 * field there and of its type, nulls only where allowed, text that is UTF-8 within its length,
 * canonical JSON, finite vectors of the right dimension, distinct keys. Columns of auto ids may be
 * missing. Linear in the bytes; batches that `encodeRows` made need no check.
 *
 * @throws the error that `encodeRows` would throw for the same row.
 */
export function checkBatch(batch: ColumnBatch, schema: CollectionSchema): void {
  checkRowCount(batch.rowCount);
  checkRagged(batch);
  const fields = storedFields(schema);
  const known = new Set(fields.map((field) => field.id));
  for (const id of batch.columns.keys()) {
    if (!known.has(id)) throw new ElanusError('unknown_field', { field: String(id) });
  }
  for (const field of fields) {
    const column = batch.columns.get(field.id);
    if (column !== undefined) checkColumn(column, field, batch.rowCount);
    else if (!(field.primary === true && field.autoId === true)) {
      throw new ElanusError('missing_field', { field: field.name });
    }
  }
  checkBatchBounds(batch, schema, 0);
}

function checkColumn(column: Column, field: Field, rows: number): void {
  if (field.type !== (column.kind === 'sparse' ? 'vector' : column.kind)) {
    const { name, type } = field;
    throw new ElanusError('wrong_type', { field: name, expected: type, got: column.kind });
  }
  if (isVectorColumn(column)) {
    checkVectors(column, field);
    return;
  }
  if (field.nullable !== true) {
    for (let row = 0; row < rows; row++) {
      if (!isPresent(column, row)) {
        throw new ElanusError('wrong_type', { field: field.name, row, expected: 'a value' });
      }
    }
  }
  if (column.kind === 'array') checkArrays(column, field);
  else checkScalars(column, field);
}

/**
 * Judges vectors by their field: its type, its dimension, values it can hold.
 *
 * @throws wrong_type, dimension_mismatch, vector_not_finite, value_out_of_range, value_too_long
 */
export function checkVectors(column: VectorColumn | SparseColumn, field: Field): void {
  if (column.kind === 'sparse') checkSparse(column, field);
  else checkDense(column, field);
}

function checkDense(column: VectorColumn, field: Field): void {
  const { type, dim, values } = column;
  const shape = vectorShape(field);
  if (type !== shape.type) throw wrongVectors(field, type);
  if (dim !== shape.dim) {
    throw new ElanusError('dimension_mismatch', {
      field: field.name,
      expected: String(shape.dim),
      got: String(dim),
    });
  }
  const at = findBad(type, values, undefined);
  if (at >= 0) throw notFinite({ type, values, at, field, firstRow: 0 }, dim);
}

function wrongVectors(field: Field, got: VectorType): Error {
  const { type } = vectorShape(field);
  return new ElanusError('wrong_type', { field: field.name, expected: `${type} vectors`, got });
}

/** Sparse rows have one form: indices that rise, finite values above 0, not too many. */
function checkSparse(column: SparseColumn, field: Field): void {
  if (vectorShape(field).type !== 'sparse') throw wrongVectors(field, 'sparse');
  const { offsets } = column;
  for (let row = 0; row + 1 < offsets.length; row++) {
    const indices = column.indices.subarray(offsets[row], offsets[row + 1]);
    const values = column.values.subarray(offsets[row], offsets[row + 1]);
    const bad = values.find((value) => !(value > 0 && value < Infinity));
    const at = { field: field.name, row };
    if (bad !== undefined) {
      const code = Number.isFinite(bad) ? 'value_out_of_range' : 'vector_not_finite';
      throw new ElanusError(code, { ...at, expected: 'finite values above 0', got: String(bad) });
    }
    if (!rises(indices) || (indices[indices.length - 1] ?? 0) > LIMITS.sparseIndexMax) {
      const expected = `indices that rise, at most ${LIMITS.sparseIndexMax}`;
      throw new ElanusError('value_out_of_range', { ...at, expected });
    }
    if (indices.length > LIMITS.sparseEntriesMax) {
      const expected = `at most ${LIMITS.sparseEntriesMax} values`;
      throw new ElanusError('value_too_long', { ...at, expected });
    }
  }
}

function checkArrays(column: ArrayColumn, field: Field): void {
  const { element, offsets } = column;
  const wanted = field.element?.type;
  if (element.kind !== wanted) {
    throw new ElanusError('wrong_type', {
      field: field.name,
      expected: `array of ${wanted}`,
      got: `array of ${element.kind}`,
    });
  }
  const max = field.maxCapacity ?? LIMITS.arrayCapacityMax;
  for (let row = 0; row + 1 < offsets.length; row++) {
    const length = (offsets[row + 1] as number) - (offsets[row] as number);
    if (length <= max) continue;
    const expected = `at most ${max} elements`;
    throw new ElanusError('value_too_long', { field: field.name, row, expected });
  }
  const { maxLength } = field.element ?? {};
  const base: Field = { id: field.id, name: field.name, type: element.kind };
  checkScalars(element, maxLength === undefined ? base : { ...base, maxLength });
}

function checkScalars(column: NumberColumn | BytesColumn, field: Field): void {
  if ('offsets' in column) checkBytes(column, field);
  else if (column.kind === 'bool') {
    const row = (column.values as Uint8Array).findIndex((value) => value > 1);
    if (row >= 0) throw new ElanusError('wrong_type', { field: field.name, row, expected: 'bool' });
  } else if (column.kind === 'float' || column.kind === 'double') {
    const row = (column.values as Float64Array).findIndex((value) => !Number.isFinite(value));
    if (row >= 0) {
      const expected = `finite ${column.kind}`;
      throw new ElanusError('value_out_of_range', { field: field.name, row, expected });
    }
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function checkBytes(column: BytesColumn, field: Field): void {
  const { offsets, data, kind } = column;
  const own = field.maxLength ?? LIMITS.varcharBytesMax;
  const max = kind === 'json' ? LIMITS.jsonBytesMax : own;
  const allowed = field.oneOf === undefined ? undefined : new Set(field.oneOf);
  for (let row = 0; row + 1 < offsets.length; row++) {
    if (!isPresent(column, row)) continue;
    const bytes = data.subarray(offsets[row], offsets[row + 1]);
    if (bytes.length > max) {
      const expected = `at most ${max} bytes`;
      throw new ElanusError('value_too_long', { field: field.name, row, expected });
    }
    if (kind === 'bytes') continue;
    const text = decode(bytes, field, row);
    if (allowed !== undefined && !allowed.has(text)) {
      throw new ElanusError('value_not_allowed', { field: field.name, row });
    }
    if (kind === 'json') checkJson(text, field, row);
  }
}

function decode(bytes: Uint8Array, field: Field, row: number): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ElanusError('wrong_type', { field: field.name, row, expected: 'UTF-8' });
  }
}

/** Filters look at JSON as bytes: what is kept has to be in the one form `jsonText` makes. */
function checkJson(text: string, field: Field, row: number): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ElanusError('wrong_type', { field: field.name, row, expected: 'JSON' });
  }
  const canonical = jsonText(value);
  if (typeof canonical !== 'string') {
    throw new ElanusError(canonical.code, { field: field.name, row, expected: canonical.expected });
  }
  if (canonical !== text) {
    const expected = 'canonical JSON: as JSON.stringify writes it';
    throw new ElanusError('wrong_type', { field: field.name, row, expected });
  }
}

/**
 * Rows can be so small that a request holds tens of millions: what is made of each, its key above
 * all, would not fit in memory.
 *
 * @throws limit_out_of_range
 */
export function checkRowCount(rows: number): void {
  if (rows <= LIMITS.writeRowsMax) return;
  const expected = `at most ${LIMITS.writeRowsMax} rows in one write`;
  throw new ElanusError('limit_out_of_range', { expected, got: String(rows) });
}

/** Throws when columns of a batch disagree about how many rows there are. */
export function checkRagged(batch: ColumnBatch): void {
  for (const [id, column] of batch.columns) {
    const rows = columnRows(column);
    if (rows === batch.rowCount) continue;
    throw new ElanusError('columns_ragged', {
      field: String(id),
      expected: String(batch.rowCount),
      got: String(rows),
    });
  }
}
