/**
 * Rows of an answer as one body. Searches that ask for no more than keys are the shortest and the
 * most: packing ten numbers into a frame and reading them again would cost more than finding some.
 */
import {
  assert,
  decodeColumns,
  encodeColumns,
  type Column,
  type ColumnBatch,
  type FieldId,
} from '@elanus/core';

/** Rows as a column frame; int64 keys alone as they are. */
export function packRows(rows: ColumnBatch, keyField: FieldId): ArrayBufferView {
  const keys = rows.columns.size === 1 ? rows.columns.get(keyField) : undefined;
  if (keys?.kind === 'int64' && keys.valid === undefined) return keys.values;
  return encodeColumns(rows);
}

/** Reads what `packRows` made; values are views on it. */
export function unpackRows(body: ArrayBufferView | undefined, keyField: FieldId): ColumnBatch {
  if (body instanceof BigInt64Array) {
    const keys: Column = { kind: 'int64', values: body };
    return { rowCount: body.length, columns: new Map([[keyField, keys]]) };
  }
  assert(body instanceof Uint8Array, 'rows are a column frame or int64 keys');
  return decodeColumns(body);
}
