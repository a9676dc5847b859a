// Goal: builds wait while their shard is written to, but neither for ever nor for small merges;
// what fails is tried again, for a while; what is asked for is done at once.
// Method: the job loop over a stand-in shard and data node, on a clock that the test turns.
import { collectionId, ElanusError, fieldId, LIMITS, timestampFromMs } from '@elanus/core';
import type { Clock, CollectionSchema, TtlSpan } from '@elanus/core';
import {
  metaKeys,
  adoptBuild,
  describeShards,
  flushShard,
  runBuild,
  serveCall,
  type SegmentRecord,
} from '@elanus/protocol';
import { memoryWorld, type OpenWorld } from '@elanus/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Jobs } from './jobs.ts';
import { MetaAccess } from './meta-access.ts';

const MB = 1024 * 1024;

const schema: Omit<CollectionSchema, 'ttl'> & { ttl?: readonly TtlSpan[] } = {
  collectionId: collectionId(1),
  name: 'c',
  shards: 1,
  version: 1,
  dynamic: false,
  fields: [
    { id: fieldId(1), name: 'id', type: 'int64' as const, primary: true },
    { id: fieldId(2), name: 'v', type: 'vector' as const, dim: 4, metric: 'l2' as const },
  ],
};

let world: OpenWorld;
let jobs: Jobs;
let now = 0;
let timers: { readonly atMs: number; readonly fire: () => void }[] = [];
let flushed: SegmentRecord[] = [];
let built: number[][] = [];
let attempts: string[];
/** Fields of the rows that builds moved. */
let fieldsBuilt: string[][] = [];
let idleMs = 0;
let unflushedSegments = 0;
let held: Promise<void> | undefined;
let refused: (ids: readonly number[]) => Error | undefined = () => undefined;

const clock: Clock = {
  wallMs: () => 10_000_000 + now,
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
  delete schema.ttl;
  held = undefined;
  timers = [];
  built = [];
  attempts = [];
  fieldsBuilt = [];
  serveCall(world.bus, flushShard, () => ({ header: { segments: 0 } }));
  serveCall(world.bus, describeShards, () => {
    const segments = flushed.map(({ rowCount: rows, bytes }) => ({ rows, bytes }));
    const shards = [{ shard: 0, idleMs, unflushedSegments, segments }];
    return Promise.resolve({ header: { shards } as never });
  });
  serveCall(world.bus, runBuild, async ({ header }, { signal }) => {
    const ids = header.inputs.map(({ segmentId }) => segmentId);
    attempts.push(header.attempt);
    const refusal = refused(ids);
    if (refusal !== undefined) throw refusal;
    await held;
    signal.throwIfAborted();
    built.push(ids);
    fieldsBuilt.push(header.fields.map(({ name }) => name));
    const [first] = header.inputs;
    const bytes = header.inputs.reduce((sum, input) => sum + input.bytes, 0);
    const moved = { segmentId: header.outputId, bytes, foldableAt: undefined, delta: undefined };
    // What is left is young.
    const medianTimestamp = String(2n ** 63n);
    const output = { ...first, ...moved, medianTimestamp, indexed: true };
    return { header: { output, origins: undefined } as never };
  });
  serveCall(world.bus, adoptBuild, ({ header }) => {
    const gone = new Set(header.inputs.map(({ segmentId }) => segmentId));
    const kept = header.output.rowCount > 0 ? [header.output] : [];
    flushed = [...flushed.filter(({ segmentId }) => !gone.has(segmentId)), ...kept];
    return Promise.resolve({ header: {} });
  });
  jobs = startJobs();
});

function startJobs(): Jobs {
  const collections = () => Promise.resolve([{ ...schema }]);
  return new Jobs({
    meta: new MetaAccess(world.meta),
    catalog: { collections } as never,
    segments: { flushed: () => Promise.resolve(flushed) } as never,
    bus: world.bus,
    clock,
    rng: world.rng,
  });
}
afterEach(async () => {
  await jobs.stop();
  await world.close();
});

