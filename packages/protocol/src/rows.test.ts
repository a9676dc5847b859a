import {
  createBitset,
  decodeColumns,
  encodeColumns,
  fieldId,
  sliceBatch,
  type Column,
  type ColumnBatch,
} from '@elanus/core';
import { expect, test } from 'vitest';
import { packRows, unpackRows } from './rows.ts';

const text: Column = {
  kind: 'varchar',
  offsets: Uint32Array.of(0, 1, 1, 3),
  data: new TextEncoder().encode('abc'),
};
const valid = createBitset(3);
valid[0] = 0b101;

/** A column of every shape. */
const COLUMNS: readonly Column[] = [
  { kind: 'int64', values: BigInt64Array.of(3n, 1n, 2n) },
  { kind: 'int32', values: Int32Array.of(7, 8, 9), valid },
  text,
  { ...text, kind: 'json', valid },
  { kind: 'array', offsets: Uint32Array.of(0, 3, 3, 3), element: text },
  {
    kind: 'array',
    offsets: Uint32Array.of(0, 1, 1, 2),
    element: { kind: 'double', values: Float64Array.of(1, 2) },
    valid,
  },
  { kind: 'vector', type: 'float32', dim: 2, values: Float32Array.of(1, 2, 3, 4, 5, 6) },
  { kind: 'vector', type: 'int8', dim: 1, values: Int8Array.of(1, 2, 3) },
  {
    kind: 'sparse',
    offsets: Uint32Array.of(0, 0, 1, 2),
    indices: Uint32Array.of(4, 5),
    values: Float32Array.of(1, 2),
  },
];
const batch: ColumnBatch = {
  rowCount: 3,
  columns: new Map(COLUMNS.map((column, i) => [fieldId(100 + i), column])),
};

test('rows come back as they were, in arrays that are the same', () => {
  const { head, bodies } = packRows(batch);
  const rows = unpackRows(JSON.parse(JSON.stringify(head)), bodies);
  expect(rows).toEqual(batch);
  expect([...rows.columns.keys()]).toEqual([...batch.columns.keys()]);
  expect(bodies[0]).toBe((COLUMNS[0] as { values: BigInt64Array }).values);
});

test('a part of a batch comes back as that part', () => {
  const part = sliceBatch(batch, 1, 3);
  const { head, bodies } = packRows(part);
  const rows = unpackRows(head, bodies);
  expect(decodeColumns(encodeColumns(rows))).toEqual(decodeColumns(encodeColumns(part)));
});

test('no rows, and a body that is missing', () => {
  const none = packRows({ rowCount: 0, columns: new Map() });
  expect(unpackRows(none.head, none.bodies)).toEqual({ rowCount: 0, columns: new Map() });
  const { head, bodies } = packRows(batch);
  expect(() => unpackRows(head, bodies.slice(0, -1))).toThrow(/a body for every array/);
});
