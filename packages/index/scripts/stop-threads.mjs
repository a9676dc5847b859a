// Ends threads in the middle of searches, as many times as asked, and looks at what is left: the
// process lives, answers as before, and holds no more memory and threads than after the first ones.
// Ends with `N passed, N failed`.
//
// node --conditions=elanus:source scripts/stop-threads.mjs [--count 1000]
import { readdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

import { bytesOf, createTopK, elementsOf, floatsOf, loadKernels, sortTopK } from '@elanus/kernels';
import { buildSteps, loadIndexKinds, openIndex } from '../src/index.ts';

const ROWS = 6000;
const DIM = 64;
const AT_ONCE = 4;
/** Growth of the process that says nothing: what Node keeps of a thread, and garbage. */
const GROWTH_MAX = 96 * 1024 * 1024;
/** Threads that Node begins when it first needs them, or that the system is about to take away. */
const OWN_THREADS = 4;

/** Searches all indexes in turn until it is ended. */
const THREAD = `
import { parentPort, workerData } from 'node:worker_threads';
import { createTopK, loadKernels } from ${JSON.stringify(import.meta.resolve('@elanus/kernels'))};
import { loadIndexKinds } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)};
const kernels = loadKernels();
const { openHandle } = await loadIndexKinds();
const indexes = workerData.map(({ handle, queries }) => [openHandle(kernels, handle), queries]);
parentPort.postMessage('searching');
for (;;) for (const [index, queries] of indexes) index.search({ queries, top: createTopK(8, 10) });
`;

const KINDS = [
  { kind: 'HNSW', metric: 'cosine', element: 'float32' },
  { kind: 'FLAT_SQ8', metric: 'ip', element: 'float16' },
  { kind: 'FLAT', metric: 'l2', element: 'int8' },
  { kind: 'BIN_FLAT', metric: 'jaccard', element: 'binary' },
];

function build(kernels, { kind, metric, element }) {
  const rows = kernels.allocate(ROWS * DIM * 4);
  if (element === 'float32') {
    const values = floatsOf(rows, ROWS * DIM);
    for (let i = 0; i < values.length; i++) values[i] = Math.sin(i * 1.7) * (1 + (i % 5));
  } else if (element === 'float16') {
    const values = elementsOf(rows, element, { length: ROWS * DIM });
    for (let i = 0; i < values.length; i++) values[i] = 0x3000 + ((i * 7919) % 0x1400);
  } else {
    const bytes = bytesOf(rows, ROWS * DIM);
    for (let i = 0; i < bytes.length; i++) bytes[i] = Math.imul(i, 2_654_435_761) >>> 24;
  }
  const column = { rows, rowCount: ROWS, dim: DIM, element };
  const steps = buildSteps({ kernels, kind, metric, column });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const index = openIndex({ kernels, column, image: { ...step.value, path: kind } });
  const bits = new Uint8Array(DIM).fill(0x5a);
  const numbers = Float32Array.from({ length: 8 * DIM }, (_, i) => Math.cos(i));
  return { handle: index.handle(), queries: element === 'binary' ? bits : numbers };
}

function answers(kernels, made) {
  return made.map(({ handle, queries }) => {
    const top = createTopK(8, 10);
    openHandle(kernels, handle).search({ queries, top });
    sortTopK(top, handle.header.metric);
    return [...top.rows, ...top.scores].join();
  });
}

const { openHandle } = await loadIndexKinds();

const threads = () =>
  process.platform === 'linux' ? readdirSync('/proc/self/task').length : undefined;

/** Begins a thread, waits until it searches, and a moment later ends it. */
async function stopOne(made, delay) {
  const url = new URL(`data:text/javascript,${encodeURIComponent(THREAD)}`);
  const worker = new Worker(url, { workerData: made, execArgv: ['--conditions=elanus:source'] });
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await new Promise((resolve) => setTimeout(resolve, delay));
  const started = performance.now();
  await worker.terminate();
  return performance.now() - started;
}

/** Ends `count` threads; gives what was not as it should be. */
export async function stopThreads(count) {
  const kernels = loadKernels();
  const made = KINDS.map((one) => build(kernels, one));
  const before = answers(kernels, made);
  let begun = 0;
  let slowest = 0;
  const lane = async () => {
    while (begun < count) slowest = Math.max(slowest, await stopOne(made, begun++ % 13));
  };
  const part = async (upTo) => {
    const all = count;
    count = upTo;
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    count = all;
    globalThis.gc?.();
    return { rss: process.memoryUsage().rss, threads: threads() };
  };
  const first = await part(Math.ceil(count / 5));
  const last = await part(count);
  const grown = last.rss - first.rss;
  const wrong = [];
  if (answers(kernels, made).join() !== before.join()) wrong.push('other answers than before');
  if (last.threads > first.threads + OWN_THREADS) {
    wrong.push(`${first.threads} threads, then ${last.threads}`);
  }
  if (grown > GROWTH_MAX) wrong.push(`${Math.round(grown / 2 ** 20)} MiB more than before`);
  return { ended: begun, grownMiB: Math.round(grown / 2 ** 20), slowest, wrong };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const at = process.argv.indexOf('--count');
  const outcome = await stopThreads(at < 0 ? 1000 : Number(process.argv[at + 1]));
  const { ended, grownMiB, slowest, wrong } = outcome;
  const told = `${ended} threads ended, ${grownMiB} MiB more, slowest end ${slowest.toFixed(0)} ms`;
  process.stdout.write(`stop-threads: ${told}\n`);
  for (const one of wrong) process.stdout.write(`${one}\n`);
  process.stdout.write(wrong.length === 0 ? '1 passed, 0 failed\n' : '0 passed, 1 failed\n');
  process.exit(wrong.length === 0 ? 0 : 1);
}
