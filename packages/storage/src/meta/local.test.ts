import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commit, put, updates } from '../conformance/meta-kit.ts';
import { describeMetaStore } from '../conformance/meta.ts';
import { testClock } from '../testing/test-clock.ts';
import { MetaEngine } from './local-engine.ts';
import { localMetaStore } from './local.ts';
import { openDatabase } from './sqlite.ts';

describeMetaStore(
  'local',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'elanus-meta-'));
    return {
      open: () => localMetaStore({ path: join(folder, 'meta.db'), clock: testClock }),
      dispose: async () => rmSync(folder, { recursive: true }),
    };
  },
  { leaseMs: 100 },
);

describe('local metadata', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'elanus-meta-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const path = (): string => join(folder, 'meta.db');
  const open = () => localMetaStore({ path: path(), clock: testClock });

  test('a file of a newer format is refused and left alone', async () => {
    await (await open()).close();
    const db = openDatabase(path());
    db.exec('PRAGMA user_version = 2');
    db.close();
    await expect(open()).rejects.toMatchObject({
      code: 'format_too_new',
      details: { version: 2, supported: 1 },
    });
  });

  test('a file that is no database is refused', async () => {
    writeFileSync(path(), 'this is not a database, and long enough to be looked at'.repeat(30));
    await expect(open()).rejects.toMatchObject({ code: 'file_corrupt' });
  });

  test('a folder that is not there is refused', async () => {
    const opening = localMetaStore({ path: join(folder, 'missing', 'meta.db'), clock: testClock });
    await expect(opening).rejects.toMatchObject({ code: 'read_only' });
  });

  test('class power syncs fully, class process does not', async () => {
    for (const [durability, want] of [
      ['power', 2],
      ['process', 1],
    ] as const) {
      const engine = new MetaEngine({ path: path(), durability });
      expect(engine.synchronous()).toBe(want);
      engine.close();
    }
  });

  test('history does not outlive the store', async () => {
    const store = await open();
    const at = await commit(store, put('a', '1'));
    await store.close();
    const again = await open();
    const watching = updates(again, '', { fromRevision: at, count: 1 });
    await expect(watching).rejects.toMatchObject({ code: 'revision_compacted' });
    await again.close();
  });

  test('transactions sent together reach the disk together with their answers', async () => {
    const store = await open();
    await Promise.all(Array.from({ length: 50 }, (_, n) => commit(store, put(`k${n}`, ''))));
    const other = openDatabase(path());
    expect(other.prepare('SELECT count(*) AS n FROM kv').get()).toEqual({ n: 50 });
    other.close();
    await store.close();
  });
});
