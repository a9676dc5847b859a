// Goal: on a full disk writes are refused with disk_full, nothing acknowledged is lost, reads go
// on, and once space is free writes work again in the same open database. Method: a real file
// system of a few megabytes where mounting is allowed; an injected one, everywhere.
import { execFileSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { collection, connect, t, type Db } from '@elanus/client';
import { flushShard, invoke } from '@elanus/protocol';
import { memoryWorld, type OpenWorld } from '@elanus/runtime';
import { localWorld } from '@elanus/runtime/local';
import { memoryFs } from '@elanus/storage';
import { fileObjectStore, localLogStore } from '@elanus/storage/local';
import { elanus, isElanusError } from 'elanus';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startEmbedded } from '../../packages/elanus/src/embedded.ts';
import { expectRefused, tempFolder, type Refusal } from './kit.ts';

const DIM = 64;
const BATCH = 500;
const Rows = collection('rows', {
  id: t.int64({ primary: true, as: 'number' }),
  note: t.varchar({ maxLength: 64 }),
  vec: t.vector(DIM, { metric: 'l2' }),
});
const REFUSAL: Refusal = { code: 'disk_full', kind: 'exhausted', says: /free space, then retry/ };

const openRows = (db: Db) => db.collection(Rows);
type OpenRows = Awaited<ReturnType<typeof openRows>>;

const batchFrom = (first: number) =>
  Array.from({ length: BATCH }, (_, i) => ({
    id: first + i,
    note: `row ${first + i}`,
    vec: new Float32Array(DIM).fill(first + i),
  }));

/** The client asks again until its time is over: short, or a full disk takes 30 s to tell. */
const SOON = { timeoutMs: 500 };

/** Writes until a write is refused; returns how many rows were acknowledged. */
async function fill(rows: OpenRows, first: number): Promise<number> {
  for (let n = first; n < first + 1_000_000; n += BATCH) {
    try {
      await rows.insert(batchFrom(n), SOON);
    } catch (error) {
      if (isElanusError(error, 'disk_full')) return n;
      throw error;
    }
  }
  throw new Error('the disk was never full');
}

/** Everything acknowledged is there, whole, and nothing else. */
async function expectRows(rows: OpenRows, total: number): Promise<void> {
  expect(await rows.count()).toBe(total);
  let next = 0;
  for await (const row of rows.scan({ select: ['id', 'note', 'vec'] }).rows()) {
    const whole = row.id === next && row.note === `row ${next}` && row.vec[DIM - 1] === next;
    if (!whole) throw new Error(`row ${row.id} in place of ${next}`);
    next++;
  }
  expect(next).toBe(total);
  const at = total - 3;
  const [hit] = await rows.search({ vector: new Float32Array(DIM).fill(at), limit: 1 });
  expect(hit).toMatchObject({ id: at, score: 0 });
}

/** Mounts a small file system over a fresh folder; undefined where that is not allowed. */
function smallDisk(megabytes: number): string | undefined {
  const folder = tempFolder();
  const mount = ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder.path];
  try {
    execFileSync('mount', mount, { stdio: 'ignore' });
  } catch {
    folder.remove();
    return undefined;
  }
  onTestFinished(() => {
    execFileSync('umount', ['-l', folder.path]);
    folder.remove();
  });
  return folder.path;
}

const mayMount = process.platform === 'linux' && process.getuid?.() === 0;

