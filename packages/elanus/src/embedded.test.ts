// Goal: what the roles do together and no model covers: schema changes over flushes and restarts,
// drops, expired keys, the log being let go, orphans of a crash being swept.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, t, type Db } from '@elanus/client';
import { ElanusError, makeIdempotencyKey } from '@elanus/core';
import { describeNode, describeShards, flushShard, invoke } from '@elanus/protocol';
import { type OpenWorld } from '@elanus/runtime';
import { localWorld } from '@elanus/runtime/local';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startEmbedded } from './embedded.ts';

let folder: string;
let world: OpenWorld;
let db: Db;

async function open(): Promise<void> {
  world = await localWorld(folder, { durability: 'process' });
  db = connect(await startEmbedded({ world, durability: 'process', kernels: 'auto' }));
}

async function reopen(): Promise<void> {
  await db.close();
  await open();
}

const flush = () => invoke(world.bus, flushShard, { header: { collectionId: 1, shard: 0 } });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'elanus-embedded-'));
  await open();
});
afterEach(async () => {
  await db.close();
  rmSync(folder, { recursive: true, force: true });
});

const fields = {
  id: t.int64({ primary: true, as: 'number' }),
  title: t.varchar({ maxLength: 64 }),
  vec: t.vector(2, { metric: 'l2' }),
};
const row = (id: number) => ({ id, title: `t${id}`, vec: [id, 0] });

test('a field added later is its default in old rows, flushed or not, and reopened', async () => {
  const before = await db.collection('docs', fields);
  await before.insert([row(1)]);
  await flush();
  await before.insert([row(2)]);
  await db.alter('docs', {
    add: { year: t.int32({ default: 2020 }), note: t.varchar({ nullable: true }) },
    rename: { title: 'name' },
  });
  const docs = await db.collection('docs');
  await docs.insert([{ id: 3n, name: 't3', year: 1999, note: 'new', vec: [3, 0] }] as never);
  const check = async () => {
    const rows = await (await db.collection('docs')).query({ limit: 10 } as never);
    expect(rows).toEqual([
      { id: 1, name: 't1', year: 2020, note: null },
      { id: 2, name: 't2', year: 2020, note: null },
      { id: 3, name: 't3', year: 1999, note: 'new' },
    ]);
    const old = await (await db.collection('docs')).count({ filter: { year: 2020 } } as never);
    expect(old).toBe(2);
  };
  await check();
  await flush();
  await check();
  await reopen();
  await check();
});

test('a dropped collection leaves its name, its rows and its files', async () => {
  const docs = await db.collection('docs', fields);
  await docs.insert([row(1)]);
  await flush();
  expect(readdirSync(join(folder, 'objects')).length).toBeGreaterThan(0);
  await db.drop('docs');
  await expect(docs.count()).rejects.toMatchObject({ kind: 'not_found' });
  const again = await db.collection('docs', fields);
  expect(await again.count()).toBe(0);
  await again.insert([row(1)]);
  await reopen();
  expect(await (await db.collection('docs')).count()).toBe(1);
  const left: string[] = [];
  for await (const { name } of world.objects.list('c1/')) left.push(name);
  expect(left).toEqual([]);
});

test('a handle of what was dropped writes nothing into what has its name now', async () => {
  const old = await db.collection('docs', fields);
  await db.alter('docs', { add: { seen: t.int32({ nullable: true }) } });
  const before = await db.collection('docs');
  await db.drop('docs');
  await db.collection('docs', fields);
  await db.alter('docs', { add: { liked: t.int32({ nullable: true }) } });
  const write = before.insert([{ ...row(1), seen: 7 }] as never);
  await expect(write).rejects.toMatchObject({ code: 'collection_dropped' });
  expect(await old.count()).toBe(0);
  // It is one of the name: it goes on with what that stands for.
  await before.insert([row(2)] as never);
  expect(await before.get([2n], { select: ['id', 'liked'] } as never)).toMatchObject([
    { liked: null },
  ]);
});

