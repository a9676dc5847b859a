import { hasBit } from '@elanus/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { decodeRows, elementBytes, ROW_ELEMENTS } from './element.ts';
import type { Kernels } from './kernels.ts';
import { availableIsas, loadKernels } from './load.ts';
import { bytesOf, floatsOf } from './memory.ts';
import { rabitqBits, rabitqSigns } from './rabitq.ts';
import type { RabitqView } from './rabitq.ts';
import { createTopK, sortTopK } from './topk.ts';

// Goal: codes, estimates and candidates are equal everywhere, right on average, and of rows that
// there are. Method: every instruction set against the others, and against plain arithmetic.

const ISAS = availableIsas();
const METRICS = ['l2', 'ip', 'cosine'] as const;

function randomOf(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

interface Shape {
  readonly rowCount: number;
  readonly dim: number;
  readonly lists: number;
  readonly metric: (typeof METRICS)[number];
  readonly element: (typeof ROW_ELEMENTS)[number];
}

/** Lists of codes of random rows, each in a list by chance, around random centroids. */
function makeWorld(kernels: Kernels, shape: Shape, random: () => number) {
  const { rowCount, dim, lists, metric, element } = shape;
  const bits = rabitqBits(dim);
  let at = 0;
  const take = (bytes: number): number => {
    const from = at;
    at += Math.ceil(bytes / 64) * 64;
    return from;
  };
  const parts = {
    codes: take((rowCount * bits) / 8),
    factors: take(rowCount * 8),
    rows: take(rowCount * 4),
    starts: take((lists + 1) * 4),
    centroids: take(lists * bits * 4),
    signs: take(rabitqSigns(dim) * 4),
  };
  const memory = kernels.allocate(at);
  const view: RabitqView = { memory, rowCount, lists, dim, ...parts };
  const words = (offset: number, length: number) =>
    new Uint32Array(memory.buffer, memory.byteOffset + offset, length);
  const signs = words(parts.signs, rabitqSigns(dim));
  for (let i = 0; i < signs.length; i++) signs[i] = random() * 2 ** 32;
  const rows = kernels.allocate(rowCount * dim * 4);
  const bytes = bytesOf(rows, rowCount * dim * elementBytes(element));
  if (element === 'float32') {
    const values = floatsOf(rows, rowCount * dim);
    for (let i = 0; i < values.length; i++) values[i] = random() * 2 - 1;
  } else if (element === 'int8') {
    for (let i = 0; i < bytes.length; i++) bytes[i] = random() * 256;
  } else {
    const halves = new Uint16Array(rows.buffer, rows.byteOffset, rowCount * dim);
    const one = element === 'float16' ? 0x3000 : 0x3e00;
    for (let i = 0; i < halves.length; i++) halves[i] = one + random() * 0x100 * 2;
  }
  const starts = words(parts.starts, lists + 1);
  for (let list = 1; list <= lists; list++) starts[list] = Math.floor((list * rowCount) / lists);
  const places = words(parts.rows, rowCount);
  for (let i = 0; i < rowCount; i++) places[i] = (i * 7 + 3) % rowCount;
  if (rowCount % 7 === 0) for (let i = 0; i < rowCount; i++) places[i] = i;
  const centroids = Float32Array.from({ length: lists * dim }, () => (random() - 0.5) / 10);
  const rotated = floatsOf(memory, lists * bits, parts.centroids);
  kernels.rotateQueries({ view, queries: centroids, out: rotated });
  const inverseNorms = new Float32Array(rowCount);
  kernels.inverseNorms({ dim, rows, element, from: 0, to: rowCount, out: inverseNorms });
  const norms = metric === 'cosine' ? inverseNorms : undefined;
  const encoded = { view, metric, element, rows, inverseNorms: norms };
  for (let list = 0; list < lists; list++) {
    const [from = 0, to = 0] = starts.subarray(list, list + 2);
    kernels.encodeRabitq({ ...encoded, list, from, to });
  }
  return { kernels, view, rows, centroids, starts, places, inverseNorms };
}

type World = ReturnType<typeof makeWorld>;

function scan(
  world: World,
  query: Float32Array,
  of: Partial<{ limit: number; allowed: Uint32Array }>,
) {
  const { kernels, view } = world;
  const out = new Float32Array(rabitqBits(view.dim));
  kernels.rotateQueries({ view, queries: query, out });
  const top = createTopK(1, of.limit ?? view.rowCount);
  const lists = Uint32Array.from({ length: view.lists }, (_, i) => i);
  const state = new Uint32Array(2);
  const args = { view, query: out, lists, state, allowed: of.allowed, top, slot: 0 };
  let calls = 1;
  while (!kernels.scanRabitq(args)) calls++;
  sortTopK(top, 'l2');
  return { top, calls, out };
}

const shapes = fc.record({
  rowCount: fc.integer({ min: 1, max: 300 }),
  dim: fc.constantFrom(1, 7, 64, 128, 129, 200, 256, 300, 784),
  lists: fc.integer({ min: 1, max: 6 }),
  metric: fc.constantFrom(...METRICS),
  element: fc.constantFrom(...ROW_ELEMENTS),
});
const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 });

