/**
 * Goal: whatever byte at rest is damaged, the doctor names it, and says what is lost by it; a sound
 * folder is sound, and no folder is changed by looking at it. (What it mends: repair.test.ts.)
 */
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { t } from '@elanus/client';
import { isElanusError } from '@elanus/core';
import { localLogStore, nodeFs } from '@elanus/storage/local';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { elanus } from '../open.ts';
import { examine } from './doctor.ts';
import type { Report } from './findings.ts';

const DIM = 1_024;
/** Above 64 MiB a segment is sealed, when the next batch comes. */
const ROWS = 20_000;
const BATCH = 2_000;
let home = '';
/** A folder with a flushed and indexed segment, deletes, and rows in the log only. */
let whole = '';

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'elanus-doctor-'));
  whole = join(home, 'whole');
  const db = await elanus(whole);
  const rows = await db.collection('rows', {
    id: t.int64({ primary: true, as: 'number' }),
    v: t.vector(DIM, { metric: 'l2' }),
  });
  for (let first = 0; first < ROWS; first += BATCH) {
    const id = BigInt64Array.from({ length: BATCH }, (_, i) => BigInt(first + i));
    const v = Float32Array.from({ length: BATCH * DIM }, (_, i) => (first + i * 7) % 251);
    await rows.insert({ id, v });
  }
  for (let tries = 0; (await rows.describe()).indexedRows === 0 && tries < 400; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await rows.delete({ ids: [1, 2, 3] });
  await db.close();
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

/** Every file but the lock's, with a hash of its bytes. */
function fingerprint(folder: string): string[] {
  return filesOf(folder)
    .filter((path) => !/\/lock(\.pid|-journal)?$/.test(path))
    .map((path) => `${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`);
}

/**
 * The copy with one of its files spoilt, and what the doctor says of it; then it is whole again.
 */
async function spoil(name: RegExp, change: (path: string) => void): Promise<Report> {
  const folder = join(home, 'spoilt');
  if (!existsSync(folder)) cpSync(whole, folder, { recursive: true });
  const path = filesOf(folder).find((one) => name.test(one));
  if (path === undefined) throw new Error(`no file is called ${name}`);
  change(path);
  const before = fingerprint(folder);
  const report = await examine(folder);
  expect(fingerprint(folder)).toEqual(before);
  cpSync(path.replace(folder, whole), path);
  return report;
}

/** Changes one byte, at a share of the file. */
const flip =
  (share: number) =>
  (path: string): void => {
    const bytes = readFileSync(path);
    const at = Math.floor((bytes.length - 1) * share);
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    writeFileSync(path, bytes);
  };

describe('a sound folder', () => {
  it('is sound, and not changed', async () => {
    const before = fingerprint(whole);
    const report = await examine(whole);
    expect(report.damage).toEqual([]);
    expect(report).toMatchObject({ collections: 1, segments: 1 });
    expect(report.objects).toBeGreaterThanOrEqual(6);
    expect(report.records).toBeGreaterThan(1);
    expect(fingerprint(whole)).toEqual(before);
  });

  it('is sound with what a crash left, and that stays where it is', async () => {
    const folder = join(home, 'crashed');
    cpSync(whole, folder, { recursive: true });
    writeFileSync(join(folder, 'objects/.tmp/7'), 'half an object');
    const log = filesOf(join(folder, 'log')).at(-1) ?? '';
    appendFileSync(log, Buffer.alloc(100, 0x5a));
    const before = fingerprint(folder);
    expect((await examine(folder)).damage).toEqual([]);
    expect(fingerprint(folder)).toEqual(before);
  });

  it('is refused while someone has it open, and is no folder without a database', async () => {
    const db = await elanus(whole);
    const locked = await examine(whole).catch((error: unknown) => error);
    expect(isElanusError(locked, 'folder_locked')).toBe(true);
    await db.close();
    const missing = join(home, 'missing');
    const none = await examine(missing).catch((error: unknown) => error);
    expect(isElanusError(none, 'file_not_found')).toBe(true);
    expect(existsSync(missing)).toBe(false);
  });
});

describe('damage', () => {
  const cases: readonly (readonly [string, RegExp, RegExp])[] = [
    ['vectors', /vec-\d+\.bin$/, /Vectors of these rows are lost/],
    ['scalars', /scalars\.arrow$/, /Fields of these rows are lost/],
    ['an index', /index-\d+\.bin$/, /No row is lost: the database builds it anew/],
    ['keys', /keys\.bin$/, /No row is lost/],
    ['stats', /stats\.json$/, /No row is lost/],
    ['a manifest', /manifest\.json$/, /restore it from a backup/],
  ];

  it.each(cases)('of %s is named, wherever it is', async (_what, name, cure) => {
    for (const share of name.test('stats.json') ? [0, 0.5, 1] : [0.37]) {
      const { damage } = await spoil(name, flip(share));
      expect(damage.length).toBeGreaterThanOrEqual(1);
      const named = damage.filter(({ what }) => name.test(what));
      expect(named).not.toEqual([]);
      expect(named.some((one) => cure.test(one.cure))).toBe(true);
    }
  });

  it.each(cases)('that is a missing file of %s is named', async (_what, name) => {
    const { damage } = await spoil(name, (path) => rmSync(path));
    expect(damage.some(({ what, why }) => name.test(what) && why === 'missing')).toBe(true);
  });

  it('of a cut file is named', async () => {
    const { damage } = await spoil(/vec-\d+\.bin$/, (path) => truncateSync(path, 5_000));
    expect(damage.map(({ what }) => what).join()).toMatch(/vec-/);
  });

  it('of the log is named with its place', async () => {
    const { damage } = await spoil(/\/log\/p0\/[^/]+$/, flip(0.3));
    expect(damage).toHaveLength(1);
    expect(damage[0]?.what).toBe('log/p0');
    expect(damage[0]?.cure).toContain('Rows of flushed segments are whole');
  });

  it('of a record that the log stored as it came is named', async () => {
    const folder = join(home, 'foreign');
    cpSync(whole, folder, { recursive: true });
    const logs = localLogStore({ fs: nodeFs(folder) });
    const stream = await logs.open('p0');
    await stream.append({ subject: 'p0', parts: [Uint8Array.of(1, 2, 3)] });
    await logs.close();
    const { damage } = await examine(folder);
    expect(damage).toMatchObject([{ what: 'log/p0' }]);
  });

  it('of the metadata is named, and the objects are checked all the same', async () => {
    const { damage, objects } = await spoil(/meta\.db$/, (path) => {
      const bytes = readFileSync(path);
      bytes.fill(0x5a, 4_096, bytes.length);
      writeFileSync(path, bytes);
    });
    expect(damage[0]?.what).toBe('meta.db');
    expect(objects).toBeGreaterThanOrEqual(6);
    expect((await examine(join(home, 'spoilt'))).damage).toEqual([]);
  });
});
