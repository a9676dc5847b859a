import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collection, t } from '../../packages/client/src/index.ts';
import type { ClientSubject, OpenSubject } from './client-kit.ts';
import { codeOf, detailsOf, freshName } from './client-kit.ts';

/** Long enough to look at rows before, short enough to wait for. */
const TTL_MS = 1_500;
const sleep = (ms: number): Promise<void> =>
  new Promise((done) => setTimeout(done, Math.max(0, ms)));

/** Rows with a key, a number and a vector. */
const pointsOf = (name: string, shards = 1, options: { readonly ttlMs?: number } = {}) =>
  collection(
    name,
    {
      id: t.int64({ primary: true, as: 'number' }),
      turn: t.int32(),
      vec: t.vector(4, { metric: 'l2' }),
    },
    { shards, ...options },
  );

const rows = (from: number, to: number, turn = 0) =>
  Array.from({ length: to - from }, (_, i) => ({
    id: from + i,
    turn,
    vec: [from + i, 0, 0, 0],
  }));

/** The life of segments and rows: compactions that are asked for, and time to live. */
export function clientLifeSuite(name: string, open: OpenSubject): void {
  describe(`segments on ${name}`, () => {
    let subject: ClientSubject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    test('a compaction makes few segments of many, and answers stay', async () => {
      const points = await subject.db.collection(pointsOf(freshName(), 2));
      for (let turn = 0; turn < 3; turn++) {
        await points.insert(rows(turn * 100, turn * 100 + 100, turn));
        await points.compact();
      }
      await points.delete({ ids: [7, 107, 207] });
      await points.upsert(rows(50, 52, 9));
      const told: number[] = [];
      const done = await points.compact({ onProgress: ({ jobs }) => told.push(jobs) });
      expect(done.before).toMatchObject({ segments: 4, rows: 302 });
      expect(done.after).toMatchObject({ segments: 2, rows: 302 });
      expect(done.freedBytes).toBe(done.before.bytes - done.after.bytes);
      expect(told[0]).toBe(0);
      expect(await points.count()).toBe(297);
      expect((await points.get([50, 7, 99, 299])).map((row) => row?.turn)).toEqual([
        9,
        undefined,
        0,
        2,
      ]);
      const hits = await points.search({ vector: [107, 0, 0, 0], limit: 2 });
      expect(hits.map(({ id }) => id)).toEqual([106, 108]);
      const details = await points.describe();
      expect(details).toMatchObject({ rowCount: 297, segments: 2, jobs: [] });
      // There is nothing more to do, and saying so is quick.
      const again = await points.compact();
      expect(again).toMatchObject({ before: done.after, after: done.after, freedBytes: 0 });
    });

    test('several who ask are all told, and an empty collection has nothing to do', async () => {
      const points = await subject.db.collection(pointsOf(freshName()));
      const none = { segments: 0, rows: 0, bytes: 0 };
      expect(await points.compact()).toEqual({ before: none, after: none, freedBytes: 0 });
      await points.insert(rows(0, 10));
      const other = await (await subject.again()).collection(pointsOf(points.name));
      const [one, two] = await Promise.all([points.compact(), other.compact()]);
      expect(one.after).toMatchObject({ segments: 1, rows: 10 });
      expect(two.after).toEqual(one.after);
    });

    test('rows expire: no read sees them, and their keys are free', async () => {
      const made = pointsOf(freshName(), 2, { ttlMs: TTL_MS });
      const points = await subject.db.collection(made);
      const { timestamp } = await points.insert(rows(0, 20));
      const writtenMs = Date.now();
      expect(await points.count()).toBe(20);
      expect(await codeOf(points.insert(rows(3, 4)))).toBe('key_exists');
      await points.compact();
      // A retry on a slow machine sees them gone too early, never too late.
      if (Date.now() < writtenMs + TTL_MS / 2) expect(await points.count()).toBe(20);
      await sleep(writtenMs + TTL_MS - Date.now());
      expect(await points.count()).toBe(0);
      expect(await points.query()).toEqual([]);
      expect(await points.get([3, 4])).toEqual([undefined, undefined]);
      expect(await points.search({ vector: [3, 0, 0, 0] })).toEqual([]);
      expect(await points.count({ consistency: 'eventual' })).toBe(0);
      expect(await points.delete({ ids: [3] })).toMatchObject({ count: 0 });
      expect((await points.describe()).rowCount).toBe(0);
      for await (const batch of points.scan()) expect(batch).toEqual([]);
      // They are there for who reads the past.
      expect(await points.count({ consistency: { at: timestamp } })).toBe(20);
      await points.insert(rows(3, 5, 1));
      expect((await points.get([3, 4, 5])).map((row) => row?.turn)).toEqual([1, 1, undefined]);
      expect(await points.count()).toBe(2);
    });

    test('a time to live can be chosen later, and changed', async () => {
      const points = await subject.db.collection(pointsOf(freshName()));
      await points.insert(rows(0, 5));
      const chosen = await subject.db.alter(points.name, { ttlMs: 3_600_000 });
      expect(chosen.schema.ttl?.at(-1)?.ttlMs).toBe(3_600_000);
      expect(await points.count()).toBe(5);
      await sleep(30);
      await subject.db.alter(points.name, { ttlMs: 20 });
      expect(await points.count()).toBe(0);
      await subject.db.alter(points.name, { ttlMs: null });
      await points.insert(rows(5, 8));
      await sleep(40);
      // What has expired stays so.
      expect((await points.query()).map(({ id }) => id)).toEqual([5, 6, 7]);
      const { db } = subject;
      expect(await codeOf(db.alter(points.name, { ttlMs: 0 }))).toBe('limit_out_of_range');
      expect(await codeOf(db.alter(points.name, {}))).toBe('invalid_argument');
    });

    test('a definition that says another time to live is told so', async () => {
      const name = freshName();
      await subject.db.collection(pointsOf(name, 1, { ttlMs: 60_000 }));
      await subject.db.collection(pointsOf(name));
      const other = subject.db.collection(pointsOf(name, 1, { ttlMs: 70_000 }));
      expect((await detailsOf(other))['differences']).toEqual(['ttlMs is 60000, not 70000']);
      expect(() => pointsOf(name, 1, { ttlMs: 1.5 })).toThrow('ttlMs from 1 to');
    });

    test('whoever gives up is told so at once', async () => {
      const points = await subject.db.collection(pointsOf(freshName()));
      await points.insert(rows(0, 10));
      expect(await codeOf(points.compact({ signal: AbortSignal.abort() }))).toBe('cancelled');
      expect(await codeOf(points.compact({ timeoutMs: 0 }))).toBe('deadline_exceeded');
      await subject.db.drop(points.name);
      expect(await codeOf(points.compact())).toMatch(/^collection_(not_found|dropped)$/);
    });
  });
}