test('a key older than the window is refused, one that is remembered is answered', async () => {
  const docs = await db.collection('docs', fields);
  const old = makeIdempotencyKey(Date.now() - 16 * 60_000, new Uint8Array(16));
  const late = docs.insert([row(1)], { idempotencyKey: old });
  await expect(late).rejects.toMatchObject({ code: 'idempotency_expired' });
  const idempotencyKey = makeIdempotencyKey(Date.now(), new Uint8Array(16));
  await docs.insert([row(1)], { idempotencyKey });
  await flush();
  await reopen();
  const same = await db.collection('docs', fields);
  expect((await same.insert([row(1)], { idempotencyKey })).count).toBe(1);
  const other = same.insert([row(2)], { idempotencyKey });
  await expect(other).rejects.toMatchObject({ code: 'idempotency_mismatch' });
  expect(await same.count()).toBe(1);
});

test('the log is let go once its rows are flushed', async () => {
  const docs = await db.collection('docs', fields);
  for (let i = 0; i < 50; i++) await docs.insert([row(i)]);
  const stream = await world.logs.open('p0');
  const before = await stream.span();
  await flush();
  await expect
    .poll(async () => (await stream.span()).firstSeq)
    .toBeGreaterThan(before.firstSeq + 40);
});

test('what closing flushes is not read from the log again', async () => {
  const wide = { id: fields.id, vec: t.vector(1_000, { metric: 'l2' }) };
  const docs = await db.collection('wide', wide);
  const rows = Array.from({ length: 500 }, (_, id) => ({
    id,
    vec: Array.from({ length: 1_000 }, () => id),
  }));
  for (let part = 0; part < 5; part++) {
    await docs.insert(rows.map(({ id, vec }) => ({ id: part * 500 + id, vec })));
  }
  await db.close();
  const log = join(folder, 'log', 'p0');
  const bytes = readdirSync(log).reduce((sum, name) => sum + statSync(join(log, name)).size, 0);
  expect(bytes).toBeLessThan(4_096);
  await open();
  expect(await (await db.collection('wide')).count()).toBe(2_500);
});

test('objects that nothing names are gone after opening', async () => {
  const docs = await db.collection('docs', fields);
  await docs.insert([row(1)]);
  await flush();
  await world.objects.put('c1/s77/t9-dead/vec-102.bin', [new Uint8Array(100)]);
  writeFileSync(join(folder, 'objects', 'left-over.tmp'), 'torn');
  await reopen();
  expect(await world.objects.stat('c1/s77/t9-dead/vec-102.bin')).toBeUndefined();
  expect(await (await db.collection('docs')).count()).toBe(1);
});

test('four small flushes become one indexed segment, and reads see no difference', async () => {
  const docs = await db.collection('docs', fields);
  for (let part = 0; part < 4; part++) {
    await docs.insert(Array.from({ length: 600 }, (_, i) => row(part * 600 + i)));
    await flush();
  }
  const segments = async () => {
    const { header } = await invoke(world.bus, describeShards, { header: { collectionId: 1 } });
    return header.shards[0]?.segments ?? [];
  };
  await expect.poll(segments, { timeout: 60_000 }).toMatchObject([{ rows: 2_400, indexed: true }]);
  const hits = await docs.search({ vector: [1234.2, 0], limit: 3 });
  expect(hits.map((hit) => hit.id)).toEqual([1234, 1235, 1233]);
  const plan = await docs.explain({ vector: [1, 0], limit: 3 });
  expect(plan.segments).toMatchObject([{ index: 'FLAT_SQ8', rows: 2_400 }]);
});

test('a damaged index is left out, and built again', async () => {
  const docs = await db.collection('docs', fields);
  await docs.insert(Array.from({ length: 2_500 }, (_, i) => row(i)));
  await flush();
  const indexed = async () => (await db.describe('docs')).indexedRows;
  await expect.poll(indexed, { timeout: 60_000 }).toBe(2_500);
  const names: string[] = [];
  for await (const { name } of world.objects.list('c1/')) names.push(name);
  const index = names.find((name) => name.includes('index-'));
  if (index === undefined) throw new Error('no index file');
  await db.close();
  const path = join(folder, 'objects', index);
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
  await open();
  const again = await db.collection('docs');
  const hits = await again.search({ vector: [777.2, 0], limit: 2 } as never);
  expect((hits as unknown as { id: number }[]).map((hit) => hit.id)).toEqual([777, 778]);
  await expect
    .poll(
      async () => {
        const plan = await again.explain({ vector: [1, 0], limit: 3 } as never);
        return plan.segments.map((segment) => segment.index);
      },
      { timeout: 60_000 },
    )
    .toEqual(['FLAT_SQ8']);
});

