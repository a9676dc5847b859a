// Goal: lists of bits find what the exact scan finds, lose no rows, and are the same everywhere.
// Method: rows of clusters in the three metrics, against BIN_FLAT; the cases of ivf.test.ts.
import { countBits, createBitset, hasBit, setBit } from '@elanus/core';
import type { BinaryMetric } from '@elanus/core';
import { availableIsas, bytesOf, createTopK, loadKernels, sortTopK } from '@elanus/kernels';
import type { Kernels, TopK } from '@elanus/kernels';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { buildIndex, buildSteps } from './build.ts';
import type { IndexParams } from './build.ts';
import { indexLayout, readIndexHeader } from './index-file.ts';
import type { IndexFile } from './index-file.ts';
import { flatIndex, openHandle, openIndex } from './open.ts';
import { readProbeCurve } from './probe-curve.ts';
import { randomOf } from './testing/random.ts';
import type { IndexSearch, VectorIndex } from './vector-index.ts';

const METRICS = ['hamming', 'jaccard', 'tanimoto'] as const;
const KIND = 'BIN_IVF_FLAT';

/** Rows of clusters: a tenth of the bits is set, as in fingerprints, and a third is noise. */
function clustered(kernels: Kernels, rowCount: number, dim: number) {
  const random = randomOf(11);
  const centres = Array.from({ length: 50 }, () =>
    Array.from({ length: dim }, () => random() < 0.1),
  );
  const one = (to: Uint8Array): void => {
    const centre = centres[Math.floor(random() * centres.length)] ?? [];
    for (const [bit, set] of centre.entries()) {
      const value = random() < 0.35 ? random() < 0.1 : set;
      if (value) to[bit >>> 3] = (to[bit >>> 3] ?? 0) | (1 << (bit & 7));
    }
  };
  const rows = kernels.allocate(Math.max(1, (rowCount * dim) / 8));
  for (let row = 0; row < rowCount; row++) one(bytesOf(rows, dim / 8, (row * dim) / 8));
  const queries = new Uint8Array((40 * dim) / 8);
  for (let q = 0; q < 40; q++) one(queries.subarray((q * dim) / 8, ((q + 1) * dim) / 8));
  return { kernels, column: { rows, rowCount, dim, element: 'binary' as const }, queries };
}

type World = ReturnType<typeof clustered>;

