import type { Column, ColumnBatch, Field, FieldId } from '@elanus/core';
import { defaultColumn } from '@elanus/expr';

/**
 * The batch with every field of `fields`: those it was written without get their default column.
 */
export function completeBatch(batch: ColumnBatch, fields: readonly Field[]): ColumnBatch {
  if (fields.length === batch.columns.size && fields.every((f) => batch.columns.has(f.id))) {
    return batch;
  }
  const columns = new Map<FieldId, Column>();
  for (const field of fields) {
    columns.set(field.id, batch.columns.get(field.id) ?? defaultColumn(field, batch.rowCount));
  }
  return { rowCount: batch.rowCount, columns };
}