test('statistics rule segments out, and answers stay whole', async () => {
  const docs = await db.collection('docs', fields);
  await docs.insert([row(1), row(2)]);
  await flush();
  await docs.insert([row(101), row(102)]);
  await flush();
  const plan = async (filter: object) => {
    const { segments } = await docs.explain({ vector: [0, 0], limit: 5, filter } as never);
    return segments.map((segment) => segment.pruned);
  };
  const ids = async (filter: object) => {
    const hits = await docs.search({ vector: [0, 0], limit: 5, filter } as never);
    return (hits as unknown as { id: number }[]).map((hit) => hit.id);
  };
  expect((await plan({ id: { gt: 50 } })).sort((a, b) => Number(a) - Number(b))).toEqual([
    false,
    true,
  ]);
  expect(await ids({ id: { gt: 50 } })).toEqual([101, 102]);
  expect(await plan({ title: 't1000' })).toEqual([true, true]);
  expect(await ids({ title: 't1000' })).toEqual([]);
  expect(await docs.count({ filter: { title: { gte: 't102' } } } as never)).toBe(2);
  expect(await ids({ id: { in: [2, 102] } })).toEqual([2, 102]);
});

test('a choice of index outlives the process, and what it asks for is built after it', async () => {
  const docs = await db.collection('docs', fields);
  await docs.insert(Array.from({ length: 2_500 }, (_, i) => row(i)));
  await flush();
  const index = async () => (await db.describe('docs')).indexes[0];
  await expect.poll(async () => (await index())?.indexedRows, { timeout: 60_000 }).toBe(2_500);
  const names = async () => {
    const all: string[] = [];
    for await (const { name } of world.objects.list('c1/')) {
      if (name.includes('index-')) all.push(name);
    }
    return all;
  };
  const [first] = await names();
  await docs.delete({ ids: [5] } as never);
  await docs.index('vec', { kind: 'hnsw', m: 4, efConstruction: 40 });
  await reopen();
  await expect.poll(async () => (await index())?.parts[0]?.kind, { timeout: 60_000 }).toBe('HNSW');
  const built = { params: { m: 4, efConstruction: 40 }, rows: 2_499, segments: 1 };
  expect(await index()).toMatchObject({ parts: [built], indexedRows: 2_499, pendingRows: 0 });
  const again = await db.collection('docs', fields);
  const ids = async () => {
    const hits = await again.search({ vector: [5.1, 0], limit: 2 });
    return hits.map(({ id }) => id);
  };
  expect(await ids()).toEqual([6, 4]);
  // What would be built equally is not built again: the file stays.
  const graph = (await names()).filter((name) => name !== first);
  await again.index('vec', { kind: 'auto', recall: 0.9 });
  await expect.poll(async () => (await index())?.parts[0]?.kind).toBe('FLAT_SQ8');
  await again.index('vec', { kind: 'flat_sq8' });
  const settled = async () => (await index())?.pendingRows;
  await expect.poll(settled, { timeout: 60_000 }).toBe(0);
  const coded = (await names()).filter((name) => name !== first && !graph.includes(name));
  expect(coded).toHaveLength(1);
  expect(await ids()).toEqual([6, 4]);
});

