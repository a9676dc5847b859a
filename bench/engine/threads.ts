/** What a second thread gives: searches over one index, and a build. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { sharedTask, type BuildTask, type VectorIndex } from '../../packages/index/src/index.ts';
import { bytesOf, graphStride } from '../../packages/kernels/src/index.ts';
import { median, type Figure } from '../bench.ts';
import { QUERIES, type BenchData } from '../index/data.ts';
import { randomReads } from './reads.ts';
import type { Ask, Given } from './search-thread.ts';

const ROUNDS = 5;
/** Passes over all queries in a round: about a second. */
const PASSES = 10;

type Thread = (ask: Ask) => Promise<void>;

async function started(given: Given): Promise<{ ask: Thread; end: () => Promise<number> }> {
  const worker = new Worker(new URL('search-thread.ts', import.meta.url), { workerData: given });
  const ask = async (message: Ask): Promise<void> => {
    worker.postMessage(message);
    await once(worker, 'message');
  };
  await ask({ kind: 'search', passes: 3 });
  return { ask, end: () => worker.terminate() };
}

async function wall(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** One build by one thread or two: its time, and the file. */
async function timedBuild(
  threads: readonly Thread[],
  task: BuildTask,
): Promise<{ readonly ms: number; readonly file: Uint8Array }> {
  const shared = sharedTask({ ...task, control: new Int32Array(new SharedArrayBuffer(8)) });
  const ms = await wall(() =>
    Promise.all(threads.map((ask, i) => ask({ kind: i === 0 ? 'build' : 'help', task: shared }))),
  );
  if (shared.file === undefined) throw new Error('a graph is built into reserved memory');
  return { ms, file: bytesOf(shared.file.memory, shared.file.bytes) };
}

type Started = Awaited<ReturnType<typeof started>>;

/** Searches of two threads to one, in turns with what the memory of the machine allows. */
async function searchFigures(
  { name, column: { rowCount, dim } }: BenchData,
  one: Started,
  two: Started,
): Promise<readonly Figure[]> {
  const pass = { kind: 'search', passes: PASSES } as const;
  const reads = randomReads({ rowCount, stride: graphStride(dim) });
  const both: number[] = [];
  const alone: number[] = [];
  const readRatios: number[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    alone.push(await wall(() => one.ask(pass)));
    both.push(await wall(() => Promise.all([one.ask(pass), two.ask(pass)])));
    if (reads === undefined) continue;
    const read = await reads.pass(1);
    readRatios.push((2 * read) / (await reads.pass(2)));
  }
  reads?.close();
  const allowed: Figure = {
    what: `${name}: random reads of its codes by two plain C++ threads : one, what there is`,
    measured: median(readRatios),
    unit: 'x',
  };
  return [
    {
      what: `${name}: searches a second, one thread`,
      measured: (QUERIES * PASSES * 1000) / median(alone),
      unit: '/s',
    },
    {
      what: `${name}: searches of two threads on one index : one`,
      measured: (2 * median(alone)) / median(both),
      unit: 'x',
      atLeast: 1.95,
    },
    ...(reads === undefined ? [] : [allowed]),
  ];
}

/** Two threads to one: searches a second over one index, and the time of a build. */
export async function threadFigures(
  data: BenchData,
  index: VectorIndex,
): Promise<readonly Figure[]> {
  const { name, metric, column, queries } = data;
  const given = { handle: index.handle(), queries };
  const [one, two] = [await started(given), await started(given)];
  const searches = await searchFigures(data, one, two);
  const task = {
    kernels: 'auto',
    kind: 'HNSW',
    metric,
    column,
    control: new Int32Array(),
  } as const;
  const single = await timedBuild([one.ask], task);
  const double = await timedBuild([one.ask, two.ask], task);
  await Promise.all([one.end(), two.end()]);
  const same = Buffer.compare(single.file, double.file) === 0;
  return [
    ...searches,
    {
      what: `${name}: build by one thread : two, by the clock`,
      measured: single.ms / double.ms,
      unit: 'x',
      atLeast: 1.8,
    },
    {
      what: `${name}: the file of two threads is that of one (1 = yes)`,
      measured: same ? 1 : 0,
      unit: '',
      atLeast: 1,
    },
  ];
}