test('what a job writes is known until its end', async () => {
  flushed = [record(1, 200 * MB), record(2, 200 * MB)];
  let release = (): void => undefined;
  held = new Promise((resolve) => {
    release = resolve;
  });
  jobs.kick();
  await pass(0);
  const attempt = attempts[0] ?? '';
  expect(attempt).toMatch(/^j\d+-/);
  expect(jobs.isWriting(`c1/s1/${attempt}/vec-102.bin`)).toBe(true);
  expect(jobs.isWriting('c1/s1/j99-aa/vec-102.bin')).toBe(false);
  release();
  await pass(0);
  expect(built).toEqual([[1]]);
  expect(jobs.isWriting(`c1/s1/${attempt}/vec-102.bin`)).toBe(false);
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
  expect(jobs.jobsOf(1)).toEqual([]);
});

test('where memory is short, half as many are merged', async () => {
  flushed = Array.from({ length: 8 }, (_, i) => record(i + 1, MB));
  idleMs = 1_000;
  refused = (ids) => (ids.length > 4 ? noMemory() : undefined);
  jobs.kick();
  await pass(0);
  expect(built).toEqual([
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ]);
  expect(jobs.jobsOf(1)).toEqual([]);
});

test('segments of no bytes that cannot be merged do not keep the loop busy', async () => {
  flushed = [1, 2, 3, 4].map((id) => record(id, 0));
  refused = (ids) => (ids.length > 1 ? noMemory() : undefined);
  idleMs = 1_000;
  jobs.kick();
  await pass(0);
  expect(built).toEqual([[1], [2], [3], [4]]);
});

test('a job that fails again and again rests, until its shard changes', async () => {
  flushed = [record(1, 200 * MB)];
  idleMs = 1_000;
  let tries = 0;
  refused = () => {
    tries++;
    return new ElanusError('disk_full', { path: 'x' });
  };
  jobs.kick();
  for (const ms of [0, 500, 2_000, 10_000, 60_000, 60_000]) await pass(ms);
  expect(tries).toBe(6);
  const [job] = jobs.jobsOf(1);
  expect(job).toMatchObject({ state: 'failed', attempts: 6, segments: 1, rows: 20_000 });
  expect(job?.failure).toContain('disk is full');
  await pass(60_000);
  jobs.kick();
  await pass(0);
  expect(tries).toBe(6);
  jobs.changed(1, 0);
  await pass(0);
  expect(tries).toBe(7);
  expect(jobs.jobsOf(1)).toMatchObject([{ state: 'waiting', attempts: 1 }]);
  refused = () => undefined;
  await pass(500);
  expect(built).toEqual([[1]]);
  expect(jobs.jobsOf(1)).toEqual([]);
});

test('one that has rested is tried again by itself', async () => {
  flushed = [record(1, 200 * MB)];
  idleMs = 1_000;
  refused = () => new ElanusError('disk_full', { path: 'x' });
  jobs.kick();
  for (const ms of [0, 500, 2_000, 10_000, 60_000, 60_000]) await pass(ms);
  refused = () => undefined;
  await pass(599_000);
  expect(built).toEqual([]);
  await pass(1_000);
  expect(built).toEqual([[1]]);
});

/** Asks for a compaction, and has its goal known. */
async function asked(): Promise<string> {
  const { id, state } = await jobs.compactions.begin(schema);
  expect(state).toBe('running');
  return id;
}

test('a compaction that is asked for waits for nobody, and says what it did', async () => {
  flushed = [1, 2].map((id) => ({ ...record(id, 64 * MB), indexed: true }));
  const id = await asked();
  await pass(0);
  expect(built).toEqual([[1, 2]]);
  const done = await jobs.compactions.describe(id, 0);
  expect(done).toEqual({
    id,
    state: 'done',
    before: { segments: 2, rows: 40_000, bytes: 128 * MB },
    after: { segments: 1, rows: 20_000, bytes: 128 * MB },
    jobs: 1,
  });
});

