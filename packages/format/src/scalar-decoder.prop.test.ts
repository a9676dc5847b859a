// Goal: what is read without Arrow is what Arrow reads from the same bytes, for every kind of
// column, with and without nulls; damaged bytes are refused by a typed error, or read within
// bounds. Method: random columns, written by Arrow, read both ways and compared value by value.
import {
  columnRows,
  createBitset,
  fieldId,
  isElanusError,
  isPresent,
  isVectorColumn,
  numericArray,
  setBit,
  type Bitset,
  type BytesColumn,
  type Column,
  type NumberColumn,
} from '@elanus/core';
import { crc32 } from '@elanus/kernels/checksum';
import { tableFromIPC, type Vector } from 'apache-arrow';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeScalars, type NamedColumn } from './arrow-batch.ts';
import type { ManifestFile } from './manifest.ts';
import { decodeScalars, type ScalarFile } from './scalar-decoder.ts';
import { readScalars } from './scalar-reader.ts';

const NUMBERS = [
  'int8',
  'int16',
  'int32',
  'int64',
  'float',
  'double',
  'timestamp',
  'bool',
] as const;
/** Fields without a schema are one column of JSON. */
const TEXTS = ['varchar', 'json', 'bytes'] as const;
const KINDS = [...NUMBERS, ...TEXTS];

const encoder = new TextEncoder();

/** Random numbers from a seed: columns are made from them. */
type Dice = (sides: number) => number;

function dice(seed: number): Dice {
  let state = seed | 1;
  return (sides) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % sides;
  };
}

function numbers(kind: NumberColumn['kind'], rows: number, roll: Dice): NumberColumn {
  const values = numericArray(kind, rows);
  for (let i = 0; i < rows; i++) {
    if (kind === 'bool') values[i] = roll(2);
    else if (kind === 'timestamp') values[i] = BigInt(roll(2 ** 24) * 2 ** 20 - 5);
    else if (values instanceof BigInt64Array) values[i] = BigInt(roll(2 ** 24)) * 2n ** 39n - 5n;
    else values[i] = roll(2 ** 24) / 3 - 1_000;
  }
  return { kind, values };
}

function texts(kind: BytesColumn['kind'], rows: number, roll: Dice): BytesColumn {
  const parts = Array.from({ length: rows }, (_, i) => {
    const text = '😀ü$a'.repeat(roll(4));
    return encoder.encode(kind === 'json' ? JSON.stringify({ a: i, text }) : text);
  });
  const offsets = new Uint32Array(rows + 1);
  parts.forEach((part, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + part.length;
  });
  const data = new Uint8Array(offsets[rows] ?? 0);
  parts.forEach((part, i) => data.set(part, offsets[i]));
  return { kind, offsets, data };
}

function scalar(kind: (typeof KINDS)[number], rows: number, roll: Dice) {
  return kind === 'varchar' || kind === 'json' || kind === 'bytes'
    ? texts(kind, rows, roll)
    : numbers(kind, rows, roll);
}

function arrays(kind: (typeof KINDS)[number], rows: number, roll: Dice): Column {
  const offsets = new Uint32Array(rows + 1);
  for (let i = 1; i <= rows; i++) offsets[i] = (offsets[i - 1] ?? 0) + roll(4);
  return { kind: 'array', offsets, element: scalar(kind, offsets[rows] ?? 0, roll) };
}

function someValid(rows: number, roll: Dice): Bitset | undefined {
  const how = roll(3);
  if (how === 0) return undefined;
  const valid = createBitset(rows);
  for (let i = 0; i < rows; i++) if (how === 2 || roll(3) > 0) setBit(valid, i);
  return valid;
}

/** A column of every kind, and an array of every kind. */
function everyColumn(rows: number, seed: number): NamedColumn[] {
  const roll = dice(seed);
  return [false, true].flatMap((isArray) =>
    KINDS.map((kind, i) => {
      const column = isArray ? arrays(kind, rows, roll) : scalar(kind, rows, roll);
      const id = fieldId(100 + i + (isArray ? KINDS.length : 0));
      return { id, name: `f${id}`, column: { ...column, valid: someValid(rows, roll) } };
    }),
  );
}

/** A value as plain data that both ways can be compared by. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value === 'string') return Buffer.from(value).toString('hex');
  return typeof value === 'boolean' ? Number(value) : value;
}

function ownValue(column: Column, row: number): unknown {
  if (!isPresent(column, row)) return null;
  if (isVectorColumn(column)) throw new Error('no vectors here');
  if (!('offsets' in column)) return plain(column.values[row]);
  const from = column.offsets[row] ?? 0;
  const to = column.offsets[row + 1] ?? 0;
  if (column.kind !== 'array') return plain(new Uint8Array(column.data.subarray(from, to)));
  return Array.from({ length: to - from }, (_, i) => ownValue(column.element, from + i));
}

/** Arrow's value; times come as numbers of milliseconds from Arrow, as 64 bits from us. */
function arrowValue(vector: Vector, row: number, isTime: boolean): unknown {
  const value: unknown = vector.get(row);
  if (value === null) return null;
  if (isTime && typeof value === 'number') return String(value);
  if (typeof value === 'object' && !(value instanceof Uint8Array)) {
    const list = value as Vector;
    return Array.from({ length: list.length }, (_, i) => arrowValue(list, i, isTime));
  }
  return plain(value);
}

