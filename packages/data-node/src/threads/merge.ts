// Thread entry of merges: joins the kept rows' scalars of several segments into one segment's
// files.
import { concatColumns, takeColumn, type Column, type Field, type FieldId } from '@elanus/core';
import { decodeScalars } from '@elanus/format';
import { encodeScalarFiles, type EncodedScalars } from '@elanus/format/scalars';
import { defaultColumn } from '@elanus/expr';
import { onSharedMemory } from '../shared-bytes.ts';

/** Scalars of several segments, in timestamp order, to become one. */
export interface MergeTask {
  readonly inputs: readonly {
    readonly name: string;
    readonly scalars: Uint8Array;
    /** Rows that stay. */
    readonly keep: Uint32Array;
  }[];
  readonly fields: readonly Field[];
  readonly keyField: FieldId;
}

/** The files of the output, and when its rows were written. */
export interface MergedScalars extends EncodedScalars {
  /** Of the first row and the one in the middle; undefined: no row is left. */
  readonly minTimestamp: bigint | undefined;
  readonly medianTimestamp: bigint | undefined;
}

/** Joins and encodes; a field that an input lacks takes its default. */
export function merge(task: MergeTask): MergedScalars {
  const { fields, keyField } = task;
  const files = task.inputs.map(({ scalars, name }) => decodeScalars(scalars, name));
  const columns = new Map<FieldId, Column>();
  for (const field of fields) {
    const parts = files.map((file, i) => {
      const keep = task.inputs[i]?.keep ?? new Uint32Array(0);
      const column = file.columns.get(field.id);
      if (column === undefined) return defaultColumn(field, keep.length);
      return keep.length === file.rowCount ? column : takeColumn(column, keep);
    });
    columns.set(field.id, concatColumns(parts));
  }
  const rowCount = task.inputs.reduce((sum, input) => sum + input.keep.length, 0);
  const timestamps = new BigUint64Array(rowCount);
  let at = 0;
  files.forEach((file, i) => {
    for (const row of task.inputs[i]?.keep ?? []) timestamps[at++] = file.timestamps[row] ?? 0n;
  });
  const encoded = encodeScalarFiles({ rowCount, fields, keyField, columns, timestamps });
  const [minTimestamp, medianTimestamp] = [timestamps[0], timestamps[rowCount >>> 1]];
  return { ...encoded, scalars: onSharedMemory(encoded.scalars), minTimestamp, medianTimestamp };
}
