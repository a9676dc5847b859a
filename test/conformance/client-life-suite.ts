import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collection, t } from '../../packages/client/src/index.ts';
import type { ClientSubject, OpenSubject } from './client-kit.ts';
import { codeOf, freshName } from './client-kit.ts';

/** Rows with a key, a number and a vector. */
const pointsOf = (name: string, shards = 1) =>
  collection(
    name,
    {
      id: t.int64({ primary: true, as: 'number' }),
      turn: t.int32(),
      vec: t.vector(4, { metric: 'l2' }),
    },
    { shards },
  );

const rows = (from: number, to: number, turn = 0) =>
  Array.from({ length: to - from }, (_, i) => ({
    id: from + i,
    turn,
    vec: [from + i, 0, 0, 0],
  }));

/** The life of segments: compactions that are asked for. */
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
