import type { Bitset, BytesColumn, Field, NumberColumn, ScalarType } from '@elanus/core';
import { ElanusError, LIMITS, numericArray } from '@elanus/core';
import { fromBase64 } from './base64.ts';
import { jsonText } from './json-text.ts';

/** Values of one field on their way into a column; `undefined` stands for an absent value. */
export interface Cells {
  /** The values, one for each row, defaults already filled in. */
  readonly values: readonly unknown[];
  /** Name and limits of what they are. */
  readonly field: Field;
  /** Row number of the first value, for errors. */
  readonly firstRow: number;
}

/** What is wrong with one value. */
interface Complaint {
  readonly code: 'wrong_type' | 'value_out_of_range' | 'value_too_long' | 'value_not_allowed';
  readonly index: number;
  readonly expected?: string;
  readonly hint?: string;
}

/** The error about one value: its field, its row, what was expected and what came. */
export function cellError(cells: Cells, complaint: Complaint): Error {
  const { code, index, expected, hint } = complaint;
  return new ElanusError(code, {
    field: cells.field.name,
    row: cells.firstRow + index,
    expected,
    got: describe(cells.values[index]),
    hint,
  });
}

/** A value in a few words, for errors. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'string')
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object') return String(value).slice(0, 40);
  if (Array.isArray(value)) return `array of ${value.length}`;
  return value.constructor?.name ?? 'object';
}

/** A value as a list: an array of any kind; nothing is an empty one. */
export function listOf(value: unknown): ArrayLike<unknown> | undefined {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return value as unknown as ArrayLike<unknown>;
  }
  return undefined;
}

const WHOLE: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-2147483648, 2147483647],
};

type FixedType = NumberColumn['kind'];

/** A fixed-width column of checked values. @throws wrong_type, value_out_of_range */
export function fixedColumn(
  type: FixedType,
  cells: Cells,
  valid: Bitset | undefined,
): NumberColumn {
  const values = numericArray(type, cells.values.length);
  if (values instanceof BigInt64Array) fillWords(type, cells, values);
  else if (type === 'bool') fillBools(cells, values as Uint8Array);
  else if (type === 'float' || type === 'double') fillReals(type, cells, values as Float32Array);
  else fillWhole(type, cells, values as Int32Array);
  return { kind: type, values, valid };
}

function fillBools(cells: Cells, into: Uint8Array): void {
  const { values } = cells;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === undefined) continue;
    if (typeof value !== 'boolean')
      throw cellError(cells, { code: 'wrong_type', index: i, expected: 'boolean' });
    into[i] = value ? 1 : 0;
  }
}

function fillWhole(type: FixedType, cells: Cells, into: Int32Array): void {
  const { values } = cells;
  const [low, high] = WHOLE[type] as readonly [number, number];
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      throw cellError(cells, { code: 'wrong_type', index: i, expected: `integer (${type})` });
    }
    if (value < low || value > high) {
      throw cellError(cells, {
        code: 'value_out_of_range',
        index: i,
        expected: `${low} to ${high}`,
      });
    }
    into[i] = value;
  }
}

function fillReals(type: FixedType, cells: Cells, into: Float32Array): void {
  const { values } = cells;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === undefined) continue;
    if (typeof value !== 'number')
      throw cellError(cells, { code: 'wrong_type', index: i, expected: 'number' });
    into[i] = value;
    if (!Number.isFinite(value) || !Number.isFinite(into[i])) {
      throw cellError(cells, { code: 'value_out_of_range', index: i, expected: `finite ${type}` });
    }
  }
}

const WORD_MAX = 2n ** 63n;

function fillWords(type: FixedType, cells: Cells, into: BigInt64Array): void {
  const { values } = cells;
  const toWord = type === 'timestamp' ? instantOf : wordOf;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === undefined) continue;
    const word = toWord(value);
    if (typeof word !== 'bigint') throw cellError(cells, { index: i, ...word });
    if (word >= WORD_MAX || word < -WORD_MAX) {
      throw cellError(cells, { code: 'value_out_of_range', index: i, expected: 'signed 64 bits' });
    }
    into[i] = word;
  }
}

type WordFault = Omit<Complaint, 'index'>;

function wordOf(value: unknown): bigint | WordFault {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isInteger(value)) {
    if (Number.isSafeInteger(value)) return BigInt(value);
    const hint = 'Numbers beyond 2^53 are not exact; use a bigint.';
    return { code: 'value_out_of_range', expected: 'bigint', hint };
  }
  if (typeof value === 'string' && /^-?\d{1,19}$/.test(value)) return BigInt(value);
  return { code: 'wrong_type', expected: 'bigint, whole number, or decimal string (int64)' };
}

