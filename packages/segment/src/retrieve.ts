/**
 * Field values of listed rows, as columns in the order asked. A field that a segment does not hold
 * (added later) gives its default or null.
 */
import {
  assert,
  concatColumns,
  takeColumn,
  TIMESTAMP_FIELD_ID,
  type Column,
  type ColumnBatch,
  type Field,
  type FieldId,
} from '@elanus/core';
import { defaultColumn } from '@elanus/expr';
import { floatsOf } from '@elanus/kernels';

import { chunkOf, type ChunkView, type SegmentView } from './view.ts';

/** Rows of one segment to read. */
export interface RetrieveRows {
  readonly view: SegmentView;
  readonly rows: Uint32Array;
}

/** Reads `fields` (and `$ts` under TIMESTAMP_FIELD_ID when asked) of rows of one segment. */
export function retrieveRows(
  input: RetrieveRows,
  fields: readonly Field[],
  withTimestamp: boolean,
): ColumnBatch {
  const { view, rows } = input;
  const runs = splitByChunk(view, rows);
  const columns = new Map<FieldId, Column>();
  for (const field of fields) {
    const parts = runs.map((run) => readField(run.chunk, field, run.rows));
    columns.set(field.id, parts.length === 0 ? defaultColumn(field, 0) : concatColumns(parts));
  }
  if (withTimestamp) columns.set(TIMESTAMP_FIELD_ID, timestamps(runs, rows.length));
  return { rowCount: rows.length, columns };
}

interface Run {
  readonly chunk: ChunkView;
  /** Rows within the chunk. */
  readonly rows: Uint32Array;
}

/** Consecutive rows of one chunk, order kept. */
function splitByChunk(view: SegmentView, rows: Uint32Array): Run[] {
  const runs: Run[] = [];
  let from = 0;
  while (from < rows.length) {
    const chunk = chunkOf(view, rows[from] ?? 0);
    let to = from;
    while (to < rows.length && chunkOf(view, rows[to] ?? 0) === chunk) to++;
    runs.push({ chunk, rows: rows.subarray(from, to).map((row) => row - chunk.rowBase) });
    from = to;
  }
  return runs;
}

function readField(chunk: ChunkView, field: Field, rows: Uint32Array): Column {
  if (field.type === 'vector') {
    const vectors = chunk.vectors.get(field.id);
    assert(vectors !== undefined, 'vector fields are never added later');
    const values = floatsOf(vectors.memory, chunk.rowCount * vectors.dim);
    return takeColumn({ kind: 'vector', dim: vectors.dim, values }, rows);
  }
  const column = chunk.columns.get(field.id);
  if (column === undefined) return defaultColumn(field, rows.length);
  return takeColumn(column, rows);
}

function timestamps(runs: readonly Run[], count: number): Column {
  const values = new BigInt64Array(count);
  let at = 0;
  for (const { chunk, rows } of runs) {
    for (const row of rows) values[at++] = BigInt.asIntN(64, chunk.timestamps[row] ?? 0n);
  }
  return { kind: 'int64', values };
}
