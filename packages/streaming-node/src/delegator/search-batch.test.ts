import { emptyHits, fieldId, isElanusError, type BusCaller } from '@elanus/core';
import { systemClock } from '@elanus/runtime';
import { beforeEach, expect, it } from 'vitest';
import type { ShardHits, ShardSearch } from './reads.ts';
import { SearchBatches } from './search-batch.ts';

const never = new AbortController();

interface Run {
  readonly search: ShardSearch;
  readonly caller: BusCaller;
  readonly finish: (error?: Error) => void;
}

let runs: Run[] = [];
let batches: SearchBatches;

/**
 * Hits that tell which vectors were asked: query q has q's first number + 1 hits, all that number.
 */
function answer(search: ShardSearch): ShardHits {
  const { nq, limit, queries } = search;
  const hits = emptyHits(nq, limit, 'int64');
  const values: number[] = [];
  for (let q = 0; q < nq; q++) {
    const id = queries.values[q * 2] ?? 0;
    hits.counts[q] = Math.min(limit, 1 + (id % 3));
    for (let i = 0; i < (hits.counts[q] ?? 0); i++) {
      hits.scores[q * limit + i] = id;
      hits.rows[q * limit + i] = id;
      values.push(id);
    }
  }
  const column = { kind: 'int32' as const, values: Int32Array.from(values) };
  const columns = { rowCount: values.length, columns: new Map([[fieldId(5), column]]) };
  return { at: search.demand.guarantee, hits, columns, explain: {} as never };
}

beforeEach(() => {
  runs = [];
  batches = new SearchBatches({
    run: (search, caller) =>
      new Promise((resolve, reject) => {
        const finish = (error?: Error): void =>
          error === undefined ? resolve(answer(search)) : reject(error);
        runs.push({ search, caller, finish });
      }),
    clock: systemClock,
    batchesMax: 1,
  });
});

/** A search as its caller sees it: answered in this turn or later is one. */
async function search(asked: ShardSearch, caller: BusCaller): Promise<ShardHits> {
  return batches.search(asked, caller);
}

const searchOf = (id: number, more: Partial<ShardSearch> = {}): ShardSearch => ({
  demand: { guarantee: BigInt(id), at: undefined },
  field: fieldId(1),
  metric: 'l2',
  queries: { kind: 'vector', type: 'float32', dim: 2, values: Float32Array.of(id, 0) },
  nq: 1,
  limit: 4,
  filter: undefined,
  bounds: undefined,
  effort: { exact: false },
  fields: [],
  withTimestamp: false,
  explain: false,
  repeats: false,
  ...more,
});

function check(found: ShardHits, id: number): void {
  const count = 1 + (id % 3);
  expect([...found.hits.counts]).toEqual([count]);
  expect([...found.hits.scores.subarray(0, count)]).toEqual(Array(count).fill(id));
  expect(found.columns.rowCount).toBe(count);
  const column = found.columns.columns.get(fieldId(5));
  const values = column?.kind === 'int32' ? [...column.values] : [];
  expect(values.slice(0, count)).toEqual(Array(count).fill(id));
}

it('one alone starts at once; those that come meanwhile go together', async () => {
  const first = search(searchOf(7), never);
  expect(runs).toHaveLength(1);
  const others = [8, 9, 10, 11].map((id) => search(searchOf(id), never));
  expect(runs).toHaveLength(1);
  runs[0]?.finish();
  check(await first, 7);
  expect(runs).toHaveLength(2);
  expect(runs[1]?.search.nq).toBe(4);
  // An instant that satisfies each.
  expect(runs[1]?.search.demand.guarantee).toBe(11n);
  runs[1]?.finish();
  (await Promise.all(others)).forEach((found, i) => check(found, 8 + i));
});

it('joins only what asks alike, the longest waiting first', async () => {
  const all = [
    search(searchOf(0), never),
    search(searchOf(1, { filter: 'a > 1' }), never),
    search(searchOf(2), never),
    search(searchOf(3, { filter: 'a > 1' }), never),
    search(searchOf(4, { limit: 5 }), never),
  ];
  for (let i = 0; i < 4; i++) {
    runs[i]?.finish();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(all);
  const asked = runs.map(({ search }) => [search.filter, search.limit, search.nq]);
  expect(asked).toEqual([
    [undefined, 4, 1],
    ['a > 1', 4, 2],
    [undefined, 4, 1],
    [undefined, 5, 1],
  ]);
});

it('a batch has at most 16 queries', async () => {
  const all = Array.from({ length: 40 }, (_, id) => search(searchOf(id), never));
  for (let i = 0; i < 4; i++) {
    runs[i]?.finish();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await Promise.all(all);
  expect(runs.map(({ search }) => search.nq)).toEqual([1, 16, 16, 7]);
});

it('one that leaves is answered at once; a batch that all have left is stopped', async () => {
  void search(searchOf(0), never);
  const [a, b, c] = [new AbortController(), new AbortController(), new AbortController()];
  const left = [a, b, c].map((caller, id) => search(searchOf(id), caller));
  const cancelled = left.map((one) =>
    one.then(
      () => false,
      (error: unknown) => isElanusError(error, 'cancelled'),
    ),
  );
  a.abort();
  expect(await cancelled[0]).toBe(true);
  runs[0]?.finish();
  await new Promise((resolve) => setImmediate(resolve));
  expect(runs[1]?.search.nq).toBe(2);
  b.abort();
  expect(await cancelled[1]).toBe(true);
  expect(runs[1]?.caller.signal.aborted).toBe(false);
  c.abort();
  expect(await cancelled[2]).toBe(true);
  expect(runs[1]?.caller.signal.aborted).toBe(true);
});

it('a failure is told to all of the batch, and the next goes on', async () => {
  void search(searchOf(0), never);
  const failing = [1, 2].map((id) => search(searchOf(id), never));
  runs[0]?.finish();
  await new Promise((resolve) => setImmediate(resolve));
  const later = search(searchOf(3), never);
  runs[1]?.finish(new Error('torn'));
  for (const one of failing) await expect(one).rejects.toThrow('torn');
  runs[2]?.finish();
  check(await later, 3);
});

it('one that is answered at once makes nobody wait, and leaves room when it fails', async () => {
  let answered = 0;
  const atOnce = new SearchBatches({
    run: (search) => {
      if (search.limit === 5) throw new Error('torn');
      answered++;
      return answer(search);
    },
    clock: systemClock,
    batchesMax: 1,
  });
  const all = [1, 2, 3].map((id) => atOnce.search(searchOf(id), never));
  expect(answered).toBe(3);
  all.forEach((found, i) => check(found as ShardHits, i + 1));
  expect(() => atOnce.search(searchOf(4, { limit: 5 }), never)).toThrow('torn');
  check(atOnce.search(searchOf(6), never) as ShardHits, 6);
});
