// Goal: columns are captured exactly: whole numbers as 64-bit integers, vectors block by block;
// what cannot be held is refused with its place.
import {
  collectionId,
  columnOf,
  fieldId,
  isElanusError,
  type CollectionSchema,
  type Column,
} from '@elanus/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeColumns } from './columns.ts';

const KEY = fieldId(100);
const COUNT = fieldId(101);
const VECTOR = fieldId(102);
const DIM = 8;

const schema: CollectionSchema = {
  collectionId: collectionId(1),
  name: 'c',
  version: 1,
  shards: 1,
  dynamic: false,
  fields: [
    { id: KEY, name: 'id', type: 'int64', primary: true },
    { id: COUNT, name: 'count', type: 'int64' },
    { id: VECTOR, name: 'vec', type: 'vector', dim: DIM, metric: 'l2' },
  ],
};

function encode(count: unknown, vec: Float32Array): (id: number) => Column {
  const id = Float64Array.from({ length: vec.length / DIM }, (_, i) => i);
  const batch = encodeColumns({ id, count, vec }, schema, { idAt: undefined });
  return (field) => columnOf(batch, fieldId(field));
}

const whole = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.constantFrom(-0, -1, 2 ** 32, -(2 ** 32), 2 ** 31, Number.MAX_SAFE_INTEGER),
);

test('whole numbers in a typed array are the integers that a list of them is', () => {
  fc.assert(
    fc.property(fc.array(whole, { minLength: 1, maxLength: 50 }), (numbers) => {
      const vectors = new Float32Array(numbers.length * DIM);
      const wanted = BigInt64Array.from(numbers, (n) => BigInt(n));
      expect(encode(Float64Array.from(numbers), vectors)(COUNT)).toMatchObject({ values: wanted });
      expect(encode(numbers, vectors)(COUNT)).toMatchObject({ values: wanted });
      const small = Int32Array.from(numbers);
      const narrowed = BigInt64Array.from(small, (n) => BigInt(n));
      expect(encode(small, vectors)(COUNT)).toMatchObject({ values: narrowed });
    }),
  );
});

test.each([0.5, Number.NaN, Infinity, 2 ** 53])('%f among whole numbers is refused', (number) => {
  const numbers = Float64Array.of(1, 2, number, 4);
  try {
    encode(numbers, new Float32Array(4 * DIM));
    expect.unreachable();
  } catch (error) {
    expect(isElanusError(error) && error.details).toMatchObject({ field: 'count', row: 2 });
  }
});

test('vectors are captured whole, and a value that is no number is found in any block', () => {
  const rows = 5_000;
  const position = fc.nat(rows * DIM - 1);
  fc.assert(
    fc.property(position, fc.constantFrom(NaN, Infinity, -Infinity), (at, bad) => {
      const given = Float32Array.from({ length: rows * DIM }, (_, i) => i / 3);
      const counts = new BigInt64Array(rows);
      expect(encode(counts, given)(VECTOR)).toMatchObject({ values: given.slice() });
      given[at] = bad;
      try {
        encode(counts, given);
        expect.unreachable();
      } catch (error) {
        const wanted = { row: Math.floor(at / DIM), got: `${bad} at ${at % DIM}` };
        expect(isElanusError(error, 'vector_not_finite') && error.details).toMatchObject(wanted);
      }
    }),
    { numRuns: 20 },
  );
});

test('sparse rows in one piece hold numbers only, within offsets that are whole', () => {
  const sparse: CollectionSchema = {
    ...schema,
    fields: [
      { id: KEY, name: 'id', type: 'int64', primary: true },
      { id: VECTOR, name: 'vec', type: 'vector', vectorType: 'sparse', metric: 'ip' },
    ],
  };
  const given = { offsets: [0, 2, 3], indices: [1, 5, 2], values: [0.5, 1, 2] };
  const columnsOf = (vec: object): Column => {
    const batch = encodeColumns({ id: [1, 2], vec }, sparse, { idAt: undefined });
    return columnOf(batch, VECTOR);
  };
  expect(columnsOf(given)).toMatchObject({
    offsets: Uint32Array.of(0, 2, 3),
    indices: Uint32Array.of(1, 5, 2),
    values: Float32Array.of(0.5, 1, 2),
  });
  const bad = [
    { ...given, values: [0.5, null, 2] },
    { ...given, values: [0.5, '1', 2] },
    { ...given, indices: [1, true, 2] },
    { ...given, offsets: [0, 1.5, 3] },
    { ...given, offsets: [0, '2', 3] },
  ];
  for (const vec of bad) expect(() => columnsOf(vec)).toThrow(/wrong type/u);
});
