import { countBits, createBitset, hasBit, setBit } from '@elanus/core';
import { availableIsas, bytesOf, createTopK, floatsOf, loadKernels } from '@elanus/kernels';
import { sortTopK } from '@elanus/kernels';
import type { Kernels, TopK } from '@elanus/kernels';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { buildIndex, buildSteps } from './build.ts';
import type { IndexParams } from './build.ts';
import { indexLayout, readIndexHeader } from './index-file.ts';
import type { IndexFile } from './index-file.ts';
import { flatIndex, openHandle, openIndex } from './open.ts';
import { probesFor, readProbeCurve, recallOfProbes } from './probe-curve.ts';
import { randomOf } from './testing/random.ts';
import type { IndexSearch, VectorIndex } from './vector-index.ts';

const METRICS = ['l2', 'ip', 'cosine'] as const;
const KINDS = ['IVF_FLAT', 'IVF_SQ8', 'IVF_RABITQ'] as const;

/** Rows of clusters, and queries like them. */
function clustered(kernels: Kernels, rowCount: number, dim: number) {
  const random = randomOf(7);
  const centres = Float32Array.from({ length: 60 * dim }, () => random() * 4 - 2);
  const one = (): Float32Array => {
    const c = Math.floor(random() * 60);
    return Float32Array.from({ length: dim }, (_, j) => {
      return (centres[c * dim + j] ?? 0) + (random() + random() + random() - 1.5) * 0.7;
    });
  };
  const rows = kernels.allocate(rowCount * dim * 4);
  for (let row = 0; row < rowCount; row++) floatsOf(rows, dim, row * dim * 4).set(one());
  const queries = new Float32Array(40 * dim);
  for (let q = 0; q < 40; q++) queries.set(one(), q * dim);
  return { kernels, column: { rows, rowCount, dim }, queries };
}

type World = ReturnType<typeof clustered>;

interface Wish {
  readonly kind: (typeof KINDS)[number];
  readonly metric: (typeof METRICS)[number];
  readonly params?: IndexParams | undefined;
}

