import { countBits, createBitset, hasBit, setBit } from '@elanus/core';
import type { Bitset } from '@elanus/core';
import { availableIsas, createTopK, floatsOf, loadKernels, sortTopK } from '@elanus/kernels';
import type { Kernels, TopK } from '@elanus/kernels';
import { describe, expect, test } from 'vitest';

import { buildSteps } from './build.ts';
import type { VectorColumn } from './column.ts';
import type { IndexFile } from './index-file.ts';
import { flatIndex, openHandle, openIndex } from './open.ts';
import { randomOf } from './testing/random.ts';
import type { IndexKind, IndexSearch, VectorIndex } from './vector-index.ts';

const METRICS = ['l2', 'ip', 'cosine'] as const;
type Metric = (typeof METRICS)[number];

/** Roughly normal. */
const normal = (random: () => number): number =>
  random() + random() + random() + random() + random() + random() - 3;

interface World {
  readonly kernels: Kernels;
  readonly column: VectorColumn;
  readonly values: Float32Array;
}

function column(
  kernels: Kernels,
  shape: { rows: number; dim: number },
  value: (i: number) => number,
) {
  const { rows: rowCount, dim } = shape;
  const rows = kernels.allocate(Math.max(4, rowCount * dim * 4));
  const values = floatsOf(rows, rowCount * dim);
  for (let i = 0; i < values.length; i++) values[i] = value(i);
  return { kernels, values, column: { rows, rowCount, dim } } satisfies World;
}

/** Clusters of differing tightness, some dimensions larger than others. */
function clustered(kernels: Kernels, shape: { rows: number; dim: number }, seed = 7) {
  const random = randomOf(seed);
  const clusters = 40;
  const centres = Float32Array.from({ length: clusters * shape.dim }, () => normal(random));
  const spread = Float32Array.from({ length: clusters }, () => 0.05 + random() * 0.5);
  const one = (): Float32Array => {
    const c = Math.floor(random() * clusters);
    return Float32Array.from({ length: shape.dim }, (_, j) => {
      const centre = centres[c * shape.dim + j] ?? 0;
      return centre + normal(random) * (spread[c] ?? 0) * (j % 3 === 0 ? 1 : 0.2);
    });
  };
  const world = column(kernels, shape, () => 0);
  for (let row = 0; row < shape.rows; row++) world.values.set(one(), row * shape.dim);
  return { ...world, one };
}

