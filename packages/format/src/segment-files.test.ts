// Goal: every file of a segment survives its bytes, and damage is named, never followed.
import { createBitset, fieldId, setBit, type Column, type NumberColumn } from '@elanus/core';
import { tableFromIPC } from 'apache-arrow';
import { expect, test } from 'vitest';
import { encodeScalars } from './arrow-batch.ts';
import { addToBloom, createBloom, mayContain } from './bloom.ts';
import { decodeDeltaLog, encodeDeltaLog } from './delta-log.ts';
import { decodeKeys, encodeKeys, keyOrder } from './keys-file.ts';
import { decodeManifest } from './manifest.ts';
import { decodeScalars } from './scalar-decoder.ts';
import { decodeStats, encodeStats, measureStats } from './stats.ts';
import {
  checkVectorBlock,
  decodeVectorChecksums,
  decodeVectorHeader,
  encodeVectorFile,
  vectorDataBytes,
  VECTOR_HEADER_BYTES,
  type VectorFileShape,
} from './vector-file.ts';

const text = (...values: string[]): Column => {
  const parts = values.map((value) => new TextEncoder().encode(value));
  const offsets = new Uint32Array(new SharedArrayBuffer((values.length + 1) * 4));
  parts.forEach((part, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + part.length;
  });
  const data = new Uint8Array(new SharedArrayBuffer(offsets[values.length] ?? 0));
  parts.forEach((part, i) => data.set(part, offsets[i]));
  return { kind: 'varchar', offsets, data };
};

const valid = createBitset(3, { shared: true });
setBit(valid, 0);
setBit(valid, 2);
const columns = new Map<ReturnType<typeof fieldId>, Column>([
  [fieldId(100), { kind: 'int64', values: BigInt64Array.of(5n, -1n, 2n ** 62n) }],
  [fieldId(101), text('kite', '', 'Ünï')],
  [fieldId(102), { kind: 'int32', values: Int32Array.of(1, 0, 3), valid }],
  [fieldId(103), { kind: 'bool', values: Uint8Array.of(1, 0, 1) }],
  [
    fieldId(104),
    {
      kind: 'array',
      offsets: Uint32Array.of(0, 2, 2, 3),
      element: { kind: 'double', values: Float64Array.of(1, 2, 3) },
    },
  ],
  [fieldId(105), { kind: 'timestamp', values: BigInt64Array.of(0n, 1n, 1_700_000_000_000n) }],
]);
const timestamps = BigUint64Array.of(7n, 8n, 9n);

test('scalars survive an Arrow file that Arrow itself can read', () => {
  const named = [...columns].map(([id, column]) => ({ id, name: `f${id}`, column }));
  const bytes = encodeScalars({ rowCount: 3, columns: named, timestamps });
  const back = decodeScalars(bytes, 'x');
  expect(back.rowCount).toBe(3);
  expect([...back.timestamps]).toEqual([7n, 8n, 9n]);
  for (const [id, column] of columns) {
    const got = back.columns.get(id);
    expect(got?.kind).toBe(column.kind);
    if (column.kind === 'int32') expect(got).toMatchObject({ valid: Uint32Array.of(5) });
  }
  expect(back.columns.get(fieldId(104))).toMatchObject({ offsets: Uint32Array.of(0, 2, 2, 3) });
  const table = tableFromIPC(bytes);
  expect(table.getChild('f101')?.toJSON()).toEqual(['kite', '', 'Ünï']);
  expect(table.getChild('f103')?.toJSON()).toEqual([true, false, true]);
  expect(table.getChild('f102')?.toJSON()).toEqual([1, null, 3]);
  expect(() => decodeScalars(bytes.subarray(0, 100), 'x')).toThrow(/damaged/);
});

const VECTOR_SHAPES: readonly VectorFileShape[] = [
  { type: 'float32', dim: 300, rowCount: 1_000 },
  { type: 'float16', dim: 300, rowCount: 2_000 },
  { type: 'bfloat16', dim: 7, rowCount: 3 },
  { type: 'int8', dim: 1_000, rowCount: 1_200 },
  { type: 'binary', dim: 8_000, rowCount: 700 },
  { type: 'sparse', entries: 90_000, rowCount: 500 },
  { type: 'sparse', entries: 0, rowCount: 0 },
];

