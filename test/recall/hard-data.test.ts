// Goal: never fewer than min(limit, rows allowed), and the nearest first, whatever the data.
// Method: HNSW segments of an embedded database over data that graphs are bad at, with filters,
// deletes and bounds, against every distance computed here.
import { connect, t, type Db } from '@elanus/client';
import { flushShard, invoke } from '@elanus/protocol';
import { memoryWorld, type OpenWorld } from '@elanus/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startEmbedded } from '../../packages/elanus/src/embedded.ts';

type Metric = 'l2' | 'ip' | 'cosine';

const WAIT = { timeout: 120_000, interval: 50 };
const TOP = 1e9;

let world: OpenWorld;
let db: Db;
beforeEach(async () => {
  world = await memoryWorld();
  db = connect(await startEmbedded({ world, durability: 'process', kernels: 'auto' }));
});
afterEach(() => db.close());

let seed = 1;
function random(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32;
}

/** A collection whose rows all lie in one segment with a graph. */
async function graphOver(
  rows: Float32Array,
  shape: { dim: number; metric: Metric; m?: number; efConstruction?: number },
) {
  const { dim, metric, m = 8, efConstruction = 64 } = shape;
  const docs = await db.collection('docs', {
    id: t.int64({ primary: true, as: 'number' }),
    part: t.int32(),
    vec: t.vector(dim, { metric, index: { kind: 'hnsw', m, efConstruction } }),
  });
  const count = rows.length / dim;
  const step = Math.max(1, Math.min(count, Math.floor(4e6 / dim)));
  for (let from = 0; from < count; from += step) {
    const to = Math.min(count, from + step);
    const id = BigInt64Array.from({ length: to - from }, (_, i) => BigInt(from + i));
    const part = Int32Array.from({ length: to - from }, (_, i) => (from + i) % 100);
    await docs.insert({ id, part, vec: rows.subarray(from * dim, to * dim) });
  }
  await invoke(world.bus, flushShard, { header: { collectionId: 1, shard: 0 } });
  await expect.poll(async () => (await docs.describe()).indexes[0]?.indexedRows, WAIT).toBe(count);
  expect((await docs.describe()).indexes[0]?.parts).toMatchObject([{ kind: 'HNSW', rows: count }]);
  return docs;
}

function dotOf(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  for (let i = 0; i < a.length; i++) dot += (a[i] as number) * (b[i] as number);
  return dot;
}

function scoreOf(metric: Metric, a: Float32Array, b: Float32Array): number {
  if (metric === 'ip') return dotOf(a, b);
  if (metric === 'cosine') {
    const [aa, bb] = [dotOf(a, a), dotOf(b, b)];
    return aa === 0 || bb === 0 ? 0 : dotOf(a, b) / Math.sqrt(aa * bb);
  }
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return sum;
}

interface Asked {
  readonly rows: Float32Array;
  readonly dim: number;
  readonly metric: Metric;
  readonly query: Float32Array;
  readonly limit: number;
  /** Rows that may be returned. */
  readonly allowed: (row: number) => boolean;
}

/** Scores of the nearest allowed rows, nearest first. */
function truth({ rows, dim, metric, query, limit, allowed }: Asked): number[] {
  const scores: number[] = [];
  for (let row = 0; row < rows.length / dim; row++) {
    if (allowed(row))
      scores.push(scoreOf(metric, rows.subarray(row * dim, (row + 1) * dim), query));
  }
  return scores.sort((a, b) => (metric === 'l2' ? a - b : b - a)).slice(0, limit);
}

type Docs = Awaited<ReturnType<typeof graphOver>>;

/** Searches, and compares with the truth: as many rows, and nearly all of the nearest. */
async function expectFound(docs: Docs, asked: Asked, filter?: object): Promise<void> {
  const { query: vector, limit, metric } = asked;
  const hits = await docs.search({ vector, limit, filter: filter as never, select: [] });
  const scores = truth(asked);
  expect(hits.length).toBe(scores.length);
  expect(hits.every(({ id }) => asked.allowed(id))).toBe(true);
  expect(new Set(hits.map(({ id }) => id)).size).toBe(hits.length);
  const last = scores.at(-1) ?? 0;
  const near = 1e-4 * Math.max(1, Math.abs(last));
  const found = hits.filter(({ score }) => {
    return metric === 'l2' ? score <= last + near : score >= last - near;
  });
  expect(found.length).toBeGreaterThanOrEqual(Math.floor(scores.length * 0.9));
}

const every = (): boolean => true;

async function expectAll(docs: Docs, of: Omit<Asked, 'limit' | 'allowed'>): Promise<void> {
  for (const limit of [1, 10, 1_000]) {
    await expectFound(docs, { ...of, limit, allowed: every });
    const ofPart = (row: number): boolean => row % 100 === 7;
    await expectFound(docs, { ...of, limit, allowed: ofPart }, { part: 7 });
    const half = (row: number): boolean => row % 100 < 50;
    await expectFound(docs, { ...of, limit, allowed: half }, { part: { lt: 50 } });
  }
  expect(await docs.search({ vector: of.query, filter: { part: 500 } })).toEqual([]);
}

