/**
 * A door of its own: Arrow is loaded by whoever encodes scalars, not by everyone who reads them or
 * writes a manifest.
 */
import {
  assert,
  columnBytes,
  isVectorColumn,
  type Column,
  type Field,
  type FieldId,
} from '@elanus/core';
import { encodeScalars } from './arrow-batch.ts';
import { encodeKeys, keyOrder } from './keys-file.ts';
import { encodeStats, measureStats } from './stats.ts';

/** A segment's scalars, as flushes and merges have them. */
export interface ScalarInput {
  readonly rowCount: number;
  /** Scalar fields, the key among them; each has its column. */
  readonly fields: readonly Field[];
  readonly keyField: FieldId;
  readonly columns: ReadonlyMap<FieldId, Column>;
  readonly timestamps: BigUint64Array;
}

/** The bytes of the scalar files of one segment. */
export interface EncodedScalars {
  readonly scalars: Uint8Array;
  readonly keys: Uint8Array;
  readonly stats: Uint8Array;
  /** Size in memory. */
  readonly bytes: number;
}

/** Encodes scalars, keys and statistics. Cost: one pass and one sort over the rows. */
export function encodeScalarFiles(input: ScalarInput): EncodedScalars {
  const { rowCount, fields, keyField, timestamps } = input;
  const columns = new Map<FieldId, Column>();
  let bytes = timestamps.byteLength;
  for (const field of fields) {
    const column = input.columns.get(field.id);
    assert(column !== undefined, 'each field has its column');
    columns.set(field.id, withoutFullBitmap(column, rowCount));
    bytes += columnBytes(column);
  }
  const key = columns.get(keyField);
  assert(key !== undefined, 'a segment has its key');
  const named = fields.flatMap(({ id, name }) => {
    const column = columns.get(id);
    return column === undefined ? [] : [{ id, name, column }];
  });
  return {
    scalars: encodeScalars({ rowCount, columns: named, timestamps }),
    keys: encodeKeys(key, keyOrder(key, rowCount)),
    stats: encodeStats(measureStats(columns, keyField, rowCount)),
    bytes,
  };
}

/** Drops the bitmap of a column in which every value is present. */
function withoutFullBitmap(column: Column, rowCount: number): Column {
  if (isVectorColumn(column) || column.valid === undefined) return column;
  const { valid } = column;
  const words = rowCount >>> 5;
  for (let w = 0; w < words; w++) if (valid[w] !== 0xffffffff) return column;
  const tail = 2 ** (rowCount & 31) - 1;
  if (tail !== 0 && ((valid[words] ?? 0) & tail) >>> 0 !== tail) return column;
  return { ...column, valid: undefined };
}