test.each(VECTOR_SHAPES)('vectors survive, a flipped byte is found: %j', (shape) => {
  const rows = Uint8Array.from({ length: vectorDataBytes(shape) }, (_, i) => (i * 31) >> 3);
  const middle = rows.length >> 1;
  const pieces = [rows.subarray(0, middle), rows.subarray(middle)];
  const file = Buffer.concat([...encodeVectorFile({ ...shape, pieces })]);
  const verify = (bytes: Uint8Array) => {
    const header = decodeVectorHeader(bytes.subarray(0, VECTOR_HEADER_BYTES), 'v');
    expect(header).toMatchObject(shape);
    expect(header.fileBytes).toBe(bytes.length);
    const end = VECTOR_HEADER_BYTES + header.dataBytes;
    const sums = decodeVectorChecksums(bytes.subarray(end), 'v');
    const data = bytes.subarray(VECTOR_HEADER_BYTES, end);
    for (let block = 0; block < header.blockCount; block++) {
      checkVectorBlock(data, sums, { block, path: 'v' });
    }
    return data;
  };
  expect(verify(file)).toEqual(Buffer.from(rows.buffer));
  const places = [0, 9, 24, 64, 600_000, file.length - 2, file.length - 5];
  if (shape.type !== 'float32') places.push(33, 40);
  for (const at of places.filter((place) => place < file.length)) {
    const bad = Uint8Array.from(file);
    bad[at] = (bad[at] ?? 0) ^ 4;
    expect(() => verify(bad), `byte ${at}`).toThrow(/damaged/);
  }
});

test('keys come back in order with their rows', () => {
  const key = columns.get(fieldId(100));
  if (key === undefined) throw new Error('fixture');
  const order = keyOrder(key, 3);
  expect([...order]).toEqual([1, 0, 2]);
  const back = decodeKeys(encodeKeys(key, order), 'k', 3);
  expect([...((back.keys as NumberColumn).values as BigInt64Array)]).toEqual([-1n, 5n, 2n ** 62n]);
  expect(() => decodeKeys(encodeKeys(key, order), 'k', 2)).toThrow(/damaged/);
  expect([...keyOrder(text('b', 'ab', 'a'), 3)]).toEqual([2, 1, 0]);
});

test('statistics bound every field and know every key', () => {
  const stats = decodeStats(encodeStats(measureStats(columns, fieldId(100), 3)), 's');
  expect(stats.fields.get(fieldId(100))).toEqual({ nullCount: 0, min: -1n, max: 2n ** 62n });
  expect(stats.fields.get(fieldId(102))).toEqual({ nullCount: 1, min: 1, max: 3 });
  expect(stats.fields.get(fieldId(101))).toEqual({ nullCount: 0, min: '', max: 'Ünï' });
  expect(mayContain(stats.bloom, 5n)).toBe(true);
});

test('a bloom filter never denies a key and rarely invents one', () => {
  const bloom = createBloom(10_000);
  for (let i = 0; i < 10_000; i++) addToBloom(bloom, BigInt(i));
  let invented = 0;
  for (let i = 0; i < 10_000; i++) {
    expect(mayContain(bloom, BigInt(i))).toBe(true);
    if (mayContain(bloom, BigInt(i + 1_000_000))) invented++;
  }
  expect(invented).toBeLessThan(200);
});

test('delta logs survive; rows outside and disorder are refused', () => {
  const log = { rows: Uint32Array.of(3, 1), timestamps: BigUint64Array.of(4n, 9n) };
  expect(decodeDeltaLog(encodeDeltaLog(log), 'd', 4)).toEqual(log);
  expect(() => decodeDeltaLog(encodeDeltaLog(log), 'd', 3)).toThrow(/damaged/);
  const disorder = { ...log, timestamps: BigUint64Array.of(9n, 4n) };
  expect(() => decodeDeltaLog(encodeDeltaLog(disorder), 'd', 4)).toThrow(/damaged/);
});

test('a manifest of a newer release or with unknown features is refused', () => {
  const bytes = (value: object) => new TextEncoder().encode(JSON.stringify(value));
  expect(() => decodeManifest(bytes({ version: 2, rowCount: 1 }), 'm')).toThrow(/newer/);
  const future = { version: 1, rowCount: 1, readerFeatures: ['zstd'] };
  expect(() => decodeManifest(bytes(future), 'm')).toThrow(/newer/);
  expect(() => decodeManifest(bytes({}), 'm')).toThrow(/damaged/);
});
