import type { CollectionSchema } from '@elanus/core';
import { collectionId, fieldId } from '@elanus/core';
import { expect, test } from 'vitest';
import { readFilter } from './read.ts';

const schemaOf = (name: string): CollectionSchema => ({
  collectionId: collectionId(1),
  name: 'books',
  version: 1,
  shards: 1,
  dynamic: false,
  fields: [
    { id: fieldId(100), name: 'id', type: 'int64', primary: true },
    { id: fieldId(101), name, type: 'int32' },
  ],
});

test('a text is read once for a schema, and again for another', () => {
  const schema = schemaOf('year');
  const filter = readFilter('year > 2000', schema);
  expect(readFilter('year > 2000', schema)).toBe(filter);
  expect(readFilter('year > 2001', schema)).not.toBe(filter);
  expect(readFilter('year > 2000', schemaOf('year'))).not.toBe(filter);
  expect(() => readFilter('year > 2000', schemaOf('pages'))).toThrow(/year/);
});

test('few are kept, and none that is long', () => {
  const schema = schemaOf('year');
  const first = readFilter('year > 0', schema);
  for (let year = 1; year < 64; year++) readFilter(`year > ${year}`, schema);
  expect(readFilter('year > 0', schema)).toBe(first);
  readFilter('year > 64', schema);
  expect(readFilter('year > 0', schema)).not.toBe(first);
  const long = `year in [${Array.from({ length: 600 }, (_, i) => i + 1_000).join()}]`;
  expect(readFilter(long, schema)).not.toBe(readFilter(long, schema));
});
