/**
 * What a whole embedded search takes beyond the native call that finds its rows: both in turns, in
 * one process, over equal rows. Processor time where the search runs on the calling thread; through
 * the pool wall time, beside a bare thread that makes the same call for a message.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { createBitset, setBit } from '../../packages/core/src/index.ts';
import { buildSteps, openIndex, type VectorIndex } from '../../packages/index/src/index.ts';
import { createTopK, type Kernels, type RowMemory } from '../../packages/kernels/src/index.ts';
import { collection, elanus, t, type Collection } from 'elanus';
import { median, type Figure } from '../bench.ts';
import { compileNative } from '../native.ts';
import type { ThreadData } from './overhead-thread.ts';

/** Sealed and indexed by itself. */
const ROWS = 20_000;
/** Written later: they grow. */
const LATE_ROWS = 200;
const DIM = 128;
const QUERIES = 64;
const BATCH = 16;
const BLOCK = 256;
const ROUNDS = 41;
const WARM = 20_000;
/** Widths of walks: of one that runs on the calling thread, and of one that does not. */
const [NARROW, WIDE] = [16, 240];

const AT_MOST = { bare: 5, whole: 15, single: 40, batch: 10 } as const;

let seed = 1;
function random(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32;
}

const definition = collection('overhead', {
  id: t.int64({ primary: true, as: 'number' }),
  bucket: t.int32(),
  v: t.vector(DIM, { metric: 'l2', index: { kind: 'hnsw' } }),
});

type Fields = typeof definition extends { readonly fields: infer F } ? F : never;
type Docs = Collection<Fields, false>;
const NO_QUERY = new Float32Array(DIM);

interface Rows {
  readonly values: Float32Array;
  readonly buckets: Int32Array;
}

function makeRows(count: number): Rows {
  const values = new Float32Array(count * DIM).map(random);
  return { values, buckets: Int32Array.from({ length: count }, () => Math.floor(random() * 10)) };
}

async function insert(into: Docs, { values, buckets }: Rows, firstId: number): Promise<void> {
  const id = Float64Array.from(buckets, (_, i) => firstId + i);
  await into.insert({ id: id as never, bucket: buckets as never, v: values });
}

/** Waits until an index stands over all rows. */
async function indexed(docs: Docs, rows: number): Promise<void> {
  while ((await docs.describe()).indexedRows < rows) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function memoryOf(kernels: Kernels, values: Float32Array): RowMemory {
  const memory = kernels.allocate(values.byteLength);
  new Float32Array(memory.buffer, memory.byteOffset, values.length).set(values);
  return memory;
}

/** The index that the database has, opened by itself. */
function indexOf(kernels: Kernels, { values, buckets }: Rows): VectorIndex {
  const rows = memoryOf(kernels, values);
  const column = { rows, rowCount: buckets.length, dim: DIM, element: 'float32' as const };
  const steps = buildSteps({ kernels, kind: 'HNSW', metric: 'l2', column });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return openIndex({ kernels, column, image: { ...step.value, path: 'bench' } });
}

type Search = (query: number) => unknown;

/** Microseconds a search of each contender, in turns: the middle of all blocks. */
async function inTurns(
  contenders: readonly Search[],
  nowUs: () => number,
  block: number = BLOCK,
): Promise<readonly number[]> {
  const times = contenders.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [c, search] of contenders.entries()) {
      const started = nowUs();
      for (let i = 0; i < block; i++) await search(i % QUERIES);
      times[c]?.push((nowUs() - started) / block);
    }
  }
  return times.map(median);
}

async function warm(search: Search, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await search(i % QUERIES);
}

/** Processor time of this thread: Node's own moves in ticks of 1 to 4 ms, 15 us of a search. */
function threadClock(): () => number {
  const clock = compileNative<{ ms(): number }>(join(import.meta.dirname, '../thread-clock.cc'));
  return clock === undefined ? wallUs : () => clock.ms() * 1000;
}
const wallUs = (): number => performance.now() * 1000;

interface BareThread {
  readonly ask: (queries: Float32Array) => Promise<unknown>;
  readonly end: () => Promise<number>;
}

/** A thread that makes the native call, without anything of ours around it. */
async function bareThread(index: VectorIndex): Promise<BareThread> {
  const workerData: ThreadData = { handle: index.handle(), ef: WIDE };
  const worker = new Worker(new URL('overhead-thread.ts', import.meta.url), { workerData });
  await once(worker, 'online');
  const ask = (queries: Float32Array): Promise<unknown> =>
    new Promise((resolve) => {
      worker.once('message', resolve);
      worker.postMessage(queries);
    });
  return { ask, end: () => worker.terminate() };
}

interface Stage {
  readonly cpuUs: () => number;
  readonly docs: Docs;
  readonly index: VectorIndex;
  readonly queries: readonly Float32Array[];
}

/** One segment, no filter, nothing deleted. */
async function bare({ docs, index, queries, cpuUs }: Stage): Promise<Figure> {
  const top = createTopK(1, 10);
  const native: Search = (q) => walk(index, { query: queries[q], top, ef: NARROW });
  const whole: Search = (q) =>
    docs.search({ vector: queries[q] ?? NO_QUERY, limit: 10, select: [], params: { ef: NARROW } });
  await warm(whole, WARM);
  const [least = 0, all = 0] = await inTurns([native, whole], cpuUs);
  return figure('inline, bare', all - least, AT_MOST.bare);
}

