/**
 * What is known of a segment without reading its rows: smallest and largest value per field, nulls,
 * and a bloom filter over the keys. Lets reads skip segments.
 */
import {
  ElanusError,
  isPresent,
  isVectorColumn,
  type BytesColumn,
  type Column,
  type FieldId,
  type NumberColumn,
} from '@elanus/core';
import { addToBloom, createBloom, type Bloom } from './bloom.ts';

/** Statistics of one field; `min` and `max` are absent when no row has a value or order. */
export interface FieldStats {
  readonly nullCount: number;
  readonly min?: number | bigint | string;
  readonly max?: number | bigint | string;
}

/** Statistics of one segment. */
export interface SegmentStats {
  readonly rowCount: number;
  readonly fields: ReadonlyMap<FieldId, FieldStats>;
  readonly bloom: Bloom;
}

/** Text longer than this has no useful bounds. */
const TEXT_BOUND_BYTES = 64;
const decoder = new TextDecoder();

/** Measures scalar columns, and the keys for the bloom filter. */
export function measureStats(
  columns: ReadonlyMap<FieldId, Column>,
  keyField: FieldId,
  rowCount: number,
): SegmentStats {
  const fields = new Map<FieldId, FieldStats>();
  for (const [id, column] of columns) fields.set(id, measureColumn(column, rowCount));
  const bloom = createBloom(rowCount);
  const keys = columns.get(keyField);
  if (keys?.kind === 'int64') {
    for (const key of keys.values as BigInt64Array) addToBloom(bloom, key);
  } else if (keys?.kind === 'varchar') {
    for (let i = 0; i < rowCount; i++) addToBloom(bloom, textAt(keys, i));
  }
  return { rowCount, fields, bloom };
}

/** Statistics as JSON bytes; 64-bit values as `{ "$int": "..." }`. */
export function encodeStats(stats: SegmentStats): Uint8Array {
  const fields = Object.fromEntries(
    [...stats.fields].map(([id, { nullCount, min, max }]) => [
      id,
      { nullCount, min: packValue(min), max: packValue(max) },
    ]),
  );
  const bloom = Buffer.from(stats.bloom.buffer).toString('base64');
  return new TextEncoder().encode(JSON.stringify({ rowCount: stats.rowCount, fields, bloom }));
}

/** Reads statistics. @throws ElanusError file_corrupt */
export function decodeStats(bytes: Uint8Array, path: string): SegmentStats {
  try {
    const raw = JSON.parse(decoder.decode(bytes)) as {
      rowCount: number;
      bloom: string;
      fields: Record<string, { nullCount: number; min?: Packed; max?: Packed }>;
    };
    const fields = new Map<FieldId, FieldStats>();
    for (const [id, { nullCount, min, max }] of Object.entries(raw.fields)) {
      const bounds =
        min === undefined || max === undefined
          ? {}
          : { min: unpackValue(min), max: unpackValue(max) };
      fields.set(Number(id) as FieldId, { nullCount, ...bounds });
    }
    const words = new Uint8Array(Buffer.from(raw.bloom, 'base64'));
    return { rowCount: raw.rowCount, fields, bloom: new Uint32Array(words.buffer) };
  } catch (cause) {
    throw new ElanusError('file_corrupt', { path, why: 'not statistics' }, { cause });
  }
}

type Packed = number | string | { readonly $int: string };

function packValue(value: number | bigint | string | undefined): Packed | undefined {
  return typeof value === 'bigint' ? { $int: value.toString() } : value;
}

function unpackValue(value: Packed): number | bigint | string {
  return typeof value === 'object' ? BigInt(value.$int) : value;
}

function measureColumn(column: Column, rowCount: number): FieldStats {
  let nullCount = 0;
  for (let i = 0; i < rowCount; i++) if (!isPresent(column, i)) nullCount++;
  if (column.kind === 'varchar') return { nullCount, ...textBounds(column, rowCount) };
  if (isVectorColumn(column) || 'offsets' in column) return { nullCount };
  return { nullCount, ...numberBounds(column, rowCount) };
}

function numberBounds(column: NumberColumn, rowCount: number) {
  let min: number | bigint | undefined;
  let max: number | bigint | undefined;
  const { values } = column;
  for (let i = 0; i < rowCount; i++) {
    if (column.valid !== undefined && !isPresent(column, i)) continue;
    const value = values[i] ?? 0;
    if (min === undefined || value < min) min = value;
    if (max === undefined || value > max) max = value;
  }
  return min === undefined || max === undefined ? {} : { min, max };
}

function textBounds(column: BytesColumn, rowCount: number) {
  let min: Uint8Array | undefined;
  let max: Uint8Array | undefined;
  for (let i = 0; i < rowCount; i++) {
    if (!isPresent(column, i)) continue;
    const text = column.data.subarray(column.offsets[i], column.offsets[i + 1]);
    if (text.length > TEXT_BOUND_BYTES) return {};
    if (min === undefined || Buffer.compare(text, min) < 0) min = text;
    if (max === undefined || Buffer.compare(text, max) > 0) max = text;
  }
  if (min === undefined || max === undefined) return {};
  return { min: decodeText(min), max: decodeText(max) };
}

const decodeText = (bytes: Uint8Array): string => decoder.decode(new Uint8Array(bytes));

const textAt = (column: BytesColumn, row: number): string =>
  decodeText(column.data.subarray(column.offsets[row], column.offsets[row + 1]));
