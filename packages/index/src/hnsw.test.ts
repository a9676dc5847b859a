import { countBits, createBitset, hasBit, setBit } from '@elanus/core';
import type { Bitset } from '@elanus/core';
import {
  availableIsas,
  bytesOf,
  createTopK,
  floatsOf,
  loadKernels,
  sortTopK,
} from '@elanus/kernels';
import type { Kernels, TopK } from '@elanus/kernels';
import { describe, expect, test } from 'vitest';

import { buildSteps } from './build.ts';
import type { IndexPlan } from './build.ts';
import type { IndexFile } from './index-file.ts';
import { flatIndex, openHandle, openIndex } from './open.ts';
import { randomOf } from './testing/random.ts';
import type { IndexSearch, VectorIndex } from './vector-index.ts';

const METRICS = ['l2', 'ip', 'cosine'] as const;
const KINDS = ['HNSW', 'HNSW_FLAT', 'HNSW_BF16'] as const;
const GRAPHS = KINDS.flatMap((kind) => METRICS.map((metric) => [kind, metric] as const));

const normal = (random: () => number): number =>
  random() + random() + random() + random() + random() + random() - 3;

/** Rows whose numbers `value` gives. */
function columnOf(
  kernels: Kernels,
  shape: { readonly rows: number; readonly dim: number },
  value: (row: number, i: number) => number,
) {
  const { rows: rowCount, dim } = shape;
  const rows = kernels.allocate(rowCount * dim * 4);
  const values = floatsOf(rows, rowCount * dim);
  for (let at = 0; at < values.length; at++) values[at] = value(Math.floor(at / dim), at % dim);
  return { kernels, column: { rows, rowCount, dim }, values };
}

/** Clusters; the rows at the end serve as queries from outside. */
function clustered(kernels: Kernels, shape: { readonly rows: number; readonly dim: number }) {
  const random = randomOf(7);
  const { dim } = shape;
  const centres = Float32Array.from({ length: 40 * dim }, () => normal(random));
  let centre = 0;
  const value = (_: number, i: number): number => {
    if (i === 0) centre = Math.floor(random() * 40) * dim;
    return (centres[centre + i] ?? 0) + normal(random) * 0.4;
  };
  const world = columnOf(kernels, shape, value);
  const queries = Float32Array.from({ length: 50 * dim }, (_, at) => value(0, at % dim));
  return { ...world, queries };
}

/** A build of a graph, over codes unless another kind is named. */
type GraphPlan = Omit<IndexPlan, 'kind'> & { readonly kind?: (typeof KINDS)[number] };