test('it removes what was deleted before anyone may read it, however little', async () => {
  const longAgo = String(timestampFromMs(clock.wallMs() - LIMITS.retentionMs - 1));
  const lately = String(timestampFromMs(clock.wallMs() - LIMITS.retentionMs + 1_000));
  const one = { ...record(1, 300 * MB), indexed: true, delta: 'd' };
  const two = { ...record(2, 300 * MB), indexed: true, delta: 'd' };
  flushed = [
    { ...one, firstDeleteAt: lately },
    { ...two, firstDeleteAt: longAgo },
  ];
  const id = await asked();
  await pass(0);
  expect(built).toEqual([[2]]);
  // What comes meanwhile is left to the next one: there is an end.
  expect(await jobs.compactions.describe(id, 0)).toMatchObject({ state: 'done', jobs: 1 });
  // A record of before does not say since when.
  flushed = [one];
  await asked();
  await pass(0);
  expect(built).toHaveLength(2);
});

test('it ends when nobody wants it any more, and so does its job', async () => {
  flushed = [1, 2].map((id) => ({ ...record(id, 64 * MB), indexed: true }));
  let release = (): void => undefined;
  held = new Promise((resolve) => (release = resolve));
  const [first, second] = [await asked(), await asked()];
  await pass(0);
  expect(jobs.jobsOf(1)).toMatchObject([
    { kind: 'compaction', state: 'running', segments: 2, attempts: 1 },
  ]);
  expect(await jobs.compactions.cancel(first)).toMatchObject({ state: 'cancelled' });
  expect(jobs.jobsOf(1)).toMatchObject([{ state: 'running' }]);
  await jobs.compactions.cancel(second);
  release();
  await pass(0);
  expect(built).toEqual([]);
  expect(jobs.jobsOf(1)).toEqual([]);
  expect(await jobs.compactions.cancel(second)).toMatchObject({ state: 'cancelled', jobs: 0 });
  await expect(jobs.compactions.describe('7777', 0)).rejects.toMatchObject({
    code: 'compaction_not_found',
  });
});

test('another coordinator knows it, and takes it up again when somebody asks', async () => {
  flushed = [1, 2].map((id) => ({ ...record(id, 64 * MB), indexed: true }));
  let release = (): void => undefined;
  held = new Promise((resolve) => (release = resolve));
  const [wanted, unwanted] = [await asked(), await asked()];
  await pass(0);
  const stopping = jobs.stop();
  release();
  await stopping;
  expect(built).toEqual([]);
  jobs = startJobs();
  expect(await jobs.compactions.cancel(unwanted)).toMatchObject({ state: 'cancelled' });
  await pass(0);
  expect(built).toEqual([]);
  expect(await jobs.compactions.describe(wanted, 0)).toMatchObject({ state: 'running' });
  await pass(0);
  expect(built).toEqual([[1, 2]]);
  const done = await jobs.compactions.describe(wanted, 0);
  expect(done).toMatchObject({ state: 'done', before: { segments: 2 }, after: { segments: 1 } });
  await jobs.stop();
  jobs = startJobs();
  expect(await jobs.compactions.describe(wanted, 0)).toEqual(done);
  expect(await jobs.compactions.describe(unwanted, 0)).toMatchObject({ state: 'cancelled' });
});

test('few that have ended are kept', async () => {
  flushed = [];
  const ids = [];
  for (let n = 0; n < 70; n++) {
    ids.push(await asked());
    await pass(0);
  }
  const { entries } = await world.meta.range(metaKeys.compactions);
  expect(entries.length).toBeLessThanOrEqual(65);
  await expect(jobs.compactions.describe(ids[0] ?? '', 0)).rejects.toMatchObject({
    code: 'compaction_not_found',
  });
  expect(await jobs.compactions.describe(ids.at(-1) ?? '', 0)).toMatchObject({ state: 'done' });
});

