import {
  emptyHits,
  type Awaitable,
  type CollectionSchema,
  type Hits,
  type VectorColumn,
} from '@elanus/core';
import type { ReadDemand, StandingSearch } from '@elanus/protocol';
import type { PreparedSearch } from '@elanus/segment';
import { beforeEach, expect, test } from 'vitest';
import type { ShardSegment, ShardState } from '../shard/state.ts';
import type { Wal } from '../wal/wal.ts';
import { SnapshotBasis } from './snapshot.ts';
import { StandingShardSearch, type StandsOn } from './standing-search.ts';

const queries: VectorColumn = {
  kind: 'vector',
  type: 'float32',
  dim: 1,
  values: Float32Array.of(1),
};

/** Two hits of one query, by key. */
function hitsOf(keys: readonly number[]): Hits {
  const hits = emptyHits(1, 2, 'int64');
  hits.counts[0] = keys.length;
  keys.forEach((key, i) => {
    (hits.keys as BigInt64Array)[i] = BigInt(key);
    hits.scores[i] = key;
  });
  return hits;
}

const segment = (segmentId: number) => ({ segmentId, state: 'growing' }) as ShardSegment;

let wal: { serviceTs: bigint; isShared: boolean };
let state: { schema: CollectionSchema; segments: Map<number, ShardSegment> };
let free: boolean;
let held: number;
let growing: Hits | undefined;
let sealed: Hits | undefined;

beforeEach(() => {
  wal = { serviceTs: 7n, isShared: false };
  state = { schema: {} as CollectionSchema, segments: new Map([[1, segment(1)]]) };
  held = 0;
  [free, growing, sealed] = [true, hitsOf([1, 4]), hitsOf([2, 3])];
});

function standing(more: Partial<StandsOn> = {}): StandingShardSearch {
  return new StandingShardSearch({
    at: 7n,
    metric: 'l2',
    wal: wal as Wal,
    basis: new SnapshotBasis(state as ShardState),
    mayBegin: () => free,
    hold: (running) => {
      held++;
      return running;
    },
    growing: { search: () => growing } as unknown as PreparedSearch,
    sealed: { at: 0n, again: () => sealed } as StandingSearch,
    ...more,
  });
}

const ANY: ReadDemand = { guarantee: 0n, at: undefined };
const ask = (search: StandingShardSearch, demand = ANY): Awaitable<Hits> | undefined =>
  search.again({ queries, nq: 1, demand, caller: undefined });
const keysOf = (hits: Awaitable<Hits> | undefined) => {
  const { keys, counts } = hits as Hits;
  return [...(keys as BigInt64Array).subarray(0, counts[0])];
};

test('hits of growing and of sealed rows are merged, whichever there are', () => {
  expect(keysOf(ask(standing()))).toEqual([1n, 2n]);
  expect(keysOf(ask(standing({ growing: undefined })))).toEqual([2n, 3n]);
  expect(keysOf(ask(standing({ sealed: undefined })))).toEqual([1n, 4n]);
});

test('what a thread finds is held until it is there, then merged', async () => {
  const onThread = (found: Hits) => ({ at: 0n, again: () => Promise.resolve(found) });
  const search = standing({ sealed: onThread(hitsOf([2, 3])) });
  const answer = ask(search);
  // The next search is under way before this one is answered.
  growing?.scores.fill(9);
  expect(answer).toBeInstanceOf(Promise);
  expect(keysOf(await answer)).toEqual([1n, 2n]);
  const alone = standing({ growing: undefined, sealed: onThread(hitsOf([2, 3])) });
  expect(keysOf(await ask(alone))).toEqual([2n, 3n]);
  expect(held).toBe(2);
});

const changes: Readonly<Record<string, () => void>> = {
  'something was written': () => {
    wal.serviceTs = 8n;
  },
  'a segment moved': () => {
    state.segments.set(1, { ...segment(1) });
  },
  'a segment came': () => {
    state.segments.set(2, segment(2));
  },
  'another took its place': () => {
    state.segments.delete(1);
    state.segments.set(2, segment(2));
  },
  'the schema is another': () => {
    state.schema = {} as CollectionSchema;
  },
  'others wait for their turn': () => {
    free = false;
  },
  'sealed rows do not stand': () => {
    sealed = undefined;
  },
  'growing rows take too long': () => {
    growing = undefined;
  },
};

test.each(Object.keys(changes))('none when %s', (name) => {
  const search = standing();
  expect(ask(search)).toBeDefined();
  changes[name]?.();
  expect(ask(search)).toBeUndefined();
});

test('what a read demands is there, or it does not stand', () => {
  const search = standing();
  expect(ask(search, { ...ANY, guarantee: 7n })).toBeDefined();
  expect(ask(search, { ...ANY, guarantee: 8n })).toBeUndefined();
  expect(ask(search, { ...ANY, at: 7n })).toBeUndefined();
  expect(ask(search, { ...ANY, strong: true })).toBeDefined();
  wal.isShared = true;
  expect(ask(search, { ...ANY, strong: true })).toBeUndefined();
});
