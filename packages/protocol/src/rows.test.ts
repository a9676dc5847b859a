import { fieldId, type Column, type ColumnBatch } from '@elanus/core';
import { expect, test } from 'vitest';
import { packRows, unpackRows } from './rows.ts';

const key = fieldId(100);
const keys: Column = { kind: 'int64', values: BigInt64Array.of(3n, 1n, 2n) };
const years: Column = { kind: 'int32', values: Int32Array.of(7, 8, 9) };

test('keys alone travel as they are', () => {
  const batch: ColumnBatch = { rowCount: 3, columns: new Map([[key, keys]]) };
  const body = packRows(batch, key);
  expect(body).toBe(keys.values);
  expect(unpackRows(body, key)).toEqual(batch);
});

test('another field alone, and keys with others, are a frame', () => {
  const other = new Map([[fieldId(101), keys]]);
  const both = new Map([
    [key, keys],
    [fieldId(102), years],
  ]);
  for (const columns of [other, both]) {
    const body = packRows({ rowCount: 3, columns }, key);
    expect(body).toBeInstanceOf(Uint8Array);
    const rows = unpackRows(body, key);
    expect([...rows.columns.keys()]).toEqual([...columns.keys()]);
    expect(rows.columns.get([...columns.keys()][0] ?? key)).toMatchObject({ kind: 'int64' });
  }
});

test('text keys are a frame', () => {
  const text: Column = {
    kind: 'varchar',
    offsets: Uint32Array.of(0, 1),
    data: new TextEncoder().encode('a'),
  };
  const body = packRows({ rowCount: 1, columns: new Map([[key, text]]) }, key);
  expect(unpackRows(body, key).columns.get(key)).toMatchObject({ kind: 'varchar' });
});
