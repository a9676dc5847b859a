// Goal: rows that were deleted or have expired before anyone may read them any more leave the
// files, and segments of an idle shard become one, while reads, writes and deletes go on. Method: a
// database in memory on a calendar that the test sets on.
import { connect, t, type Collection, type Db } from '@elanus/client';
import { describeNode, flushShard, invoke, metaKeys, type SegmentRecord } from '@elanus/protocol';
import { memoryWorld, type OpenWorld } from '@elanus/runtime';
import { ElanusError, LIMITS } from '@elanus/core';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startEmbedded } from './embedded.ts';

const fields = {
  id: t.int64({ primary: true, as: 'number' }),
  turn: t.int32(),
  vec: t.vector(2, { metric: 'l2' }),
};
type Docs = Collection<typeof fields, false>;

let world: OpenWorld;
let db: Db;
let docs: Docs;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  world = await memoryWorld();
  db = connect(await startEmbedded({ world, durability: 'process', kernels: 'auto' }));
  docs = await db.collection('docs', fields);
});
afterEach(async () => {
  await db.close();
  vi.useRealTimers();
});

const flush = () => invoke(world.bus, flushShard, { header: { collectionId: 1, shard: 0 } });
const rowOf = (id: number, turn = 0) => ({ id, turn, vec: [id, turn] });
const span = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

/** Rows of the flushed segments' files, deleted or not; the largest first. */
async function segmentRows(): Promise<number[]> {
  const { entries } = await world.meta.range(metaKeys.allSegments);
  const records = entries.map(
    ({ value }) => JSON.parse(new TextDecoder().decode(value)) as SegmentRecord,
  );
  return records
    .filter(({ state }) => state === 'flushed')
    .map(({ rowCount }) => rowCount)
    .sort((a, b) => b - a);
}

/** Until reads at the time before may be refused; the owner's clock goes with it. */
async function passRetention(): Promise<void> {
  for (let passed = 0; passed <= LIMITS.retentionMs; passed += 240_000) {
    vi.setSystemTime(Date.now() + 240_000);
    await docs.count();
  }
}

test('deleted rows leave their segment when they are too old to be read', async () => {
  await docs.insert(span(0, 3000).map((id) => rowOf(id)));
  await flush();
  await docs.delete({ ids: span(0, 1000) });
  await flush();
  await docs.insert([rowOf(5000)]);
  await flush();
  expect(await segmentRows()).toEqual([3000, 1]);
  await passRetention();
  // A late delete and a late version of rows that are about to move.
  await docs.delete({ ids: [1000] });
  await docs.upsert([rowOf(1001, 1)]);
  await flush();
  await vi.waitFor(
    async () => {
      expect(await segmentRows()).toEqual([2000, 1, 1]);
    },
    { timeout: 20_000, interval: 50 },
  );
  expect(await docs.count()).toBe(2000);
  const found = await docs.get([999, 1000, 1001, 1002, 5000]);
  expect(found.map((one) => one?.turn)).toEqual([undefined, undefined, 1, 0, 0]);
  const [hit] = await docs.search({ vector: [1000, 0], limit: 1 });
  expect([1001, 1002]).toContain(hit?.id);
});

test('a segment of which nothing is left is dropped', async () => {
  await docs.insert(span(0, 3000).map((id) => rowOf(id)));
  await flush();
  await docs.delete({ ids: span(0, 3000) });
  await flush();
  await passRetention();
  await docs.insert([rowOf(1)]);
  await flush();
  await vi.waitFor(
    async () => {
      expect(await segmentRows()).toEqual([1]);
    },
    { timeout: 20_000, interval: 50 },
  );
  expect(await docs.count()).toBe(1);
  expect((await docs.search({ vector: [1, 0], limit: 5 })).map(({ id }) => id)).toEqual([1]);
  const { header } = await invoke(world.bus, describeNode, { header: {} });
  expect(header.segments.length).toBe(1);
  await docs.upsert([rowOf(1, 1)]);
  expect(await docs.get([1, 2])).toMatchObject([{ turn: 1 }, undefined]);
});

