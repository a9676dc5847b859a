import type { CollectionSchema, Column, ColumnBatch, FieldId } from '@elanus/core';
import { isElanusError, LIMITS } from '@elanus/core';
import { expect, test } from 'vitest';
import { checkBatch } from './check-batch.ts';
import { decodeRows } from './decode-rows.ts';
import { encodeRows } from './encode-rows.ts';
import { findNotFinite } from './encode-vectors.ts';

const schema = {
  collectionId: 1,
  name: 'c',
  version: 1,
  dynamic: true,
  shards: 1,
  fields: [
    { id: 100, name: 'id', type: 'int64', primary: true },
    { id: 101, name: 's', type: 'varchar', maxLength: 4, oneOf: ['a', 'b', 'long!'] },
    { id: 102, name: 'b', type: 'bool', nullable: true },
    { id: 103, name: 'd', type: 'double' },
    {
      id: 104,
      name: 'tags',
      type: 'array',
      element: { type: 'varchar', maxLength: 3 },
      maxCapacity: 2,
    },
    { id: 105, name: 'j', type: 'json', nullable: true },
    { id: 106, name: 'v', type: 'vector', dim: 2, metric: 'l2' },
  ],
} as unknown as CollectionSchema;

const rows = [
  { id: 1n, s: 'a', b: true, d: 1.5, tags: ['x', 'y'], j: { k: [1] }, v: [1, 2], more: 'm' },
  { id: 2n, s: 'b', b: null, d: 2, tags: [], j: null, v: [3, 4] },
];

const good = (): ColumnBatch => encodeRows(rows, schema);

/** The batch with one column changed, or taken away. */
function changed(id: number, change: (column: never) => object | undefined): ColumnBatch {
  const batch = good();
  const columns = new Map(batch.columns);
  const made = change(columns.get(id as FieldId) as never);
  if (made === undefined) columns.delete(id as FieldId);
  else columns.set(id as FieldId, made as Column);
  return { ...batch, columns };
}

const vectors = (dim: number, values: readonly number[]): object => ({
  kind: 'vector',
  type: 'float32',
  dim,
  values: Float32Array.from(values),
});

const text = (kind: string, values: readonly string[]): object => {
  const bytes = values.map((value) => Buffer.from(value, 'latin1'));
  const offsets = new Uint32Array(values.length + 1);
  bytes.forEach((part, i) => {
    offsets[i + 1] = (offsets[i] as number) + part.length;
  });
  return { kind, offsets, data: new Uint8Array(Buffer.concat(bytes)) };
};

test('what rows were made into passes, and reads back as it was', () => {
  checkBatch(good(), schema);
  expect(decodeRows(good(), schema)).toEqual([
    { ...rows[0], v: Float32Array.of(1, 2) },
    { ...rows[1], v: Float32Array.of(3, 4) },
  ]);
});

test.each([
  ['a missing column', changed(103, () => undefined), 'missing_field'],
  [
    'an unknown column',
    changed(190, () => ({ kind: 'bool', values: new Uint8Array(2) })),
    'unknown_field',
  ],
  [
    'another type',
    changed(103, () => ({ kind: 'float', values: new Float32Array(2) })),
    'wrong_type',
  ],
  [
    'another length',
    changed(103, () => ({ kind: 'double', values: new Float64Array(3) })),
    'columns_ragged',
  ],
  ['a null', changed(103, (c: object) => ({ ...c, valid: Uint32Array.of(1) })), 'wrong_type'],
  [
    'NaN',
    changed(103, () => ({ kind: 'double', values: Float64Array.of(1, Number.NaN) })),
    'value_out_of_range',
  ],
  [
    'a bool of two',
    changed(102, () => ({ kind: 'bool', values: Uint8Array.of(1, 2) })),
    'wrong_type',
  ],
  ['bytes that are no UTF-8', changed(101, () => text('varchar', ['a', '\xff'])), 'wrong_type'],
  ['text too long', changed(101, () => text('varchar', ['a', 'long!'])), 'value_too_long'],
  ['text not allowed', changed(101, () => text('varchar', ['a', 'c'])), 'value_not_allowed'],
  ['no JSON', changed(105, () => text('json', ['{}', '{'])), 'wrong_type'],
  ['JSON with spaces', changed(105, () => text('json', ['{}', '{ }'])), 'wrong_type'],
  [
    'JSON with two equal keys',
    changed(105, () => text('json', ['{}', '{"a":1,"a":2}'])),
    'wrong_type',
  ],
  [
    'JSON with an inexact integer',
    changed(105, () => text('json', ['{}', '9007199254740993'])),
    'wrong_type',
  ],
  ['another dimension', changed(106, () => vectors(1, [0, 0])), 'dimension_mismatch'],
  ['infinity', changed(106, () => vectors(2, [1, 2, 3, Infinity])), 'vector_not_finite'],
  [
    'the same key twice',
    changed(100, () => ({ kind: 'int64', values: BigInt64Array.of(1n, 1n) })),
    'duplicate_key',
  ],
  [
    'elements of another type',
    changed(104, (c: object) => ({ ...c, element: { kind: 'int32', values: new Int32Array(2) } })),
    'wrong_type',
  ],
  [
    'an element too long',
    changed(104, (c: object) => ({ ...c, element: text('varchar', ['x', 'long']) })),
    'value_too_long',
  ],
  [
    'too many elements',
    changed(104, () => ({
      kind: 'array',
      offsets: Uint32Array.of(0, 3, 3),
      element: text('varchar', ['x', 'y', 'z']),
    })),
    'value_too_long',
  ],
])('%s is refused', (_name, batch, code) => {
  let got = 'none';
  try {
    checkBatch(batch, schema);
  } catch (error) {
    got = isElanusError(error) ? error.code : String(error);
  }
  expect(got).toBe(code);
});

test('more rows than one write may have are refused before anything is made of them', () => {
  const rowCount = LIMITS.writeRowsMax + 1;
  const least = { collectionId: 1, name: 'c', version: 1, dynamic: false, shards: 1 };
  const fields = [
    { id: 100, name: 'id', type: 'int64', primary: true, autoId: true },
    { id: 101, name: 'v', type: 'vector', vectorType: 'binary', dim: 8 },
  ];
  const values = new Uint8Array(rowCount);
  const column: Column = { kind: 'vector', type: 'binary', dim: 8, values };
  const batch = { rowCount, columns: new Map([[101 as FieldId, column]]) };
  const small = { ...least, fields } as unknown as CollectionSchema;
  expect(() => checkBatch(batch, small)).toThrow(/limit is out of range/u);
});

test('the first value that is not finite is found wherever it stands', () => {
  for (let length = 0; length < 9; length++) {
    expect(findNotFinite(new Float32Array(length).fill(3e38))).toBe(-1);
    for (let at = 0; at < length; at++) {
      for (const bad of [Number.NaN, Infinity, -Infinity]) {
        const values = new Float32Array(length).fill(1);
        values[at] = bad;
        expect(findNotFinite(values)).toBe(at);
        values[length - 1] = Number.NaN;
        expect(findNotFinite(values)).toBe(at);
      }
    }
  }
});
