import type { CollectionSchema } from '@elanus/core';
import { ElanusError, primaryField } from '@elanus/core';
import { scalarColumn } from './cells.ts';
import type { KeyColumn } from './database.ts';

/**
 * Keys as a column: bigint, safe numbers or decimal strings for int64, text for varchar.
 *
 * @throws wrong_type, value_out_of_range, value_too_long
 */
export function encodeKeys(keys: readonly unknown[], schema: CollectionSchema): KeyColumn {
  const { default: _none, oneOf: _any, ...field } = primaryField(schema);
  const absent = keys.findIndex((key) => key === undefined || key === null);
  if (absent >= 0) {
    throw new ElanusError('wrong_type', {
      field: field.name,
      row: absent,
      expected: field.type,
      got: String(keys[absent]),
    });
  }
  const type = field.type === 'varchar' ? 'varchar' : 'int64';
  return scalarColumn(type, { values: keys, field, firstRow: 0 }, undefined);
}
