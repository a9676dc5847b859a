/**
 * Whole databases in process, as their users call them: rows in, the ten nearest out. Ours and its
 * peers behind one interface, so that `pnpm bench engine` measures them in turns.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { floatsOf } from '@elanus/kernels';
import { collection, elanus, t } from 'elanus';
import { QUERIES, type BenchData } from '../index/data.ts';

/** How a pass asks: each query once. */
export interface Pass {
  /** Width of the search: ef, or what the database calls it. */
  readonly ef: number;
  /** Rows whose bucket is below it may be found; BUCKETS: all, no filter. */
  readonly buckets: number;
  /** Searches under way at once. */
  readonly lanes: number;
}

/** What a pass took, and the ten rows of each query; -1 where there was none. */
export interface Passed {
  readonly ms: number;
  readonly rows: ArrayLike<number>;
}

/** A database with its rows. */
export interface DatabasePeer {
  readonly name: string;
  search(pass: Pass): Promise<Passed>;
  close(): Promise<void>;
}

/** Each row has a bucket, 0 to 999, drawn the same way each time. */
export const BUCKETS = 1_000;

/** The bucket of a row. */
export function bucketOf(row: number): number {
  return Math.floor(((Math.imul(row + 1, 0x9e3779b1) >>> 8) * BUCKETS) / 2 ** 24);
}

const here = import.meta.dirname;
const load = createRequire(import.meta.url);
const M = 16;
const EF_CONSTRUCTION = 200;
const BATCH = 1_000;

function queryList({ column, queries }: BenchData): Float32Array[] {
  const { dim } = column;
  return Array.from({ length: QUERIES }, (_, q) => queries.subarray(q * dim, (q + 1) * dim));
}

/** Runs one pass in lanes; `one` answers a query with rows. */
async function passed(
  queries: readonly Float32Array[],
  lanes: number,
  one: (query: Float32Array) => Promise<readonly number[]> | readonly number[],
): Promise<Passed> {
  const rows = new Float64Array(queries.length * 10).fill(-1);
  const started = performance.now();
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let q = next++, query = queries[q]; query !== undefined; q = next++, query = queries[q]) {
      rows.set(await one(query), q * 10);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { ms: performance.now() - started, rows };
}

