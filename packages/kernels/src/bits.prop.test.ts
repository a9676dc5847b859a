import { setBit } from '@elanus/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { availableIsas, loadKernels } from './load.ts';
import { bytesOf } from './memory.ts';
import { referenceBitScore, referenceBitScores, referenceScanBits } from './reference.ts';
import { createTopK, sortTopK } from './topk.ts';

const METRICS = ['hamming', 'jaccard', 'tanimoto'] as const;
/** Bytes of a row: below, at and above the width of every instruction set, and some in use. */
const BYTES = [...Array.from({ length: 70 }, (_, i) => i + 1), 96, 127, 128, 129, 192, 200];

const cases = fc.record({
  bytes: fc.constantFrom(...BYTES),
  count: fc.integer({ min: 1, max: 400 }),
  nq: fc.integer({ min: 1, max: 4 }),
  limit: fc.integer({ min: 1, max: 30 }),
  /** Of a bit to be set: all-zero and all-one rows happen. */
  share: fc.constantFrom(0, 0.01, 0.1, 0.5, 0.9, 1),
  seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
});

function randomOf(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function fill(values: Uint8Array, share: number, random: () => number): Uint8Array {
  for (let i = 0; i < values.length; i++) {
    for (let bit = 0; bit < 8; bit++) {
      if (random() < share) values[i] = (values[i] ?? 0) | (1 << bit);
    }
  }
  return values;
}

const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;

describe.each(availableIsas())('%s: rows of bits score as the reference, bit by bit', (isa) => {
  const kernels = loadKernels(isa);

  test.each(METRICS)('%s', (metric) => {
    fc.assert(
      fc.property(cases, ({ bytes, count, nq, limit, share, seed }) => {
        const random = randomOf(seed);
        const dim = bytes * 8;
        const rows = kernels.allocate(count * bytes);
        fill(bytesOf(rows, count * bytes), share, random);
        const queries = fill(new Uint8Array(nq * bytes), share, random);
        if (random() < 0.5) queries.set(bytesOf(rows, bytes));
        const allowed = new Uint32Array(Math.ceil(count / 32));
        for (let row = 0; row < count; row++) if (random() < 0.7) setBit(allowed, row);
        const from = Math.floor(random() * count);
        const bounds = random() < 0.3 ? { min: random() * 0.4, max: random() * 40 } : undefined;
        const filter = random() < 0.5 ? allowed : undefined;
        const scan = { metric, dim, rows, rowBase: 5, from, to: count, allowed: filter, bounds };
        const top = createTopK(nq, limit);
        const middle = Math.floor((from + count) / 2);
        kernels.scanBits({ ...scan, to: middle, queries, top });
        kernels.scanBits({ ...scan, from: middle, queries, top });
        sortTopK(top, metric);
        for (let q = 0; q < nq; q++) {
          const all = referenceScanBits(scan, queries.subarray(q * bytes, (q + 1) * bytes));
          const kept = all.slice(0, limit);
          const at = q * limit;
          expect([...top.rows.subarray(at, at + (top.counts[q] ?? 0))]).toEqual(
            kept.map((hit) => hit.row),
          );
          const scores = [...top.scores.subarray(at, at + kept.length)];
          expect(scores.map(bitsOf)).toEqual(kept.map((hit) => bitsOf(hit.score)));
          const worst = kept.at(-1)?.score;
          expect(top.tied[q]).toBe(all.slice(limit).some((hit) => hit.score === worst) ? 1 : 0);
        }
        const list = Uint32Array.from({ length: 50 }, () => Math.floor(random() * (count + 9)));
        const query = queries.subarray(0, bytes);
        const listed = { metric, dim, rows, rowBase: 5, rowCount: count, list, query };
        const out = new Float32Array(list.length).fill(-7);
        kernels.scoreBits({ ...listed, out });
        const expected = referenceBitScores(listed);
        expect([...out].map(bitsOf)).toEqual(expected.map((score) => bitsOf(score ?? -7)));
      }),
      { numRuns: 120 },
    );
  });

  test('the largest rows', () => {
    const rows = kernels.allocate(32_768 * 3);
    bytesOf(rows, 32_768 * 3)
      .fill(255, 32_768)
      .fill(1, 65_536);
    const top = createTopK(1, 3);
    const queries = new Uint8Array(32_768).fill(255);
    const span = { dim: 262_144, rows, rowBase: 0, from: 0, to: 3, queries };
    kernels.scanBits({ ...span, metric: 'hamming', top });
    sortTopK(top, 'hamming');
    expect([...top.rows]).toEqual([1, 2, 0]);
    expect([...top.scores]).toEqual([0, 32_768 * 7, 262_144]);
  });
});

test('scores are what their definitions say', () => {
  const score = (metric: (typeof METRICS)[number], q: number, x: number): number =>
    referenceBitScore(metric, Uint8Array.of(q), Uint8Array.of(x));
  expect(score('hamming', 0b1100, 0b1010)).toBe(2);
  expect(score('jaccard', 0b1100, 0b1010)).toBe(Math.fround(2 / 3));
  expect(score('jaccard', 0, 0)).toBe(1);
  expect(score('tanimoto', 0b1100, 0b1010)).toBe(Math.fround(Math.log2(3)));
  expect(score('tanimoto', 0b1100, 0b1100)).toBe(0);
  expect(score('tanimoto', 0b1100, 0b0011)).toBe(Infinity);
  for (let either = 1; either < 256; either++) {
    for (let both = 1; both <= either; both++) {
      const sets = [either, both].map((n) => new Uint8Array(256).fill(1, 0, n));
      const [q, x] = [sets[0] ?? new Uint8Array(), sets[1] ?? new Uint8Array()];
      const got = referenceBitScore('tanimoto', q, x);
      expect(Math.abs(got - Math.log2(either / both))).toBeLessThan(1e-6);
    }
    either += 6;
  }
});