function compare(file: ScalarFile, bytes: Uint8Array, named: readonly NamedColumn[]): void {
  const table = tableFromIPC(bytes);
  expect(file.rowCount).toBe(table.numRows);
  expect(file.columns.size).toBe(named.length);
  expect(file.timestamps.buffer).toBeInstanceOf(SharedArrayBuffer);
  const instants = table.getChildAt(0);
  expect([...file.timestamps]).toEqual([...(instants ?? [])]);
  named.forEach(({ id, column: given }, at) => {
    const column = file.columns.get(id);
    const vector = table.getChildAt(at + 1);
    if (column === undefined || vector === null) throw new Error(`column ${id} is missing`);
    expect(column.kind).toBe(given.kind);
    const kind = given.kind === 'array' ? given.element.kind : given.kind;
    for (let row = 0; row < file.rowCount; row++) {
      const own = JSON.stringify(ownValue(column, row));
      expect(own).toBe(JSON.stringify(arrowValue(vector, row, kind === 'timestamp')));
      expect(own).toBe(JSON.stringify(ownValue(given, row)));
    }
  });
}

const instantsOf = (rows: number): BigUint64Array =>
  BigUint64Array.from({ length: rows }, (_, i) => 2n ** 63n + BigInt(i));

function encoded(rows: number, seed: number) {
  const columns = everyColumn(rows, seed);
  const bytes = encodeScalars({ rowCount: rows, columns, timestamps: instantsOf(rows) });
  return { columns, bytes };
}

test('columns are read as Arrow reads them', () => {
  fc.assert(
    fc.property(fc.nat(150), fc.nat(), (rows, seed) => {
      const { columns, bytes } = encoded(rows, seed);
      compare(decodeScalars(bytes, 'x'), bytes, columns);
    }),
    { numRuns: 40 },
  );
});

test('damaged bytes are refused, or read within their bounds', () => {
  const { bytes } = encoded(40, 7);
  const at = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(at, { minLength: 1, maxLength: 8 }), (flips) => {
      const damaged = bytes.slice();
      for (const [place, value] of flips) damaged[place] = value;
      readAll(damaged);
    }),
    { numRuns: 2_000 },
  );
  for (let length = 0; length < bytes.length; length += 61) {
    expect(() => decodeScalars(bytes.slice(0, length), 'x')).toThrow(/damaged/);
  }
});

test('flipped bits all over the footer are refused, or read within bounds', () => {
  const { bytes } = encoded(3, 11);
  const footerBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(
    bytes.length - 10,
    true,
  );
  for (let at = bytes.length - 10 - footerBytes; at < bytes.length; at += 3) {
    for (const bit of [1, 128]) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ bit;
      readAll(damaged);
    }
  }
});

function readAll(bytes: Uint8Array): void {
  let file: ScalarFile;
  try {
    file = decodeScalars(bytes, 'x');
  } catch (error) {
    if (!isElanusError(error, 'file_corrupt')) throw error;
    return;
  }
  for (const column of file.columns.values()) {
    expect(columnRows(column)).toBe(file.rowCount);
    if ('offsets' in column && column.kind !== 'sparse') {
      const { offsets } = column;
      expect(offsets.every((offset, i) => offset >= (offsets[i - 1] ?? 0))).toBe(true);
      const rows = column.kind === 'array' ? columnRows(column.element) : column.data.length;
      expect(offsets[file.rowCount]).toBe(rows);
    }
    for (let row = 0; row < file.rowCount; row++) ownValue(column, row);
  }
}

/** An object store of one object. */
function sourceOf(bytes: Uint8Array, stored = bytes.length) {
  let turns = 0;
  return {
    turns: () => turns,
    objects: {
      stat: (name: string) =>
        Promise.resolve({ name, size: stored, modifiedMs: 0, crc32: crc32(bytes) }),
      readInto: (_name: string, offset: number, target: Uint8Array) => {
        target.set(bytes.subarray(offset, offset + target.length));
        return Promise.resolve();
      },
    },
    clock: {
      turn: () => {
        turns++;
        return Promise.resolve();
      },
    },
  };
}

test('a file is read whole, checked, and in several turns', async () => {
  const rows = 300_000;
  const values = BigInt64Array.from({ length: rows }, (_, i) => BigInt(i));
  const named = [{ id: fieldId(100), name: 'id', column: { kind: 'int64' as const, values } }];
  const bytes = encodeScalars({ rowCount: rows, columns: named, timestamps: instantsOf(rows) });
  const file: ManifestFile = { name: 'x', size: bytes.length, crc32: crc32(bytes) };
  const source = sourceOf(bytes);
  const read = await readScalars(source, file);
  expect(read.columns.get(fieldId(100))).toMatchObject({ values });
  expect(source.turns()).toBeGreaterThan(8);

  const refused = { code: 'file_corrupt' };
  const flipped = bytes.slice();
  flipped[1_000] = (flipped[1_000] ?? 0) ^ 1;
  await expect(readScalars(sourceOf(flipped), file)).rejects.toMatchObject(refused);
  const grown = { ...file, size: 2 ** 50 };
  await expect(readScalars(sourceOf(bytes), grown)).rejects.toMatchObject(refused);
});
