// Goal: what no model covers of vectors of other types: their segments get indexes that find what a
// scan finds, full chunks of growing rows are coded, and a damaged file of theirs is told.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, t, type Db } from '@elanus/client';
import { flushShard, invoke } from '@elanus/protocol';
import { localWorld, type OpenWorld } from '@elanus/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startEmbedded } from './embedded.ts';

let folder: string;
let world: OpenWorld;
let db: Db;

async function open(): Promise<void> {
  world = await localWorld(folder, { durability: 'process' });
  db = connect(await startEmbedded({ world, durability: 'process', kernels: 'auto' }));
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'elanus-vectors-'));
  await open();
});
afterEach(async () => {
  await db.close();
  rmSync(folder, { recursive: true, force: true });
});

const ROWS = 12_000;
const DIM = 24;
const flush = () => invoke(world.bus, flushShard, { header: { collectionId: 1, shard: 0 } });

/** Numbers around 20 centres, -100 to 100, as real vectors stand. */
function clustered(): Float32Array {
  let state = 11;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const centres = Array.from({ length: 20 * DIM }, () => next() * 140 - 70);
  return Float32Array.from({ length: ROWS * DIM }, (_, i) => {
    const centre = (Math.floor(i / DIM) * 7) % 20;
    return Math.round((centres[centre * DIM + (i % DIM)] ?? 0) + next() * 60 - 30);
  });
}

test('rows of 16 and 8 bits are indexed as those of 32 are', { timeout: 240_000 }, async () => {
  const names = ['float16', 'bfloat16', 'int8'] as const;
  const rows = await db.collection('rows', {
    id: t.int64({ primary: true, as: 'number' }),
    float16: t.vector(DIM, { type: 'float16', metric: 'cosine' }),
    bfloat16: t.vector(DIM, { type: 'bfloat16', metric: 'ip' }),
    int8: t.vector(DIM, { type: 'int8', metric: 'l2' }),
  });
  const numbers = clustered();
  const id = BigInt64Array.from({ length: ROWS }, (_, i) => BigInt(i));
  const int8 = Int8Array.from(numbers);
  await rows.insert({ id, float16: numbers, bfloat16: numbers, int8 });
  const recalls = async (): Promise<Record<string, number>> => {
    const found: Record<string, number> = {};
    for (const field of names) {
      const vectors = Array.from({ length: 30 }, (_, i) =>
        numbers.slice(i * 397 * DIM, (i * 397 + 1) * DIM),
      );
      const options = { field, vectors, limit: 10, select: [] } as const;
      const exact = await rows.search({ ...options, recall: 1 });
      const hits = await rows.search(options);
      const same = hits.flatMap((list, q) => {
        const want = new Set(exact[q]?.map((hit) => hit.id));
        return list.filter((hit) => want.has(hit.id));
      });
      found[field] = same.length / 300;
    }
    return found;
  };
  const vector = numbers.slice(0, DIM);
  const indexOf = async (field: (typeof names)[number]) =>
    (await rows.explain({ field, vector, limit: 10 })).segments.map((segment) => segment.index);
  for (const value of Object.values(await recalls())) expect(value).toBeGreaterThan(0.95);
  await expect.poll(() => indexOf('int8'), { timeout: 60_000 }).toEqual(['FLAT_SQ8']);
  for (const value of Object.values(await recalls())) expect(value).toBeGreaterThan(0.95);
  await flush();
  const indexed = async () => (await db.describe('rows')).indexedRows;
  await expect.poll(indexed, { timeout: 200_000, interval: 200 }).toBe(ROWS);
  for (const field of names) expect(await indexOf(field)).toEqual(['HNSW']);
  for (const value of Object.values(await recalls())) expect(value).toBeGreaterThan(0.95);
});

test('a damaged file of vectors is told when it is loaded', async () => {
  const rows = await db.collection('rows', {
    id: t.int64({ primary: true }),
    bits: t.vector(16, { type: 'binary' }),
    words: t.sparse(),
  });
  await rows.insert([{ id: 1n, bits: [1, 2], words: { 5: 1 } }]);
  await flush();
  await db.close();
  const files = readdirSync(folder, { recursive: true }).map(String);
  const name = files.find((file) => file.endsWith('vec-102.bin')) ?? '';
  const bytes = readFileSync(join(folder, name));
  bytes[70] = 9;
  writeFileSync(join(folder, name), bytes);
  await expect(open()).rejects.toMatchObject({ code: 'file_corrupt' });
  bytes[70] = 0;
  writeFileSync(join(folder, name), bytes);
  await open();
});