describe.runIf(mayMount)('a disk of 24 MB', () => {
  test('writes are refused and go on after space is freed', {
    timeout: 240_000,
  }, async (context) => {
    const disk = smallDisk(24);
    if (disk === undefined) return context.skip('mounting is not allowed here');
    const ballast = join(disk, 'ballast');
    writeFileSync(ballast, Buffer.alloc(12 * 1024 * 1024, 1));
    const path = join(disk, 'data');
    const db = await elanus(path);
    const rows = await openRows(db);
    const full = await fill(rows, 0);
    expect(full).toBeGreaterThan(BATCH * 10);
    await expectRows(rows, full);
    await expectRefused(() => rows.upsert(batchFrom(0), SOON), REFUSAL);
    await expectRows(rows, full);

    rmSync(ballast);
    await rows.insert(batchFrom(full));
    await rows.delete({ ids: [0] });
    await rows.upsert([{ id: 0, note: 'row 0', vec: new Float32Array(DIM) }]);
    await expectRows(rows, full + BATCH);
    await db.close();

    const again = await elanus(path);
    await expectRows(await openRows(again), full + BATCH);
    await again.close();
  });

  test('a flush waits for space', { timeout: 240_000 }, async (context) => {
    const disk = smallDisk(32);
    if (disk === undefined) return context.skip('mounting is not allowed here');
    const path = join(disk, 'data');
    const world = await localWorld(path, { durability: 'power' });
    const database = await startEmbedded({ world, durability: 'power', kernels: 'auto' });
    const db = connect(database);
    const rows = await openRows(db);
    for (let n = 0; n < 20; n++) await rows.insert(batchFrom(n * BATCH));
    const ballast = join(disk, 'ballast');
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(ballast, Buffer.alloc(bavail * bsize - 300_000, 1));
    await expectRefused(() => flush(world), { code: 'disk_full', kind: 'exhausted' });
    await expectRows(rows, 20 * BATCH);
    rmSync(ballast);
    await flush(world);
    await expectRows(rows, 20 * BATCH);
    await db.close();
    const again = await elanus(path);
    await expectRows(await openRows(again), 20 * BATCH);
    await again.close();
  });
});

async function flush(world: OpenWorld): Promise<void> {
  await invoke(world.bus, flushShard, { header: { collectionId: 1, shard: 0 } });
}

/** A world in memory, its log and objects on a file system that can be told to be full. */
async function injected() {
  const fs = memoryFs();
  const base = await memoryWorld();
  const logs = localLogStore({ fs, durability: 'power' });
  const objects = await fileObjectStore({ fs, durability: 'power' });
  const world: OpenWorld = { ...base, fs, logs, objects };
  const database = await startEmbedded({ world, durability: 'power', kernels: 'auto' });
  return { fs, world, db: connect(database) };
}

describe('an injected full disk', () => {
  test.each(['disk_full', 'short'] as const)('writes, %s', async (fault) => {
    const { fs, db } = await injected();
    const rows = await openRows(db);
    await rows.insert(batchFrom(0));
    fs.setFault(({ kind }) => (kind === 'write' ? fault : undefined));
    for (let attempt = 0; attempt < 2; attempt++) {
      await expectRefused(() => rows.insert(batchFrom(BATCH), SOON), REFUSAL);
      await expectRefused(() => rows.delete({ ids: [1] }, SOON), REFUSAL);
      await expectRows(rows, BATCH);
    }
    fs.setFault(undefined);
    await rows.insert(batchFrom(BATCH));
    await expectRows(rows, 2 * BATCH);
    await db.close();
  });

  test('flushes are tried again', async () => {
    const { fs, world, db } = await injected();
    const rows = await openRows(db);
    await rows.insert(batchFrom(0));
    fs.setFault(({ kind, path }) => {
      return kind === 'write' && path.startsWith('objects') ? 'disk_full' : undefined;
    });
    await expectRefused(() => flush(world), { code: 'disk_full', kind: 'exhausted' });
    await expectRows(rows, BATCH);
    await rows.insert(batchFrom(BATCH));
    fs.setFault(undefined);
    await flush(world);
    await expectRows(rows, 2 * BATCH);
    await db.close();
  });

  test('many writes in flight: each is acknowledged or refused, none is half there', async () => {
    const { fs, db } = await injected();
    const rows = await openRows(db);
    let writes = 0;
    fs.setFault(({ kind }) => (kind === 'write' && ++writes % 3 === 0 ? 'short' : undefined));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 24 }, (_, n) => rows.insert(batchFrom(n * BATCH), { timeoutMs: 100 })),
    );
    fs.setFault(undefined);
    const acknowledged = outcomes.filter((outcome) => outcome.status === 'fulfilled').length;
    const held = await rows.count();
    expect(held % BATCH).toBe(0);
    expect(held).toBeGreaterThanOrEqual(acknowledged * BATCH);
    await db.close();
  });
});
