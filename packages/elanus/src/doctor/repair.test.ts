/**
 * Goal: what can be made anew from whole bytes is, and the database then answers as before; what
 * cannot is left as it is, byte for byte, and told.
 */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { t } from '@elanus/client';
import { isElanusError } from '@elanus/core';
import { fileObjectStore, nodeFs } from '@elanus/storage/local';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { elanus } from '../open.ts';
import { examine, repair } from './doctor.ts';

const DIM = 1_024;
/** Above 64 MiB a segment is sealed, when the next batch comes. */
const ROWS = 20_000;
const BATCH = 2_000;
const MINUTE_MS = 60_000;
const FIELDS = {
  id: t.varchar({ primary: true, maxLength: 16 }),
  n: t.int64({ nullable: true }),
  vec: t.vector(DIM, { metric: 'l2' }),
};
let home = '';
/** A folder with a flushed and indexed segment, deletes, and rows in the log only. */
let whole = '';
/** What `answersOf` says of it. */
let answers: unknown;
/** Rows that have an index: those of the flushed segment. */
let indexed = 0;

/** Rows by vector, by key and by filter; and how many there are. */
async function answersOf(folder: string): Promise<unknown> {
  const db = await elanus(folder);
  const rows = await db.collection('rows', FIELDS);
  const vector = Float32Array.from({ length: DIM }, (_, i) => (i * 7) % 251);
  const found = [
    // Many rows are alike: which of them an index meets first is its own affair.
    (await rows.search({ vector, limit: 5, consistency: 'strong' })).map(({ score }) => score),
    await rows.get(['k0', 'k7', 'k15000'], { select: ['id', 'n'] }),
    await rows.query({ filter: { n: { gte: 19_990n } }, select: ['id'] }),
    await rows.count(),
  ];
  await db.close();
  return found;
}

async function untilIndexed(folder: string): Promise<number> {
  const db = await elanus(folder);
  const rows = await db.collection('rows', FIELDS);
  for (let tries = 0; (await rows.describe()).indexedRows === 0 && tries < 400; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { indexedRows } = await rows.describe();
  await db.close();
  return indexedRows;
}

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'elanus-repair-'));
  whole = join(home, 'whole');
  const db = await elanus(whole);
  const rows = await db.collection('rows', FIELDS);
  for (let first = 0; first < ROWS; first += BATCH) {
    const at = Array.from({ length: BATCH }, (_, i) => first + i);
    const vec = Float32Array.from({ length: BATCH * DIM }, (_, i) => (first + i * 7) % 251);
    const n = at.map((i) => (i % 3 === 0 ? null : BigInt(i)));
    await rows.insert({ id: at.map((i) => `k${i}`), n, vec });
  }
  await db.close();
  indexed = await untilIndexed(whole);
  const again = await elanus(whole);
  await (await again.collection('rows', FIELDS)).delete({ ids: ['k7'] });
  await again.close();
  answers = await answersOf(whole);
}, 120_000);

afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Files of objects and log, with a hash of their bytes. */
function fingerprint(folder: string): string[] {
  const path = (name: string): string => relative(folder, name);
  const hash = (name: string): string =>
    createHash('sha256').update(readFileSync(name)).digest('hex');
  return [...filesOf(join(folder, 'objects')), ...filesOf(join(folder, 'log'))].map(
    (name) => `${path(name)} ${hash(name)}`,
  );
}

function find(folder: string, name: RegExp): string {
  const path = filesOf(folder).find((one) => name.test(one));
  if (path === undefined) throw new Error(`no file is called ${name}`);
  return path;
}

function flip(path: string, share = 0.4): void {
  const bytes = readFileSync(path);
  const at = Math.floor((bytes.length - 1) * share);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  writeFileSync(path, bytes);
}

/** A copy of the whole folder, changed. */
function spoilt(...names: readonly (RegExp | ((folder: string) => void))[]): string {
  const folder = mkdtempSync(join(home, 'spoilt-'));
  cpSync(whole, folder, { recursive: true });
  for (const name of names) {
    if (name instanceof RegExp) flip(find(folder, name));
    else name(folder);
  }
  return folder;
}

const INDEX = /index-\d+\.bin$/;
const KEYS = /keys\.bin$/;
const STATS = /stats\.json$/;
const RECOVERY = /\/recovery\//;