function build(world: World, metric: BinaryMetric, params?: IndexParams): IndexFile {
  const { kernels, column } = world;
  const steps = buildSteps({ kernels, column, kind: KIND, metric, params });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

function open(world: World, file: IndexFile): VectorIndex {
  return openIndex({ ...world, image: { ...file, path: 'bits' } });
}

type Asked = Omit<IndexSearch, 'top' | 'queries'> & { readonly queries: Uint8Array };

function topOf(index: VectorIndex, args: Asked, limit: number): TopK {
  const top = createTopK(args.queries.length / (index.dim / 8), limit);
  index.search({ ...args, top });
  sortTopK(top, index.metric);
  return top;
}

/** Share of the results that are as near as the last true one. */
function recallOf(got: TopK, truth: TopK): number {
  let found = 0;
  for (let q = 0; q < truth.nq; q++) {
    const at = q * truth.limit;
    const worst = truth.scores[at + truth.limit - 1] ?? 0;
    const scores = got.scores.subarray(at, at + (got.counts[q] ?? 0));
    found += scores.filter((score) => score <= worst).length;
  }
  return found / (truth.nq * truth.limit);
}

describe.each(METRICS)('lists of bits, %s', (metric) => {
  const world = clustered(loadKernels(), 8000, 256);
  const { kernels, column, queries } = world;
  const exact = flatIndex({ kernels, metric, column });
  const truth = topOf(exact, { queries }, 10);
  const file = build(world, metric);
  const index = open(world, file);

  test('more lists find more, and a recall picks how many', () => {
    const recalls = [1, 4, 16, 179].map((nprobe) =>
      recallOf(topOf(index, { queries, nprobe }, 10), truth),
    );
    expect(recalls).toEqual([...recalls].sort((a, b) => a - b));
    expect(recalls.at(-1)).toBe(1);
    for (const recall of [0.7, 0.9, 0.97]) {
      const top = createTopK(40, 10);
      const work = index.search({ queries, recall, top });
      expect(work.plan).toBe('lists');
      expect(work.recall).toBeGreaterThan(recall - 0.15);
      expect(recallOf(top, truth)).toBeGreaterThanOrEqual(recall - 0.04);
      expect(work.exactScores).toBeLessThan(40 * 8000 * 0.3);
    }
    expect(topOf(index, { queries, exact: true }, 10)).toEqual(truth);
    expect(index.capabilities).toEqual({ exact: false, filter: true, range: true });
  });

  test('its curve rises and ends near the truth', () => {
    const { probeCurve } = indexLayout(readIndexHeader({ ...file, path: 'bits' })).sections;
    const curve = readProbeCurve(file.memory, probeCurve).filter(({ limit }) => limit === 10);
    expect(curve.length).toBeGreaterThan(3);
    expect(curve.map(({ recall }) => recall)).toEqual(
      curve.map(({ recall }) => recall).sort((a, b) => a - b),
    );
    expect(curve.at(-1)?.recall).toBeGreaterThan(0.99);
  });

  test('filters, bounds and parts lose no rows', () => {
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
      if (step !== 10) continue;
      const known = topOf(exact, { queries, allowed }, 10);
      expect(recallOf(topOf(index, { queries, allowed }, 10), known)).toBeGreaterThan(0.9);
    }
    const span = { queries, from: 100, to: 300 };
    expect(topOf(index, span, 10)).toEqual(topOf(exact, span, 10));
    const best = truth.scores[0] ?? 0;
    const cut = { queries, bounds: { min: best + 0.01, max: Infinity } };
    expect(topOf(index, cut, 10)).toEqual(topOf(exact, cut, 10));
    const one = queries.subarray(0, 32);
    const near = { queries: one, bounds: { min: 0, max: truth.scores[9] ?? 0 } };
    const ranged = topOf(index, { ...near, nprobe: 179 }, 50);
    expect(ranged.counts[0]).toBe(topOf(exact, near, 50).counts[0]);
    expect([...topOf(index, { queries, nprobe: 1 }, 1000).counts]).toEqual(
      Array.from({ length: 40 }, () => 1000),
    );
  });

  test('equal rows, rows without bits and queries of all bits are answered', () => {
    const rows = kernels.allocate(900 * 32);
    bytesOf(rows, 300 * 32).fill(0xa5);
    const same = { ...world, column: { ...column, rows, rowCount: 900 } };
    const all = new Uint8Array(40 * 32).fill(255);
    const got = topOf(open(same, build(same, metric)), { queries: all }, 12);
    const scan = flatIndex({ kernels, metric, column: same.column });
    expect(got.counts).toEqual(topOf(scan, { queries: all }, 12).counts);
    expect(got.scores).toEqual(topOf(scan, { queries: all }, 12).scores);
  });
});

test('files and answers are equal on every instruction set and in WebAssembly', () => {
  const made = availableIsas().map((isa) => {
    const world = clustered(loadKernels(isa), 1500, 136);
    return METRICS.map((metric) => {
      const file = build(world, metric, { nlist: 30, seed: 5 });
      const bytes = Buffer.from(bytesOf(file.memory, file.bytes)).toString('base64');
      const top = topOf(open(world, file), { queries: world.queries, nprobe: 4 }, 10);
      return { bytes, rows: [...top.rows], scores: [...top.scores] };
    });
  });
  for (const one of made) expect(one).toEqual(made[0]);
});

test('a build tells how far it is', async () => {
  const { kernels, column } = clustered(loadKernels(), 6000, 512);
  const shares: number[] = [];
  const onProgress = (share: number): void => void shares.push(share);
  const control = { pause: async () => undefined, onProgress };
  await buildIndex({ kernels, column, kind: KIND, metric: 'hamming' }, control);
  const half = shares[Math.floor(shares.length / 2)];
  expect(half).toBeGreaterThan(0.3);
  expect(half).toBeLessThan(0.7);
  expect(shares.at(-1)).toBeGreaterThan(0.7);
});

test('a seed decides, and a handle opens the same index', () => {
  const world = clustered(loadKernels(), 1000, 64);
  const bytes = (seed: number): Buffer => {
    const file = build(world, 'jaccard', { seed });
    return Buffer.from(bytesOf(file.memory, file.bytes));
  };
  expect(bytes(1).equals(bytes(1))).toBe(true);
  expect(bytes(1).equals(bytes(2))).toBe(false);
  const index = open(world, build(world, 'hamming'));
  const again = openHandle(world.kernels, structuredClone(index.handle()));
  const { queries } = world;
  expect(topOf(again, { queries }, 10)).toEqual(topOf(index, { queries }, 10));
});

