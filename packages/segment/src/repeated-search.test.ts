import { fieldId, type FieldId, type Pool } from '@elanus/core';
import { expect, test } from 'vitest';
import { bytesOfQueries, queriesOfBytes, RepeatedSearches } from './repeated-search.ts';
import type { SearchTask } from './search.ts';
import type { SegmentView } from './view.ts';

const pool = {} as Pool;
const view = {} as SegmentView;
const reads = [{ view, visibleRows: 3, deleted: undefined }];
const dense = (...values: number[]) =>
  ({ kind: 'vector', type: 'float32', dim: 2, values: Float32Array.from(values) }) as const;

const task: SearchTask = {
  reads,
  field: fieldId(1),
  metric: 'l2',
  keyField: fieldId(2),
  keyKind: 'int64',
  queries: dense(1, 2),
  nq: 1,
  limit: 10,
  filter: undefined,
  bounds: undefined,
  effort: { exact: false, ef: 40 },
  silent: true,
};
const of = { kernels: 'auto', reads: [] } as const;

test('is known again by all but its vectors, on the pool it was sent to', () => {
  const known = new RepeatedSearches();
  expect(known.find(pool, task)).toBeUndefined();
  known.add(pool, task, of);
  const again = { ...task, queries: dense(3, 4, 5, 6), nq: 2, effort: { ...task.effort } };
  expect(known.find(pool, again)).toBeDefined();
  expect(known.find(pool, again)).toBe(known.find(pool, task));
  expect(known.find({} as Pool, again)).toBeUndefined();
  known.clear();
  expect(known.find(pool, again)).toBeUndefined();
});

const [read] = reads;
const others: readonly Partial<SearchTask>[] = [
  { field: fieldId(3) as FieldId },
  { metric: 'ip' },
  { limit: 11 },
  { bounds: { min: 0, max: 1 } },
  { effort: { exact: true, ef: 40 } },
  { effort: { exact: false, ef: 41 } },
  { effort: { exact: false, ef: 40, recall: 0.9 } },
  { silent: false },
  { filter: {} as never },
  { queries: { ...dense(1, 2), type: 'int8', values: Int8Array.of(1, 2) } },
  { reads: [] },
  { reads: [{ view: {} as SegmentView, visibleRows: 3, deleted: undefined }] },
  { reads: [{ view, visibleRows: 2, deleted: undefined }] },
  { reads: [{ view, visibleRows: 3, deleted: new Uint32Array(1) }] },
  { reads: [{ view, visibleRows: 3, deleted: undefined, passing: [] }] },
  { reads: read ? [read, read] : [] },
];

test.each(others)('another search: %o', (other) => {
  const known = new RepeatedSearches();
  known.add(pool, task, of);
  expect(known.find(pool, { ...task, ...other })).toBeUndefined();
});

test('keys that are text, and answers that tell how, have no form in bytes', () => {
  const known = new RepeatedSearches();
  for (const other of [{ keyKind: 'varchar' }, { silent: false }] as const) {
    known.add(pool, { ...task, ...other }, of);
    expect(known.find(pool, { ...task, ...other })).toBeUndefined();
  }
});

test('a bounded number is known, and none of their vectors', () => {
  const known = new RepeatedSearches();
  for (let limit = 1; limit <= 9; limit++) known.add(pool, { ...task, limit }, of);
  expect(known.find(pool, { ...task, limit: 1 })).toBeUndefined();
  expect(known.find(pool, { ...task, limit: 9 })).toBeDefined();
});

test('vectors are the same behind their bytes', () => {
  const known = new RepeatedSearches();
  known.add(pool, task, of);
  const sent = known.find(pool, task)?.task;
  const body = bytesOfQueries(dense(1, 2, 3, 4))?.slice() ?? new Uint8Array();
  expect(sent && queriesOfBytes(sent, body)).toEqual({ queries: dense(1, 2, 3, 4), nq: 2 });
});