interface Walk {
  readonly query: Float32Array | undefined;
  readonly top: ReturnType<typeof createTopK>;
  readonly ef: number;
  readonly allowed?: Uint32Array;
}

function walk(index: VectorIndex, { query, top, ef, allowed }: Walk): void {
  top.counts.fill(0);
  top.sorted = false;
  index.search({ queries: query ?? new Float32Array(DIM), top, ef, allowed });
}

/** A filter, deletes in the sealed segment, and growing rows beside it. */
async function filtered(kernels: Kernels, stage: Stage, rows: Rows): Promise<Figure> {
  const { docs, index, queries, cpuUs } = stage;
  const late = makeRows(LATE_ROWS);
  await insert(docs, late, ROWS);
  await docs.delete({ ids: Array.from({ length: 100 }, (_, i) => i * 7) });
  const allowed = allowedOf(rows);
  for (let i = 0; i < 100; i++)
    allowed[(i * 7) >>> 5] = (allowed[(i * 7) >>> 5] ?? 0) & ~(1 << (i * 7));
  const top = createTopK(1, 10);
  const scan = {
    metric: 'l2' as const,
    dim: DIM,
    element: 'float32' as const,
    rows: memoryOf(kernels, late.values),
    inverseNorms: undefined,
    rowBase: 0,
    from: 0,
    to: LATE_ROWS,
    allowed: allowedOf(late),
    bounds: undefined,
  };
  const native: Search = (q) => {
    const queried = queries[q] ?? new Float32Array(DIM);
    walk(index, { query: queried, top, ef: NARROW, allowed });
    top.counts.fill(0);
    kernels.scanRows({ ...scan, queries: queried, top });
  };
  const filter = { bucket: { lt: 5 } };
  const whole: Search = (q) =>
    docs.search({
      vector: queries[q] ?? NO_QUERY,
      limit: 10,
      select: [],
      filter,
      params: { ef: NARROW },
    });
  await warm(whole, WARM);
  const [least = 0, all = 0] = await inTurns([native, whole], cpuUs);
  return figure('inline, filter + deletes + merge', all - least, AT_MOST.whole);
}

function allowedOf({ buckets }: Rows): Uint32Array {
  const set = createBitset(buckets.length);
  buckets.forEach((bucket, row) => {
    if (bucket < 5) setBit(set, row);
  });
  return set;
}

/**
 * Walks that are too long for the calling thread, beside a bare thread that makes them: what a
 * message there and back costs is in both.
 */
async function pooled({ docs, index, queries }: Stage): Promise<readonly Figure[]> {
  const thread = await bareThread(index);
  const batch = new Float32Array(BATCH * DIM);
  queries.slice(0, BATCH).forEach((query, i) => batch.set(query, i * DIM));
  const params = { ef: WIDE };
  const own = queries.map((query) => query.slice());
  const native: Search = (q) => thread.ask(own[q] ?? new Float32Array(DIM));
  const whole: Search = (q) =>
    docs.search({ vector: queries[q] ?? NO_QUERY, limit: 10, select: [], params });
  const nativeBatch: Search = () => thread.ask(batch);
  const vectors = queries.slice(0, BATCH);
  const wholeBatch: Search = () => docs.search({ vectors, limit: 10, select: [], params });
  const { way } = await docs.explain({ vector: queries[0] ?? NO_QUERY, limit: 10, params });
  if (way !== 'pool') throw new Error('a wide walk was meant to go to a thread');
  for (const search of [whole, native]) await warm(search, 2_000);
  for (const search of [wholeBatch, nativeBatch]) await warm(search, 200);
  const [least = 0, all = 0] = await inTurns([native, whole], wallUs, 32);
  const [leastOf = 0, allOf = 0] = await inTurns([nativeBatch, wholeBatch], wallUs, 8);
  await thread.end();
  return [
    { what: 'the native call on a bare thread, message and back', measured: least, unit: 'us' },
    figure('through the pool, single', all - least, AT_MOST.single),
    figure('through the pool, 16 at once, a query', (allOf - leastOf) / BATCH, AT_MOST.batch),
  ];
}

function figure(what: string, measured: number, atMost: number): Figure {
  return { what: `overhead: ${what}`, measured, unit: 'us', atMost };
}

/** The overhead of whole embedded searches over the native call. */
export async function overheadFigures(kernels: Kernels): Promise<readonly Figure[]> {
  const db = await elanus(':memory:');
  const docs = await db.collection(definition);
  const rows = makeRows(ROWS);
  await insert(docs, rows, 0);
  await indexed(docs, ROWS);
  const queries = Array.from({ length: QUERIES }, () => new Float32Array(DIM).map(random));
  const stage = { docs, index: indexOf(kernels, rows), queries, cpuUs: threadClock() };
  const figures = [await bare(stage), ...(await pooled(stage))];
  figures.push(await filtered(kernels, stage, rows));
  await db.close();
  return figures;
}
