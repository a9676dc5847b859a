/**
 * Goal: a filter that was read before is known again, and never another for it. Method: random
 * values are spelled in pairs; filters are read twice, in equal and in different form.
 */
import { fieldId, type CollectionSchema } from '@elanus/core';
import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { readRequestFilter } from './request-filter.ts';
import { spell } from './spell.ts';

const schemaOf = (name: string): CollectionSchema =>
  ({
    collectionId: 1,
    name: 'rows',
    version: 1,
    fields: [
      { id: fieldId(100), name: 'id', type: 'int64', primary: true },
      { id: fieldId(101), name, type: 'int32' },
    ],
    dynamic: false,
    shards: 1,
  }) as unknown as CollectionSchema;

const leaf = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, -0, 1, 1n, '1', '', '1n', 'null', '\u0000', '","'),
  fc.string({ maxLength: 4 }),
  fc.double({ noNaN: true }),
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.string({ maxLength: 3 }), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

/** With the order of names, which filters keep. */
const ordered = (one: unknown): unknown =>
  typeof one === 'object' && one !== null && !Array.isArray(one)
    ? ['object', ...Object.entries(one).map(([name, part]) => [name, ordered(part)])]
    : Array.isArray(one)
      ? ['list', ...one.map(ordered)]
      : one;

test('equal values, and only those, are spelled alike', () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      const [one, two] = [spell(a), spell(b)];
      expect(one).toBe(spell(structuredClone(a)));
      if (one === undefined || two === undefined) return;
      expect(one === two).toBe(isDeepStrictEqual(ordered(a), ordered(b)));
    }),
    { numRuns: 2_000 },
  );
});

test('what may change or is long is not spelled', () => {
  const others = [
    1n,
    -0,
    NaN,
    new Date(0),
    new Uint8Array(1),
    undefined,
    () => 1,
    'x'.repeat(1_100),
  ];
  for (const one of others) expect(spell({ kind: 'object', value: { a: one } })).toBeUndefined();
  expect(spell(Array.from({ length: 65 }, () => 1))).toBeUndefined();
});

test('a filter is read once for a schema', () => {
  const schema = schemaOf('a');
  const read = (lt: number, of = schema) =>
    readRequestFilter({ kind: 'object', value: { a: { lt } } }, of);
  const first = read(5);
  expect(first.text).toBe('a < 5');
  expect(read(5)).toBe(first);
  expect(read(6).text).toBe('a < 6');
  expect(read(5, schemaOf('a'))).not.toBe(first);
  expect(() => read(5, schemaOf('b'))).toThrow(/a/);
  for (let i = 0; i < 100; i++) read(100 + i);
  expect(read(5).text).toBe('a < 5');
});