test('no rows, one row and a list for each row', () => {
  for (const rowCount of [0, 1, 2, 40]) {
    const world = clustered(loadKernels(), rowCount, 8);
    for (const nlist of [1, 100]) {
      const index = open(world, build(world, 'hamming', { nlist }));
      const top = topOf(index, { queries: Uint8Array.of(0b1010) }, 5);
      expect(top.counts[0]).toBe(Math.min(5, rowCount));
    }
  }
});

test('rows, metrics and parameters that do not fit are refused', () => {
  const world = clustered(loadKernels(), 300, 64);
  const { kernels, column, queries } = world;
  for (const nlist of [0, -1, 1.5, 65_537, Number.NaN]) {
    expect(() => build(world, 'hamming', { nlist })).toThrow(RangeError);
  }
  const numbers = { rows: kernels.allocate(300 * 256), rowCount: 300, dim: 64 };
  const wrong = [
    { column: numbers, metric: 'hamming', kind: KIND },
    { column, metric: 'l2', kind: KIND },
    { column, metric: 'hamming', kind: 'IVF_FLAT' },
  ] as const;
  for (const plan of wrong) {
    expect(() => buildSteps({ kernels, ...plan }).next()).toThrow(RangeError);
  }
  const index = open(world, build(world, 'hamming'));
  for (const args of [{ nprobe: 0 }, { nprobe: 1.5 }, { recall: 0 }, { recall: 2 }]) {
    expect(() => topOf(index, { queries, ...args }, 3)).toThrow(RangeError);
  }
  const top = createTopK(40, 3);
  expect(() => index.search({ queries: queries.subarray(1), top })).toThrow(RangeError);
  expect(() => index.search({ queries: new Float32Array(40 * 8), top })).toThrow(TypeError);
});

test('truncated and damaged files are refused', () => {
  const world = clustered(loadKernels(), 300, 64);
  const file = build(world, 'hamming', { nlist: 12 });
  const bytes = bytesOf(file.memory, file.bytes);
  const damaged = fc.nat(file.bytes - 1);
  fc.assert(
    fc.property(damaged, fc.integer({ min: 1, max: 255 }), (at, flip) => {
      bytes[at] = (bytes[at] ?? 0) ^ flip;
      const opened = ((): boolean => {
        try {
          return open(world, file).rowCount === 300;
        } catch {
          return false;
        }
      })();
      bytes[at] = (bytes[at] ?? 0) ^ flip;
      expect(opened).toBe(false);
    }),
    { numRuns: 300 },
  );
  for (let cut = 0; cut < file.bytes; cut += 97) {
    const image = { memory: file.memory, bytes: cut, path: 'bits' };
    expect(() => openIndex({ ...world, image })).toThrow('bits');
  }
});

test('lists of nonsense answer with rows that there are', () => {
  const world = clustered(loadKernels(), 300, 64);
  const lie = fc.tuple(fc.nat(), fc.oneof(fc.nat(400), fc.nat(), fc.constant(2 ** 32 - 1)));
  const file = build(world, 'hamming', { nlist: 12 });
  const handle = open(world, file).handle();
  const header = readIndexHeader({ ...file, path: 'bits' });
  const sound = bytesOf(file.memory, file.bytes).slice();
  const sections = ['listStarts', 'listRows', 'centroids', 'codes', 'probeCurve'] as const;
  fc.assert(
    fc.property(fc.array(lie), fc.constantFrom(...sections), (lies, name) => {
      bytesOf(file.memory, file.bytes).set(sound);
      const { offset, bytes } = indexLayout(header).sections[name];
      const at = file.memory.byteOffset + offset;
      const words = new Uint32Array(file.memory.buffer, at, bytes / 4);
      for (const [place, value] of lies) words[place % words.length] = value;
      // Its checksums would refuse it: this is what a reader does that has already checked.
      const index = openHandle(world.kernels, { ...handle });
      const top = topOf(index, { queries: world.queries, nprobe: 3 }, 10);
      expect(top.rows.every((row) => row < 300)).toBe(true);
    }),
    { numRuns: 100 },
  );
});