test('rows that have expired leave the files when nobody may read them any more', async () => {
  const ttlMs = 2 * 240_000;
  await db.alter('docs', { ttlMs });
  await docs.insert(span(0, 2000).map((id) => rowOf(id)));
  await flush();
  vi.setSystemTime(Date.now() + 240_000);
  await docs.insert(span(2000, 5000).map((id) => rowOf(id)));
  await flush();
  await docs.compact();
  expect(await segmentRows()).toEqual([5000]);
  vi.setSystemTime(Date.now() + 240_000);
  expect(await docs.count()).toBe(3000);
  // One of them is written anew: its key is free, and it lives on.
  await docs.insert([rowOf(0, 1)]);
  await flush();
  vi.setSystemTime(Date.now() + 240_000);
  expect(await docs.count()).toBe(1);
  expect(await segmentRows()).toEqual([5000, 1]);
  await passRetention();
  await docs.insert([rowOf(9000)]);
  await flush();
  await vi.waitFor(async () => expect(await segmentRows()).toEqual([1]), {
    timeout: 20_000,
    interval: 50,
  });
  expect(await docs.count()).toBe(1);
  // The same without waiting for half of a segment to be too old, by asking for it.
  await db.alter('docs', { ttlMs: null });
  await docs.insert(span(0, 100).map((id) => rowOf(id)));
  vi.setSystemTime(Date.now() + 240_000);
  await docs.insert(span(100, 1000).map((id) => rowOf(id)));
  await db.alter('docs', { ttlMs });
  vi.setSystemTime(Date.now() + 240_000);
  expect(await docs.count()).toBe(900);
  await docs.compact();
  expect(await segmentRows()).toEqual([1001]);
  await db.alter('docs', { ttlMs: null });
  await passRetention();
  await docs.compact();
  expect(await segmentRows()).toEqual([900]);
  expect(await docs.count()).toBe(900);
  await docs.insert([rowOf(7, 1)]);
  expect((await docs.get([7, 107])).map((row) => row?.turn)).toEqual([1, 0]);
}, 60_000);

test('segments of a shard that nobody writes to become one', async () => {
  await docs.insert(span(0, 3000).map((id) => rowOf(id)));
  await flush();
  await docs.insert(span(3000, 6000).map((id) => rowOf(id)));
  await flush();
  expect(await segmentRows()).toEqual([3000, 3000]);
  await vi.waitFor(async () => expect(await segmentRows()).toEqual([6000]), {
    timeout: 30_000,
    interval: 100,
  });
  expect(await docs.count()).toBe(6000);
  const hits = await docs.search({ vector: [2999.6, 0], limit: 2 });
  expect(hits.map(({ id }) => id)).toEqual([3000, 2999]);
  await docs.delete({ ids: [3000] });
  expect((await docs.search({ vector: [3000, 0], limit: 1 }))[0]?.id).not.toBe(3000);
}, 60_000);

test('rows of a merge that failed are deleted where they are, though nothing is read', async () => {
  await docs.insert(span(0, 3000).map((id) => rowOf(id)));
  await flush();
  await docs.insert(span(3000, 6000).map((id) => rowOf(id)));
  await docs.delete({ ids: [5] });
  await flush();
  let broken = false;
  const { get, put } = world.objects;
  const failure = new ElanusError('io_error', { path: 'objects', why: 'broken' });
  vi.spyOn(world.objects, 'get').mockImplementation((name) => {
    return broken ? Promise.reject(failure) : get.call(world.objects, name);
  });
  vi.spyOn(world.objects, 'put').mockImplementation((name, parts) => {
    broken ||= name.endsWith('-delta-1.bin');
    return broken ? Promise.reject(failure) : put.call(world.objects, name, parts);
  });
  const compacted = docs.compact();
  await vi.waitFor(() => expect(broken).toBe(true), { timeout: 20_000, interval: 5 });
  // Comes behind what is under way in the shard.
  await flush();
  vi.restoreAllMocks();
  await docs.delete({ ids: [3000] });
  expect(await docs.count()).toBe(5998);
  expect((await docs.search({ vector: [3000, 0], limit: 1 }))[0]?.id).not.toBe(3000);
  await compacted;
  expect(await docs.count()).toBe(5998);
}, 60_000);
