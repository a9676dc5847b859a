import { Worker } from 'node:worker_threads';

import type { Metric } from '@elanus/core';
import { bytesOf, floatsOf, loadKernels } from '@elanus/kernels';
import { afterAll, expect, test } from 'vitest';

import { buildSteps } from './build.ts';
import { createCrew, dismiss, help, lead } from './crew.ts';
import type { Stage } from './crew.ts';
import { helperWork } from './help-build.ts';
import { sharedTask } from './shared-task.ts';
import { build } from './threads/build.ts';
import type { BuildTask } from './threads/build.ts';
import { indexThreads } from './threads.ts';

const ROWS = 3000;
const DIM = 20;

function columnOf() {
  const rows = loadKernels().allocate(ROWS * DIM * 4);
  const values = floatsOf(rows, ROWS * DIM);
  // Some rows are there twice.
  for (let i = 0; i < values.length; i++) values[i] = Math.sin((i % (2700 * DIM)) * 1.7) * 3;
  return { rows, rowCount: ROWS, dim: DIM };
}

const workers: Worker[] = [];
afterAll(() => Promise.all(workers.map((worker) => worker.terminate())));

const THREAD = `
import { parentPort, workerData } from 'node:worker_threads';
const { build, help } = await import(workerData.entry);
const file = workerData.helps ? help(workerData.task) : build(workerData.task);
parentPort.postMessage(file);
`;

function start(task: BuildTask, helps: boolean): Promise<unknown> {
  const url = new URL(`data:text/javascript,${encodeURIComponent(THREAD)}`);
  const workerData = { task, helps, entry: indexThreads.build };
  const worker = new Worker(url, { workerData, execArgv: ['--conditions=elanus:source'] });
  workers.push(worker);
  return new Promise((resolve, reject) => {
    worker.on('message', resolve);
    worker.on('error', reject);
  });
}

function taskOf(metric: Metric = 'cosine', kind: BuildTask['kind'] = 'HNSW'): BuildTask {
  const control = new Int32Array(new SharedArrayBuffer(8));
  return { kernels: 'auto', kind, metric, column: columnOf(), control };
}

test.each([
  ['cosine', 'HNSW'],
  ['ip', 'HNSW'],
  ['cosine', 'HNSW_FLAT'],
  ['l2', 'HNSW_BF16'],
] as const)('a file does not depend on its threads, %s, %s', async (metric, kind) => {
  const alone = build(taskOf(metric, kind));
  expect(alone).toBeDefined();
  if (alone === undefined) return;
  const bytes = Buffer.from(bytesOf(alone.memory, alone.bytes));
  for (const helpers of [1, 3]) {
    const task = sharedTask(taskOf(metric, kind));
    const helping = Array.from({ length: helpers }, () => start(task, true));
    const built = (await start(task, false)) as typeof alone;
    await Promise.all(helping);
    expect(built.bytes).toBe(alone.bytes);
    expect(Buffer.from(bytesOf(built.memory, built.bytes)).equals(bytes)).toBe(true);
  }
});

/** Kinds of stages, as the control words name them: see crew.ts. */
const SHARED_KINDS = { 3: 'encode', 4: 'truth', 5: 'walk', 6: 'calibrate' } as const;

test.each(['cosine', 'ip'] as const)(
  'helpers encode, find neighbours and walk as leaders do, %s',
  (metric) => {
    const alone = build(taskOf(metric));
    const task = sharedTask(taskOf(metric));
    const { crew } = task;
    if (crew === undefined || alone === undefined) return expect.unreachable();
    const plan = { ...task, kernels: loadKernels() };
    const helped = { encode: 0, truth: 0, walk: 0, calibrate: 0 };
    const work = helperWork(plan);
    const steps = buildSteps(plan);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) {
      const [, turn = 0, , kind = 0, , , , count = 0] = crew.control;
      const name = SHARED_KINDS[kind as 3 | 4 | 5 | 6];
      // Where the leader pauses in such a stage, a helper takes the next piece.
      if (name === undefined || (turn & 0xffff) >= count) continue;
      let looks = 0;
      help(crew, work, () => looks++ > 0);
      helped[name]++;
    }
    expect(helped.encode).toBeGreaterThan(3);
    expect(helped.truth).toBeGreaterThan(3);
    expect(helped.walk).toBeGreaterThan(3);
    expect(helped.calibrate).toBe(1);
    const [bytes, expected] = [step.value, alone].map((file) => bytesOf(file.memory, file.bytes));
    expect(Buffer.from(bytes ?? []).equals(Buffer.from(expected ?? []))).toBe(true);
  },
);

test('a build that was cancelled ends its helpers', async () => {
  const task = sharedTask(taskOf());
  const helping = start(task, true);
  Atomics.store(task.control, 1, 1);
  expect(build(task)).toBeUndefined();
  await helping;
});

test('the same seed gives the same file, another seed another one', () => {
  const bytes = [1, 1, 2].map((seed) => {
    const plan = {
      kernels: loadKernels(),
      kind: 'HNSW',
      metric: 'l2',
      column: columnOf(),
    } as const;
    const steps = buildSteps({ ...plan, params: { seed } });
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    return Buffer.from(bytesOf(step.value.memory, step.value.bytes));
  });
  expect(bytes[0]?.equals(bytes[1] ?? Buffer.alloc(0))).toBe(true);
  expect(bytes[0]?.equals(bytes[2] ?? Buffer.alloc(0))).toBe(false);
});

test('each piece of a stage is done once, by whoever comes', () => {
  const crew = createCrew(5000, 16);
  const times = new Uint8Array(500);
  const stage: Stage = { kind: 'find', roundStart: 9, level: 2, layer: 0, count: 500, nodes: 5000 };
  const work = (seen: Stage, from: number, to: number): number => {
    expect(seen).toEqual(stage);
    times[from] = (times[from] ?? 0) + 1;
    return Math.min(to, from + 1);
  };
  let calls = 0;
  for (const _ of lead(crew, stage, work)) {
    // A helper that runs between two steps of the leader takes some pieces and is sent away.
    if (++calls === 3) help(crew, work, () => times.reduce((sum, n) => sum + n, 0) > 40);
  }
  expect([...times]).toEqual(Array.from({ length: 500 }, () => 1));
  dismiss(crew);
  help(crew, work, () => false);
});

test('a helper that comes from an earlier stage takes no piece under its number', () => {
  const crew = createCrew(5000, 16);
  const stage = { kind: 'find', roundStart: 0, level: 0, layer: 0, nodes: 5000 } as const;
  const done: number[] = [];
  const work = (_: Stage, from: number, to: number): number => {
    // The epoch of the crew, and the one that the pieces are given out under.
    const [epoch = 0, turn = 0] = crew.control;
    expect(turn >>> 16).toBe(epoch);
    done.push(from);
    return to;
  };
  const first = lead(crew, { ...stage, count: 40 }, work);
  first.next();
  let second: ReturnType<typeof lead> | undefined;
  let calls = 0;
  // Between two pieces of the helper the leader ends its stage and opens the next one.
  help(crew, work, () => {
    calls++;
    if (done.length === 5 && second === undefined) {
      for (let step = first.next(); step.done !== true; ) step = first.next();
      second = lead(crew, { ...stage, count: 80 }, work);
      second.next();
    }
    return calls > 12;
  });
  expect(second).toBeDefined();
  for (let step = second?.next(); step?.done === false; ) step = second?.next();
  expect(done.slice(5).sort((a, b) => a - b)).toEqual([0, 8, 16, 24, 32, 40, 48, 56, 64, 72]);
});
