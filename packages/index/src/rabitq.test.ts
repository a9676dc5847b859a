// Goal: 1-bit codes find what was asked for in a twentieth of the memory, and a recall picks both
// lists and candidates. Method: clustered rows of many numbers against exact search; curves made
// by hand.
import { createBitset, setBit } from '@elanus/core';
import { bytesOf, createTopK, floatsOf, loadKernels, sortTopK } from '@elanus/kernels';
import type { TopK } from '@elanus/kernels';
import { expect, test } from 'vitest';

import { buildSteps } from './build.ts';
import { flatIndex, openIndex } from './open.ts';
import type { ProbePoint } from './probe-curve.ts';
import { REFINES, refinePlan } from './rabitq-search.ts';
import { randomOf } from './testing/random.ts';
import type { IndexSearch, VectorIndex } from './vector-index.ts';

const METRICS = ['l2', 'ip', 'cosine'] as const;
const DIM = 256;
const ROWS = 6000;

const kernels = loadKernels();
const random = randomOf(3);
const centres = Float32Array.from({ length: 40 * DIM }, () => random() * 2 - 1);
function rowInto(to: Float32Array): void {
  const centre = Math.floor(random() * 40) * DIM;
  for (let j = 0; j < DIM; j++) to[j] = (centres[centre + j] ?? 0) + (random() + random() - 1);
}
const rows = kernels.allocate(ROWS * DIM * 4);
for (let row = 0; row < ROWS; row++) rowInto(floatsOf(rows, DIM, row * DIM * 4));
const column = { rows, rowCount: ROWS, dim: DIM };
const queries = new Float32Array(30 * DIM);
for (let q = 0; q < 30; q++) rowInto(queries.subarray(q * DIM, (q + 1) * DIM));

function built(metric: (typeof METRICS)[number], seed?: number) {
  const steps = buildSteps({ kernels, column, kind: 'IVF_RABITQ', metric, params: { seed } });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

function topOf(index: VectorIndex, args: Omit<IndexSearch, 'top' | 'queries'>): TopK {
  const top = createTopK(30, 10);
  index.search({ queries, ...args, top });
  sortTopK(top, index.metric);
  return top;
}

function recallOf(got: TopK, truth: TopK): number {
  let found = 0;
  for (let q = 0; q < 30; q++) {
    const own = new Set(got.rows.subarray(q * 10, q * 10 + 10));
    for (const row of truth.rows.subarray(q * 10, q * 10 + 10)) found += own.has(row) ? 1 : 0;
  }
  return found / 300;
}

test.each(METRICS)('a recall picks lists and candidates, %s', (metric) => {
  const file = built(metric);
  const index = openIndex({ kernels, column, image: { ...file, path: 'bits' } });
  const exact = flatIndex({ kernels, column, metric });
  const truth = topOf(exact, {});
  for (const recall of [0.7, 0.8, 0.9, 0.95]) {
    const work = index.search({ queries, recall, top: createTopK(30, 10) });
    expect(work.plan).toBe('lists');
    expect(work.exactScores).toBeLessThan(30 * ROWS * 0.2);
    expect(recallOf(topOf(index, { recall }), truth)).toBeGreaterThan(recall - 0.03);
  }
  const narrow = recallOf(topOf(index, { nprobe: 77, refine: 1 }), truth);
  const wide = recallOf(topOf(index, { nprobe: 77, refine: 40 }), truth);
  expect(narrow).toBeLessThan(wide);
  expect(wide).toBeGreaterThan(0.99);
  const allowed = createBitset(ROWS);
  for (let row = 0; row < ROWS; row += 3) setBit(allowed, row);
  const filtered = topOf(exact, { allowed });
  expect(recallOf(topOf(index, { allowed, recall: 0.9 }), filtered)).toBeGreaterThan(0.87);
});

test('a row takes a twentieth of its numbers', () => {
  const lists = 77 * DIM * 4;
  const { bytes } = built('l2');
  expect((bytes - lists) / ROWS).toBeLessThan((DIM * 4) / 20);
  expect((bytes - lists) / ROWS).toBeGreaterThan(DIM / 8);
});

test('a seed decides the rotation and the lists, and nothing else does', () => {
  const bytes = [1, 1, 2].map((seed) => {
    const file = built('l2', seed);
    return Buffer.from(bytesOf(file.memory, file.bytes));
  });
  expect(bytes[0]?.equals(bytes[1] ?? Buffer.alloc(0))).toBe(true);
  expect(bytes[0]?.equals(bytes[2] ?? Buffer.alloc(0))).toBe(false);
});

test('candidates out of range are refused', () => {
  const index = openIndex({ kernels, column, image: { ...built('l2'), path: 'bits' } });
  for (const refine of [0, 0.5, -1, 1025, Number.NaN, Infinity]) {
    expect(() => topOf(index, { refine })).toThrow(RangeError);
  }
});

test('plans are the cheapest that were measured to find enough', () => {
  const point = (nprobe: number, refine: number, recall: number): ProbePoint => {
    return { limit: 10, nprobe, refine, recall };
  };
  const points = [
    ...[0.5, 0.7, 0.72, 0.72].map((recall, i) => point(2 ** i, 2, recall)),
    ...[0.6, 0.85, 0.93, 0.94].map((recall, i) => point(2 ** i, 8, recall)),
    ...[0.6, 0.86, 0.96, 0.99].map((recall, i) => point(2 ** i, 64, recall)),
  ];
  const costs = { rowCount: 100_000, lists: 300, dim: 768 };
  const plan = (asked: { recall: number; nprobe?: number; refine?: number }) => {
    const { nprobe, refine, recall } = asked;
    return refinePlan(points, { limit: 10, recall, nprobe, refine }, costs);
  };
  expect(plan({ recall: 0.7 })).toMatchObject({ nprobe: 2, refine: 2 });
  expect(plan({ recall: 0.93 })).toMatchObject({ nprobe: 4, refine: 8, recall: 0.93 });
  expect(plan({ recall: 0.98 })).toMatchObject({ refine: 64 });
  expect(plan({ recall: 0.995 })).toBeUndefined();
  // What is said is kept, what is not follows from it.
  expect(plan({ recall: 0.9, nprobe: 8 })).toMatchObject({ nprobe: 8, refine: 8 });
  expect(plan({ recall: 0.9, refine: 64 })).toMatchObject({ nprobe: 3, refine: 64 });
  expect(plan({ recall: 0.9, refine: 100 })).toMatchObject({ nprobe: 3, refine: 100 });
  expect(plan({ recall: 0.9, refine: 1 })).toBeUndefined();
  expect(plan({ recall: 0.9, nprobe: 7, refine: 3 })).toEqual({
    nprobe: 7,
    refine: 3,
    recall: 0.72,
  });
  expect(plan({ recall: 0.9, nprobe: 1 })).toMatchObject({ nprobe: 1, refine: 64 });
  expect(REFINES).toEqual([...REFINES].sort((a, b) => a - b));
});
