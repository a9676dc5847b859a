import { setBit } from '@elanus/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { decodeRows, elementBytes, elementsOf } from './element.ts';
import type { RowElement } from './element.ts';
import type { Kernels } from './kernels.ts';
import { availableIsas, loadKernels } from './load.ts';
import { bytesOf, floatsOf } from './memory.ts';
import { sq8Stride, trainSq8 } from './sq8.ts';
import { createTopK } from './topk.ts';

const METRICS = ['l2', 'ip', 'cosine'] as const;
const ELEMENTS = ['float16', 'bfloat16', 'int8'] as const;
const DIMS = [...Array.from({ length: 36 }, (_, i) => i + 1), 48, 63, 100, 127, 128, 784];
const each = availableIsas().flatMap((isa) => ELEMENTS.map((element) => ({ isa, element })));

function randomOf(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** The largest bits of a finite number, its sign aside. */
const FINITE_MAX = { float16: 0x7bff, bfloat16: 0x7f7f } as const;

/** Any finite numbers, small ones and zeros more often than they would be. */
function fill(element: RowElement, values: ReturnType<typeof elementsOf>, random: () => number) {
  const zeros = random() * 0.3;
  const wide = random() < 0.2;
  for (let i = 0; i < values.length; i++) {
    if (element === 'int8') values[i] = Math.floor(random() * 256) - 128;
    if (element === 'int8' || element === 'float32') continue;
    const top = FINITE_MAX[element];
    // Most near 1, so that sums stay numbers; some of every exponent.
    const one = element === 'float16' ? 0x3c00 : 0x3f80;
    const near = one - Math.floor(random() * one * 0.2);
    const magnitude = wide ? Math.floor(random() * (top + 1)) : near;
    values[i] = magnitude | (random() < 0.5 ? 0x8000 : 0);
    if (random() < zeros) values[i] = random() < 0.5 ? 0 : 1 + Math.floor(random() * 1023);
  }
}

const cases = fc.record({
  dim: fc.constantFrom(...DIMS),
  count: fc.integer({ min: 1, max: 150 }),
  nq: fc.integer({ min: 1, max: 6 }),
  seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
});
type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

/** The same rows twice: as elements, and as the float32 numbers that those are. */
function twins(kernels: Kernels, element: RowElement, { dim, count, nq, seed }: Case) {
  const random = randomOf(seed);
  const length = count * dim;
  const narrow = kernels.allocate(length * elementBytes(element));
  const values = elementsOf(narrow, element, { length });
  fill(element, values, random);
  const wide = kernels.allocate(length * 4);
  floatsOf(wide, length).set(decodeRows(narrow, element, { at: 0, length }));
  const queries = Float32Array.from({ length: nq * dim }, () => (random() - 0.5) * 4);
  if (random() < 0.5) queries.set(decodeRows(narrow, element, { at: 0, length: dim }));
  const allowed = new Uint32Array(Math.ceil(count / 32));
  for (let row = 0; row < count; row++) if (random() < 0.6) setBit(allowed, row);
  return { random, narrow, wide, queries, allowed };
}

const bitsOf = (values: Float32Array): readonly number[] => [
  ...new Uint32Array(values.slice().buffer),
];

describe.each(each)('$isa, rows of $element score as the same rows in float32', (one) => {
  const kernels = loadKernels(one.isa);
  const { element } = one;

  test('norms', () => {
    fc.assert(
      fc.property(cases, (drawn) => {
        const { narrow, wide } = twins(kernels, element, drawn);
        const { dim, count } = drawn;
        const [got, expected] = [new Float32Array(count), new Float32Array(count)];
        kernels.inverseNorms({ dim, element, rows: narrow, from: 0, to: count, out: got });
        kernels.inverseNorms({ dim, rows: wide, from: 0, to: count, out: expected });
        expect(bitsOf(got)).toEqual(bitsOf(expected));
      }),
      { numRuns: 60 },
    );
  });

  test.each(METRICS)('scan and listed rows, %s', (metric) => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 20 }), (drawn, limit) => {
        const { random, narrow, wide, queries, allowed } = twins(kernels, element, drawn);
        const { dim, count, nq } = drawn;
        const inverseNorms = new Float32Array(count);
        kernels.inverseNorms({ dim, rows: wide, from: 0, to: count, out: inverseNorms });
        const from = Math.floor(random() * count);
        const span = { metric, dim, inverseNorms, rowBase: 7, from, to: count, queries };
        const filter = random() < 0.5 ? allowed : undefined;
        const list = Uint32Array.from({ length: 40 }, () => Math.floor(random() * (count + 9)));
        const query = queries.subarray(0, dim);
        const listed = { metric, dim, inverseNorms, rowBase: 3, rowCount: count, list, query };
        const answer = (of: { rows: typeof wide; element?: RowElement }) => {
          const top = createTopK(nq, limit);
          kernels.scanRows({ ...span, ...of, allowed: filter, top });
          const ranked = createTopK(1, limit);
          kernels.rerankRows({ ...listed, ...of, top: ranked, slot: 0 });
          const out = new Float32Array(list.length).fill(-7);
          kernels.scoreRows({ ...listed, ...of, out });
          return [top, ranked, bitsOf(top.scores), bitsOf(ranked.scores), bitsOf(out)];
        };
        expect(answer({ rows: narrow, element })).toEqual(answer({ rows: wide }));
      }),
      { numRuns: 60 },
    );
  });

  test('8-bit codes', () => {
    fc.assert(
      fc.property(cases, fc.boolean(), (drawn, scaled) => {
        const { narrow, wide } = twins(kernels, element, drawn);
        const { dim, count } = drawn;
        const grid = trainSq8(floatsOf(wide, count * dim).slice(), false);
        const inverseNorms = new Float32Array(count);
        kernels.inverseNorms({ dim, rows: wide, from: 0, to: count, out: inverseNorms });
        const encode = (of: { rows: typeof wide; element?: RowElement }) => {
          const codes = kernels.allocate(count * sq8Stride(dim));
          const [terms, innerTerms] = [new Uint32Array(count), new Uint32Array(count)];
          const norms = new Float32Array(count);
          const out = { codes, terms, innerTerms, norms, ...grid, from: 0, to: count };
          kernels.encodeSq8({
            ...of,
            dim,
            ...out,
            inverseNorms: scaled ? inverseNorms : undefined,
          });
          const bytes = bytesOf(codes, count * sq8Stride(dim)).slice();
          return [[...bytes], terms, innerTerms, bitsOf(norms)];
        };
        expect(encode({ rows: narrow, element })).toEqual(encode({ rows: wide }));
      }),
      { numRuns: 60 },
    );
  });

  test('every number that there is becomes the number that it is', () => {
    const length = element === 'int8' ? 256 : 65_536;
    const rows = kernels.allocate(length * 2);
    const values = elementsOf(rows, element, { length });
    for (let i = 0; i < length; i++) values[i] = i;
    const list = Uint32Array.from(values, (_, i) => i);
    const out = new Float32Array(length);
    const chunk = { dim: 1, element, rows, rowBase: 0, rowCount: length };
    kernels.scoreRows({ ...chunk, metric: 'ip', list, query: Float32Array.of(1), out });
    for (const [i, got] of out.entries()) {
      const expected = numberOf(element, i);
      // What is no number scores worst; no sum is ever -0.
      expect(got).toBe(Number.isNaN(expected) ? -Infinity : expected + 0);
    }
  });
});

/** What bits mean, by the definition of each format. */
function numberOf(element: RowElement, bits: number): number {
  if (element === 'int8') return bits < 128 ? bits : bits - 256;
  const [width, bias] = element === 'float16' ? [10, 15] : [7, 127];
  const sign = bits >>> 15 === 1 ? -1 : 1;
  const exponent = (bits & 0x7fff) >>> width;
  const fraction = (bits & (2 ** width - 1)) / 2 ** width;
  if (exponent === 2 * bias + 1) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias);
  return sign * (1 + fraction) * 2 ** (exponent - bias);
}
