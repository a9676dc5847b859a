// Goal: what no model covers of vectors of other types: their segments get indexes that find what a
// scan finds, full chunks of growing rows are coded, and a damaged file of theirs is told.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, t, type Db } from '@elanus/client';
import { flushShard, invoke } from '@elanus/protocol';
import { type OpenWorld } from '@elanus/runtime';
import { localWorld } from '@elanus/runtime/local';
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

test('long searches of bits and sparse vectors run on threads, with the same answer', async () => {
  const rows = await db.collection('rows', {
    id: t.int64({ primary: true, as: 'number' }),
    bits: t.vector(256, { type: 'binary', metric: 'jaccard' }),
    words: t.sparse(),
  });
  const count = 6_000;
  const entries = 12;
  const numbers = clustered();
  const bits = Uint8Array.from({ length: count * 32 }, (_, i) => Math.abs(numbers[i] ?? 0) * 5);
  const words = {
    offsets: Uint32Array.from({ length: count + 1 }, (_, i) => i * entries),
    indices: Uint32Array.from({ length: count * entries }, (_, i) => {
      return (i % entries) * 50 + (Math.abs(numbers[i] ?? 0) % 50);
    }),
    values: Float32Array.from({ length: count * entries }, (_, i) => 1 + (i % 7)),
  };
  const id = BigInt64Array.from({ length: count }, (_, i) => BigInt(i));
  await rows.insert({ id, bits, words });
  const queries = Array.from({ length: 60 }, (_, i) => i * 97);
  for (const field of ['bits', 'words'] as const) {
    const options = { field, limit: 5, select: [] } as const;
    const vectors = (await rows.get(queries, { select: [field] })).map((row) => row?.[field] ?? []);
    const many = await rows.search({ ...options, vectors: vectors as never });
    for (const [q, vector] of vectors.slice(0, 5).entries()) {
      expect(await rows.search({ ...options, vector: vector as never })).toEqual(many[q]);
    }
    expect(await rows.search({ ...options, ids: queries })).toEqual(many);
    const [hits] = many;
    if (field === 'bits') expect(hits?.[0]).toMatchObject({ id: 0, score: 0 });
  }
  const report = await rows.explain({ field: 'bits', vector: bits.slice(0, 32), limit: 5 });
  expect(report).toMatchObject({ recallIs: 'exact', expectedRecall: 1 });
  expect(report.segments).toMatchObject([{ index: 'BIN_FLAT', strategy: 'exact' }]);
});

test('sparse rows are found by postings, exactly', { timeout: 120_000 }, async () => {
  const rows = await db.collection('rows', {
    id: t.int64({ primary: true, as: 'number' }),
    group: t.int32(),
    words: t.sparse(),
  });
  const numbers = clustered();
  const words = (row: number) => {
    const start = row * DIM;
    const entries = Array.from(numbers.slice(start, start + 10), (number, i) => {
      return [i * 40 + (Math.abs(number) % 40), 1 + (i % 3)] as const;
    });
    return Object.fromEntries(entries);
  };
  const input = Array.from({ length: 3_000 }, (_, id) => ({
    id,
    group: id % 50,
    words: words(id),
  }));
  await rows.insert(input);
  const searches = Array.from({ length: 20 }, (_, i) => ({
    vector: i === 0 ? { 1_000_000: 1 } : words(i * 131),
    limit: 1 + i * 3,
    select: [],
    ...(i % 3 === 0 ? { filter: { group: i } } : {}),
    ...(i % 4 === 0 ? { within: { min: 2 } } : {}),
  }));
  const answers = async (more: object = {}) =>
    Promise.all(searches.map((search) => rows.search({ ...search, ...more } as never)));
  const scanned = await answers();
  await flush();
  const indexed = async () => (await db.describe('rows')).indexedRows;
  await expect.poll(indexed, { timeout: 60_000 }).toBe(3_000);
  const report = await rows.explain({ vector: words(7), limit: 5 });
  expect(report).toMatchObject({ recallIs: 'exact', expectedRecall: 1 });
  expect(report.segments).toMatchObject([{ index: 'SPARSE_INVERTED', strategy: 'postings' }]);
  expect(report.candidates).toBeLessThan(3_000);
  expect(await answers()).toEqual(scanned);
  expect(await answers({ recall: 1 })).toEqual(scanned);
  expect(await answers({ params: { exact: 1 } })).toEqual(scanned);
  const dropping = { params: { dropRatio: 0.3 } } as const;
  const [hits] = await answers({ ...dropping, limit: 1, filter: undefined, within: undefined });
  expect(hits).toHaveLength(1);
  const told = await rows.explain({ vector: words(7), limit: 5, ...dropping });
  expect(told.recallIs).toBe('likely');
  for (const params of [{ dropRatio: 1 }, { nprobe: 4 }]) {
    const refused = rows.search({ vector: words(7), params });
    await expect(refused).rejects.toMatchObject({ code: 'invalid_argument' });
  }
});

test('zero vectors under cosine score 0, whatever the type', async () => {
  const rows = await db.collection('rows', {
    id: t.int64({ primary: true, as: 'number' }),
    half: t.vector(2, { type: 'float16' }),
    brain: t.vector(2, { type: 'bfloat16' }),
    small: t.vector(2, { type: 'int8' }),
  });
  const all = (vector: number[]) => ({ half: vector, brain: vector, small: vector });
  await rows.insert([
    { id: 1, ...all([0, 0]) },
    { id: 2, ...all([-1, 0]) },
  ]);
  for (const field of ['half', 'brain', 'small'] as const) {
    const hits = await rows.search({ field, vector: [2, 0], limit: 2, select: [] });
    expect(hits.map(({ id, score }) => [id, score])).toEqual([
      [1, 0],
      [2, -1],
    ]);
    const zero = await rows.search({ field, vector: [0, 0], limit: 2, select: [] });
    expect(zero.map(({ score }) => score + 0)).toEqual([0, 0]);
  }
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