describe('1-bit codes', () => {
  test('are equal on every instruction set, and so is what they find', () => {
    fc.assert(
      fc.property(
        shapes,
        seeds,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (shape, seed, share) => {
          const got = ISAS.map((isa) => {
            const random = randomOf(seed);
            const world = makeWorld(loadKernels(isa), shape, random);
            const { memory } = world.view;
            const length = world.view.signs + rabitqSigns(shape.dim) * 4;
            const bytes = Buffer.from(bytesOf(memory, length)).toString('base64');
            const query = Float32Array.from({ length: shape.dim }, () => random() * 2 - 1);
            const allowed = new Uint32Array(Math.ceil(shape.rowCount / 32));
            for (let i = 0; i < shape.rowCount; i++) {
              if (random() < share) allowed[i >>> 5] = (allowed[i >>> 5] ?? 0) | (1 << (i & 31));
            }
            const { top, out } = scan(world, query, { limit: 9, allowed });
            const rows = top.rows.subarray(0, top.counts[0]);
            expect(rows.every((row) => hasBit(allowed, row))).toBe(true);
            return { bytes, out: [...out], rows: [...rows], scores: [...top.scores] };
          });
          for (const other of got) expect(other).toEqual(got[0]);
        },
      ),
      { numRuns: 120 },
    );
  });

  test.each([1, 64, 100, 128, 300, 784, 1024, 32_768])('rotations keep lengths: %s', (dim) => {
    for (const isa of ISAS) {
      const random = randomOf(dim + 9);
      const shape = { rowCount: 1, dim, lists: 1, metric: 'l2', element: 'float32' } as const;
      const { kernels, view } = makeWorld(loadKernels(isa), shape, random);
      const queries = Float32Array.from({ length: 2 * dim }, () => random() * 2 - 1);
      const bits = rabitqBits(dim);
      const out = new Float32Array(2 * bits);
      kernels.rotateQueries({ view, queries, out });
      const dot = (x: Float32Array, y: Float32Array) =>
        x.reduce((sum, v, i) => sum + v * (y[i] ?? 0), 0);
      const [a, b] = [queries.subarray(0, dim), queries.subarray(dim)];
      const [ra, rb] = [out.subarray(0, bits), out.subarray(bits)];
      expect(dot(ra, ra) / dot(a, a)).toBeCloseTo(1, 4);
      expect(Math.abs(dot(ra, rb) - dot(a, b))).toBeLessThan(1e-4 * Math.max(1, dot(a, a)));
    }
  });

  test.each(METRICS)('estimates are right on average, and lie around the truth: %s', (metric) => {
    const kernels = loadKernels();
    const errors: number[] = [];
    const sizes: number[] = [];
    for (let seed = 1; seed <= 40; seed++) {
      const shape = { rowCount: 60, dim: 200, lists: 3, metric, element: 'float32' } as const;
      const world = makeWorld(kernels, shape, randomOf(seed * 77));
      const random = randomOf(seed);
      const query = Float32Array.from({ length: 200 }, () => random() * 2 - 1);
      if (metric === 'cosine') {
        const norm = Math.hypot(...query);
        for (let i = 0; i < 200; i++) query[i] = (query[i] ?? 0) / norm;
      }
      const { top } = scan(world, query, {});
      for (const [i, row] of top.rows.entries()) {
        const x = decodeRows(world.rows, 'float32', { at: row * 200, length: 200 });
        const scale = metric === 'cosine' ? (world.inverseNorms[row] ?? 0) : 1;
        let [distance, square] = [0, 0];
        for (let j = 0; j < 200; j++) {
          distance += ((x[j] ?? 0) * scale - (query[j] ?? 0)) ** 2;
          square += ((x[j] ?? 0) * scale) ** 2;
        }
        const truth = metric === 'ip' ? distance - square : distance;
        errors.push((top.scores[i] ?? 0) - truth);
        sizes.push(distance);
      }
    }
    const mean = (all: readonly number[]) => all.reduce((sum, one) => sum + one, 0) / all.length;
    const size = mean(sizes);
    expect(Math.abs(mean(errors)) / size).toBeLessThan(0.004);
    const spread = Math.sqrt(mean(errors.map((one) => one ** 2))) / size;
    expect(spread).toBeLessThan(0.12);
    expect(spread).toBeGreaterThan(0.005);
  });

  test('a scan goes on where a call ended', () => {
    for (const isa of ISAS) {
      const shape = { rowCount: 150_000, dim: 1, lists: 2, metric: 'l2', element: 'int8' } as const;
      const world = makeWorld(loadKernels(isa), shape, randomOf(5));
      const { top, calls } = scan(world, Float32Array.of(3), { limit: 50_000 });
      expect(calls).toBeGreaterThan(1);
      expect(new Set(top.rows).size).toBe(50_000);
    }
  });

  test('lists of nonsense lead to rows of the view, and to no crash', () => {
    fc.assert(
      fc.property(shapes, seeds, (shape, seed) => {
        for (const isa of ISAS) {
          const random = randomOf(seed);
          const world = makeWorld(loadKernels(isa), shape, random);
          const { view, starts, places, kernels } = world;
          for (let i = 0; i < starts.length; i++) starts[i] = random() * (i % 2 ? 2 ** 32 : 400);
          for (let i = 0; i < places.length; i += 3) places[i] = random() * 2 ** 32;
          const lists = Uint32Array.from(
            { length: 9 },
            () => random() * (random() < 0.5 ? 8 : 2 ** 32),
          );
          const state = Uint32Array.from([random() * 12, random() * 2 ** 32]);
          const query = new Float32Array(rabitqBits(shape.dim)).fill(random());
          const allowed = new Uint32Array(Math.ceil(shape.rowCount / 32)).fill(0xffffffff);
          const top = createTopK(1, 20);
          const args = { view, query, lists, state, allowed, top, slot: 0 };
          for (let call = 0; call < 5; call++) kernels.scanRabitq(args);
          const found = top.rows.subarray(0, top.counts[0]);
          expect(found.every((row) => row < shape.rowCount)).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('rows of one value, zeros and infinities are encoded and found', () => {
    const shape = { rowCount: 30, dim: 40, lists: 2, metric: 'l2', element: 'float32' } as const;
    for (const value of [0, 1, 1e30, Infinity]) {
      const got = ISAS.map((isa) => {
        const kernels = loadKernels(isa);
        const world = makeWorld(kernels, shape, randomOf(3));
        floatsOf(world.rows, 30 * 40).fill(value);
        const { view, rows } = world;
        kernels.encodeRabitq({ view, metric: 'l2', rows, list: 0, from: 0, to: 15 });
        const { top } = scan(world, new Float32Array(40).fill(1), {});
        expect(top.counts[0]).toBe(30);
        return [...top.rows, ...top.scores];
      });
      for (const other of got) expect(other).toEqual(got[0]);
    }
  });
});
