// Goal: a write of several records is seen whole or not at all by every kind of read, while
// segments are flushed, loaded, indexed and merged under them (R4, R5, R6, W6). Method: groups of
// rows that are always written together with one version; readers demand one version per answer,
// and never an older one than they saw before.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, t } from '@elanus/client';
import { flushShard, invoke } from '@elanus/protocol';
import { localWorld } from '@elanus/runtime/local';
import { expect, test } from 'vitest';
import { startEmbedded } from '../../packages/elanus/src/embedded.ts';

const GROUPS = 2;
const ROWS = 30;
const FILLER = 'x'.repeat(20_000);
const RUN_MS = 5_000;

/** What a reader was told of one group. */
interface Answer {
  readonly what: string;
  readonly group: number;
  readonly versions: readonly number[];
}

test('readers never see half a write, nor go back', { timeout: 240_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'elanus-atomic-'));
  const world = await localWorld(folder, { durability: 'process' });
  const database = await startEmbedded({ world, durability: 'process', kernels: 'auto' });
  const db = connect(database);
  const rows = await db.collection('rows', {
    id: t.int64({ primary: true, as: 'number' }),
    group: t.int32(),
    version: t.int32(),
    filler: t.varchar({ maxLength: 65_535 }),
    vec: t.vector(4, { metric: 'l2' }),
  });
  const until = Date.now() + RUN_MS;
  const running = (): boolean => Date.now() < until;
  const acknowledged = Array.from({ length: GROUPS }, () => 0);
  const seen = { writes: 0, reads: 0, flushes: 0 };

  async function writer(group: number): Promise<void> {
    for (let version = 1; running(); version++) {
      await rows.upsert(
        Array.from({ length: ROWS }, (_, i) => ({
          id: group * ROWS + i,
          group,
          version,
          filler: FILLER,
          vec: [group, i, 0, 0],
        })),
      );
      acknowledged[group] = version;
      seen.writes++;
    }
  }

  /** One version, all rows, and not older than what was acknowledged before the read began. */
  function judge(answer: Answer, floor: number): number {
    const { what, group, versions } = answer;
    const [first = 0] = versions;
    expect({
      what,
      group,
      rows: versions.length,
      mixed: versions.some((v) => v !== first),
    }).toEqual({
      what,
      group,
      rows: floor === 0 && versions.length === 0 ? 0 : ROWS,
      mixed: false,
    });
    expect(first).toBeGreaterThanOrEqual(floor);
    seen.reads++;
    return first;
  }

  async function reader(group: number): Promise<void> {
    let last = 0;
    const ids = Array.from({ length: ROWS }, (_, i) => group * ROWS + i);
    const filter = { group };
    while (running()) {
      const floor = Math.max(last, acknowledged[group] ?? 0);
      const queried = await rows.query({ filter, select: ['version'], limit: 100 });
      last = judge({ what: 'query', group, versions: queried.map((row) => row.version) }, floor);
      const found = await rows.get(ids);
      const there = found.flatMap((row) => (row === undefined ? [] : [row.version]));
      last = judge({ what: 'get', group, versions: there }, last);
      const hits = await rows.search({
        vector: [group, 0, 0, 0],
        limit: 100,
        filter,
        select: ['version'],
      });
      last = judge({ what: 'search', group, versions: hits.map((hit) => hit.version) }, last);
      const count = await rows.count({ filter });
      expect(count).toBe(last === 0 ? count : ROWS);
    }
  }

  async function flusher(): Promise<void> {
    while (running()) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      await invoke(world.bus, flushShard, { header: { collectionId: 1, shard: 0 } });
      seen.flushes++;
    }
  }

  try {
    const groups = Array.from({ length: GROUPS }, (_, group) => group);
    await Promise.all([...groups.map(writer), ...groups.map(reader), flusher()]);
  } finally {
    await db.close();
    rmSync(folder, { recursive: true, force: true });
  }
  expect(seen.writes).toBeGreaterThan(20);
  expect(seen.reads).toBeGreaterThan(50);
  expect(seen.flushes).toBeGreaterThan(0);
});
