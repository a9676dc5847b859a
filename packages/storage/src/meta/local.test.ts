import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commit, put, updates } from '../conformance/meta-kit.ts';
import { describeMetaStore } from '../conformance/meta.ts';
import { testClock } from '../testing/test-clock.ts';
import { engineFailure, MetaEngine } from './local-engine.ts';
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
    db.exec('PRAGMA user_version = 3');
    db.close();
    await expect(open()).rejects.toMatchObject({
      code: 'format_too_new',
      details: { version: 3, supported: 2 },
    });
  });

  test('a file that is no database is refused', async () => {
    writeFileSync(path(), 'this is not a database, and long enough to be looked at'.repeat(30));
    await expect(open()).rejects.toMatchObject({ code: 'file_corrupt' });
  });

  test('any byte that is changed is refused, or changes nothing', { timeout: 60_000 }, async () => {
    const store = await open();
    for (let n = 0; n < 40; n++) await commit(store, put(`key/${n}`, `value ${n} `.repeat(20)));
    await commit(store, { delete: 'key/7' });
    const before = await store.range('');
    await store.close();
    const whole = readFileSync(path());
    let refused = 0;
    for (let n = 0; n < 300; n++) {
      const bytes = Buffer.from(whole);
      // The head of the file, where each byte means something, and places all over it.
      const at = n < 100 ? n : (n * 7_919) % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (n % 8));
      rmSync(folder, { recursive: true });
      mkdirSync(folder);
      writeFileSync(path(), bytes);
      try {
        const engine = new MetaEngine({ path: path(), durability: 'process', expected: true });
        const { revision } = engine;
        expect([at, engine.range(''), revision]).toEqual([at, before.entries, before.revision]);
        engine.close();
      } catch (error) {
        const { code } = engineFailure(error, path());
        expect([at, code]).toEqual([at, expect.stringMatching(/^(file_corrupt|format_too_new)$/)]);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(80);
  });

  test.each([
    ['a value', `UPDATE kv SET value = x'00' WHERE key = 'a'`],
    ['a revision', `UPDATE kv SET modified = modified - 1 WHERE key = 'a'`],
    ['a row less', `DELETE FROM kv WHERE key = 'a'`],
    ['a row more', `INSERT INTO kv SELECT 'c', value, created, modified, lease, sum FROM kv`],
    ['the revision of all', 'UPDATE whole SET revision = revision - 1'],
    ['the version', 'PRAGMA user_version = 1'],
    ['no version', 'PRAGMA user_version = 0'],
  ])('%s that is not as it was written is refused', async (_what, harm) => {
    const store = await open();
    await commit(store, put('a', '1'));
    await store.close();
    const db = openDatabase(path());
    db.exec(harm);
    db.close();
    await expect(open()).rejects.toMatchObject({ code: 'file_corrupt' });
  });

  test('a killed process leaves a journal: damage in it is refused, a torn end is not', () => {
    const engine = new MetaEngine({ path: path(), durability: 'power' });
    const value = new Uint8Array(100).fill(7);
    const compare = [] as const;
    for (let n = 0; n < 20; n++) engine.txn({ compare, then: [{ put: `k${n}`, value }] });
    const [database, journal] = [readFileSync(path()), readFileSync(`${path()}-wal`)];
    const mark = readFileSync(`${path()}-mark`);
    engine.close();
    const rowsAfter = (harm: (bytes: Buffer) => Buffer | undefined, marked?: Buffer): number => {
      rmSync(`${path()}-shm`, { force: true });
      rmSync(`${path()}-mark`, { force: true });
      writeFileSync(path(), database);
      const harmed = harm(Buffer.from(journal));
      if (harmed === undefined) rmSync(`${path()}-wal`, { force: true });
      else writeFileSync(`${path()}-wal`, harmed);
      if (marked !== undefined) writeFileSync(`${path()}-mark`, marked);
      const again = new MetaEngine({ path: path(), durability: 'power' });
      const { length } = again.range('');
      again.close();
      return length;
    };
    const flipped = (at: number) => (bytes: Buffer) => {
      bytes[at] = (bytes[at] ?? 0) ^ 4;
      return bytes;
    };
    expect(rowsAfter((bytes) => bytes)).toBe(20);
    // The last transaction may be torn: nothing vouches for it.
    expect(rowsAfter((bytes) => bytes.subarray(0, -100))).toBe(19);
    expect(rowsAfter(flipped(journal.length - 500))).toBe(19);
    for (const share of [0, 0.1, 0.4, 0.8]) {
      const harm = flipped(Math.floor(journal.length * share));
      expect(() => rowsAfter(harm)).toThrow('file_corrupt');
    }
    // What was acknowledged is missed, wherever the journal ends.
    expect(rowsAfter((bytes) => bytes, mark)).toBe(20);
    for (const share of [0, 0.3, 0.7, 0.99]) {
      const cut = (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length * share));
      expect(() => rowsAfter(cut, mark)).toThrow('file_corrupt');
    }
    expect(() => rowsAfter(() => undefined, mark)).toThrow('file_corrupt');
  });

  test('a mark that power loss left behind is no reason, a damaged one is', () => {
    const markPath = `${path()}-mark`;
    const commitOne = (key: string): number => {
      const engine = new MetaEngine({ path: path(), durability: 'power' });
      engine.txn({ compare: [], then: [{ put: key, value: new Uint8Array(1) }] });
      const { revision } = engine;
      engine.close();
      return revision;
    };
    expect(commitOne('a')).toBe(1);
    const old = readFileSync(markPath);
    expect(commitOne('b')).toBe(2);
    for (const left of [old, Buffer.alloc(0), Buffer.alloc(old.length)]) {
      writeFileSync(markPath, left);
      commitOne('c');
    }
    for (let at = 0; at < old.length; at++) {
      const damaged = Buffer.from(old);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      writeFileSync(markPath, damaged);
      expect(() => commitOne('d')).toThrow('file_corrupt');
    }
    // Whoever removes it says that he knows.
    rmSync(markPath);
    expect(commitOne('e')).toBe(6);
    // In class process a commit may go with the power: nothing is marked.
    new MetaEngine({ path: path(), durability: 'process' }).close();
    expect(existsSync(markPath)).toBe(false);
  });

  test('a file that should be there is not made anew', async () => {
    const again = () => localMetaStore({ path: path(), clock: testClock, expected: true });
    await expect(again()).rejects.toMatchObject({ code: 'file_corrupt' });
    rmSync(path(), { force: true });
    await (await open()).close();
    await (await again()).close();
    writeFileSync(path(), '');
    await expect(again()).rejects.toMatchObject({ code: 'file_corrupt' });
  });

  test('tables of version 1 are taken over with what is in them', async () => {
    const db = openDatabase(path());
    db.exec(`
  CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS kv (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
    lease TEXT
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS kv_lease ON kv (lease) WHERE lease IS NOT NULL;
      INSERT INTO state VALUES ('revision', 9);
      INSERT INTO kv VALUES ('a', x'31', 3, 9, NULL), ('b', x'', 4, 4, NULL), ('c', x'', 5, 5, 'l');
      PRAGMA user_version = 1`);
    db.close();
    for (let opening = 0; opening < 2; opening++) {
      const store = await open();
      const { entries, revision } = await store.range('');
      // No lease outlives the process: its key goes in a revision of its own.
      expect(revision).toBe(10);
      expect(entries.map(({ key, value }) => `${key}=${Buffer.from(value).toString()}`)).toEqual([
        'a=1',
        'b=',
      ]);
      expect(entries[0]).toMatchObject({ createRevision: 3, modRevision: 9 });
      await store.close();
    }
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
