/**
 * A folder with vectors of every type: flushed rows, rows in the log, a delete. What is asked of it
 * is the same for the release that made it and for every one that opens it.
 */
import { connect, type Db } from '@elanus/client';
import { flushShard, invoke } from '@elanus/protocol';
import { localWorld } from '@elanus/runtime/local';
import { collection, t } from 'elanus';
import { startEmbedded } from '../../packages/elanus/src/embedded.ts';

const Typed = collection('typed', {
  id: t.int64({ primary: true }),
  float16: t.vector(3, { type: 'float16', metric: 'l2' }),
  bfloat16: t.vector(3, { type: 'bfloat16', metric: 'ip' }),
  int8: t.vector(3, { type: 'int8', metric: 'l2' }),
  hamming: t.vector(16, { type: 'binary' }),
  jaccard: t.vector(16, { type: 'binary', metric: 'jaccard' }),
  tanimoto: t.vector(16, { type: 'binary', metric: 'tanimoto' }),
  sparse: t.sparse(),
});
const NAMES = ['float16', 'bfloat16', 'int8', 'hamming', 'jaccard', 'tanimoto', 'sparse'] as const;

const row = (n: number) => {
  const bits = Uint8Array.of(1 << (n % 8), n);
  return {
    id: BigInt(n),
    float16: [n, 0.5, -1],
    bfloat16: [n, 1, 2],
    int8: Int8Array.of(n, -n, 1),
    hamming: bits,
    jaccard: bits,
    tanimoto: bits,
    sparse: n % 5 === 0 ? {} : { [n]: 1.5, 7: n, 4_294_967_294: 0.25 },
  };
};

/** Makes the folder. Not deterministic: run once for a version. */
export async function makeVectorsFolder(path: string): Promise<void> {
  const world = await localWorld(path, { durability: 'power' });
  const database = await startEmbedded({ world, durability: 'power', kernels: 'auto' });
  const db = connect(database);
  const typed = await db.collection(Typed);
  await typed.insert(Array.from({ length: 20 }, (_, n) => row(n)));
  await invoke(world.bus, flushShard, { header: { collectionId: 1, shard: 0 } });
  await typed.delete({ ids: [4n] });
  await typed.upsert([row(30), { ...row(31), sparse: [] }]);
  await db.close();
}

/** What is asked of the folder; the answers as JSON. */
export async function askVectors(db: Db): Promise<unknown> {
  const typed = await db.collection(Typed);
  const nearest: Record<string, unknown> = {};
  for (const field of NAMES) {
    const lists = await typed.search({ field, ids: [3n, 30n], limit: 4, select: [] });
    nearest[field] = lists;
  }
  const answers = { nearest, rows: await typed.query({ select: NAMES }) };
  return JSON.parse(JSON.stringify(answers, plain)) as unknown;
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  return ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value;
}
