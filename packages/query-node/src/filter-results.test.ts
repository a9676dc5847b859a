import {
  createBitset,
  fieldId,
  segmentId,
  setBit,
  type Awaitable,
  type Bitset,
  type Column,
  type FieldId,
} from '@elanus/core';
import { readFilter } from '@elanus/expr';
import type { SegmentRead, SegmentView } from '@elanus/segment';
import { beforeEach, expect, test } from 'vitest';
import { FilterResults } from './filter-results.ts';

const schema = {
  collectionId: 1,
  name: 'c',
  version: 1,
  shards: 1,
  dynamic: false,
  fields: [
    { id: fieldId(100), name: 'id', type: 'int64', primary: true },
    { id: fieldId(101), name: 'a', type: 'int32' },
  ],
} as unknown as Parameters<typeof readFilter>[1];

const ROWS = 320;
let found: string[] = [];
let ruledOut = false;
let later = false;
let fail = false;

function segmentOf(id: number): SegmentView {
  const columns = new Map<FieldId, Column>([
    [fieldId(101), { kind: 'int32', values: new Int32Array(ROWS) }],
  ]);
  const none = { vectors: new Map(), timestamps: new BigUint64Array(0), codes: new Map() };
  const chunk = { rowBase: 0, rowCount: ROWS, columns, ...none };
  return { segmentId: segmentId(id), rowCount: ROWS, chunks: [chunk], indexes: new Map() };
}

/** Passes the rows below the number that the filter ends in. */
function bitsOf(text: string): Bitset {
  const bits = createBitset(ROWS, { shared: true });
  for (let row = 0; row < Number(text.split(' ').at(-1)); row++) setBit(bits, row);
  return bits;
}

function keeper(bytesMax: number): FilterResults {
  return new FilterResults({
    bytesMax,
    rulesOut: () => ruledOut,
    find: (view, filter): Awaitable<Bitset> => {
      const text = texts.get(filter) ?? '';
      found.push(`${view.segmentId} ${text}`);
      if (fail) return Promise.reject(new Error('no'));
      return later ? Promise.resolve(bitsOf(text)) : bitsOf(text);
    },
  });
}

const texts = new Map<object, string>();
function filterOf(text: string): ReturnType<typeof readFilter> {
  const filter = readFilter(text, schema);
  texts.set(filter, text);
  return filter;
}

function readOf(view: SegmentView, more: Partial<SegmentRead> = {}): SegmentRead {
  return { view, visibleRows: view.rowCount, deleted: undefined, ...more };
}

/** How many rows are known to pass; undefined when nothing is known. */
function known(of: FilterResults, read: SegmentRead, text: string): number | undefined {
  return of.apply([read], filterOf(text)).kept[0]?.passing?.[0]?.count;
}

const one = segmentOf(1);
const two = segmentOf(2);

beforeEach(() => {
  found = [];
  [ruledOut, later, fail] = [false, false, false];
});

test('a filter that comes again is worked out once, for each segment', () => {
  const results = keeper(1e6);
  expect(known(results, readOf(one), 'a < 40')).toBeUndefined();
  expect(known(results, readOf(one), 'a < 40')).toBe(40);
  expect(known(results, readOf(one), 'a < 40')).toBe(40);
  expect(known(results, readOf(two), 'a < 40')).toBeUndefined();
  expect(found).toEqual(['1 a < 40']);
  expect(results.bytes).toBe(ROWS / 8);
});

test('deletes are taken off, once for each version', () => {
  const results = keeper(1e6);
  const deleted = createBitset(ROWS, { shared: true });
  setBit(deleted, 3);
  setBit(deleted, 300);
  known(results, readOf(one), 'a < 40');
  const read = readOf(one, { deleted });
  expect(known(results, read, 'a < 40')).toBe(39);
  const before = results.apply([read], filterOf('a < 40')).kept[0]?.passing;
  expect(results.apply([read], filterOf('a < 40')).kept[0]?.passing).toBe(before);
  const more = deleted.slice();
  setBit(more, 5);
  expect(known(results, readOf(one, { deleted: more }), 'a < 40')).toBe(38);
  expect(known(results, readOf(one), 'a < 40')).toBe(40);
  expect(found).toHaveLength(1);
});

test('a read of the past, or of rows that are loaded anew, is not answered by it', () => {
  const results = keeper(1e6);
  for (let i = 0; i < 3; i++) known(results, readOf(one), 'a < 40');
  expect(known(results, readOf(one, { visibleRows: 10 }), 'a < 40')).toBeUndefined();
  expect(known(results, readOf(segmentOf(1)), 'a < 40')).toBeUndefined();
  expect(known(results, readOf(one), 'a < 40')).toBeUndefined();
});

test('what statistics rule out is left out, and asked once', () => {
  const results = keeper(1e6);
  ruledOut = true;
  expect(results.apply([readOf(one)], filterOf('a < 4')).pruned).toHaveLength(1);
  ruledOut = false;
  expect(results.apply([readOf(one)], filterOf('a < 4')).kept).toHaveLength(0);
  expect(results.apply([readOf(one)], undefined).kept).toHaveLength(1);
});

test('above the budget the one used least recently goes', () => {
  const results = keeper((ROWS / 8) * 2);
  for (const text of ['a < 1', 'a < 2', 'a < 1', 'a < 2', 'a < 1'])
    known(results, readOf(one), text);
  expect(results.bytes).toBe((ROWS / 8) * 2);
  for (let i = 0; i < 2; i++) known(results, readOf(one), 'a < 3');
  expect(results.bytes).toBeLessThanOrEqual((ROWS / 8) * 2);
  expect(known(results, readOf(one), 'a < 3')).toBe(3);
  expect(known(results, readOf(one), 'a < 2')).toBeUndefined();
  const none = keeper(ROWS / 8 - 1);
  for (let i = 0; i < 3; i++) expect(known(none, readOf(one), 'a < 1')).toBeUndefined();
});

test('many filters are not remembered for ever', () => {
  const results = keeper(1e6);
  for (let i = 0; i < 5_000; i++) known(results, readOf(one), `a < ${i}`);
  expect(known(results, readOf(one), 'a < 4999')).toBe(ROWS);
  expect(known(results, readOf(one), 'a < 1')).toBeUndefined();
  expect(found).toEqual(['1 a < 4999']);
});

test('a thread works one out while reads go on; a failure is tried again', async () => {
  const results = keeper(1e6);
  later = true;
  for (let i = 0; i < 4; i++) expect(known(results, readOf(one), 'a < 7')).toBeUndefined();
  expect(found).toHaveLength(1);
  await results.settled();
  expect(known(results, readOf(one), 'a < 7')).toBe(7);
  fail = true;
  for (let i = 0; i < 3; i++) known(results, readOf(two), 'a < 7');
  await results.settled();
  fail = false;
  known(results, readOf(two), 'a < 7');
  await results.settled();
  expect(known(results, readOf(two), 'a < 7')).toBe(7);
});

test('a released segment gives its bytes back, also while a thread works', async () => {
  const results = keeper(1e6);
  for (let i = 0; i < 2; i++) known(results, readOf(one), 'a < 7');
  results.forget(1);
  expect(results.bytes).toBe(0);
  later = true;
  for (let i = 0; i < 2; i++) known(results, readOf(two), 'a < 7');
  results.forget(2);
  await results.settled();
  expect(results.bytes).toBe(0);
});
