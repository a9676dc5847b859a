// Goal: a compaction is looked at until it has ended, and whoever gives up ends it. Method: the
// reference database with other answers, time that only moves when it is told to.
import { ElanusError, type CompactionStatus } from '@elanus/core';
import { expect, test } from 'vitest';
import { referenceDatabase } from '../../../test/client/reference.ts';
import { codeOf } from '../../../test/conformance/client-kit.ts';
import { connect } from './db.ts';
import { t } from './schema.ts';

const fields = { id: t.id(), vec: t.vector(2) };
const totals = (segments: number) => ({ segments, rows: 10, bytes: segments * 100 });
const running = (jobs: number): CompactionStatus => ({
  id: '7',
  state: 'running',
  before: totals(5),
  after: totals(5 - jobs),
  jobs,
});

/** A collection whose compaction goes through these states. */
async function docsOf(states: (CompactionStatus | Error)[], nowMs = () => 0) {
  const database = referenceDatabase();
  const asked: unknown[] = [];
  const cancelled: string[] = [];
  const client = connect(
    {
      ...database,
      compact: async () => running(0),
      describeCompaction: async (request, call) => {
        asked.push({ ...request, timeoutMs: call?.timeoutMs });
        const next = states.shift();
        if (next instanceof Error || next === undefined) throw next;
        return next;
      },
      cancelCompaction: async (id) => {
        cancelled.push(id);
        return { ...running(0), state: 'cancelled' };
      },
    },
    { platform: { nowMs, sleep: async () => undefined, random: (n) => new Uint8Array(n) } },
  );
  return { docs: await client.collection('docs', fields), asked, cancelled };
}

test('is looked at until it has ended, and tells how far it is', async () => {
  const end = { ...running(4), state: 'done' as const };
  const { docs, asked, cancelled } = await docsOf([running(1), running(2), end]);
  const told: number[] = [];
  const done = await docs.compact({ onProgress: ({ jobs }) => told.push(jobs) });
  expect(done).toEqual({ before: totals(5), after: totals(1), freedBytes: 400 });
  expect(told).toEqual([0, 1, 2]);
  expect(asked).toEqual(Array(3).fill({ id: '7', waitMs: 10_000, timeoutMs: 30_000 }));
  expect(cancelled).toEqual([]);
});

test('fails with what its jobs failed with; one that was cancelled is', async () => {
  const failure = { code: 'disk_full' as const, details: { path: 'x' } };
  const full = await docsOf([{ ...running(1), state: 'failed', failure }]);
  await expect(full.docs.compact()).rejects.toMatchObject({ code: 'disk_full' });
  const gone = await docsOf([{ ...running(1), state: 'cancelled' }]);
  expect(await codeOf(gone.docs.compact())).toBe('cancelled');
});

test('ends when its caller gives up, or its time is over', async () => {
  const giveUp = new AbortController();
  const left = await docsOf([running(1), running(1)]);
  const onProgress = (): void => giveUp.abort();
  expect(await codeOf(left.docs.compact({ signal: giveUp.signal, onProgress }))).toBe('cancelled');
  expect(left.cancelled).toEqual(['7']);
  let now = 0;
  const late = await docsOf([running(1), running(1), running(1)], () => (now += 500));
  expect(await codeOf(late.docs.compact({ timeoutMs: 3_000 }))).toBe('deadline_exceeded');
  expect(late.cancelled).toEqual(['7']);
  const unknown = await docsOf([new ElanusError('compaction_not_found', { id: '7' })]);
  expect(await codeOf(unknown.docs.compact())).toBe('compaction_not_found');
});
