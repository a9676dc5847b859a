import type { InputRow } from '@elanus/api';
import { encodeRows } from '@elanus/api';
import type { CollectionSchema, ColumnBatch, Field } from '@elanus/core';
import { ElanusError, LIMITS, columnBytes, denseBytes, vectorShape } from '@elanus/core';
import { columnsOfArrow, encodeColumns, isArrowTable } from './columns.ts';

/** Bytes of one write, below the server's limit by what framing adds. */
const WRITE_BYTES_MAX = LIMITS.writeBytesMax - 1024 * 1024;
/** Bytes and rows gathered from an iterable before they are sent. */
const BATCH_BYTES = 4 * 1024 * 1024;
const BATCH_ROWS = 10_000;

/** What rows are encoded with. */
export interface WriteEncoding {
  readonly schema: CollectionSchema;
  /** Text ids by the caller's row, where the database makes them. */
  readonly idAt: ((row: number) => string) | undefined;
}

/** What one write holds of the caller's rows. */
export interface WritePart {
  /** The caller's number of the first row. */
  readonly firstRow: number;
  readonly batch: ColumnBatch;
}

/** Rows ready to send: all at once, or as they come. */
export type Encoded =
  | { readonly kind: 'now'; readonly parts: readonly WritePart[] }
  | { readonly kind: 'later'; readonly parts: AsyncIterable<WritePart> };

/**
 * Any form of rows as writes: the same rows always in the same parts. Arrays, columns and tables
 * are encoded, and so captured, before this returns; iterables are read as parts are taken.
 *
 * @throws every error about rows.
 */
export function encodeInput(input: unknown, encoding: WriteEncoding): Encoded {
  if (Array.isArray(input)) {
    return { kind: 'now', parts: encodeChunks(input as InputRow[], 0, encoding) };
  }
  if (isArrowTable(input)) {
    return { kind: 'now', parts: [columns(columnsOfArrow(input), encoding)] };
  }
  if (typeof input === 'object' && input !== null) {
    if (Symbol.asyncIterator in input || Symbol.iterator in input) {
      return { kind: 'later', parts: partsOf(input as Iterable<InputRow>, encoding) };
    }
    return { kind: 'now', parts: [columns(input as Record<string, unknown>, encoding)] };
  }
  throw new ElanusError('wrong_type', {
    expected: 'rows: an array of objects, columns, an Arrow table, or an iterable',
    got: typeof input,
  });
}

function columns(input: Readonly<Record<string, unknown>>, encoding: WriteEncoding): WritePart {
  const batch = encodeColumns(input, encoding.schema, encoding);
  const bytes = bytesOf(batch);
  if (batch.rowCount <= LIMITS.writeRowsMax && bytes <= WRITE_BYTES_MAX) {
    return { firstRow: 0, batch };
  }
  throw new ElanusError('request_too_large', { bytes, bytesMax: WRITE_BYTES_MAX });
}

function bytesOf(batch: ColumnBatch): number {
  let bytes = 0;
  for (const column of batch.columns.values()) bytes += columnBytes(column);
  return bytes;
}

/** One part when it fits a write, else halves of it. */
function encodeChunks(
  rows: readonly InputRow[],
  firstRow: number,
  encoding: WriteEncoding,
): WritePart[] {
  const { schema, idAt } = encoding;
  const fits =
    rows.length <= LIMITS.writeRowsMax && rows.length * fixedBytes(schema) <= WRITE_BYTES_MAX;
  if (fits || rows.length <= 1) {
    let row = firstRow;
    const makeId = idAt && (() => idAt(row++));
    const batch = encodeRows(rows, schema, { firstRow, makeId });
    if (bytesOf(batch) <= WRITE_BYTES_MAX || rows.length <= 1) return [{ firstRow, batch }];
  }
  const half = rows.length >>> 1;
  return [
    ...encodeChunks(rows.slice(0, half), firstRow, encoding),
    ...encodeChunks(rows.slice(half), firstRow + half, encoding),
  ];
}

/** Bytes that vectors and numbers take in every row. */
function fixedBytes(schema: CollectionSchema): number {
  let bytes = 0;
  for (const field of schema.fields) bytes += field.type === 'vector' ? vectorBytes(field) : 8;
  return bytes;
}

function vectorBytes(field: Field): number {
  const { type, dim } = vectorShape(field);
  return type === 'sparse' ? 8 : denseBytes(type, dim);
}

async function* partsOf(
  rows: Iterable<InputRow> | AsyncIterable<InputRow>,
  encoding: WriteEncoding,
): AsyncGenerator<WritePart> {
  const fixed = fixedBytes(encoding.schema);
  let gathered: InputRow[] = [];
  let bytes = 0;
  let firstRow = 0;
  for await (const row of rows) {
    gathered.push(row);
    bytes += fixed + variableBytes(row);
    if (bytes < BATCH_BYTES && gathered.length < BATCH_ROWS) continue;
    yield* encodeChunks(gathered, firstRow, encoding);
    firstRow += gathered.length;
    gathered = [];
    bytes = 0;
  }
  if (gathered.length > 0) yield* encodeChunks(gathered, firstRow, encoding);
}

/** Roughly what a row's texts and lists take. */
function variableBytes(row: InputRow): number {
  let bytes = 0;
  for (const key in row) {
    const value = row[key];
    if (typeof value === 'string') bytes += value.length;
    else if (Array.isArray(value) && typeof value[0] !== 'number') bytes += value.length * 16;
    else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) bytes += 64;
  }
  return bytes;
}
