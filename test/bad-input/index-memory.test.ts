// Goal: a build that does not fit into memory is refused before it takes any; rows stay searchable.
// Method: a database with a small budget, and a graph that needs more.
import { afterEach, expect, test } from 'vitest';
import { elanus, t, type Db } from 'elanus';

const WAIT = { timeout: 30_000, interval: 50 };
const ROWS = 10_000;
const MB = 2 ** 20;

let db: Db;
afterEach(() => db.close());

test('a graph without room: told why, scanned meanwhile, another index fits', async () => {
  // A third of it is for builds; a graph of this size takes 16 MiB and its file.
  db = await elanus(':memory:', { memory: 30 * MB });
  const docs = await db.collection('docs', {
    id: t.int64({ primary: true, as: 'number' }),
    vec: t.vector(8, { metric: 'l2', index: { kind: 'hnsw' } }),
  });
  const vec = Float32Array.from({ length: ROWS * 8 }, (_, i) => ((i * 7_919) % 10_007) / 100);
  await docs.insert({ id: BigInt64Array.from({ length: ROWS }, (_, i) => BigInt(i)), vec });
  const index = async () => (await docs.describe()).indexes[0];
  await expect.poll(async () => (await index())?.failure, WAIT).toContain('memory budget');
  expect(await index()).toMatchObject({ indexedRows: 0, pendingRows: ROWS, parts: [] });
  const vector = vec.slice(80, 88);
  const hits = await docs.search({ vector, limit: 3 });
  expect(hits[0]).toMatchObject({ id: 10, score: 0 });
  expect((await docs.explain({ vector, limit: 3 })).segments).toMatchObject([{ rows: ROWS }]);
  // Left to choose, what fits is built.
  await docs.index('vec', { kind: 'auto' });
  await expect.poll(async () => (await index())?.indexedRows, WAIT).toBe(ROWS);
  expect(await index()).toMatchObject({ pendingRows: 0, parts: [{ kind: 'FLAT_SQ8' }] });
  expect((await index())?.failure).toBeUndefined();
});