function build({ kernels, column }: World, wish: Wish): IndexFile {
  const steps = buildSteps({ kernels, column, ...wish });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

function open(world: World, file: IndexFile): VectorIndex {
  return openIndex({ ...world, image: { ...file, path: 'lists' } });
}

function topOf(index: VectorIndex, args: Omit<IndexSearch, 'top'>, limit: number): TopK {
  const top = createTopK(
    args.queries instanceof Float32Array ? args.queries.length / index.dim : 0,
    limit,
  );
  index.search({ ...args, top });
  sortTopK(top, index.metric);
  return top;
}

function recallOf(got: TopK, truth: TopK): number {
  let [found, all] = [0, 0];
  for (let q = 0; q < truth.nq; q++) {
    const at = q * truth.limit;
    const rows = new Set(got.rows.subarray(at, at + (got.counts[q] ?? 0)));
    for (const row of truth.rows.subarray(at, at + truth.limit)) found += rows.has(row) ? 1 : 0;
    all += truth.limit;
  }
  return found / all;
}

describe.each(METRICS)('lists around centroids, %s', (metric) => {
  const world = clustered(loadKernels(), 8000, 32);
  const { kernels, column, queries } = world;
  const exact = flatIndex({ kernels, metric, column });
  const truth = topOf(exact, { queries }, 10);

  test.each(KINDS)('%s: more lists find more, and a recall picks how many', (kind) => {
    const index = open(world, build(world, { kind, metric }));
    const recalls = [1, 4, 16, 178].map((nprobe) =>
      recallOf(topOf(index, { queries, nprobe }, 10), truth),
    );
    expect(recalls).toEqual([...recalls].sort((a, b) => a - b));
    expect(recalls.at(-1)).toBeGreaterThanOrEqual(0.99);
    let scored = 0;
    for (const recall of [0.7, 0.9, 0.97]) {
      const top = createTopK(40, 10);
      const work = index.search({ queries, recall, top });
      expect(work.plan).toBe('lists');
      expect(work.recall).toBeGreaterThan(recall - 0.15);
      expect(work.recall).toBeLessThanOrEqual(1);
      expect(recallOf(top, truth)).toBeGreaterThanOrEqual(recall - 0.04);
      const looked = work.codeScores + work.exactScores;
      expect(looked).toBeGreaterThanOrEqual(scored);
      scored = looked;
    }
    expect(scored).toBeLessThan(40 * 8000 * 0.8);
    expect(topOf(index, { queries, exact: true }, 10)).toEqual(truth);
  });

  test.each(KINDS)('%s: filters, bounds and parts lose no rows', (kind) => {
    const index = open(world, build(world, { kind, metric }));
    for (const step of [2, 10, 400, 4000]) {
      const allowed = createBitset(8000);
      for (let row = 1; row < 8000; row += step) setBit(allowed, row);
      const top = topOf(index, { queries, allowed, rowBase: 5 }, 20);
      const least = Math.min(20, countBits(allowed));
      expect([...top.counts]).toEqual(Array.from({ length: 40 }, () => least));
      for (let q = 0; q < 40; q++) {
        const rows = top.rows.subarray(q * 20, q * 20 + least);
        expect(rows.every((row) => hasBit(allowed, row - 5))).toBe(true);
        expect(new Set(rows).size).toBe(least);
      }
      if (step === 10) {
        const known = topOf(exact, { queries, allowed }, 10);
        expect(recallOf(topOf(index, { queries, allowed }, 10), known)).toBeGreaterThan(0.9);
      }
    }
    const span = { queries, from: 100, to: 300 };
    expect(topOf(index, span, 10)).toEqual(topOf(exact, span, 10));
    const best = truth.scores[0] ?? 0;
    const beyond =
      metric === 'l2' ? { min: best + 1, max: Infinity } : { min: -Infinity, max: best };
    const cut = { queries, bounds: beyond };
    expect(topOf(index, cut, 10)).toEqual(topOf(exact, cut, 10));
    const edge = truth.scores[9] ?? 0;
    const near = metric === 'l2' ? { min: 0, max: edge } : { min: edge, max: Infinity };
    const one = queries.subarray(0, 32);
    const ranged = topOf(index, { queries: one, bounds: near, nprobe: 178 }, 50);
    expect(ranged.counts[0]).toBe(topOf(exact, { queries: one, bounds: near }, 50).counts[0]);
    expect([...topOf(index, { queries, nprobe: 1 }, 1000).counts]).toEqual(
      Array.from({ length: 40 }, () => 1000),
    );
  });

  test('equal rows, rows of zeros and queries far away are answered', () => {
    const rows = kernels.allocate(900 * 32 * 4);
    floatsOf(rows, 300 * 32).fill(1);
    const same = { ...world, column: { rows, rowCount: 900, dim: 32 } };
    for (const kind of KINDS) {
      const index = open(same, build(same, { kind, metric }));
      const far = queries.map((x) => x * 1000);
      const top = topOf(index, { queries: far }, 12);
      expect([...top.counts]).toEqual(Array.from({ length: 40 }, () => 12));
      const all = topOf(flatIndex({ kernels, metric, column: same.column }), { queries: far }, 12);
      expect(top.scores).toEqual(all.scores);
    }
  });
});

test('files and answers are equal on every instruction set and in WebAssembly', () => {
  const made = availableIsas().map((isa) => {
    const world = clustered(loadKernels(isa), 1500, 21);
    return KINDS.flatMap((kind) =>
      METRICS.map((metric) => {
        const file = build(world, { kind, metric, params: { nlist: 30, seed: 5 } });
        const bytes = Buffer.from(bytesOf(file.memory, file.bytes)).toString('base64');
        const top = topOf(open(world, file), { queries: world.queries, nprobe: 4 }, 10);
        return { bytes, rows: [...top.rows], scores: [...top.scores] };
      }),
    );
  });
  for (const one of made) expect(one).toEqual(made[0]);
});

test.each(KINDS)('%s: a build tells how far it is', async (kind) => {
  const { kernels, column } = clustered(loadKernels(), 6000, 24);
  const shares: number[] = [];
  const control = {
    pause: async () => undefined,
    onProgress: (share: number) => shares.push(share),
  };
  await buildIndex({ kernels, column, kind, metric: 'l2' }, control);
  const half = shares[Math.floor(shares.length / 2)];
  expect(half).toBeGreaterThan(0.3);
  expect(half).toBeLessThan(0.7);
  expect(shares.at(-1)).toBeGreaterThan(0.7);
});

test('a seed decides, and a handle opens the same index', () => {
  const world = clustered(loadKernels(), 1000, 12);
  const bytes = (seed: number): Buffer => {
    const file = build(world, { kind: 'IVF_SQ8', metric: 'l2', params: { seed } });
    return Buffer.from(bytesOf(file.memory, file.bytes));
  };
  expect(bytes(1).equals(bytes(1))).toBe(true);
  expect(bytes(1).equals(bytes(2))).toBe(false);
  const index = open(world, build(world, { kind: 'IVF_FLAT', metric: 'ip' }));
  const again = openHandle(world.kernels, structuredClone(index.handle()));
  const { queries } = world;
  expect(topOf(again, { queries }, 10)).toEqual(topOf(index, { queries }, 10));
});

test('no rows, one row and a list for each row', () => {
  for (const rowCount of [0, 1, 2, 40]) {
    const kernels = loadKernels();
    const rows = kernels.allocate(Math.max(1, rowCount) * 8 * 4);
    const values = floatsOf(rows, rowCount * 8);
    for (let i = 0; i < values.length; i++) values[i] = Math.sin(i);
    const world = { kernels, column: { rows, rowCount, dim: 8 }, queries: new Float32Array(8) };
    for (const kind of KINDS) {
      for (const nlist of [1, 100]) {
        const index = open(world, build(world, { kind, metric: 'l2', params: { nlist } }));
        const top = topOf(index, { queries: new Float32Array(8).fill(1) }, 5);
        expect(top.counts[0]).toBe(Math.min(5, rowCount));
      }
    }
  }
});

test('parameters out of range are refused', () => {
  const world = clustered(loadKernels(), 300, 8);
  for (const nlist of [0, -1, 1.5, 65_537, Number.NaN]) {
    expect(() => build(world, { kind: 'IVF_FLAT', metric: 'l2', params: { nlist } })).toThrow(
      RangeError,
    );
  }
  const index = open(world, build(world, { kind: 'IVF_FLAT', metric: 'l2' }));
  const { queries } = world;
  for (const args of [
    { nprobe: 0 },
    { nprobe: 1.5 },
    { nprobe: -1 },
    { recall: 0 },
    { recall: 2 },
  ]) {
    expect(() => topOf(index, { queries, ...args }, 3)).toThrow(RangeError);
  }
  const top = createTopK(40, 3);
  expect(() => index.search({ queries: queries.subarray(1), top })).toThrow(RangeError);
});

test('lists of nonsense answer with rows that there are', () => {
  const world = clustered(loadKernels(), 300, 10);
  const lie = fc.tuple(fc.nat(), fc.oneof(fc.nat(400), fc.nat(), fc.constant(2 ** 32 - 1)));
  for (const kind of KINDS) {
    const file = build(world, { kind, metric: 'l2', params: { nlist: 12 } });
    const handle = open(world, file).handle();
    const header = readIndexHeader({ ...file, path: 'lists' });
    const sound = bytesOf(file.memory, file.bytes).slice();
    const sections = ['listStarts', 'listRows', 'centroids', 'probeCurve'] as const;
    fc.assert(
      fc.property(fc.array(lie), fc.constantFrom(...sections), (lies, name) => {
        bytesOf(file.memory, file.bytes).set(sound);
        const { offset, bytes } = indexLayout(header).sections[name];
        const words = new Uint32Array(
          file.memory.buffer,
          file.memory.byteOffset + offset,
          bytes / 4,
        );
        for (const [at, value] of lies) words[at % words.length] = value;
        // Its checksums would refuse it: this is what a reader does that has already checked.
        const index = openHandle(world.kernels, { ...handle });
        const top = topOf(index, { queries: world.queries, nprobe: 3 }, 10);
        expect(top.rows.every((row) => row < 300)).toBe(true);
      }),
      { numRuns: 100 },
    );
  }
});

test('a curve that makes no sense is not followed', () => {
  const memory = loadKernels().allocate(1024);
  const words = new Uint32Array(memory.buffer, memory.byteOffset, 256);
  words.fill(0xffffffff);
  expect(readProbeCurve(memory, { offset: 0, bytes: 768 })).toEqual([]);
  const point = (limit: number, nprobe: number, recall: number) => ({ limit, nprobe, recall });
  const curve = [point(10, 1, 0.5), point(10, 5, 0.9), point(100, 9, 0.8)];
  expect(probesFor(curve, 10, 0.4)).toBe(1);
  expect(probesFor(curve, 3, 0.7)).toBe(3);
  expect(probesFor(curve, 11, 0.8)).toBe(9);
  expect(probesFor(curve, 500, 0.8)).toBe(9);
  expect(probesFor(curve, 10, 0.95)).toBeUndefined();
  expect(probesFor([], 10, 0.5)).toBeUndefined();
  // Told is what was measured, never more.
  expect(recallOfProbes(curve, 10, 4)).toBe(0.5);
  expect(recallOfProbes(curve, 3, 5)).toBe(0.9);
  expect(recallOfProbes(curve, 10, 100)).toBe(0.9);
  expect(recallOfProbes(curve, 11, 8)).toBeUndefined();
  expect(recallOfProbes(curve, 101, 9)).toBeUndefined();
});