function build(plan: GraphPlan): IndexFile {
  const steps = buildSteps({ kind: 'HNSW', ...plan });
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function open(plan: GraphPlan): VectorIndex {
  return openIndex({ ...plan, image: { ...build(plan), path: 'a graph' } });
}

/** A search of dense queries. */
interface Asked extends Omit<IndexSearch, 'top'> {
  readonly queries: Float32Array | Uint8Array;
}

function topOf(index: VectorIndex, args: Asked, limit: number): TopK {
  const top = createTopK(args.queries.length / index.dim, limit);
  index.search({ ...args, top });
  sortTopK(top, index.metric);
  return top;
}

function rowsOf(top: TopK, slot = 0): number[] {
  return [...top.rows.subarray(slot * top.limit, slot * top.limit + (top.counts[slot] ?? 0))];
}

function recall(got: TopK, truth: TopK): number {
  let found = 0;
  let all = 0;
  for (let q = 0; q < truth.nq; q++) {
    const rows = new Set(rowsOf(got, q));
    for (const row of rowsOf(truth, q)) found += rows.has(row) ? 1 : 0;
    all += truth.counts[q] ?? 0;
  }
  return found / all;
}

function someOf(rowCount: number, pick: (row: number) => boolean): Bitset {
  const set = createBitset(rowCount);
  for (let row = 0; row < rowCount; row++) if (pick(row)) setBit(set, row);
  return set;
}

describe.each(GRAPHS)('a graph, %s, %s', (kind, metric) => {
  const world = clustered(loadKernels(), { rows: 6000, dim: 40 });
  const index = open({ ...world, kind, metric });
  const exact = flatIndex({ ...world, metric });
  const { queries } = world;

  test('finds what is asked for, and says what it did', () => {
    const truth = topOf(exact, { queries }, 10);
    for (const [ef, least] of [
      [20, 0.85],
      [60, 0.97],
      [200, 0.995],
    ] as const) {
      const top = createTopK(50, 10);
      const work = index.search({ queries, ef, top });
      expect(work.plan).toBe('graph');
      expect(work).toMatchObject({ ef, fallbacks: 0 });
      expect(work.codeScores).toBeLessThan(50 * 6000 * 0.5);
      sortTopK(top, metric);
      expect(recall(top, truth)).toBeGreaterThanOrEqual(least);
    }
  });

  test('finds more when more recall is asked for', () => {
    const truth = topOf(exact, { queries }, 10);
    for (const wanted of [0.8, 0.9, 0.95, 0.99]) {
      expect(recall(topOf(index, { queries, recall: wanted }, 10), truth)).toBeGreaterThan(
        wanted - 0.02,
      );
    }
    expect(topOf(index, { queries, exact: true }, 10)).toEqual(truth);
  });

  test('honours filters of all strengths, by walks and scans', () => {
    const random = randomOf(5);
    for (const share of [0.005, 0.05, 0.2, 0.5, 0.9]) {
      const allowed = someOf(6000, () => random() < share);
      const truth = topOf(exact, { queries, allowed }, 10);
      const plans = new Set<string>();
      for (const ef of [undefined, 60]) {
        const top = createTopK(50, 10);
        plans.add(index.search({ queries, allowed, ef, top }).plan);
        sortTopK(top, metric);
        expect(recall(top, truth)).toBeGreaterThanOrEqual(0.9);
        for (let q = 0; q < 50; q++) {
          expect(rowsOf(top, q)).toHaveLength(10);
          expect(rowsOf(top, q).every((row) => hasBit(allowed, row))).toBe(true);
        }
      }
      if (share > 0.03) expect([...plans].some((plan) => plan.startsWith('graph'))).toBe(true);
    }
  });

  test('a filter against the query is answered by a scan, in full', () => {
    const query = queries.slice(0, 40);
    const all = topOf(exact, { queries: query }, 6000);
    const far = new Set(rowsOf(all).slice(5400));
    const allowed = someOf(6000, (row) => far.has(row));
    const truth = topOf(exact, { queries: query, allowed }, 20);
    expect(recall(topOf(index, { queries: query, allowed, ef: 40 }, 20), truth)).toBeGreaterThan(
      0.9,
    );
  });

  test('range search keeps rows within the bounds', () => {
    for (const size of [5, 60, 300]) {
      const query = queries.slice(80, 120);
      const all = topOf(exact, { queries: query }, 1000);
      const edge = all.scores[size - 1] ?? 0;
      const bounds = metric === 'l2' ? { min: -Infinity, max: edge } : { min: edge, max: Infinity };
      const got = topOf(index, { queries: query, bounds, ef: 100 }, 1000);
      const truth = topOf(exact, { queries: query, bounds }, 1000);
      expect(truth.counts[0]).toBe(size);
      expect(
        got.scores.every(
          (score, i) => i >= (got.counts[0] ?? 0) || (score >= bounds.min && score <= bounds.max),
        ),
      ).toBe(true);
      expect(recall(got, truth)).toBeGreaterThan(0.95);
    }
  });

  test('row numbers start at rowBase; parts of the rows are scanned', () => {
    const whole = topOf(index, { queries, ef: 500 }, 10);
    const moved = topOf(index, { queries, ef: 500, rowBase: 70 }, 10);
    expect([...moved.rows]).toEqual([...whole.rows].map((row) => row + 70));
    const top = createTopK(50, 10);
    index.search({ queries, top, from: 0, to: 2500 });
    index.search({ queries, top, from: 2500, to: 6000 });
    sortTopK(top, metric);
    expect(recall(top, topOf(exact, { queries }, 10))).toBeGreaterThan(0.98);
  });
});

describe('never fewer than min(limit, allowed) results', () => {
  const shapes: Record<string, (random: () => number) => (row: number, i: number) => number> = {
    'all zero': () => () => 0,
    'all equal': () => () => 0.7,
    'two values': () => (row) => (row % 2 === 0 ? -1 : 1),
    'thousands of equal rows among others': (random) => (row) => (row % 3 === 0 ? random() : 0.5),
    'few distinct rows': () => (row, i) => (row % 7) * (i + 1),
    'one outlier': () => (row) => (row === 5 ? 1e30 : 0.001),
    random: (random) => () => random() - 0.5,
    sorted: () => (row) => row,
  };
  const named = Object.keys(shapes).flatMap((name) => KINDS.map((kind) => [name, kind] as const));
  test.each(named)('%s, %s', (name, kind) => {
    const kernels = loadKernels();
    for (const dim of [1, 3, 65]) {
      const random = randomOf(11);
      const value = shapes[name]?.(random) ?? (() => 0);
      const rowCount = 2000;
      const world = columnOf(kernels, { rows: rowCount, dim }, value);
      for (const metric of METRICS) {
        const index = open({ ...world, kind, metric });
        for (const share of [0, 0.003, 0.1, 0.7, 1]) {
          const allowed = someOf(rowCount, () => random() < share);
          const count = countBits(allowed);
          for (const [limit, ef] of [
            [1, 1],
            [10, 10],
            [10, 300],
            [700, 700],
          ] as const) {
            const queries = world.values.slice(0, dim * 2);
            const top = topOf(index, { queries, allowed, ef }, limit);
            const expected = Math.min(limit, count);
            expect([...top.counts]).toEqual([expected, expected]);
            const rows = rowsOf(top);
            expect(new Set(rows).size).toBe(rows.length);
            expect(rows.every((row) => hasBit(allowed, row))).toBe(true);
          }
        }
      }
    }
  });

  test.each(KINDS)('an index of no rows, one row, few rows: %s', (kind) => {
    for (const rows of [0, 1, 2, 17, 40]) {
      const world = columnOf(loadKernels(), { rows: Math.max(1, rows), dim: 8 }, (r, i) => r + i);
      const column = { ...world.column, rowCount: rows };
      const index = open({ ...world, kind, column, metric: 'l2' });
      const top = topOf(index, { queries: new Float32Array(8), ef: 10 }, 5);
      expect(rowsOf(top)).toEqual([0, 1, 2, 3, 4].slice(0, rows));
    }
  });
});

test('equal rows come in row order, and ties are told', () => {
  const random = randomOf(3);
  const kernels = loadKernels();
  const value = (row: number, i: number) => (row % 4 === 0 ? i / 8 : random());
  const world = columnOf(kernels, { rows: 4000, dim: 8 }, value);
  const index = open({ ...world, metric: 'l2' });
  const queries = Float32Array.from({ length: 8 }, (_, i) => i / 8);
  const top = createTopK(1, 10);
  expect(index.search({ queries, top, ef: 50 }).plan).toBe('graph');
  sortTopK(top, 'l2');
  expect(rowsOf(top)).toEqual(Array.from({ length: 10 }, (_, i) => i * 4));
  expect([...top.tied]).toEqual([1]);
  const all = topOf(index, { queries, ef: 1200 }, 1000);
  expect(rowsOf(all)).toEqual(Array.from({ length: 1000 }, (_, i) => i * 4));
});

test('rows in the order of their place, far apart groups: all are reached', () => {
  const random = randomOf(3);
  const kernels = loadKernels();
  const value = (row: number) => Math.floor(row / 500) * 3 + random();
  const world = columnOf(kernels, { rows: 8000, dim: 12 }, value);
  const index = open({ ...world, metric: 'l2' });
  const exact = flatIndex({ ...world, metric: 'l2' });
  const queries = new Float32Array(16 * 12);
  for (let g = 0; g < 16; g++) {
    queries.set(world.values.subarray((g * 500 + 3) * 12, (g * 500 + 4) * 12), g * 12);
  }
  const truth = topOf(exact, { queries }, 10);
  expect(recall(topOf(index, { queries, ef: 60 }, 10), truth)).toBeGreaterThan(0.9);
});

test('a large data set of few dimensions is walked by itself, without being asked', () => {
  const world = clustered(loadKernels(), { rows: 20_000, dim: 8 });
  const index = open({ ...world, metric: 'l2' });
  const work = index.search({ queries: world.queries, top: createTopK(50, 10) });
  expect(work.plan).toBe('graph');
  expect(work.recall).toBeGreaterThanOrEqual(0.95);
  const few = someOf(20_000, (row) => row % 100 === 0);
  const top = createTopK(50, 10);
  const filtered = index.search({ queries: world.queries, allowed: few, top });
  expect(filtered.plan).not.toMatch(/graph/);
});

describe.each(['l2', 'cosine'] as const)('rows that a strict filter leaves, %s', (metric) => {
  const world = clustered(loadKernels(), { rows: 6000, dim: 32 });
  const index = open({ ...world, metric });
  const exact = flatIndex({ ...world, metric });

  test.each([
    ['all are scored', 30, 'exact'],
    ['codes choose', 120, 'codes'],
  ] as const)('%s, once each', (_, rows, plan) => {
    const allowed = someOf(6000, (row) => row % Math.floor(6000 / rows) === 7);
    const { queries } = world;
    const top = createTopK(50, 10);
    const work = index.search({ queries, allowed, top, recall: 0.95 });
    expect(work).toMatchObject({ plan, ef: undefined, fallbacks: 0 });
    expect(work.codeScores).toBe(50 * rows);
    if (plan === 'exact') expect(work.exactScores).toBe(50 * rows);
    else expect(work.exactScores).toBeLessThan((50 * rows) / 2);
    sortTopK(top, metric);
    const truth = topOf(exact, { queries, allowed }, 10);
    expect(recall(top, truth)).toBeGreaterThanOrEqual(plan === 'exact' ? 1 : 0.99);
    if (plan === 'exact') expect([...top.tied]).toEqual([...truth.tied]);
  });
});

test('inner products under filters: what walks cannot reach is scanned', () => {
  const world = clustered(loadKernels(), { rows: 30_000, dim: 64 });
  const index = open({ ...world, metric: 'ip', params: { M: 8, efConstruction: 60 } });
  for (const every of [3, 5, 10]) {
    const allowed = someOf(30_000, (row) => row % every === 0);
    const args = { queries: world.queries, allowed };
    const truth = topOf(index, { ...args, exact: true }, 10);
    expect(recall(topOf(index, args, 10), truth)).toBeGreaterThan(0.96);
  }
});

test.each(KINDS)('%s: files and results are equal everywhere', (kind) => {
  const made = availableIsas().map((isa) => {
    const world = clustered(loadKernels(isa), { rows: 1500, dim: 45 });
    return METRICS.map((metric) => {
      const file = build({ ...world, kind, metric, params: { M: 8, efConstruction: 60 } });
      const index = openIndex({ ...world, image: { ...file, path: isa } });
      const queries = world.queries.subarray(0, 45 * 5);
      const allowed = someOf(1500, (row) => row % 3 !== 0);
      const results = [
        topOf(index, { queries, ef: 30 }, 10),
        topOf(index, { queries, allowed, ef: 30 }, 10),
        topOf(index, { queries, bounds: { min: -30, max: 30 }, ef: 30 }, 10),
      ];
      const bytes = Buffer.from(bytesOf(file.memory, file.bytes)).toString('base64');
      return { bytes, results: results.map((top) => [...top.rows, ...top.scores, ...top.tied]) };
    });
  });
  for (const one of made) expect(one).toEqual(made[0]);
});

describe('graphs over numbers', () => {
  const world = clustered(loadKernels(), { rows: 6000, dim: 40 });
  const { queries, column } = world;

  test('a walk over the rows scores no row again, and keeps nothing of them', () => {
    const index = open({ ...world, kind: 'HNSW_FLAT', metric: 'l2' });
    const rounded = open({ ...world, kind: 'HNSW_BF16', metric: 'l2' });
    const coded = open({ ...world, kind: 'HNSW', metric: 'l2' });
    const lists = (16 * 8 + 8 + 1) * column.rowCount + 4096;
    expect(index.bytes).toBeLessThan(lists);
    expect(rounded.bytes).toBeLessThan(lists + 128 * column.rowCount);
    const truth = topOf(flatIndex({ ...world, metric: 'l2' }), { queries }, 10);
    const found = [index, rounded, coded].map((one) => topOf(one, { queries, ef: 80 }, 10));
    const [exact = 0, nearly = 0, codes = 0] = found.map((top) => recall(top, truth));
    expect(exact).toBeGreaterThanOrEqual(codes - 0.01);
    expect(nearly).toBeGreaterThanOrEqual(codes - 0.01);
    const scored = [index, rounded].map((one) => {
      const work = one.search({ queries, top: createTopK(50, 10), ef: 80 });
      return work.exactScores;
    });
    expect(scored).toEqual([50 * 10, 50 * 30]);
  });

  test('what rounds away is scanned: rows that bfloat16 cannot tell apart', () => {
    const random = randomOf(9);
    const far = columnOf(loadKernels(), { rows: 3000, dim: 16 }, () => 4096 + random());
    const index = open({ ...far, kind: 'HNSW_BF16', metric: 'l2' });
    const asked = { queries: far.values.slice(0, 16 * 20), recall: 0.95 };
    const truth = topOf(flatIndex({ ...far, metric: 'l2' }), asked, 10);
    expect(recall(topOf(index, asked, 10), truth)).toBeGreaterThan(0.94);
  });

  test('queries without a direction are scanned', () => {
    for (const kind of KINDS) {
      const index = open({ ...world, kind, metric: 'cosine' });
      const work = index.search({ queries: new Float32Array(40), top: createTopK(1, 5), ef: 40 });
      expect(work).toMatchObject({ fallbacks: 1 });
    }
  });

  test('bfloat16 is of float32 rows', () => {
    const narrow = { ...world, column: { ...column, element: 'float16' as const } };
    expect(() => build({ ...narrow, kind: 'HNSW_BF16', metric: 'l2' })).toThrow(RangeError);
  });
});

test('parameters out of range are refused', () => {
  const world = clustered(loadKernels(), { rows: 100, dim: 4 });
  for (const params of [
    { M: 1 },
    { M: 65 },
    { M: 2.5 },
    { efConstruction: 3 },
    { efConstruction: 1e6 },
  ]) {
    for (const kind of KINDS) {
      expect(() => build({ ...world, kind, metric: 'l2', params })).toThrow(RangeError);
    }
  }
});

test('a handle is opened once in a thread', () => {
  const kernels = loadKernels();
  const world = clustered(kernels, { rows: 900, dim: 8 });
  const index = open({ ...world, metric: 'ip' });
  const handle = structuredClone(index.handle());
  const again = openHandle(kernels, handle);
  expect(openHandle(kernels, handle)).toBe(again);
  expect(openHandle(loadKernels('wasm'), handle)).not.toBe(again);
  const asked = { queries: world.queries, ef: 50 };
  expect(topOf(again, asked, 10)).toEqual(topOf(index, asked, 10));
});