describe('what is mended', () => {
  it.each([
    ['keys', [KEYS]],
    ['statistics', [STATS]],
    ['both', [KEYS, STATS]],
  ] as const)('%s: the very bytes that were there', async (_what, names) => {
    for (const harm of [flip, (path: string) => rmSync(path)]) {
      const folder = spoilt((at) => {
        for (const name of names) harm(find(at, name));
      });
      const { repairs, damage } = await repair(folder);
      expect(repairs.map(({ what }) => names.some((name) => name.test(what)))).toEqual(
        names.map(() => true),
      );
      expect(damage).toEqual([]);
      expect(fingerprint(folder)).toEqual(fingerprint(whole));
      rmSync(folder, { recursive: true });
    }
  });

  it('an index is dropped, rows are scanned, and the database builds it again', async () => {
    const folder = spoilt(INDEX);
    const { repairs, damage } = await repair(folder);
    expect(repairs).toMatchObject([{ what: expect.stringMatching(INDEX) as string }]);
    expect(damage).toEqual([]);
    expect(filesOf(folder).filter((path) => INDEX.test(path))).toEqual([]);
    expect(await answersOf(folder)).toEqual(answers);
    expect(indexed).toBeGreaterThan(ROWS / 2);
    // But for the one that has been deleted since.
    expect(await untilIndexed(folder)).toBe(indexed - 1);
    expect((await examine(folder)).damage).toEqual([]);
    expect(await answersOf(folder)).toEqual(answers);
  });

  it('a snapshot of idempotency keys goes when all are out of date, not before', async () => {
    const folder = spoilt(RECOVERY);
    const young = await repair(folder, { aheadMs: 5 * MINUTE_MS });
    expect([young.repairs, young.damage.map(({ part }) => part)]).toEqual([[], ['recovery']]);
    const old = await repair(folder, { aheadMs: 30 * MINUTE_MS });
    expect(old.repairs).toMatchObject([{ what: expect.stringMatching(/recovery/) as string }]);
    expect(old.damage).toEqual([]);
    expect(await answersOf(folder)).toEqual(answers);
  });

  it('a damaged object that nothing names is removed, a whole one is left', async () => {
    const folder = spoilt();
    const objects = await fileObjectStore({ fs: nodeFs(folder) });
    for (const name of ['damaged', 'whole']) {
      await objects.put(`c9/${name}.bin`, [readFileSync(find(folder, STATS))]);
    }
    await objects.close();
    flip(join(folder, 'objects/c9/damaged.bin'));
    const { repairs, damage, notes } = await repair(folder);
    expect([repairs.map(({ what }) => what), damage]).toEqual([['c9/damaged.bin'], []]);
    expect(notes.join()).toContain('1 objects are named by nobody');
    expect(filesOf(folder).some((path) => path.endsWith('c9/whole.bin'))).toBe(true);
  });

  it('nothing, of a sound folder', async () => {
    const folder = spoilt();
    const before = fingerprint(folder);
    expect(await repair(folder)).toMatchObject({ repairs: [], damage: [] });
    expect(fingerprint(folder)).toEqual(before);
  });
});

describe('what is not', () => {
  const meta = (folder: string): void => {
    const path = join(folder, 'meta.db');
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0x5a, 4_096, bytes.length));
  };
  const log = (folder: string): void => flip(find(folder, /\/log\/p0\/[^/]+$/), 0.3);

  it.each([
    ['vectors', [/vec-\d+\.bin$/], 1],
    ['scalars', [/scalars\.arrow$/], 1],
    ['keys beside damaged scalars', [/scalars\.arrow$/, KEYS], 2],
    ['the log', [log], 1],
    ['the metadata, and so keys', [meta, KEYS], 2],
  ] as const)('%s: left as it is, and told', async (_what, names, count) => {
    const folder = spoilt(...names);
    const before = fingerprint(folder);
    const { repairs, damage } = await repair(folder);
    expect([repairs, damage.length]).toEqual([[], count]);
    expect(damage.every(({ cure }) => cure !== '')).toBe(true);
    expect(fingerprint(folder)).toEqual(before);
  });

  it('files of a segment whose list is damaged are kept: nobody knows what they are', async () => {
    const folder = spoilt(/manifest\.json$/, /vec-\d+\.bin$/);
    const before = fingerprint(folder);
    const { repairs, damage, notes } = await repair(folder);
    expect(repairs).toEqual([]);
    const parts = damage.map(({ part }) => part);
    expect(parts).toEqual(expect.arrayContaining(['manifest', 'unnamed']));
    expect(damage.find(({ part }) => part === 'unnamed')?.cure).toContain('keep it');
    expect(notes.join()).toContain('keep them');
    expect(fingerprint(folder)).toEqual(before);
  });

  it('a folder that someone has open', async () => {
    const folder = spoilt();
    const db = await elanus(folder);
    const failure = await repair(folder).catch((error: unknown) => error);
    expect(isElanusError(failure, 'folder_locked')).toBe(true);
    await db.close();
  });
});
