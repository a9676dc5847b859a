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
import { chunkOf, vectorsView, type ChunkView, type SegmentView } from './view.ts';

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
  const { runs, order } = splitByChunk(view, rows);
  const columns = new Map<FieldId, Column>();
  for (const field of fields) {
    const parts = runs.map((run) => readField(run.chunk, field, run.rows));
    const joined = parts.length === 0 ? defaultColumn(field, 0) : concatColumns(parts);
    columns.set(field.id, order === undefined ? joined : takeColumn(joined, order));
  }
  if (withTimestamp) {
    const joined = timestamps(runs, rows.length);
    columns.set(TIMESTAMP_FIELD_ID, order === undefined ? joined : takeColumn(joined, order));
  }
  return { rowCount: rows.length, columns };
}

/** What `retrieveRows` gives for no rows of no segment. */
export function noRows(fields: readonly Field[], withTimestamp: boolean): ColumnBatch {
  const columns = new Map(fields.map((field) => [field.id, defaultColumn(field, 0)]));
  if (withTimestamp) columns.set(TIMESTAMP_FIELD_ID, timestamps([], 0));
  return { rowCount: 0, columns };
}

/** Rows of one chunk. */
interface Run {
  readonly chunk: ChunkView;
  /** Rows within the chunk. */
  readonly rows: Uint32Array;
}

/** Rows by chunk, and where each asked row then stands; no order when it is the one asked. */
function splitByChunk(
  view: SegmentView,
  rows: Uint32Array,
): { readonly runs: readonly Run[]; readonly order: Uint32Array | undefined } {
  if (rows.length === 0) return { runs: [], order: undefined };
  const [only] = view.chunks;
  if (only !== undefined && view.chunks.length === 1 && only.rowBase === 0) {
    return { runs: [{ chunk: only, rows }], order: undefined };
  }
  const places = new Map<ChunkView, number[]>();
  for (let i = 0; i < rows.length; i++) {
    const chunk = chunkOf(view, rows[i] ?? 0);
    const known = places.get(chunk);
    if (known === undefined) places.set(chunk, [i]);
    else known.push(i);
  }
  const order = new Uint32Array(rows.length);
  const runs: Run[] = [];
  let at = 0;
  for (const [chunk, positions] of places) {
    runs.push({ chunk, rows: Uint32Array.from(positions, (i) => (rows[i] ?? 0) - chunk.rowBase) });
    for (const i of positions) order[i] = at++;
  }
  return { runs, order: runs.length === 1 ? undefined : order };
}

function readField(chunk: ChunkView, field: Field, rows: Uint32Array): Column {
  if (field.type === 'vector') {
    const vectors = chunk.vectors.get(field.id);
    assert(vectors !== undefined, 'vector fields are never added later');
    return takeColumn(vectorsView(vectors, chunk.rowCount), rows);
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