const METRICS: readonly Metric[] = ['l2', 'ip', 'cosine'];

describe.each(METRICS)('%s', (metric) => {
  test('thousands of equal rows', async () => {
    const dim = 16;
    const rows = Float32Array.from({ length: 4_000 * dim }, (_, i) => (i % dim) + 1);
    // A few others among them.
    for (let row = 0; row < 40; row++) rows[row * 100 * dim] = random() * 20;
    const docs = await graphOver(rows, { dim, metric });
    await expectAll(docs, { rows, dim, metric, query: rows.slice(0, dim) });
    await expectAll(docs, { rows, dim, metric, query: rows.slice(dim, 2 * dim) });
  });

  test('nothing but zeros, and a few others', async () => {
    const dim = 8;
    const rows = new Float32Array(3_000 * dim);
    for (let i = 0; i < 20 * dim; i++) rows[i] = random() - 0.5;
    const docs = await graphOver(rows, { dim, metric });
    await expectAll(docs, { rows, dim, metric, query: Float32Array.from({ length: dim }, random) });
  });

  test('dimension 1', async () => {
    const rows = Float32Array.from({ length: 5_000 }, () => random() * 2 - 1);
    const docs = await graphOver(rows, { dim: 1, metric });
    await expectAll(docs, { rows, dim: 1, metric, query: Float32Array.of(0.25) });
    await expectAll(docs, { rows, dim: 1, metric, query: Float32Array.of(-3) });
  });

  test('99 of 100 rows deleted', async () => {
    const dim = 24;
    const rows = Float32Array.from({ length: 6_000 * dim }, () => random() - 0.5);
    const docs = await graphOver(rows, { dim, metric });
    await docs.delete({ filter: { part: { ne: 7 } } });
    const allowed = (row: number): boolean => row % 100 === 7;
    const query = Float32Array.from({ length: dim }, () => random() - 0.5);
    for (const limit of [1, 10, 60, 100]) {
      await expectFound(docs, { rows, dim, metric, query, limit, allowed });
    }
    await expectFound(docs, { rows, dim, metric, query, limit: 10, allowed }, { part: { lt: 50 } });
    expect(await docs.count()).toBe(60);
  });

  test('a filter that lets through what lies farthest', async () => {
    const dim = 16;
    const count = 8_000;
    const rows = Float32Array.from({ length: count * dim }, () => random());
    // Rows of the parts from 90 on lie on the other side.
    for (let row = 0; row < count; row++) {
      if (row % 100 < 90) continue;
      for (let d = 0; d < dim; d++) rows[row * dim + d] = -1 - random();
    }
    const docs = await graphOver(rows, { dim, metric });
    const query = Float32Array.from({ length: dim }, random);
    const allowed = (row: number): boolean => row % 100 >= 90;
    const filter = { part: { gte: 90 } };
    for (const limit of [1, 10, 100]) {
      await expectFound(docs, { rows, dim, metric, query, limit, allowed }, filter);
    }
  });
});

test('dimension 32,768', async () => {
  const dim = 32_768;
  // Few directions matter: a graph over noise of this dimension is all nodes next to all.
  const bases = Array.from({ length: 4 }, () => Float32Array.from({ length: dim }, random));
  // 17 writes, which become four segments and then one: a fifth would stay by itself.
  const rows = new Float32Array(17 * Math.floor(4e6 / dim) * dim);
  for (let at = 0; at < rows.length; at += dim) {
    for (const base of bases) {
      const weight = random();
      for (let i = 0; i < dim; i++) rows[at + i] = (rows[at + i] ?? 0) + weight * (base[i] ?? 0);
    }
  }
  const docs = await graphOver(rows, { dim, metric: 'l2', m: 4, efConstruction: 16 });
  const query = rows.slice(5 * dim, 6 * dim);
  for (const limit of [1, 10]) {
    await expectFound(docs, { rows, dim, metric: 'l2', query, limit, allowed: every });
    const allowed = (row: number): boolean => row % 100 < 50;
    await expectFound(
      docs,
      { rows, dim, metric: 'l2', query, limit, allowed },
      { part: { lt: 50 } },
    );
  }
});

test('bounds: all that lie within, and none without', async () => {
  const dim = 12;
  const rows = Float32Array.from({ length: 5_000 * dim }, () => random());
  const docs = await graphOver(rows, { dim, metric: 'l2' });
  const query = rows.slice(0, dim);
  const scores = truth({ rows, dim, metric: 'l2', query, limit: TOP, allowed: every });
  const max = ((scores[80] ?? 0) + (scores[81] ?? 0)) / 2;
  const hits = await docs.search({ vector: query, limit: 1_000, within: { max } });
  expect(hits.length).toBeGreaterThanOrEqual(77);
  expect(hits.every(({ score }) => score <= max)).toBe(true);
  const beyond = await docs.search({ vector: query, limit: 10, within: { min: max } });
  expect(beyond.map(({ score }) => score)).toEqual(
    scores
      .filter((score) => score >= max)
      .slice(0, 10)
      .map((score) => expect.closeTo(score, 4)),
  );
});