function build(world: World, kind: IndexKind, metric: Metric): IndexFile {
  const steps = buildSteps({ ...world, kind, metric });
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function open(world: World, kind: IndexKind, metric: Metric): VectorIndex {
  const file = build(world, kind, metric);
  return openIndex({ ...world, image: { ...file, path: 'an index' } });
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

/** The rows that `pick` picks. */
function someOf(rowCount: number, pick: () => boolean): Bitset {
  const set = createBitset(rowCount);
  for (let row = 0; row < rowCount; row++) if (pick()) setBit(set, row);
  return set;
}

/** Two queries return min(limit, allowed) rows, all allowed, none twice. */
function expectAllowed(index: VectorIndex, queries: Float32Array, allowed: Bitset): void {
  const count = countBits(allowed);
  for (const limit of [1, 10, 700]) {
    const top = topOf(index, { queries, allowed }, limit);
    expect([...top.counts]).toEqual([Math.min(limit, count), Math.min(limit, count)]);
    const rows = rowsOf(top);
    expect(new Set(rows).size).toBe(rows.length);
    expect(rows.every((row) => hasBit(allowed, row))).toBe(true);
  }
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

describe.each(METRICS)('recall, %s', (metric) => {
  test.each([16, 100, 384])('FLAT_SQ8 finds 99 of 100 neighbours, %i dimensions', (dim) => {
    const world = clustered(loadKernels(), { rows: 6000, dim });
    const index = open(world, 'FLAT_SQ8', metric);
    const exact = flatIndex({ ...world, metric });
    const queries = new Float32Array(50 * dim);
    for (let q = 0; q < 50; q++) queries.set(world.one(), q * dim);
    const truth = topOf(exact, { queries }, 10);
    expect(recall(topOf(index, { queries }, 10), truth)).toBeGreaterThanOrEqual(0.99);
    const work = index.search({ queries, top: createTopK(50, 10) });
    expect(work.plan).not.toBe('exact');
    expect(work.exactScores).toBeLessThan(50 * 6000);
    expect(topOf(index, { queries, exact: true }, 10)).toEqual(truth);
  });

  test('queries far outside the rows are answered as well', () => {
    const dim = 24;
    const world = clustered(loadKernels(), { rows: 4000, dim });
    const index = open(world, 'FLAT_SQ8', metric);
    const exact = flatIndex({ ...world, metric });
    const random = randomOf(3);
    const queries = Float32Array.from({ length: 30 * dim }, () => normal(random) * 1000);
    const truth = topOf(exact, { queries }, 10);
    expect(recall(topOf(index, { queries }, 10), truth)).toBeGreaterThanOrEqual(0.99);
  });

  test('a few rows a thousand times longer do not spoil the rest', () => {
    const dim = 24;
    const world = clustered(loadKernels(), { rows: 4000, dim });
    for (let row = 0; row < 4000; row += 1000) {
      const long = world.values.subarray(row * dim, (row + 1) * dim);
      long.set(long.map((value) => value * 1000));
    }
    const index = open(world, 'FLAT_SQ8', metric);
    const exact = flatIndex({ ...world, metric });
    const queries = new Float32Array(30 * dim);
    for (let q = 0; q < 30; q++) queries.set(world.one(), q * dim);
    queries.set(world.values.subarray(0, dim));
    const truth = topOf(exact, { queries }, 10);
    expect(recall(topOf(index, { queries }, 10), truth)).toBeGreaterThanOrEqual(0.99);
  });
});

describe('a filtered search returns min(limit, allowed)', () => {
  const shapes: Record<string, (random: () => number) => (i: number) => number> = {
    'equal vectors': () => () => 0.25,
    'zero rows': () => () => 0,
    'small integers': (random) => () => Math.floor(random() * 2),
    'huge values': (random) => () => (random() - 0.5) * 6e38,
    'tiny values': (random) => () => (random() - 0.5) * 1e-42,
    'one outlier': () => (i) => (i === 5 ? 1e30 : 0.001),
  };
  const kinds = ['FLAT', 'FLAT_SQ8'] as const;
  test.each(Object.keys(shapes))('%s', (name) => {
    const kernels = loadKernels();
    const random = randomOf(11);
    for (const dim of [1, 3, 17]) {
      const rowCount = 1500;
      const value = shapes[name]?.(random) ?? (() => 0);
      const world = column(kernels, { rows: rowCount, dim }, value);
      for (const kind of kinds) {
        for (const metric of METRICS) {
          const index = open(world, kind, metric);
          for (const share of [0, 0.003, 0.1, 0.7, 1]) {
            const allowed = someOf(rowCount, () => random() < share);
            expectAllowed(index, world.values.slice(0, dim * 2), allowed);
          }
        }
      }
    }
  });

  test('an empty index answers with nothing', () => {
    for (const kind of kinds) {
      for (const metric of METRICS) {
        const world = column(loadKernels(), { rows: 0, dim: 8 }, () => 0);
        const top = topOf(open(world, kind, metric), { queries: new Float32Array(8) }, 3);
        expect([...top.counts]).toEqual([0]);
      }
    }
  });
});

describe('searches', () => {
  const dim = 32;
  const world = clustered(loadKernels(), { rows: 5000, dim });
  const query = world.one();

  test('range search keeps rows within the bounds, on either side', () => {
    for (const metric of METRICS) {
      const exact = flatIndex({ ...world, metric });
      const index = open(world, 'FLAT_SQ8', metric);
      const all = topOf(exact, { queries: query }, 200);
      const [a, b] = [all.scores[20] ?? 0, all.scores[60] ?? 0];
      const [min, max] = [Math.min(a, b), Math.max(a, b)];
      const inside = topOf(index, { queries: query, bounds: { min, max } }, 100);
      expect(rowsOf(inside)).toEqual(rowsOf(all).slice(20, 61));
      const far = metric === 'l2' ? { min: -Infinity, max: b } : { min: b, max: Infinity };
      const near = topOf(index, { queries: query, bounds: far }, 100);
      expect(rowsOf(near)).toEqual(rowsOf(all).slice(0, 61));
    }
  });

  test('range search finds rows far behind the best', () => {
    for (const metric of METRICS) {
      const index = open(world, 'FLAT_SQ8', metric);
      const all = topOf(flatIndex({ ...world, metric }), { queries: query }, 5000);
      const [a, b] = [all.scores[3000] ?? 0, all.scores[3010] ?? 0];
      const bounds = { min: Math.min(a, b), max: Math.max(a, b) };
      const inside = topOf(index, { queries: query, bounds }, 20);
      expect(rowsOf(inside)).toEqual(rowsOf(all).slice(3000, 3011));
    }
  });

  test('row numbers start at rowBase, and parts of a span join', () => {
    for (const kind of ['FLAT', 'FLAT_SQ8'] as const) {
      const index = open(world, kind, 'l2');
      const whole = topOf(index, { queries: query }, 10);
      const top = createTopK(1, 10);
      index.search({ queries: query, top, from: 0, to: 2500, rowBase: 70 });
      index.search({ queries: query, top, from: 2500, to: 5000, rowBase: 70 });
      sortTopK(top, 'l2');
      expect(rowsOf(top)).toEqual(rowsOf(whole).map((row) => row + 70));
      expect(top.scores).toEqual(whole.scores);
    }
  });

  test('says when rows of the worst kept score were dropped', () => {
    const equal = column(loadKernels(), { rows: 4000, dim: 8 }, (i) => Math.floor(i / 8) % 4);
    for (const kind of ['FLAT', 'FLAT_SQ8'] as const) {
      const index = open(equal, kind, 'l2');
      const top = topOf(index, { queries: new Float32Array(8) }, 10);
      expect([...top.tied]).toEqual([1]);
      const score = top.scores[9] ?? -1;
      const bounds = { min: score, max: score };
      const second = topOf(index, { queries: new Float32Array(8), bounds, exact: true }, 2000);
      expect(second.counts[0]).toBe(1000);
      // Also when the candidates were already cut within that score.
      const narrow = topOf(index, { queries: new Float32Array(8), candidates: 10 }, 10);
      expect([...narrow.tied]).toEqual([1]);
    }
  });

  test('a handle opens the same index', () => {
    for (const metric of METRICS) {
      for (const kind of ['FLAT', 'FLAT_SQ8'] as const) {
        const index = open(world, kind, metric);
        const again = openHandle(world.kernels, structuredClone(index.handle()));
        expect(topOf(again, { queries: query }, 10)).toEqual(topOf(index, { queries: query }, 10));
      }
    }
  });

  test('wrong arguments are refused', () => {
    const index = open(world, 'FLAT_SQ8', 'l2');
    const top = createTopK(1, 3);
    const queries = query;
    expect(() => index.search({ queries: query.subarray(1), top })).toThrow(RangeError);
    expect(() => index.search({ queries, top, to: 5001 })).toThrow(RangeError);
    expect(() => index.search({ queries, top, from: -1 })).toThrow(RangeError);
    expect(() => index.search({ queries, top, allowed: new Uint32Array(3) })).toThrow(RangeError);
  });
});

test('files and results are equal on every instruction set and in WebAssembly', () => {
  const made = availableIsas().map((isa) => {
    const kernels = loadKernels(isa);
    const world = clustered(kernels, { rows: 1500, dim: 45 });
    const query = world.one();
    return METRICS.map((metric) => {
      const file = build(world, 'FLAT_SQ8', metric);
      const bytes = Buffer.from(
        new Uint8Array(file.memory.buffer, file.memory.byteOffset, file.bytes),
      ).toString('base64');
      const index = openIndex({ ...world, image: { ...file, path: isa } });
      const top = topOf(index, { queries: query, candidates: 40 }, 10);
      return { bytes, rows: rowsOf(top), scores: [...top.scores] };
    });
  });
  for (const one of made) expect(one).toEqual(made[0]);
});
