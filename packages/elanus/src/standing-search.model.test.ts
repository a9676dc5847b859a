/**
 * Goal: a search that stands (protocol/standing.ts) answers as one that is asked by the bus,
 * whatever happened in between. Method: two searches for the same rows, one of which can never
 * stand since it asks for a field; random operations by seed between them; calls of the bus are
 * counted.
 */
import { collection, connect, expr, t, type Collection, type Db } from '@elanus/client';
import type { Bus } from '@elanus/core';
import { flushShard, invoke, searchShard } from '@elanus/protocol';
import { createProxy } from '@elanus/proxy';
import { memoryWorld, type OpenWorld } from '@elanus/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startEmbedded } from './embedded.ts';

const KEYS = 200;
const Rows = collection('rows', {
  id: t.int64({ primary: true, as: 'number' }),
  n: t.int32(),
  v: t.vector(4, { metric: 'l2' }),
});
type Rows = Collection<(typeof Rows)['fields'], false>;

let world: OpenWorld;
let db: Db;
let rows: Rows;
/** The same rows by another proxy, whose searches have plans of their own. */
let reader: Rows;
let asked = 0;
let seed = 1;
const random = (below: number): number => {
  seed = (seed * 48271) % 2147483647;
  return seed % below;
};

beforeEach(async () => {
  world = await memoryWorld();
  asked = 0;
  const request: Bus['request'] = (subject, message, options) => {
    if (subject === searchShard.subject) asked++;
    return world.bus.request(subject, message, options);
  };
  const bus: Bus = { request, serve: (subject, handler) => world.bus.serve(subject, handler) };
  const counted = { ...world, bus };
  db = connect(await startEmbedded({ world: counted, durability: 'process', kernels: 'auto' }));
  rows = await db.collection(Rows);
  const close = { onClose: async () => undefined };
  const other = createProxy({ world, version: '0', durability: 'process', ...close });
  reader = await connect(other).collection(Rows);
});
afterEach(() => db.close());

const vector = (): Float32Array => Float32Array.from({ length: 4 }, () => random(5));
const row = (id: number) => ({ id, n: random(10), v: vector() });
const some = (count: number): number[] => [
  ...new Set(Array.from({ length: count }, () => random(KEYS))),
];

interface Asked {
  readonly vectors: Float32Array[];
  readonly limit: number;
  readonly filter?: { readonly n: { readonly lt: number } };
  readonly consistency?: 'strong' | 'session' | 'bounded' | 'eventual';
}

type Hit = { readonly id: number; readonly score: number };
const plain = (lists: readonly (readonly Hit[])[]): readonly Hit[][] =>
  lists.map((hits) => hits.map(({ id, score }) => ({ id, score })));

/** Asks in both ways; how often the bus was asked for what may stand. */
async function ask(search: Omit<Asked, 'vectors'>): Promise<number> {
  const vectors = Array.from({ length: 1 + random(3) }, vector);
  const before = asked;
  const found = await rows.search({ ...search, vectors, select: [] });
  const calls = asked - before;
  // By another handle's plan: it must not take the place of the one that stands.
  const usual = await reader.search({ ...search, vectors, select: ['n'] });
  expect(plain(found as unknown as Hit[][])).toEqual(plain(usual as unknown as Hit[][]));
  return calls;
}

const operations: readonly (() => Promise<unknown>)[] = [
  () => rows.upsert(some(1 + random(40)).map(row)),
  () => rows.upsert(some(3).map(row)),
  () => rows.delete({ ids: some(1 + random(10)) }),
  () => rows.delete({ filter: { n: random(10) } }),
  async () => {
    const { collectionId } = rows.schema;
    await invoke(world.bus, flushShard, { header: { collectionId, shard: 0 } });
  },
  () => rows.index('v', { kind: ['hnsw', 'flat', 'auto'][random(3)] as 'flat' }),
  () => new Promise((resolve) => setTimeout(resolve, random(30))),
];

describe('random operations', () => {
  test.each([1, 2, 3])('seed %i', async (given) => {
    seed = given;
    let stood = 0;
    await rows.upsert(Array.from({ length: KEYS }, (_, id) => row(id)));
    for (let round = 0; round < 20; round++) {
      const filter = random(2) === 0 ? {} : { filter: { n: { lt: 2 + random(2) * 5 } } };
      const consistency = (['strong', 'session', 'eventual', 'bounded'] as const)[random(4)];
      const search = { limit: 5, ...filter, ...(consistency && { consistency }) };
      for (let step = 0; step < 5; step++) {
        for (let i = 0; i < 4; i++) stood += (await ask(search)) === 0 ? 1 : 0;
        await operations[random(operations.length)]?.();
      }
    }
    expect(stood).toBeGreaterThan(100);
  });
});

const LIKE = { limit: 5, select: [] as never[] };

async function standing(): Promise<void> {
  for (let i = 0; i < 4; i++) await rows.search({ ...LIKE, vector: vector() });
  const before = asked;
  await rows.search({ ...LIKE, vector: vector() });
  expect(asked).toBe(before);
}

test('a row that was written is found, one that was deleted is not', async () => {
  await rows.insert(Array.from({ length: 20 }, (_, id) => row(id)));
  await standing();
  const v = [100, 100, 100, 100];
  await rows.insert([{ id: 1_000, n: 1, v }]);
  expect((await rows.search({ ...LIKE, vector: v }))[0]?.id).toBe(1_000);
  await standing();
  await rows.delete({ ids: [1_000] });
  expect((await rows.search({ ...LIKE, vector: v }))[0]?.id).not.toBe(1_000);
});

test('what is refused of a new search is refused of one that stands', async () => {
  await rows.insert(Array.from({ length: 20 }, (_, id) => row(id)));
  await standing();
  const refused = [
    [1, 2, 3],
    [1, 2, 3, Number.NaN],
    [1, 2, 3, Infinity],
  ];
  for (const vector of refused) {
    await expect(rows.search({ ...LIKE, vector })).rejects.toThrow();
  }
  await expect(rows.search({ ...LIKE, vectors: [] })).rejects.toThrow();
  const at = { consistency: { at: 0n }, vector: vector() } as const;
  await expect(rows.search({ ...LIKE, ...at })).rejects.toMatchObject({
    code: 'timestamp_out_of_range',
  });
  const signal = AbortSignal.abort();
  await expect(rows.search({ ...LIKE, vector: vector(), signal })).rejects.toMatchObject({
    code: 'cancelled',
  });
  await expect(
    rows.search({ ...LIKE, vector: vector(), filter: expr`nothing == 1` }),
  ).rejects.toMatchObject({ code: 'unknown_field' });
});

test('neither a dropped collection answers nor a closed database', async () => {
  await rows.insert(Array.from({ length: 20 }, (_, id) => row(id)));
  await standing();
  await db.drop('rows');
  await expect(rows.search({ ...LIKE, vector: vector() })).rejects.toMatchObject({
    code: 'collection_not_found',
  });
  rows = await db.collection(Rows);
  expect(await rows.search({ ...LIKE, vector: vector() })).toEqual([]);
  await standing();
  await db.close();
  await expect(rows.search({ ...LIKE, vector: vector() })).rejects.toMatchObject({
    code: 'handle_closed',
  });
});
