// Goal: indexes come for fields that filters ask for again and again, stay within their budget, and
// go with their segments. Method: the keeper over stand-in segments, builds by hand.
import { fieldId, segmentId, type Column, type FieldId } from '@elanus/core';
import { readFilter } from '@elanus/expr';
import { buildScalarIndex, type ScalarIndex } from '@elanus/index';
import type { ChunkView, SegmentRead, SegmentView } from '@elanus/segment';
import { beforeEach, expect, test } from 'vitest';
import { ScalarIndexes } from './scalar-indexes.ts';

const ROWS = 8_192;
const schema = {
  collectionId: 1,
  name: 'c',
  version: 1,
  dynamic: false,
  shards: 1,
  fields: [
    { id: 100, name: 'id', type: 'int64', primary: true },
    { id: 101, name: 'a', type: 'int32' },
    { id: 102, name: 'b', type: 'int32' },
    { id: 103, name: 'j', type: 'json' },
  ],
} as unknown as Parameters<typeof readFilter>[1];

const [a, b] = [fieldId(101), fieldId(102)];
let segments: Map<number, SegmentView>;
let builds: number;
let fail: boolean;

function segmentOf(id: number, rows: number): SegmentView {
  const values = Int32Array.from({ length: rows }, (_, i) => i);
  const columns = new Map<FieldId, Column>([
    [a, { kind: 'int32', values }],
    [b, { kind: 'int32', values }],
  ]);
  const none = { vectors: new Map(), timestamps: new BigUint64Array(0), codes: new Map() };
  const chunk: ChunkView = { rowBase: 0, rowCount: rows, columns, ...none };
  return { segmentId: segmentId(id), rowCount: rows, chunks: [chunk], indexes: new Map() };
}

function keeper(bytesMax: number): ScalarIndexes {
  return new ScalarIndexes({
    bytesMax,
    build: (column) => {
      builds++;
      return fail ? Promise.reject(new Error('no')) : Promise.resolve(buildScalarIndex(column));
    },
    chunk: (id) => segments.get(id)?.chunks[0],
    place: (id, scalars) => {
      const view = segments.get(id);
      const [chunk] = view?.chunks ?? [];
      if (view && chunk) segments.set(id, { ...view, chunks: [{ ...chunk, scalars }] });
    },
  });
}

function use(of: ScalarIndexes, text: string, times = 32): Promise<void> {
  const filter = readFilter(text, schema);
  for (let i = 0; i < times; i++) {
    const reads = [...segments.values()].map(
      (view): SegmentRead => ({ view, visibleRows: view.rowCount, deleted: undefined }),
    );
    of.used(reads, filter);
  }
  return of.settled();
}

const fieldsOf = (id: number): FieldId[] => [
  ...(segments.get(id)?.chunks[0]?.scalars ?? new Map<FieldId, ScalarIndex>()).keys(),
];

beforeEach(() => {
  segments = new Map([
    [1, segmentOf(1, ROWS)],
    [2, segmentOf(2, 1_000)],
  ]);
  builds = 0;
  fail = false;
});

test('one comes with the 32nd filter on a field, in segments of some size', async () => {
  const scalars = keeper(2 ** 20);
  await use(scalars, 'a > 5 and j["x"] == 1', 31);
  expect(fieldsOf(1)).toEqual([]);
  await use(scalars, 'a < 7', 1);
  expect(fieldsOf(1)).toEqual([a]);
  expect(fieldsOf(2)).toEqual([]);
  expect(scalars.bytes).toBe(ROWS * 4);
  await use(scalars, 'not (b in [1, 2] or a == 1)');
  expect(fieldsOf(1)).toEqual([a, b]);
  expect(builds).toBe(2);
});

test('above the budget the one used least recently goes, and may come again', async () => {
  const scalars = keeper(ROWS * 4);
  await use(scalars, 'a > 5');
  await use(scalars, 'b > 5');
  expect(fieldsOf(1)).toEqual([b]);
  expect(scalars.bytes).toBe(ROWS * 4);
  await use(scalars, 'a > 5');
  expect(fieldsOf(1)).toEqual([a]);
});

test('one that never fits is not built', async () => {
  const scalars = keeper(ROWS * 4 - 1);
  await use(scalars, 'a > 5');
  expect([builds, scalars.bytes]).toEqual([0, 0]);
});

test('a released segment gives its bytes back, also in the middle of a build', async () => {
  const scalars = keeper(2 ** 20);
  await use(scalars, 'a > 5');
  scalars.forget(1);
  expect(scalars.bytes).toBe(0);
  segments.set(1, segmentOf(1, ROWS));
  const built = use(scalars, 'b > 5');
  scalars.forget(1);
  await built;
  expect([scalars.bytes, fieldsOf(1)]).toEqual([0, []]);
});

test('a build that fails leaves the scan, and the others', async () => {
  const scalars = keeper(2 ** 20);
  fail = true;
  await use(scalars, 'a > 5');
  fail = false;
  await use(scalars, 'a > 5 and b > 5');
  expect(fieldsOf(1)).toEqual([b]);
});
