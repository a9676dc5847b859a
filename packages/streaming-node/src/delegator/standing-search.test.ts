import { emptyHits, type CollectionSchema, type Hits, type VectorColumn } from '@elanus/core';
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
let growing: Hits | undefined;
let sealed: Hits | undefined;

beforeEach(() => {
  wal = { serviceTs: 7n, isShared: false };
  state = { schema: {} as CollectionSchema, segments: new Map([[1, segment(1)]]) };
  [free, growing, sealed] = [true, hitsOf([1, 4]), hitsOf([2, 3])];
});

function standing(more: Partial<StandsOn> = {}): StandingShardSearch {
  return new StandingShardSearch({
    at: 7n,
    metric: 'l2',
    wal: wal as Wal,
    basis: new SnapshotBasis(state as ShardState),
    mayBegin: () => free,
    growing: { search: () => growing } as unknown as PreparedSearch,
    sealed: { at: 0n, again: () => sealed } as StandingSearch,
    ...more,
  });
}

const ANY: ReadDemand = { guarantee: 0n, at: undefined };
const keysOf = (hits: Hits | undefined) =>
  hits && [...(hits.keys as BigInt64Array).subarray(0, hits.counts[0])];

test('hits of growing and of sealed rows are merged, whichever there are', () => {
  expect(keysOf(standing().again(queries, 1, ANY))).toEqual([1n, 2n]);
  expect(keysOf(standing({ growing: undefined }).again(queries, 1, ANY))).toEqual([2n, 3n]);
  expect(keysOf(standing({ sealed: undefined }).again(queries, 1, ANY))).toEqual([1n, 4n]);
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
  expect(search.again(queries, 1, ANY)).toBeDefined();
  changes[name]?.();
  expect(search.again(queries, 1, ANY)).toBeUndefined();
});

test('what a read demands is there, or it does not stand', () => {
  const search = standing();
  expect(search.again(queries, 1, { ...ANY, guarantee: 7n })).toBeDefined();
  expect(search.again(queries, 1, { ...ANY, guarantee: 8n })).toBeUndefined();
  expect(search.again(queries, 1, { ...ANY, at: 7n })).toBeUndefined();
  expect(search.again(queries, 1, { ...ANY, strong: true })).toBeDefined();
  wal.isShared = true;
  expect(search.again(queries, 1, { ...ANY, strong: true })).toBeUndefined();
});
