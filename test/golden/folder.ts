/**
 * A small folder of everything: several schemas, flushed and unflushed rows, deletes in delta logs
 * and in the log, an alias, a changed schema, an index, idempotency keys. What is asked of it is
 * the same for the release that made it and for every one that opens it.
 */
import { connect, type Db } from '@elanus/client';
import { flushShard, invoke } from '@elanus/protocol';
import { localWorld } from '@elanus/runtime/local';
import { collection, t } from 'elanus';
import { startEmbedded } from '../../packages/elanus/src/embedded.ts';

/** Rows with a field of every scalar type. */
export const Docs = collection(
  'docs',
  {
    id: t.int64({ primary: true }),
    title: t.varchar({ maxLength: 64 }),
    small: t.int8({ nullable: true }),
    price: t.double({ default: 1.5 }),
    ok: t.bool({ nullable: true }),
    tags: t.array(t.varchar({ maxLength: 16 }), { maxCapacity: 4 }),
    meta: t.json({ nullable: true }),
    at: t.timestamp({ nullable: true }),
    raw: t.bytes({ nullable: true, maxLength: 8 }),
    vec: t.vector(4, { metric: 'l2' }),
  },
  { shards: 2, dynamic: true },
);
const Words = collection('words', { id: t.id(), vec: t.vector(8, { metric: 'cosine' }) });

/** Enough rows for an index. */
const Many = collection('many', { id: t.int64({ primary: true }), vec: t.vector(2) });
const MANY = 2_050;

/** The n-th of them. */
export const row = (n: number) => ({
  id: BigInt(n),
  title: `dök ${n}`,
  small: n % 3 === 0 ? null : n % 100,
  ok: n % 2 === 0,
  tags: [`t${n % 5}`, 'all'],
  meta: { n, deep: { list: [n, null, 'x'] } },
  at: new Date(Date.UTC(2024, 0, 1 + (n % 28))),
  raw: Uint8Array.of(n % 256, 0, 255),
  vec: Float32Array.of(n, n % 7, -n, 0.5),
  extra: `dynamic ${n % 4}`,
});

/** Makes the folder. Not deterministic: run once for a version. */
export async function makeFolder(path: string): Promise<void> {
  const world = await localWorld(path, { durability: 'power' });
  const database = await startEmbedded({ world, durability: 'power', kernels: 'auto' });
  const db = connect(database);
  const many = await db.collection(Many);
  await many.insert({
    id: BigInt64Array.from({ length: MANY }, (_, n) => BigInt(n)),
    vec: Float32Array.from({ length: MANY * 2 }, (_, n) => ((n * 7919) % 1009) - 500),
  });
  await invoke(world.bus, flushShard, { header: { collectionId: 1, shard: 0 } });
  await indexed(db, 'many');
  await many.delete({ ids: [77n] });
  const docs = await db.collection(Docs);
  const flush = async (): Promise<void> => {
    for (const shard of [0, 1]) {
      await invoke(world.bus, flushShard, { header: { collectionId: 2, shard } });
    }
  };
  await docs.insert(Array.from({ length: 60 }, (_, n) => row(n)));
  await flush();
  await docs.delete({ ids: [3n, 4n, 5n] });
  await docs.upsert([{ ...row(6), title: 'replaced' }]);
  await flush();
  await db.alter('docs', { add: { later: t.int32({ nullable: true }) } });
  await db.alias('papers', 'docs');
  const words = await db.collection(Words);
  await words.insert(
    Array.from({ length: 5 }, (_, n) => ({ vec: new Float32Array(8).fill(0.1).with(n, 1) })),
  );
  const altered = await db.collection('docs');
  await altered.insert([{ ...row(100), later: 7 }] as never, { idempotencyKey: 'golden' });
  await docs.delete({ filter: { title: 'dök 10' } });
  await db.close();
}

/** Waits until the rows of a collection have an index. */
async function indexed(db: Db, name: string): Promise<void> {
  while ((await db.describe(name)).indexedRows === 0) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What is asked of the folder; the answers as JSON. */
export async function ask(db: Db): Promise<unknown> {
  const docs = await db.collection('papers');
  const fields = (await db.describe('docs')).schema.fields.map((field) => field.name);
  const select = [...fields, 'extra'];
  const rows = await docs.query({ select: select as never });
  const hits = await docs.search({ vector: [9, 2, -9, 0.5], limit: 5, select: ['title'] as never });
  const filtered = await docs.query({
    filter: { tags: { contains: 't1' }, meta: { deep: { list: { contains: 'x' } } } } as never,
    select: ['id'] as never,
  });
  const dynamic = await docs.count({ filter: { extra: 'dynamic 2' } as never });
  const again = await docs.insert([{ ...row(100), later: 7 }] as never, {
    idempotencyKey: 'golden',
  });
  const words = await db.collection('words');
  const near = await words.search({ vector: new Float32Array(8).with(2, 1), limit: 2 });
  const many = await db.collection('many');
  const exact = { vector: [100, 1], limit: 5, select: [], recall: 1 } as never;
  const answers = {
    fields,
    rows,
    hits,
    filtered: filtered.map((found) => found['id']),
    dynamic,
    again: again.count,
    count: await docs.count(),
    words: await words.count(),
    near: near.map(({ score }) => score),
    many: await many.count(),
    indexed: (await db.describe('many')).indexedRows,
    nearest: await many.search(exact),
  };
  return JSON.parse(JSON.stringify(answers, plain)) as unknown;
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  return ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value;
}
