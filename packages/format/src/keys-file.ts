/**
 * A segment's primary keys in ascending order, each with its row: the key table is rebuilt from
 * these at open without reading the segment. Strings are ordered by UTF-8 bytes.
 */
import {
  decodeColumns,
  ElanusError,
  encodeColumns,
  fieldId,
  takeColumn,
  type BytesColumn,
  type Column,
  type NumberColumn,
} from '@elanus/core';

/** Sorted keys and the rows they stand in. */
export interface KeysFile {
  readonly keys: NumberColumn | BytesColumn;
  readonly rows: Uint32Array;
}

const KEYS = fieldId(1);
const ROWS = fieldId(2);

/** Rows of a key column in key order; equal keys (older versions) by row. */
export function keyOrder(column: Column, rowCount: number): Uint32Array {
  const rows = Uint32Array.from({ length: rowCount }, (_, i) => i);
  if (column.kind === 'int64') {
    const keys = column.values as BigInt64Array;
    return rows.sort((a, b) => {
      const x = keys[a] ?? 0n;
      const y = keys[b] ?? 0n;
      return x < y ? -1 : x > y ? 1 : a - b;
    });
  }
  if (column.kind !== 'varchar') throw new Error('assertion failed: keys are int64 or varchar');
  const { data, offsets } = column;
  return rows.sort((a, b) => {
    const x = data.subarray(offsets[a], offsets[a + 1]);
    const y = data.subarray(offsets[b], offsets[b + 1]);
    return Buffer.compare(x, y) || a - b;
  });
}

/** Packs a key column given its order. */
export function encodeKeys(column: Column, order: Uint32Array): Uint8Array {
  const rows = new Int32Array(order.buffer, order.byteOffset, order.length);
  return encodeColumns({
    rowCount: order.length,
    columns: new Map<ReturnType<typeof fieldId>, Column>([
      [KEYS, takeColumn(column, order)],
      [ROWS, { kind: 'int32', values: rows }],
    ]),
  });
}

/** Reads a keys file of a segment of `rowCount` rows. @throws ElanusError file_corrupt */
export function decodeKeys(bytes: Uint8Array, path: string, rowCount: number): KeysFile {
  const batch = decodeColumns(bytes);
  const keys = batch.columns.get(KEYS);
  const rows = batch.columns.get(ROWS);
  const fits = batch.rowCount === rowCount && rows?.kind === 'int32';
  if (!fits || (keys?.kind !== 'int64' && keys?.kind !== 'varchar')) {
    throw new ElanusError('file_corrupt', { path, why: 'not a keys file of this segment' });
  }
  const order = new Uint32Array(rows.values as Int32Array);
  // By index: an iterator takes longer than all the rest of a cold start's checks.
  let last = 0;
  for (let i = 0; i < order.length; i++) last = Math.max(last, order[i] ?? 0);
  if (rowCount > 0 && last >= rowCount) {
    throw new ElanusError('file_corrupt', { path, why: 'a key of no row' });
  }
  return { keys, rows: order };
}
