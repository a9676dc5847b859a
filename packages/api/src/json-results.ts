import type { CollectionSchema, Field } from '@elanus/core';
import { primaryField } from '@elanus/core';
import { fromBase64, toBase64 } from './base64.ts';
import type { GetResult, RowsResult, ScanResult, SearchResult, WriteResult } from './database.ts';
import { decodeKeys, decodeRows } from './decode-rows.ts';
import { decodeColumns, encodeColumns } from '@elanus/core';
import type { ReadInput } from './schemas.ts';

/** A row as JSON carries it: 64-bit integers as decimal strings, instants as ISO text. */
export type JsonRow = Record<string, unknown>;

/** Rows of a read as columns, in base64 of the column frame. */
export interface FrameResult {
  readonly schemaVersion: number;
  readonly timestamp: string;
  readonly frame: string;
  readonly counts?: string;
  readonly scores?: string;
  readonly positions?: string;
  readonly next?: string;
}

const wordsText = (words: Uint32Array | Float32Array): string =>
  toBase64(new Uint8Array(words.buffer, words.byteOffset, words.byteLength));

/** Any read's result as JSON with columns inside: what our own client asks for. */
export function frameResult(
  result: RowsResult & Partial<SearchResult> & Partial<GetResult> & Partial<ScanResult>,
): FrameResult {
  const { counts, scores, positions, next } = result;
  return {
    schemaVersion: result.schemaVersion,
    timestamp: String(result.timestamp),
    frame: toBase64(encodeColumns(result.rows)),
    ...(counts === undefined ? {} : { counts: wordsText(counts) }),
    ...(scores === undefined ? {} : { scores: wordsText(scores) }),
    ...(positions === undefined ? {} : { positions: wordsText(positions) }),
    ...(next === undefined ? {} : { next }),
  };
}

/** The inverse of `frameResult`: absent parts are empty. */
export function readFrameResult(result: FrameResult): SearchResult & GetResult & ScanResult {
  const bytes = fromBase64(result.frame) ?? new Uint8Array(0);
  const words = (text: string | undefined): ArrayBuffer =>
    (fromBase64(text ?? '') ?? new Uint8Array(0)).buffer;
  return {
    schemaVersion: result.schemaVersion,
    timestamp: BigInt(result.timestamp),
    rows: decodeColumns(bytes),
    counts: new Uint32Array(words(result.counts)),
    scores: new Float32Array(words(result.scores)),
    positions: new Uint32Array(words(result.positions)),
    next: result.next,
  };
}

const projection = (input: ReadInput): { select?: string[]; omit?: string[]; json: true } => ({
  ...(input.select === undefined ? {} : { select: input.select }),
  ...(input.omit === undefined ? {} : { omit: input.omit }),
  json: true,
});

/** Rows as JSON. */
export function jsonRows(
  result: RowsResult,
  schema: CollectionSchema,
  input: ReadInput,
): JsonRow[] {
  return decodeRows(result.rows, schema, projection(input));
}

/** Hits as JSON, a list for each query; the score stands beside the fields. */
export function jsonHits(
  result: SearchResult,
  schema: CollectionSchema,
  input: ReadInput,
): (JsonRow & { score: number })[][] {
  const rows = jsonRows(result, schema, input);
  let at = 0;
  return Array.from(result.counts, (count) => {
    const start = at;
    at += count;
    return rows
      .slice(start, at)
      .map((row, i) => ({ ...row, score: result.scores[start + i] as number }));
  });
}

/** Rows of a `get` in the order asked, null where there is none. */
export function jsonGet(
  result: GetResult,
  schema: CollectionSchema,
  job: { readonly input: ReadInput; readonly keys: number },
): (JsonRow | null)[] {
  const rows = jsonRows(result, schema, job.input);
  const placed = Array.from({ length: job.keys }, (): JsonRow | null => null);
  result.positions.forEach((position, i) => {
    placed[position] = rows[i] ?? null;
  });
  return placed;
}

/** A write's outcome as JSON. */
export function jsonWrite(
  result: WriteResult,
  schema: CollectionSchema,
): { count: number; timestamp: string; ids?: string[] } {
  const base = { count: result.count, timestamp: String(result.timestamp) };
  if (result.keys === undefined) return base;
  const field: Field = primaryField(schema);
  return { ...base, ids: decodeKeys(result.keys, field, true).map(String) };
}