/** Elanus embedded, as `await elanus(folder)` opens it. */
export async function ours(data: BenchData): Promise<DatabasePeer> {
  const { column, metric } = data;
  const { dim, rowCount } = column;
  const folder = mkdtempSync(join(tmpdir(), 'elanus-bench-'));
  const db = await elanus(folder);
  const schema = collection('rows', {
    id: t.int64({ primary: true, as: 'number' }),
    bucket: t.int32(),
    vec: t.vector(dim, { metric }),
  });
  const rows = await db.collection(schema);
  const values = floatsOf(column.rows, rowCount * dim);
  for (let from = 0; from < rowCount; from += BATCH) {
    const to = Math.min(rowCount, from + BATCH);
    await rows.insert({
      id: Float64Array.from({ length: to - from }, (_, i) => from + i) as never,
      bucket: Int32Array.from({ length: to - from }, (_, i) => bucketOf(from + i)) as never,
      vec: values.slice(from * dim, to * dim),
    });
  }
  while ((await rows.describe()).indexedRows < rowCount) {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const queries = queryList(data);
  // As the others optimise on call; left alone it happens by itself.
  await rows.compact();
  return {
    name: 'elanus',
    search: ({ ef, buckets, lanes }) => {
      const filter = buckets >= BUCKETS ? undefined : { bucket: { lt: buckets } };
      return passed(queries, lanes, async (vector) => {
        const hits = await rows.search({
          vector,
          limit: 10,
          select: [],
          params: { ef },
          ...(filter && { filter }),
        });
        return hits.map(({ id }) => id);
      });
    },
    close: async () => {
      await db.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** What is used of zvec. */
interface Zvec {
  readonly ZVecCollectionSchema: new (schema: object) => object;
  readonly ZVecCreateAndOpen: (path: string, schema: object) => ZvecCollection;
  readonly ZVecDataType: Readonly<Record<string, number>>;
  readonly ZVecIndexType: Readonly<Record<string, number>>;
  readonly ZVecMetricType: Readonly<Record<string, number>>;
  readonly ZVecQuantizeType: Readonly<Record<string, number>>;
}

interface ZvecCollection {
  insertSync(docs: readonly object[]): unknown;
  optimizeSync(): void;
  querySync(query: object): readonly { readonly id: string }[];
  query?(query: object): Promise<readonly { readonly id: string }[]>;
  closeSync(): void;
}

/** zvec with HNSW over int8; its searches are synchronous unless it has others. */
export async function zvec(data: BenchData): Promise<DatabasePeer> {
  const z = load('@zvec/zvec') as Zvec;
  const { column, metric } = data;
  const { dim, rowCount } = column;
  const folder = mkdtempSync(join(tmpdir(), 'zvec-bench-'));
  const HNSW = z.ZVecIndexType['HNSW'];
  const rows = z.ZVecCreateAndOpen(
    join(folder, 'data'),
    new z.ZVecCollectionSchema({
      name: 'rows',
      vectors: {
        name: 'vec',
        dataType: z.ZVecDataType['VECTOR_FP32'],
        dimension: dim,
        indexParams: {
          indexType: HNSW,
          metricType: z.ZVecMetricType[metric === 'l2' ? 'L2' : 'COSINE'],
          m: M,
          efConstruction: EF_CONSTRUCTION,
          quantizeType: z.ZVecQuantizeType['INT8'],
        },
      },
      fields: {
        name: 'bucket',
        dataType: z.ZVecDataType['INT32'],
        indexParams: { indexType: z.ZVecIndexType['INVERT'], enableRangeOptimization: true },
      },
    }),
  );
  const values = floatsOf(column.rows, rowCount * dim);
  for (let from = 0; from < rowCount; from += BATCH) {
    const docs = Array.from({ length: Math.min(BATCH, rowCount - from) }, (_, i) => ({
      id: String(from + i),
      vectors: { vec: values.slice((from + i) * dim, (from + i + 1) * dim) },
      fields: { bucket: bucketOf(from + i) },
    }));
    rows.insertSync(docs);
  }
  rows.optimizeSync();
  const queries = queryList(data);
  return {
    name: 'zvec',
    search: ({ ef, buckets, lanes }) => {
      const asked = {
        fieldName: 'vec',
        topk: 10,
        outputFields: [],
        params: { indexType: HNSW, ef, isUsingRefiner: true },
        ...(buckets < BUCKETS && { filter: `bucket < ${buckets}` }),
      };
      return passed(queries, lanes, async (vector) => {
        const query = { ...asked, vector };
        const hits = lanes > 1 && rows.query ? await rows.query(query) : rows.querySync(query);
        return hits.map(({ id }) => Number(id));
      });
    },
    close: async () => {
      rows.closeSync();
      rmSync(folder, { recursive: true });
    },
  };
}

/** What is used of lancedb. */
interface Lance {
  connect(path: string): Promise<{ createTable(name: string, rows: unknown): Promise<LanceTable> }>;
  readonly Index: { hnswSq(options: object): object };
}

interface LanceTable {
  add(rows: readonly object[]): Promise<unknown>;
  createIndex(column: string, options: object): Promise<void>;
  vectorSearch(query: Float32Array): LanceQuery;
}

interface LanceQuery {
  distanceType(name: string): LanceQuery;
  ef(ef: number): LanceQuery;
  nprobes(count: number): LanceQuery;
  refineFactor(factor: number): LanceQuery;
  where(filter: string): LanceQuery;
  select(columns: readonly string[]): LanceQuery;
  limit(limit: number): LanceQuery;
  toArray(): Promise<readonly { readonly id: number }[]>;
}

/** lancedb with HNSW over 8-bit codes, in one partition. */
export async function lancedb(data: BenchData): Promise<DatabasePeer> {
  const { connect, Index } = load('@lancedb/lancedb') as Lance;
  const { column, metric } = data;
  const { dim, rowCount } = column;
  const folder = mkdtempSync(join(tmpdir(), 'lance-bench-'));
  const db = await connect(folder);
  const values = floatsOf(column.rows, rowCount * dim);
  const batch = (from: number) =>
    Array.from({ length: Math.min(BATCH * 5, rowCount - from) }, (_, i) => ({
      id: from + i,
      bucket: bucketOf(from + i),
      vector: Array.from(values.subarray((from + i) * dim, (from + i + 1) * dim)),
    }));
  const table = await db.createTable('rows', batch(0));
  for (let from = BATCH * 5; from < rowCount; from += BATCH * 5) await table.add(batch(from));
  const options = { distanceType: metric, numPartitions: 1, m: M, efConstruction: EF_CONSTRUCTION };
  await table.createIndex('vector', { config: Index.hnswSq(options) });
  const queries = queryList(data);
  return {
    name: 'lancedb',
    search: ({ ef, buckets, lanes }) =>
      passed(queries, lanes, async (vector) => {
        let query = table.vectorSearch(vector).distanceType(metric).nprobes(1);
        query = query.ef(Math.max(ef, 20)).refineFactor(2).select(['id', '_distance']).limit(10);
        if (buckets < BUCKETS) query = query.where(`bucket < ${buckets}`);
        return (await query.toArray()).map(({ id }) => id);
      }),
    close: async () => rmSync(folder, { recursive: true }),
  };
}

/** qdrant-edge with int8, in a Python process; undefined where that was not installed. */
export async function qdrant(data: BenchData): Promise<DatabasePeer | undefined> {
  const python = join(here, 'python');
  if (!existsSync(join(python, 'qdrant_edge'))) return undefined;
  const { column, queries, metric } = data;
  const folder = mkdtempSync(join(tmpdir(), 'qdrant-bench-'));
  const file = (part: string): string => join(folder, part);
  writeFileSync(file('rows'), floatsOf(column.rows, column.rowCount * column.dim));
  writeFileSync(file('queries'), queries);
  const args = [file('rows'), file('queries'), String(column.dim), metric, file('shard')];
  const child: ChildProcessWithoutNullStreams = spawn(
    'python3',
    [join(here, 'qdrant.py'), ...args],
    { env: { ...process.env, PYTHONPATH: python } },
  );
  child.stderr.pipe(process.stderr);
  const input = createInterface({ input: child.stdout });
  const lines: AsyncIterator<string> = input[Symbol.asyncIterator]();
  const ask = async (command: string): Promise<Passed> => {
    child.stdin.write(`${command}\n`);
    const { value } = await lines.next();
    const [ms = Number.NaN, ...rows] = String(value).split(' ').map(Number);
    return { ms, rows };
  };
  await ask('build');
  return {
    name: 'qdrant-edge',
    search: ({ ef, buckets, lanes }) => ask(`search ${ef} ${buckets} ${lanes}`),
    close: async () => {
      child.stdin.end();
      rmSync(folder, { recursive: true });
    },
  };
}