const INSTANT = /^[+-]?\d{4,6}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d))?$/;

function instantOf(value: unknown): bigint | WordFault {
  let ms = Number.NaN;
  if (typeof value === 'bigint') return value;
  if (value instanceof Date) ms = value.getTime();
  else if (typeof value === 'number' && Number.isSafeInteger(value)) ms = value;
  else if (typeof value === 'string' && INSTANT.test(value)) ms = Date.parse(value);
  if (!Number.isNaN(ms)) return BigInt(ms);
  return {
    code: 'wrong_type',
    expected: 'Date, milliseconds, or ISO 8601 text with an offset',
  };
}

const encoder = new TextEncoder();

/** A column of texts, JSON or bytes. @throws wrong_type, value_too_long, value_not_allowed */
export function bytesColumn(
  type: BytesColumn['kind'],
  cells: Cells,
  valid: Bitset | undefined,
): BytesColumn {
  if (type === 'bytes') return joinBytes(cells, valid);
  const texts = type === 'json' ? jsonTexts(cells) : checkTexts(cells);
  let units = 0;
  for (const text of texts) units += text.length;
  // UTF-8 takes at most three bytes a UTF-16 unit.
  const room = new Uint8Array(units * 3);
  const offsets = new Uint32Array(texts.length + 1);
  let at = 0;
  for (let i = 0; i < texts.length; i++) {
    at += encoder.encodeInto(texts[i] as string, room.subarray(at)).written;
    offsets[i + 1] = at;
  }
  checkLengths(cells, offsets, type === 'json' ? LIMITS.jsonBytesMax : maxLength(cells.field));
  return { kind: type, offsets, data: room.slice(0, at), valid };
}

function maxLength(field: Field): number {
  return field.maxLength ?? LIMITS.varcharBytesMax;
}

function checkLengths(cells: Cells, offsets: Uint32Array, max: number): void {
  for (let i = 0; i + 1 < offsets.length; i++) {
    const length = (offsets[i + 1] as number) - (offsets[i] as number);
    if (length <= max) continue;
    throw new ElanusError('value_too_long', {
      field: cells.field.name,
      row: cells.firstRow + i,
      expected: `at most ${max} bytes of UTF-8`,
      got: `${length} bytes`,
    });
  }
}

function checkTexts(cells: Cells): string[] {
  const { values, field } = cells;
  const allowed = field.oneOf === undefined ? undefined : new Set<unknown>(field.oneOf);
  const texts = Array.from({ length: values.length }, (): string => '');
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === undefined) continue;
    if (typeof value !== 'string')
      throw cellError(cells, { code: 'wrong_type', index: i, expected: 'string' });
    if (allowed !== undefined && !allowed.has(value)) {
      const expected = field.oneOf?.join(' | ') ?? '';
      throw cellError(cells, { code: 'value_not_allowed', index: i, expected });
    }
    texts[i] = value;
  }
  return texts;
}

function jsonTexts(cells: Cells): string[] {
  return cells.values.map((value, i) => {
    if (value === undefined) return '';
    const text = jsonText(value);
    if (typeof text === 'string') return text;
    throw cellError(cells, { index: i, ...text });
  });
}

function joinBytes(cells: Cells, valid: Bitset | undefined): BytesColumn {
  const { values } = cells;
  const parts: Uint8Array[] = [];
  const offsets = new Uint32Array(values.length + 1);
  for (let i = 0; i < values.length; i++) {
    const bytes = bytesOf(values[i]);
    if (bytes === undefined) {
      const expected = 'Uint8Array, or base64 text';
      throw cellError(cells, { code: 'wrong_type', index: i, expected });
    }
    parts.push(bytes);
    offsets[i + 1] = (offsets[i] as number) + bytes.length;
  }
  checkLengths(cells, offsets, maxLength(cells.field));
  const data = new Uint8Array(offsets[values.length] as number);
  parts.forEach((part, i) => data.set(part, offsets[i]));
  return { kind: 'bytes', offsets, data, valid };
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (value === undefined) return new Uint8Array(0);
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return typeof value === 'string' ? fromBase64(value) : undefined;
}

/** A column of any scalar type but JSON inside arrays. */
export function scalarColumn(
  type: ScalarType,
  cells: Cells,
  valid: Bitset | undefined,
): NumberColumn | BytesColumn {
  if (type === 'varchar' || type === 'json' || type === 'bytes') {
    return bytesColumn(type, cells, valid);
  }
  return fixedColumn(type, cells, valid);
}
