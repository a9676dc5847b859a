// Goal: builds wait while their shard is written to, but neither for ever nor for small merges.
// Method: the job loop over a stand-in shard and data node, on a clock that the test turns.
import { collectionId, ElanusError, LIMITS, timestampFromMs, type Clock } from '@elanus/core';
import {
  adoptBuild,
  describeShards,
  runBuild,
  serveCall,
  type SegmentRecord,
} from '@elanus/protocol';
import { memoryWorld, type OpenWorld } from '@elanus/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Jobs } from './jobs.ts';
import { MetaAccess } from './meta-access.ts';

const MB = 1024 * 1024;

let world: OpenWorld;
let jobs: Jobs;
let now = 0;
let timers: { readonly atMs: number; readonly fire: () => void }[] = [];
let flushed: SegmentRecord[] = [];
let built: number[][] = [];
let idleMs = 0;
let unflushedSegments = 0;
let refused: (ids: readonly number[]) => Error | undefined = () => undefined;

const clock: Clock = {
  wallMs: () => 1_000_000 + now,
  monoMs: () => now,
  after: (delayMs, fire) => {
    const timer = { atMs: now + delayMs, fire };
    timers.push(timer);
    return () => {
      timers = timers.filter((one) => one !== timer);
    };
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

const record = (segmentId: number, bytes: number): SegmentRecord => ({
  segmentId,
  collectionId: 1,
  shard: 0,
  state: 'flushed',
  manifest: `m${segmentId}`,
  deltaSequence: 0,
  rowCount: 20_000,
  minTimestamp: String(segmentId),
  bytes,
  indexed: false,
});

/** Lets the job loop come to rest, then the clock go on. */
async function pass(ms: number): Promise<void> {
  for (let i = 0; i < 40; i++) await clock.turn();
  now += ms;
  const due = timers.filter(({ atMs }) => atMs <= now);
  timers = timers.filter(({ atMs }) => atMs > now);
  for (const { fire } of due) fire();
  for (let i = 0; i < 40; i++) await clock.turn();
}

beforeEach(async () => {
  world = await memoryWorld();
  now = 0;
  idleMs = 0;
  unflushedSegments = 0;
  refused = () => undefined;
  timers = [];
  built = [];
  const fields = [
    { id: 1, name: 'id', type: 'int64', primary: true },
    { id: 2, name: 'v', type: 'vector', dim: 4, metric: 'l2' },
  ];
  const schema = { collectionId: collectionId(1), name: 'c', shards: 1, version: 1, fields };
  serveCall(world.bus, describeShards, () => {
    const shards = [{ shard: 0, idleMs, unflushedSegments }];
    return Promise.resolve({ header: { shards } as never });
  });
  serveCall(world.bus, runBuild, ({ header }) => {
    const ids = header.inputs.map(({ segmentId }) => segmentId);
    const refusal = refused(ids);
    if (refusal !== undefined) return Promise.reject(refusal);
    built.push(ids);
    const [first] = header.inputs;
    const moved = { segmentId: header.outputId, bytes: 500 * MB, foldableAt: undefined };
    const output = { ...first, ...moved, indexed: true };
    return Promise.resolve({ header: { output, origins: undefined } as never });
  });
  serveCall(world.bus, adoptBuild, ({ header }) => {
    const gone = new Set(header.inputs.map(({ segmentId }) => segmentId));
    flushed = [...flushed.filter(({ segmentId }) => !gone.has(segmentId)), header.output];
    return Promise.resolve({ header: {} });
  });
  jobs = new Jobs({
    meta: new MetaAccess(world.meta),
    catalog: { collections: () => Promise.resolve([schema]) } as never,
    segments: { flushed: () => Promise.resolve(flushed) } as never,
    bus: world.bus,
    clock,
    rng: world.rng,
  });
});
afterEach(async () => {
  await jobs.stop();
  await world.close();
});

test('an index waits until the shard is quiet', async () => {
  flushed = [record(1, 64 * MB)];
  jobs.kick();
  await pass(300);
  expect(built).toEqual([]);
  idleMs = 300;
  unflushedSegments = 1;
  await pass(300);
  expect(built).toEqual([]);
  unflushedSegments = 0;
  await pass(300);
  expect(built).toEqual([[1]]);
});

test('a shard that is never quiet gets its index all the same', async () => {
  flushed = [record(1, 64 * MB)];
  jobs.kick();
  for (let ms = 0; ms < 9_900; ms += 300) await pass(300);
  expect(built).toEqual([]);
  for (let i = 0; i < 3; i++) await pass(300);
  expect(built).toEqual([[1]]);
});

test('not when much waits, and not for merges of small segments', async () => {
  flushed = [record(1, 200 * MB), record(2, 200 * MB)];
  jobs.kick();
  await pass(0);
  expect(built).toEqual([[1]]);
  flushed = [1, 2, 3, 4].map((id) => record(id, MB));
  built = [];
  jobs.kick();
  await pass(0);
  expect(built).toEqual([[1, 2, 3, 4]]);
});

const noMemory = () =>
  new ElanusError('memory_budget', { neededBytes: 2, budgetBytes: 1, retryAfterMs: 1 });

test('what there is no memory to merge gets an index each', async () => {
  flushed = [1, 2, 3, 4].map((id) => record(id, MB));
  idleMs = 1_000;
  refused = (ids) => (ids.length > 1 ? noMemory() : undefined);
  jobs.kick();
  await pass(0);
  expect(built).toEqual([[1], [2], [3], [4]]);
  expect(jobs.failureOf(1)).toBeUndefined();
});

test('a build that fails says why, is tried again later, and less and less often', async () => {
  flushed = [record(1, 200 * MB)];
  idleMs = 1_000;
  let tries = 0;
  refused = () => {
    tries++;
    return noMemory();
  };
  jobs.kick();
  await pass(0);
  expect(tries).toBe(1);
  expect(jobs.failureOf(1)).toContain('memory budget');
  jobs.kick();
  await pass(0);
  expect(tries).toBe(1);
  await pass(500);
  expect(tries).toBe(2);
  refused = () => undefined;
  await pass(1_000);
  expect(built).toEqual([]);
  await pass(1_000);
  expect(built).toEqual([[1]]);
  expect(jobs.failureOf(1)).toBeUndefined();
});

test('deleted rows are thought of when they have got too old to be read', async () => {
  idleMs = 1_000;
  const foldableAt = String(timestampFromMs(clock.wallMs()));
  flushed = [{ ...record(9, 64 * MB), indexed: true, foldableAt }];
  jobs.kick();
  await pass(0);
  await pass(LIMITS.retentionMs);
  expect(built).toEqual([]);
  await pass(1);
  expect(built).toEqual([[9]]);
  expect(flushed.map(({ segmentId }) => segmentId)).not.toEqual([9]);
});

test('neighbours become one segment while nobody writes, and only then', async () => {
  flushed = [1, 2].map((id) => ({ ...record(id, 64 * MB), indexed: true }));
  idleMs = 1_000;
  jobs.kick();
  for (let ms = 0; ms < 60_000; ms += 4_000) await pass(4_000);
  expect(built).toEqual([]);
  idleMs = 5_000;
  unflushedSegments = 1;
  await pass(5_000);
  expect(built).toEqual([]);
  unflushedSegments = 0;
  await pass(5_000);
  expect(built).toEqual([[1, 2]]);
  // Not even when much has no index, being too few rows for one.
  flushed = [5, 6].map((id) => ({ ...record(id, 200 * MB), rowCount: 10 }));
  built = [];
  idleMs = 1_000;
  jobs.kick();
  await pass(4_000);
  expect(built).toEqual([]);
  idleMs = 5_000;
  // One that is much larger is not written again for little.
  flushed = [record(3, 300 * MB), record(4, 100 * MB)].map((one) => ({ ...one, indexed: true }));
  built = [];
  jobs.kick();
  await pass(5_000);
  expect(built).toEqual([]);
});