test('a field that filters ask for gets an index, and answers stay', async () => {
  const docs = await db.collection('docs', fields);
  await docs.insert(Array.from({ length: 6_000 }, (_, i) => row(i)));
  await flush();
  const filter = { title: { gte: 't2', lt: 't21' } };
  const bytes = async () => {
    const { header } = await invoke(world.bus, describeNode, { header: {} });
    return header.scalarIndexBytes;
  };
  const counts = new Set<number>();
  const search = async () => {
    const hits = await docs.search({ vector: [2_000.2, 0], limit: 3, filter } as never);
    return (hits as unknown as { id: number }[]).map((hit) => hit.id);
  };
  const before = await search();
  // Another filter each time: what one leaves that comes again is kept without an index.
  const other = (i: number) => ({ filter: { title: { ...filter.title, ne: `none ${i}` } } });
  for (let i = 0; i < 40; i++) counts.add(await docs.count(other(i) as never));
  await expect.poll(bytes).toBe(6_000 * 4);
  for (let i = 0; i < 5; i++) counts.add(await docs.count(other(i) as never));
  for (let i = 0; i < 5; i++) counts.add(await docs.count({ filter } as never));
  expect([...counts]).toEqual([1 + 1 + 10 + 100]);
  expect(await search()).toEqual(before);
  await docs.delete({ ids: [2_000] } as never);
  expect(await search()).toEqual([2_001, 2_002, 2_003]);
  expect(await docs.count({ filter } as never)).toBe(111);
});

test('many rows that nobody adds to get an index soon, few are left to grow', async () => {
  const [rows, dim] = [11_000, 512];
  const wide = {
    id: t.int64({ primary: true, as: 'number' }),
    vec: t.vector(dim, { metric: 'l2' }),
  };
  const many = await db.collection('many', wide);
  const few = await db.collection('few', wide);
  await few.insert({ id: [1, 2], vec: new Float32Array(2 * dim) } as never);
  const vec = Float32Array.from({ length: rows * dim }, (_, i) => ((i * 7_919) % 1_009) / 1_009);
  await many.insert({ id: Array.from({ length: rows }, (_, i) => i), vec } as never);
  expect(await many.describe()).toMatchObject({ indexedRows: 0, rowCount: rows });
  await expect
    .poll(async () => (await many.describe()).indexedRows, { timeout: 60_000, interval: 100 })
    .toBe(rows);
  const plan = await many.explain({ vector: vec.subarray(0, dim), limit: 3 } as never);
  expect(plan.segments).toMatchObject([{ index: 'HNSW', rows }]);
  const hits = await many.search({ vector: vec.subarray(0, dim), limit: 1 } as never);
  expect(hits).toMatchObject([{ score: 0 }]);
  // Again: what the first ones left behind must not keep the next ones waiting.
  for (let at = 0; at < rows; at += 1_000) {
    const id = Array.from({ length: 1_000 }, (_, i) => rows + at + i);
    await many.insert({ id, vec: vec.subarray(0, 1_000 * dim) } as never);
  }
  await expect
    .poll(async () => (await many.describe()).indexingRows, { timeout: 60_000, interval: 100 })
    .toBe(0);
  expect((await many.describe()).indexedRows).toBe(2 * rows);
  const { segments } = await few.explain({ vector: vec.subarray(0, dim), limit: 2 } as never);
  expect(segments).toMatchObject([{ state: 'growing', rows: 2 }]);
});

test('a flush that was committed and not loaded is only loaded when tried again', async () => {
  const docs = await db.collection('docs', fields);
  await docs.insert([row(1), row(2)]);
  const failure = new ElanusError('io_error', { path: 'objects', why: 'once' });
  vi.spyOn(world.objects, 'get').mockRejectedValueOnce(failure);
  await expect(flush()).rejects.toMatchObject({ code: 'io_error' });
  await docs.delete({ ids: [1] });
  await flush();
  const { header } = await invoke(world.bus, describeShards, { header: { collectionId: 1 } });
  expect(header.shards).toMatchObject([{ unflushedSegments: 0, rowCount: 1 }]);
  await reopen();
  expect(await (await db.collection('docs', fields)).query()).toMatchObject([{ id: 2 }]);
});

test('a database whose metadata fails while it is closed gives its folder free', async () => {
  const docs = await db.collection('docs', fields);
  await docs.insert([row(1)]);
  const cause = new ElanusError('unavailable', { what: 'metadata' });
  vi.spyOn(world.meta, 'txn').mockResolvedValue({ kind: 'unknown', cause });
  await expect(db.close()).rejects.toMatchObject({ code: 'unavailable' });
  await open();
  expect(await (await db.collection('docs', fields)).count()).toBe(1);
});
