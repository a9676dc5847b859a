// Goal: vectors of every type survive columns, frames and JSON; what a wire may send and rows never
// hold is refused with the code of the row. Method: random vectors within their type's range, and a
// table of columns that no row makes.
import type { CollectionSchema, Column, FieldId, VectorType } from '@elanus/core';
import { decodeColumns, encodeColumns, isElanusError, LIMITS } from '@elanus/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toBase64 } from './base64.ts';
import { checkBatch } from './check-batch.ts';
import { decodeRows } from './decode-rows.ts';
import { encodeRows } from './encode-rows.ts';
import { searchPart } from './json-requests.ts';

const FIELDS: readonly (readonly [VectorType, number])[] = [
  ['float32', 3],
  ['float16', 4],
  ['bfloat16', 2],
  ['int8', 5],
  ['binary', 24],
  ['sparse', 0],
];
const schema = {
  collectionId: 1,
  name: 'c',
  version: 1,
  dynamic: false,
  shards: 1,
  fields: [
    { id: 100, name: 'id', type: 'int64', primary: true },
    ...FIELDS.map(([vectorType, dim], i) => ({
      id: 101 + i,
      name: vectorType,
      type: 'vector',
      vectorType,
      ...(vectorType === 'sparse' ? {} : { dim }),
    })),
  ],
} as unknown as CollectionSchema;

const numbers = (length: number, max: number) =>
  fc.array(fc.double({ min: -max, max, noNaN: true }), { minLength: length, maxLength: length });
const whole = (length: number, min: number, max: number) =>
  fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length });
