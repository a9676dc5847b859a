// Thread entry of flushes: turns the scalars of a sealed segment into the bytes of its files.
import {
  assert,
  concatColumns,
  sliceColumn,
  type Column,
  type Field,
  type FieldId,
} from '@elanus/core';
import { encodeScalarFiles, type EncodedScalars } from '@elanus/format/scalars';
import type { SegmentView } from '../view.ts';

/** A sealed segment to be written. */
export interface EncodeTask {
  readonly view: SegmentView;
  /** Scalar fields, the key among them. */
  readonly fields: readonly Field[];
  readonly keyField: FieldId;
}

/** Joins the chunks' columns and encodes them. */
export function encodeSegment(task: EncodeTask): EncodedScalars {
  const { view, fields, keyField } = task;
  const columns = new Map<FieldId, Column>();
  for (const field of fields) {
    const parts = view.chunks.map((chunk) => {
      const column = chunk.columns.get(field.id);
      assert(column !== undefined, 'a sealed segment has each field');
      return sliceColumn(column, 0, chunk.rowCount);
    });
    columns.set(field.id, concatColumns(parts));
  }
  const timestamps = new BigUint64Array(view.rowCount);
  for (const chunk of view.chunks) {
    timestamps.set(chunk.timestamps.subarray(0, chunk.rowCount), chunk.rowBase);
  }
  return encodeScalarFiles({ rowCount: view.rowCount, fields, keyField, columns, timestamps });
}
