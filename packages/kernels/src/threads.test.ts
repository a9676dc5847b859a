import { Worker } from 'node:worker_threads';

import { afterAll, describe, expect, test } from 'vitest';

import { availableIsas, loadKernels } from './load.ts';
import { floatsOf } from './memory.ts';
import { createTopK, sortTopK } from './topk.ts';

const ROWS = 4000;
const DIM = 33;
const door = new URL('./index.ts', import.meta.url).href;

/** Scans the shared rows for its queries until told to stop; answers with rows and scores. */
const THREAD = `
import { parentPort, workerData } from 'node:worker_threads';
import { createTopK, loadKernels, sortTopK } from ${JSON.stringify(door)};
const { isa, rows, inverseNorms, queries, rounds } = workerData;
const kernels = loadKernels(isa);
const dim = ${DIM};
for (let round = 0; round < rounds; round++) {
  const top = createTopK(queries.length / dim, 10);
  const span = { from: 0, to: ${ROWS}, rowBase: 0 };
  kernels.scanRows({ metric: 'cosine', dim, rows, inverseNorms, queries, ...span, top });
  sortTopK(top, 'cosine');
  parentPort.postMessage([...top.rows, ...top.scores]);
}
`;

const workers: Worker[] = [];
afterAll(() => Promise.all(workers.map((worker) => worker.terminate())));

function start(workerData: unknown): Worker {
  const url = new URL(`data:text/javascript,${encodeURIComponent(THREAD)}`);
  const worker = new Worker(url, { workerData, execArgv: ['--conditions=elanus:source'] });
  workers.push(worker);
  return worker;
}

function answers(worker: Worker): Promise<readonly number[][]> {
  const got: number[][] = [];
  worker.on('message', (answer: number[]) => got.push(answer));
  return new Promise((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', () => resolve(got));
  });
}

function fixture(isa: 'wasm' | 'auto') {
  const kernels = loadKernels(isa);
  const rows = kernels.allocate(ROWS * DIM * 4);
  const values = floatsOf(rows, ROWS * DIM);
  for (let i = 0; i < values.length; i++) values[i] = Math.sin(i * 1.7) * (1 + (i % 5));
  const inverseNorms = new Float32Array(new SharedArrayBuffer(ROWS * 4));
  kernels.inverseNorms({ dim: DIM, rows, from: 0, to: ROWS, out: inverseNorms });
  return { kernels, rows, values, inverseNorms };
}

describe.each([...new Set(['auto', 'wasm'] as const)])('%s', (isa) => {
  test('threads scan one memory at once, each with its own queries', async () => {
    const { kernels, rows, values, inverseNorms } = fixture(isa);
    const rounds = 40;
    const threads = [0, 1, 2].map((n) => {
      const queries = values.slice(n * 7 * DIM, (n * 7 + 1 + n) * DIM);
      const expected = createTopK(1 + n, 10);
      const span = { from: 0, to: ROWS, rowBase: 0 };
      const shape = { metric: 'cosine', dim: DIM, rows, inverseNorms } as const;
      kernels.scanRows({ ...shape, ...span, queries, top: expected });
      sortTopK(expected, 'cosine');
      const worker = start({ isa, rows, inverseNorms, queries, rounds });
      return { expected: [...expected.rows, ...expected.scores], got: answers(worker) };
    });
    for (const { expected, got } of threads) {
      const all = await got;
      expect(all).toHaveLength(rounds);
      for (const answer of all) expect(answer).toEqual(expected);
    }
  });

  test('a thread ended in the middle of scans harms nobody', async () => {
    const { kernels, rows, values, inverseNorms } = fixture(isa);
    const queries = values.slice(0, 8 * DIM);
    for (let n = 0; n < 3; n++) {
      const worker = start({ isa, rows, inverseNorms, queries, rounds: 1e9 });
      await new Promise((resolve) => worker.once('message', resolve));
      await worker.terminate();
    }
    const top = createTopK(8, 10);
    const span = { from: 0, to: ROWS, rowBase: 0 };
    const shape = { metric: 'cosine', dim: DIM, rows, inverseNorms } as const;
    kernels.scanRows({ ...shape, ...span, queries, top });
    expect([...top.counts]).toEqual(Array.from({ length: 8 }, () => 10));
  });
});

test('a forced instruction set that is not there is refused', () => {
  const missing = (['avx512', 'avx2', 'sse2', 'neon'] as const).filter(
    (isa) => !availableIsas().includes(isa),
  );
  for (const isa of missing) expect(() => loadKernels(isa)).toThrow(RangeError);
  expect(loadKernels('wasm').native).toBe(false);
  expect(loadKernels('wasm')).toBe(loadKernels('wasm'));
});