test('a dropped collection ends it, and who waits is told why', async () => {
  flushed = [1, 2].map((id) => ({ ...record(id, 64 * MB), indexed: true }));
  let release = (): void => undefined;
  held = new Promise((resolve) => (release = resolve));
  const waiting = jobs.compactions.describe(await asked(), 10_000);
  await pass(0);
  jobs.dropped(1);
  release();
  await pass(0);
  expect(built).toEqual([]);
  expect(await waiting).toMatchObject({ failure: { code: 'collection_dropped' } });
});

test('it fails when its jobs do, again and again', async () => {
  flushed = [1, 2].map((id) => ({ ...record(id, 64 * MB), indexed: true }));
  refused = () => new ElanusError('disk_full', { path: 'x' });
  const id = await asked();
  await pass(0);
  expect(await jobs.compactions.describe(id, 0)).toMatchObject({
    state: 'running',
    failure: { code: 'disk_full' },
  });
  for (const ms of [500, 2_000, 10_000, 60_000, 60_000]) await pass(ms);
  expect(await jobs.compactions.describe(id, 0)).toMatchObject({
    state: 'failed',
    failure: { code: 'disk_full', details: { path: 'x' } },
  });
  // The next one begins anew, at once.
  refused = () => undefined;
  await asked();
  await pass(0);
  expect(built).toEqual([[1, 2]]);
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
  expect(jobs.jobsOf(1)).toMatchObject([{ state: 'waiting', kind: 'index', attempts: 1 }]);
  expect(jobs.jobsOf(1)[0]?.failure).toContain('memory budget');
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
  expect(jobs.jobsOf(1)).toEqual([]);
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

test('so are rows that expire: when half of a segment has, for an hour', async () => {
  idleMs = 1_000;
  schema.ttl = [{ sinceMs: 0, ttlMs: 500_000 }];
  const medianTimestamp = String(timestampFromMs(clock.wallMs()));
  const young = String(timestampFromMs(clock.wallMs() + 1_000));
  flushed = [
    { ...record(8, 300 * MB), indexed: true, medianTimestamp, rowCount: 0 },
    { ...record(9, 300 * MB), indexed: true, medianTimestamp },
    { ...record(10, 300 * MB), indexed: true, medianTimestamp: young },
  ];
  jobs.kick();
  await pass(0);
  // One without rows goes at once.
  expect(built).toEqual([[8]]);
  await pass(LIMITS.retentionMs + 500_000);
  expect(built).toEqual([[8]]);
  await pass(1);
  expect(built).toEqual([[8], [9]]);
  // Older records do not say; what comes next is younger.
  flushed = [
    { ...record(3, 300 * MB), indexed: true },
    { ...record(4, 300 * MB), indexed: true, medianTimestamp: String(2n ** 63n) },
  ];
  built = [];
  jobs.kick();
  await pass(0);
  expect(built).toEqual([[3]]);
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

test('rows are merged by the schema of now, not by that of when the loop began', async () => {
  const run = (ids: readonly number[]) => ids.map((id) => ({ ...record(id, MB), indexed: true }));
  flushed = run([1, 2, 3, 4]);
  let release = (): void => undefined;
  held = new Promise((resolve) => (release = resolve));
  jobs.kick();
  await pass(0);
  // While a merge runs a field is added, and rows that have it are flushed.
  const added = { id: fieldId(150), name: 'later', type: 'int64', nullable: true } as const;
  const before = schema.fields;
  Object.assign(schema, { fields: [...before, added] });
  flushed = [...flushed, ...run([5, 6, 7, 8])];
  release();
  await pass(0);
  Object.assign(schema, { fields: before });
  expect(fieldsBuilt.length).toBeGreaterThan(1);
  expect(fieldsBuilt.at(-1)).toEqual(['id', 'later']);
});
