import { setBit } from '@elanus/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Kernels } from './kernels.ts';
import { availableIsas, loadKernels } from './load.ts';
import { bytesOf, floatsOf } from './memory.ts';
import type { RowMemory } from './memory.ts';
import {
  referenceEncode,
  referenceInverseNorm,
  referenceScan,
  referenceScanSq8,
  referenceScores,
} from './reference.ts';
import type { ReferenceHit } from './reference.ts';
import { encodeQuerySq8, sq8Stride, trainSq8 } from './sq8.ts';
import { createTopK, mergeTopK, sortTopK } from './topk.ts';
import type { TopK } from './topk.ts';

const ISAS = availableIsas();
const METRICS = ['l2', 'ip', 'cosine'] as const;
const DIMS = [...Array.from({ length: 40 }, (_, i) => i + 1), 63, 100, 127, 784];

/** A small deterministic generator: the seed is printed by fast-check. */
function randomOf(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Values of many magnitudes, with zeros, repeats and whole zero rows, so that ties happen. */
function fill(values: Float32Array, dim: number, random: () => number): void {
  const coarse = random() < 0.3;
  // Large enough that sums become infinite or no number at all.
  const scale = random() < 0.1 ? 2 ** 120 : 1;
  for (let i = 0; i < values.length; i++) {
    values[i] = coarse
      ? Math.floor(random() * 3) - 1
      : (random() - 0.5) * 2 ** (random() * 8) * scale;
  }
  for (let row = 0; row < values.length / dim; row++) {
    if (random() < 0.05) values.fill(0, row * dim, (row + 1) * dim);
    else if (random() < 0.1) values.copyWithin(row * dim, 0, dim);
  }
}

interface Case {
  readonly dim: number;
  readonly rows: number;
  readonly nq: number;
  readonly seed: number;
}

const cases = fc.record({
  dim: fc.constantFrom(...DIMS),
  rows: fc.integer({ min: 1, max: 300 }),
  nq: fc.integer({ min: 1, max: 9 }),
  seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
});

function load(kernels: Kernels, { dim, rows, nq, seed }: Case) {
  const random = randomOf(seed);
  const memory = kernels.allocate(rows * dim * 4);
  const values = floatsOf(memory, rows * dim);
  fill(values, dim, random);
  const queries = new Float32Array(nq * dim);
  fill(queries, dim, random);
  const from = Math.floor(random() * rows);
  const to = from + Math.floor(random() * (rows - from + 1));
  const inverseNorms = new Float32Array(rows);
  kernels.inverseNorms({ dim, rows: memory, from: 0, to: rows, out: inverseNorms });
  const allowed = new Uint32Array(Math.ceil(rows / 32));
  const share = random();
  for (let r = 0; r < rows; r++) if (random() < share) setBit(allowed, r);
  return { dim, memory, values, queries, from, to, inverseNorms, allowed, random };
}

function bits(value: number): number {
  return new Uint32Array(new Float32Array([value]).buffer)[0] ?? 0;
}

function hitsOf(top: TopK, slot: number): readonly ReferenceHit[] {
  return Array.from({ length: top.counts[slot] ?? 0 }, (_, i) => ({
    row: top.rows[slot * top.limit + i] ?? 0,
    score: top.scores[slot * top.limit + i] ?? 0,
  }));
}

function expectTop(top: TopK, slot: number, all: readonly ReferenceHit[]): void {
  const kept = all.slice(0, top.limit);
  const got = hitsOf(top, slot);
  expect(got.map((h) => [h.row, bits(h.score)])).toEqual(kept.map((h) => [h.row, bits(h.score)]));
  const worst = kept.at(-1)?.score;
  const tied = all.slice(top.limit).some((h) => h.score === worst);
  expect(top.tied[slot]).toBe(tied ? 1 : 0);
}

describe.each(ISAS)('%s kernels equal the reference, bit by bit', (isa) => {
  const kernels = loadKernels(isa);

  test.each(METRICS)('scan, %s', (metric) => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 40 }), (one, limit) => {
        const { memory, random, ...given } = load(kernels, one);
        const allowed = random() < 0.5 ? given.allowed : undefined;
        const [a, b] = [random() * 8 - 4, random() * 8 - 4];
        const bounds = random() < 0.3 ? { min: Math.min(a, b), max: Math.max(a, b) } : undefined;
        const rowBase = Math.floor(random() * 1000);
        const args = { ...given, metric, rows: memory, rowBase, allowed, bounds };
        const top = createTopK(one.nq, limit);
        const middle = Math.floor((args.from + args.to) / 2);
        kernels.scanRows({ ...args, to: middle, top });
        kernels.scanRows({ ...args, from: middle, top });
        sortTopK(top, metric);
        for (let q = 0; q < one.nq; q++) {
          const query = args.queries.subarray(q * one.dim, (q + 1) * one.dim);
          expectTop(top, q, referenceScan(args, query));
        }
      }),
      { numRuns: 150 },
    );
  });

  test.each(METRICS)('listed rows, %s', (metric) => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 20 }), (one, limit) => {
        const { memory, random, ...given } = load(kernels, one);
        const rowBase = Math.floor(random() * 5);
        const list = Uint32Array.from({ length: 60 }, () => Math.floor(random() * (one.rows + 9)));
        const query = given.queries.slice(0, one.dim);
        const args = { ...given, metric, rows: memory, rowBase, rowCount: one.rows, list, query };
        const expected = referenceScores(args);
        const out = new Float32Array(list.length).fill(-7);
        kernels.scoreRows({ ...args, out });
        expect([...out].map(bits)).toEqual(expected.map((s) => bits(s ?? -7)));
        const unique = [...new Set(list)];
        const top = createTopK(3, limit);
        kernels.rerankRows({ ...args, list: Uint32Array.from(unique), top, slot: 1 });
        sortTopK(top, metric);
        const inside = unique.filter((row) => row >= rowBase && row - rowBase < one.rows);
        const scan = { ...args, from: 0, to: one.rows, allowed: undefined };
        const all = referenceScan(scan, query).filter((h) => inside.includes(h.row));
        expectTop(top, 1, all);
        expect([top.counts[0], top.counts[2]]).toEqual([0, 0]);
      }),
      { numRuns: 60 },
    );
  });

  test('norms', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const { values, inverseNorms, dim } = load(kernels, one);
        const expected = Array.from(inverseNorms, (_, r) =>
          referenceInverseNorm(values.slice(r * dim, (r + 1) * dim)),
        );
        expect([...inverseNorms].map(bits)).toEqual(expected.map(bits));
      }),
      { numRuns: 60 },
    );
  });

  test('8-bit codes and their scan', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 40 }), (one, limit) => {
        const given = load(kernels, one);
        const { dim, memory, values, random } = given;
        const scaled = random() < 0.5 ? given.inverseNorms : undefined;
        const grid = trainSq8(values.slice(), random() < 0.5);
        const stride = sq8Stride(dim);
        const codes: RowMemory = kernels.allocate(one.rows * stride);
        const terms = new Uint32Array(one.rows);
        const norms = random() < 0.5 ? new Float32Array(one.rows) : undefined;
        const shape = { dim, codes, terms, norms, from: 0, to: one.rows };
        kernels.encodeSq8({ ...shape, ...grid, rows: memory, inverseNorms: scaled });
        for (let r = 0; r < one.rows; r++) {
          const scale = scaled?.[r] ?? 1;
          const expected = referenceEncode(values.slice(r * dim, (r + 1) * dim), {
            ...grid,
            scale,
          });
          const got = bytesOf(codes, stride, r * stride);
          expect([...got]).toEqual([...expected.codes]);
          expect(terms[r]).toBe(expected.term);
          if (norms !== undefined) expect(bits(norms[r] ?? -1)).toBe(bits(expected.norm));
        }
        const query = encodeQuerySq8(given.queries.subarray(0, dim), grid, 1);
        const asked = { query: query.codes, queryTerm: query.term, weight: grid.step * grid.step };
        const allowed = random() < 0.5 ? given.allowed : undefined;
        const span = { from: given.from, to: given.to, rowBase: 3, allowed };
        const args = { ...shape, ...span, ...asked };
        const top = createTopK(2, limit);
        kernels.scanSq8({ ...args, top, slot: 1, cached: random() < 0.5 });
        sortTopK(top, 'l2');
        expectTop(top, 1, referenceScanSq8(args));
      }),
      { numRuns: 60 },
    );
  });

  test('bitsets and finite values', () => {
    const words = fc.uint32Array({ maxLength: 70 });
    fc.assert(
      fc.property(words, fc.float32Array({ maxLength: 300 }), (a, values) => {
        const b = a.map((x) => Math.imul(x, 2654435761) >>> 0);
        const results = (['and', 'or', 'andNot'] as const).map((name) => {
          const into = a.slice();
          kernels[name](into, b);
          return [...into];
        });
        expect(results).toEqual([
          Array.from(a, (x, i) => (x & (b[i] ?? 0)) >>> 0),
          Array.from(a, (x, i) => (x | (b[i] ?? 0)) >>> 0),
          Array.from(a, (x, i) => (x & ~(b[i] ?? 0)) >>> 0),
        ]);
        const ones = [...a].reduce((n, x) => n + x.toString(2).replaceAll('0', '').length, 0);
        expect(kernels.popcount(a)).toBe(ones);
        expect(kernels.firstNonFinite(values)).toBe(
          [...values].findIndex((v) => !Number.isFinite(v)),
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe('a scan shared out', () => {
  test.each(METRICS)('merges to the same rows, scores and ties, %s', (metric) => {
    const kernels = loadKernels('auto');
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 30 }), (one, limit) => {
        const { memory, random, ...given } = load(kernels, one);
        const args = { ...given, metric, rows: memory, rowBase: 0, from: 0, to: one.rows };
        const whole = createTopK(one.nq, limit);
        kernels.scanRows({ ...args, top: whole });
        const cut = Math.floor(random() * (one.rows + 1));
        const [joined, rest] = [createTopK(one.nq, limit), createTopK(one.nq, limit)];
        kernels.scanRows({ ...args, to: cut, top: joined });
        kernels.scanRows({ ...args, from: cut, top: rest });
        if (random() < 0.5) sortTopK(rest, metric);
        mergeTopK(joined, rest, metric);
        sortTopK(joined, metric);
        sortTopK(whole, metric);
        expect(joined).toEqual(whole);
      }),
      { numRuns: 150 },
    );
  });
});
