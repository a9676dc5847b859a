/**
 * Goal: a search has one answer, whichever way it takes. Method: the same tasks in this turn, on a
 * thread that gets the rows along, and on one that was sent them before; with filters looked for
 * there, and known before.
 */
import { createBitset, fieldId, segmentId, setBit } from '@elanus/core';
import type { Column, CollectionSchema, FieldId, Hits } from '@elanus/core';
import { readFilter } from '@elanus/expr';
import { loadKernels } from '@elanus/kernels';
import { piscinaPool } from '@elanus/runtime';
import { GrowingFilters, GrowingSegment, ReadRunner, searchSegments } from '@elanus/segment';
import type { SearchTask, SegmentRead } from '@elanus/segment';
import { afterAll, expect, test } from 'vitest';

const [ID, GROUP, VEC] = [fieldId(100), fieldId(101), fieldId(102)];
/** Too many for the calling thread. */
const [ROWS, DIM] = [8_192, 256];
const schema = {
  collectionId: 1,
  name: 'rows',
  version: 1,
  fields: [
    { id: ID, name: 'id', type: 'int64', primary: true },
    { id: GROUP, name: 'g', type: 'int32' },
    { id: VEC, name: 'vec', type: 'vector', dim: DIM, metric: 'l2' },
  ],
  dynamic: false,
  shards: 1,
} as unknown as CollectionSchema;

const kernels = loadKernels();
const pool = piscinaPool({ threads: 1 });
afterAll(() => pool.close());

/** Whole numbers, few of them: many rows score alike. */
function numbers(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => ((i * 7919) >>> 3) % 3);
}

function readOf(): SegmentRead {
  const vectors = [{ id: VEC, type: 'float32' as const, dim: DIM, metric: 'l2' as const }];
  const rows = new GrowingSegment({ segmentId: segmentId(1), firstSeq: 1, kernels, vectors });
  const values = numbers(ROWS * DIM);
  const columns = new Map<FieldId, Column>([
    [ID, { kind: 'int64', values: BigInt64Array.from({ length: ROWS }, (_, i) => BigInt(-i)) }],
    [GROUP, { kind: 'int32', values: Int32Array.from({ length: ROWS }, (_, i) => i % 10) }],
    [VEC, { kind: 'vector', type: 'float32', dim: DIM, values }],
  ]);
  rows.append({ rowCount: ROWS, columns }, 1n, 0);
  const deleted = createBitset(ROWS, { shared: true });
  for (let row = 0; row < ROWS; row += 3) setBit(deleted, row);
  return { view: rows.view(), visibleRows: ROWS, deleted };
}

const read = readOf();
const filter = readFilter('g < 8', schema);

function known(): readonly SegmentRead[] {
  const filters = new GrowingFilters();
  // A long backlog is caught up with over several reads.
  for (let i = 0; i < ROWS / 2_000; i++) filters.apply([read], filter);
  return filters.apply([read], filter);
}

function taskOf(nq: number, more: Partial<SearchTask> = {}): SearchTask {
  const queries = { kind: 'vector', type: 'float32', dim: DIM, values: numbers(nq * DIM) } as const;
  return {
    reads: [read],
    field: VEC,
    metric: 'l2',
    keyField: ID,
    keyKind: 'int64',
    queries,
    nq,
    limit: 10,
    filter: undefined,
    bounds: undefined,
    effort: { exact: false, recall: undefined, ef: undefined },
    ...more,
  } as SearchTask;
}

const tasks = [
  taskOf(1),
  taskOf(16),
  taskOf(16, { filter }),
  taskOf(16, { filter, reads: known() }),
  taskOf(16, { limit: 100, bounds: { min: 0, max: 300 } }),
];

const plain = ({ counts, scores, keys, rows, segments }: Hits) =>
  [counts, scores, keys, rows, segments].map((values) => Array.from<unknown>(values));

test.each([false, true])('a thread answers as the calling one does; kept: %s', async (kept) => {
  const runner = new ReadRunner('auto', [pool], { kept });
  expect(tasks[3]?.reads[0]?.passing).toBeDefined();
  for (const task of [...tasks, ...tasks]) {
    const { output, where } = await runner.search(task);
    expect(where).toBe('pool');
    const here = searchSegments(kernels, task);
    expect(plain(output.hits)).toEqual(plain(here.hits));
    expect(output.plans).toEqual(here.plans);
  }
});

test('a search that comes again by its bytes alone is answered alike', async () => {
  const runner = new ReadRunner('auto', [pool], { kept: true });
  for (let round = 0; round < 6; round++) {
    for (const task of tasks) {
      const values = numbers(task.nq * DIM).map((value, i) => value + ((i + round) % 3));
      const queries = { ...task.queries, values } as SearchTask['queries'];
      const asked = { ...task, queries, silent: true };
      const { output } = await runner.search(asked);
      expect(plain(output.hits)).toEqual(plain(searchSegments(kernels, asked).hits));
    }
    // Whoever has kept rows may be told to let go of them in between.
    if (round === 3) runner.forget(1);
  }
});
