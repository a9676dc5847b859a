// Goal: garbage goes, and what is named, or may come to be named, stays (S6). Method: sweeps
// between the steps of a writer that commits as late as it likes.
import type { ObjectListing } from '@elanus/core';
import { metaKeys, type SegmentRecord } from '@elanus/protocol';
import { memoryWorld, type OpenWorld } from '@elanus/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Catalog } from './catalog.ts';
import { garbageKey } from './garbage-marks.ts';
import { MetaAccess, put } from './meta-access.ts';
import { Segments } from './segments.ts';
import { sweepObjects } from './sweep.ts';

const BYTES = [Uint8Array.of(1, 2, 3)];
const HOUR_MS = 3_600_000;

let world: OpenWorld;
let meta: MetaAccess;
let segments: Segments;

beforeEach(async () => {
  world = await memoryWorld();
  meta = new MetaAccess(world.meta);
  segments = new Segments(meta, new Catalog(meta, world.bus, () => 0), () => 0);
  await segments.own('p0', 'node');
});
afterEach(() => world.close());

/** A sweep so much later, an hour after what was put. */
const sweep = (graceMs: number, laterMs = 0, isWriting?: (name: string) => boolean) => {
  const { objects, clock } = world;
  const aged = {
    ...objects,
    get: (name: string) => objects.get(name),
    remove: (name: string) => objects.remove(name),
    async *list(prefix: string): AsyncGenerator<ObjectListing> {
      for await (const one of objects.list(prefix)) {
        yield { ...one, modifiedMs: one.modifiedMs - HOUR_MS };
      }
    },
  };
  const at = { wallMs: clock.wallMs() + 1 + laterMs, graceMs, isWriting };
  return sweepObjects({ meta, objects: aged }, at);
};

const names = async (): Promise<string[]> => {
  const found: string[] = [];
  for await (const { name } of world.objects.list('')) found.push(name);
  return found;
};

const marks = async (): Promise<string[]> => {
  return (await meta.range(metaKeys.allGarbage)).map(({ key }) => key);
};

/** A flush whose files are written, with a manifest that names nothing else. */
async function written(attempt: string) {
  const folder = `c1/s7/${attempt}/`;
  await world.objects.put(`${folder}rows.bin`, BYTES);
  const segment: SegmentRecord = {
    segmentId: 7,
    collectionId: 1,
    shard: 0,
    state: 'flushed',
    manifest: `${folder}manifest.json`,
    deltaSequence: 0,
    rowCount: 1,
    minTimestamp: '1',
    bytes: 3,
    indexed: false,
  };
  const at = { pchannel: 'p0', term: 1, collectionId: 1, shard: 0 };
  return { ...at, segment, deltas: [], checkpoint: undefined };
}

test('what nothing names is marked by one sweep and goes with the next', async () => {
  await world.objects.put('c1/s9/t1-aa/vec-102.bin', BYTES);
  await world.objects.put('c1/s9/t1-aa/keys.bin', BYTES);
  expect(await sweep(2 * HOUR_MS)).toMatchObject({ removed: 0, marked: 0, young: 2 });
  expect(await sweep(HOUR_MS / 2)).toMatchObject({ removed: 0, marked: 1 });
  expect(await sweep(HOUR_MS / 2)).toMatchObject({ removed: 2, removedBytes: 6, marked: 0 });
  expect(await names()).toEqual([]);
});

test('while nobody writes all of it goes at once, marks too', async () => {
  await world.objects.put('c1/s9/t1-aa/vec-102.bin', BYTES);
  await sweep(HOUR_MS / 2);
  expect(await marks()).toHaveLength(1);
  await world.objects.put('c1/s9/t1-bb/vec-102.bin', BYTES);
  expect(await sweep(0)).toMatchObject({ kept: 0, removed: 2, marked: 0 });
  expect(await marks()).toEqual([]);
});

test('a commit that comes after the mark is refused, and written anew', async () => {
  const late = await written('t1-aa');
  await sweep(HOUR_MS / 2);
  await expect(segments.commitFlush(late)).rejects.toMatchObject({ code: 'catalog_conflict' });
  await sweep(HOUR_MS / 2);
  expect(await names()).toEqual([]);
  // Gone or not: it may come back a day later.
  await expect(segments.commitFlush(late)).rejects.toMatchObject({ code: 'catalog_conflict' });
  await segments.commitFlush(await written('t1-bb'));
  expect(await segments.flushed(1)).toHaveLength(1);
});

test.each([
  ['a delta log', 'c1/s3/t1-aa/t1-cc-delta-4.bin'],
  ['a recovery snapshot', 'c1/recovery/0-t1-aa.bin'],
])('%s stands for itself', (_what, name) => {
  expect(garbageKey(name)).toBe(metaKeys.garbage(name));
});

test('the files of an attempt stand for each other', () => {
  const folder = 'c1/s3/t1-aa/';
  for (const file of ['manifest.json', 'vec-102.bin', 'origins.bin']) {
    expect(garbageKey(folder + file)).toBe(metaKeys.garbage(folder));
  }
});

test('a checkpoint whose snapshot is marked is refused', async () => {
  const recovery = 'c1/recovery/0-t1-aa.bin';
  await world.objects.put(recovery, BYTES);
  await sweep(HOUR_MS / 2);
  const at = { pchannel: 'p0', term: 1, collectionId: 1, shard: 0 };
  const checkpoint = { seq: 5, timestamp: '9', next: undefined, recovery };
  const commit = { ...at, segment: undefined, deltas: [], checkpoint };
  await expect(segments.commitFlush(commit)).rejects.toMatchObject({ code: 'catalog_conflict' });
});

test('what was named before the mark stays, and is marked no more', async () => {
  const recovery = 'c1/recovery/0-t1-aa.bin';
  await world.objects.put(recovery, BYTES);
  const at = { pchannel: 'p0', term: 1, collectionId: 1, shard: 0 };
  const checkpoint = { seq: 5, timestamp: '9', next: undefined, recovery };
  await segments.commitFlush({ ...at, segment: undefined, deltas: [], checkpoint });
  // The mark came between the reading of references and this commit.
  await meta.txn([], [put(garbageKey(recovery), { markedMs: world.clock.wallMs() })]);
  expect(await sweep(HOUR_MS / 2)).toMatchObject({ removed: 0 });
  expect(await names()).toEqual([recovery]);
  expect(await marks()).toEqual([]);
});

test('what a job that runs has written is left alone, however long ago', async () => {
  await world.objects.put('c1/s9/j4-aa/vec-102.bin', BYTES);
  const runs = (name: string): boolean => name.includes('/j4-aa/');
  expect(await sweep(HOUR_MS / 2, 0, runs)).toMatchObject({ removed: 0, marked: 0, young: 1 });
  expect(await sweep(HOUR_MS / 2)).toMatchObject({ marked: 1 });
});

test('marks are forgotten after a day', async () => {
  await world.objects.put('c1/s9/t1-aa/vec-102.bin', BYTES);
  await sweep(HOUR_MS / 2);
  await sweep(HOUR_MS / 2, 23 * HOUR_MS);
  expect(await marks()).toHaveLength(1);
  await sweep(HOUR_MS / 2, 25 * HOUR_MS);
  expect(await marks()).toEqual([]);
});
