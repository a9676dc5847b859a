/**
 * A small folder with every kind of file, and everything that can be asked of it: segments with
 * keys, statistics, scalars and vectors of all types, delta logs, an index of every kind, a
 * recovery snapshot, several files of log with rows that are nowhere else.
 */
import { connect, type Db } from '@elanus/client';
import { flushShard, invoke } from '@elanus/protocol';
import { localWorld } from '@elanus/runtime/local';
import { localLogStore } from '@elanus/storage/local';
import { collection, elanus, t } from 'elanus';
import { startEmbedded } from '../../packages/elanus/src/embedded.ts';
import { Docs, row as doc } from '../golden/folder.ts';

const LOG_FILE_BYTES = 8 * 1024;
const FLUSHED = 300;

const Typed = collection('typed', {
  id: t.varchar({ primary: true, maxLength: 16 }),
  n: t.int64(),
  flat: t.vector(8, { metric: 'l2', index: { kind: 'flat' } }),
  codes: t.vector(8, { metric: 'cosine', index: { kind: 'flat_sq8' } }),
  graph: t.vector(8, { metric: 'l2', index: { kind: 'hnsw' } }),
  lists: t.vector(8, { metric: 'ip', index: { kind: 'ivf_flat', nlist: 4 } }),
  half: t.vector(8, { type: 'float16', metric: 'l2', index: { kind: 'hnsw_flat' } }),
  bytes: t.vector(8, { type: 'int8', metric: 'l2', index: { kind: 'ivf_sq8', nlist: 4 } }),
  bits: t.vector(32, { type: 'binary', index: { kind: 'bin_ivf_flat', nlist: 4 } }),
  sparse: t.sparse({ index: { kind: 'sparse_inverted' } }),
});
const VECTORS = ['flat', 'codes', 'graph', 'lists', 'half', 'bytes', 'bits', 'sparse'] as const;

/** A modulus for each dimension, so that no two rows are alike. */
const MODULI = [251, 241, 239, 233, 229, 227, 223, 211] as const;

const typed = (n: number) => {
  const vector = Float32Array.from(MODULI, (modulus, i) => {
    return (((n + 1) * (2 * i + 79)) % modulus) - (modulus >> 1);
  });
  return {
    id: `key-${String(n).padStart(5, '0')}`,
    n: BigInt(n),
    flat: vector,
    codes: vector,
    graph: vector,
    lists: vector,
    half: [...vector],
    bytes: Int8Array.from(vector),
    bits: Uint8Array.of(n, n >> 8, n * 7, n * 13),
    sparse: n % 5 === 0 ? {} : { [n]: 1.5, 7: 1 + n / 64, 4_294_967_294: 0.25 },
  };
};

const range = <T>(from: number, to: number, make: (n: number) => T): T[] =>
  Array.from({ length: to - from }, (_, i) => make(from + i));

/** Makes the folder. Not deterministic: keys of files and clocks differ. */
export async function makeEveryFile(path: string): Promise<void> {
  const local = await localWorld(path, { durability: 'power' });
  const { fs } = local;
  const logs = localLogStore({ fs, durability: 'power', segmentBytes: LOG_FILE_BYTES });
  const close = async (): Promise<void> => {
    await logs.close();
    await local.close();
  };
  const world = { ...local, logs, close };
  const database = await startEmbedded({ world, durability: 'power', kernels: 'auto' });
  const db = connect(database);
  const flush = async (collectionId: number, shard: number): Promise<void> => {
    await invoke(world.bus, flushShard, { header: { collectionId, shard } });
  };
  const docs = await db.collection(Docs);
  await docs.insert(range(0, 60, doc));
  for (const shard of [0, 1]) await flush(1, shard);
  await docs.delete({ ids: [3n, 4n, 5n] });
  await docs.upsert([{ ...doc(6), title: 'replaced' }]);
  const types = await db.collection(Typed);
  // So many neighbours are merged, and what is merged gets its indexes.
  for (let n = 0; n < FLUSHED; n += FLUSHED / 4) {
    await types.insert(range(n, n + FLUSHED / 4, typed), { idempotencyKey: `part ${n}` });
    await flush(2, 0);
  }
  while ((await db.describe('typed')).indexedRows < FLUSHED) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await types.delete({ ids: ['key-00007'] });
  for (const shard of [0, 1]) await flush(1, shard);
  await db.alter('docs', { add: { later: t.int32({ nullable: true }) } });
  await db.alias('papers', 'docs');
  for (let n = 100; n < 160; n += 10) await docs.insert(range(n, n + 10, doc));
  await types.insert(range(1_000, 1_040, typed));
  await types.delete({ ids: ['key-00009', 'key-01001'] });
  await db.close();
  // What nothing names any more goes when it is opened.
  await (await elanus(path)).close();
}

/** One question, and how to ask it. */
export interface Question {
  readonly what: string;
  readonly ask: (db: Db) => Promise<unknown>;
}

const nearest = (field: (typeof VECTORS)[number]): Question => ({
  what: `nearest by ${field}`,
  ask: async (db) => {
    const types = await db.collection(Typed);
    const lists = await types.search({ field, ids: ['key-00003', 'key-00151'], limit: 3 });
    // Rows of few bits are often as near as others.
    return lists.map((list) => list.map(({ id, score }) => [field === 'bits' || id, score]));
  },
});

/** Everything that can be asked; nothing of it changes the folder. */
export const QUESTIONS: readonly Question[] = [
  {
    what: 'schemas',
    ask: async (db) => {
      const all: unknown[] = [await db.collections()];
      for (const name of ['docs', 'typed', 'papers']) all.push((await db.describe(name)).schema);
      return all;
    },
  },
  {
    what: 'rows of docs',
    ask: async (db) => {
      const docs = await db.collection('papers');
      const fields = (await db.describe('docs')).schema.fields.map((field) => field.name);
      return docs.query({ select: [...fields, 'extra', '$ts'] as never });
    },
  },
  {
    what: 'rows of typed',
    ask: async (db) => {
      const types = await db.collection(Typed);
      return types.query({ select: ['id', 'n', ...VECTORS, '$ts'] as never });
    },
  },
  {
    what: 'by key',
    ask: async (db) => {
      const docs = await db.collection('docs');
      const types = await db.collection(Typed);
      const ids = [3n, 6n, 40n, 59n, 130n] as never;
      return [
        await docs.get(ids, { select: ['title'] as never }),
        await types.get(['key-00001', 'key-00007', 'key-00009', 'key-01007'], { select: ['n'] }),
      ];
    },
  },
  {
    what: 'by filter',
    ask: async (db) => {
      const docs = await db.collection('docs');
      const meta = { deep: { list: { contains: 'x' } } };
      const filter = { tags: { contains: 't1' }, meta, small: { gt: 5 } };
      const types = await db.collection(Typed);
      const rows = await docs.query({ filter: filter as never, select: ['id'] as never });
      return [rows, await types.count({ filter: { n: { gte: 280n, lt: 1_020n } } })];
    },
  },
  {
    what: 'counts',
    ask: async (db) => [
      await (await db.collection('docs')).count(),
      await (await db.collection('typed')).count(),
    ],
  },
  ...VECTORS.map(nearest),
];

/** Asked last: retries of inserts, below the checkpoint, have no second effect. */
export const RETRY: Question = {
  what: 'a retry',
  ask: async (db) => {
    const types = await db.collection(Typed);
    const again = { idempotencyKey: 'part 75' };
    const { count } = await types.insert(range(75, 150, typed), again);
    return [count, await types.count()];
  },
};