const rows = fc
  .array(
    fc.record({
      float32: numbers(3, 3e38),
      float16: numbers(4, 65_504),
      bfloat16: numbers(2, 3e38),
      int8: whole(5, -128, 127),
      binary: whole(3, 0, 255),
      sparse: fc.uniqueArray(
        fc.tuple(
          fc.integer({ min: 0, max: LIMITS.sparseIndexMax }),
          fc.double({ min: 1e-30, max: 1e30, noNaN: true }),
        ),
        { selector: ([index]) => index, maxLength: 6 },
      ),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((list) => list.map((row, i) => ({ id: BigInt(i), ...row })));

test('rows survive columns, the frame, JSON and back', () => {
  fc.assert(
    fc.property(rows, (given) => {
      const batch = encodeRows(given, schema);
      checkBatch(batch, schema);
      const framed = decodeColumns(encodeColumns(batch));
      checkBatch(framed, schema);
      expect(decodeRows(framed, schema)).toEqual(decodeRows(batch, schema));
      // JSON has no -0, so texts are compared.
      const textOf = (of: typeof batch): string =>
        JSON.stringify(decodeRows(of, schema, { json: true }));
      const json = textOf(batch);
      expect(textOf(encodeRows(JSON.parse(json) as never, schema))).toBe(json);
      const back = encodeRows(decodeRows(batch, schema) as never, schema);
      expect(back).toEqual(batch);
    }),
  );
});

test('queries in JSON are lists, base64 of their own array, or entries', () => {
  const query = (field: string, more: object) =>
    searchPart({ collection: 'c', field, ...more } as never, schema).queries;
  const half = { type: 'float16', dim: 4, values: Uint16Array.of(0x3c00, 0, 0, 0xc000) };
  const text = toBase64(new Uint8Array(half.values.buffer));
  const column = { kind: 'vector', ...half };
  expect(query('float16', { vector: [1, 0, 0, -2] })).toEqual({ kind: 'vectors', column });
  expect(query('float16', { vector: text })).toEqual({ kind: 'vectors', column });
  const packed = { count: 1, values: text };
  expect(query('float16', { packed })).toEqual({ kind: 'vectors', column });
  const bits = { count: 2, values: toBase64(Uint8Array.of(1, 2, 3, 4, 5, 6)) };
  expect(query('binary', { packed: bits })).toMatchObject({
    column: { type: 'binary', dim: 24, values: Uint8Array.of(1, 2, 3, 4, 5, 6) },
  });
  expect(query('sparse', { vectors: [{ 7: 1 }, { indices: [], values: [] }] })).toEqual({
    kind: 'vectors',
    column: {
      kind: 'sparse',
      offsets: Uint32Array.of(0, 1, 1),
      indices: Uint32Array.of(7),
      values: Float32Array.of(1),
    },
  });
  const many = Array.from({ length: LIMITS.queriesMax + 1 }, () => '');
  expect(() => query('float32', { vectors: many })).toThrow(/limit is out of range/);
  expect(() => query('sparse', { packed })).toThrow(/packed/);
  expect(() => query('float16', { packed: { count: 2, values: text } })).toThrow(/dimension/);
  expect(() => query('float32', { packed: { count: 1, values: 'AAA=' } })).toThrow(/base64/);
});

test('entries in any order and any form are one row', () => {
  const index = fc.oneof(fc.nat(LIMITS.sparseIndexMax), fc.constant(LIMITS.sparseIndexMax));
  const entry = fc.tuple(index, fc.integer({ min: 1, max: 1_000 }));
  const entries = fc.uniqueArray(entry, { selector: ([at]) => at, maxLength: 40 });
  fc.assert(
    fc.property(entries, (given) => {
      const values = given.toSorted(([a], [b]) => a - b);
      const column = {
        kind: 'sparse',
        offsets: Uint32Array.of(0, given.length),
        indices: Uint32Array.from(values, ([at]) => at),
        values: Float32Array.from(values, ([, value]) => value),
      };
      const parts = { indices: given.map(([at]) => at), values: given.map(([, value]) => value) };
      for (const vector of [given, parts, Object.fromEntries(given)]) {
        const { queries } = searchPart({ collection: 'c', field: 'sparse', vector }, schema);
        expect(queries).toEqual({ kind: 'vectors', column });
      }
    }),
  );
});

const sparse = (offsets: number[], indices: number[], values: number[]): Column => ({
  kind: 'sparse',
  offsets: Uint32Array.from(offsets),
  indices: Uint32Array.from(indices),
  values: Float32Array.from(values),
});
const most = LIMITS.sparseEntriesMax + 1;

test.each<readonly [string, readonly [VectorType, Column], string]>([
  [
    'float32 for float16',
    ['float16', { kind: 'vector', type: 'float32', dim: 4, values: new Float32Array(4) }],
    'wrong_type',
  ],
  ['sparse for float16', ['float16', sparse([0, 0], [], [])], 'wrong_type'],
  [
    'dense for sparse',
    ['sparse', { kind: 'vector', type: 'int8', dim: 5, values: new Int8Array(5) }],
    'wrong_type',
  ],
  [
    'another dimension',
    ['binary', { kind: 'vector', type: 'binary', dim: 32, values: new Uint8Array(4) }],
    'dimension_mismatch',
  ],
  [
    'infinity in bits',
    ['bfloat16', { kind: 'vector', type: 'bfloat16', dim: 2, values: Uint16Array.of(0, 0xff80) }],
    'vector_not_finite',
  ],
  ['indices that fall', ['sparse', sparse([0, 2], [5, 4], [1, 1])], 'value_out_of_range'],
  ['an index twice', ['sparse', sparse([0, 2], [5, 5], [1, 1])], 'value_out_of_range'],
  ['the index of all bits', ['sparse', sparse([0, 1], [2 ** 32 - 1], [1])], 'value_out_of_range'],
  ['a negative value', ['sparse', sparse([0, 1], [5], [-1])], 'value_out_of_range'],
  ['a zero', ['sparse', sparse([0, 1], [5], [0])], 'value_out_of_range'],
  ['NaN', ['sparse', sparse([0, 1], [5], [Number.NaN])], 'vector_not_finite'],
  [
    'too many values',
    [
      'sparse',
      sparse(
        [0, most],
        Array.from({ length: most }, (_, i) => i),
        Array.from({ length: most }, () => 1),
      ),
    ],
    'value_too_long',
  ],
])('a column is refused: %s', (_name, [name, column], code) => {
  const row = { id: 1n, float32: [1, 2, 3], float16: [1, 2, 3, 4], bfloat16: [1, 2] };
  const rest = { int8: [1, 2, 3, 4, 5], binary: [1, 2, 3], sparse: { 1: 1 } };
  const batch = encodeRows([{ ...row, ...rest }], schema);
  const columns = new Map(batch.columns);
  const at = FIELDS.findIndex(([type]) => type === name);
  columns.set((101 + at) as FieldId, column);
  try {
    checkBatch({ rowCount: 1, columns }, schema);
    expect.unreachable();
  } catch (error) {
    expect(isElanusError(error) && error.code).toBe(code);
  }
});
