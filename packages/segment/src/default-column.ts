import {
  assert,
  filledBitset,
  nullColumn,
  numericArray,
  type Column,
  type ColumnBatch,
  type ColumnKind,
  type Field,
  type FieldId,
} from '@elanus/core';

/** The value every row has in a field it was written without: its default, else null. */
export function defaultColumn(field: Field, rowCount: number): Column {
  assert(field.type !== 'vector', 'vector fields have no default');
  const value = field.default;
  if (value === undefined) {
    const none = nullColumn(field.type as Exclude<ColumnKind, 'vector'>, rowCount);
    if (none.kind !== 'array' || field.element === undefined) return none;
    const element = nullColumn(field.element.type, 0);
    assert(element.kind !== 'array' && element.kind !== 'vector', 'elements are scalars');
    return { ...none, element: { ...element, valid: undefined } };
  }
  const valid = filledBitset(rowCount);
  if (field.type === 'varchar' || field.type === 'json' || field.type === 'bytes') {
    const text = new TextEncoder().encode(String(value));
    const offsets = Uint32Array.from({ length: rowCount + 1 }, (_, i) => i * text.length);
    const data = new Uint8Array(rowCount * text.length);
    for (let i = 0; i < rowCount; i++) data.set(text, i * text.length);
    return { kind: field.type, offsets, data, valid };
  }
  assert(field.type !== 'array', 'arrays have no default');
  const values = numericArray(field.type, rowCount);
  if (values instanceof BigInt64Array) values.fill(BigInt(value));
  else values.fill(Number(value));
  return { kind: field.type, values, valid };
}

/** The batch with every field of `fields`: those missing get their default column. */
export function completeBatch(batch: ColumnBatch, fields: readonly Field[]): ColumnBatch {
  if (fields.every((field) => batch.columns.has(field.id))) return batch;
  const columns = new Map<FieldId, Column>();
  for (const field of fields) {
    columns.set(field.id, batch.columns.get(field.id) ?? defaultColumn(field, batch.rowCount));
  }
  return { rowCount: batch.rowCount, columns };
}
