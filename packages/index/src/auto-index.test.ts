// Goal: the same wish gets the same index everywhere, and no build is begun that has no room.
// Method: a table of wishes; every spec that fits is one that the builder takes.
import type { IndexChoice, Metric, VectorType } from '@elanus/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { buildBytes, builderParams, indexSpec } from './auto-index.ts';
import type { IndexSpec } from './auto-index.ts';
import { graphShape } from './hnsw-build.ts';

const GB = 2 ** 30;
const hnsw = (m: number, efConstruction: number): IndexSpec => ({
  kind: 'HNSW',
  params: { m, efConstruction },
});
const coded: IndexSpec = { kind: 'FLAT_SQ8', params: {} };
const flat: IndexSpec = { kind: 'FLAT', params: {} };
const auto = (recall?: number): IndexChoice => ({ kind: 'auto', recall });

const table: readonly [string, number, number, number, IndexChoice | undefined, IndexSpec][] = [
  ['a few thousand short rows', 8_000, 100, GB, undefined, coded],
  ['more of them', 12_000, 100, GB, undefined, hnsw(16, 200)],
  ['very short rows', 10_000, 3, GB, undefined, coded],
  ['a few thousand long rows', 8_000, 768, GB, undefined, hnsw(16, 200)],
  ['a thousand long rows', 1_000, 1_024, GB, undefined, coded],
  ['the longest rows', 2_048, 32_768, GB, undefined, hnsw(16, 200)],
  ['no rows', 0, 768, GB, undefined, coded],
  ['a higher recall', 100_000, 768, GB, auto(0.99), hnsw(24, 300)],
  ['a lower recall', 100_000, 768, GB, auto(0.8), hnsw(16, 200)],
  ['everything', 100_000, 768, GB, auto(1), flat],
  ['memory for fewer links', 1_000_000, 16, 220 * 2 ** 20, undefined, hnsw(8, 200)],
  ['memory for few links', 1_000_000, 16, 160 * 2 ** 20, undefined, hnsw(4, 200)],
  ['memory for codes only', 1_000_000, 16, 90 * 2 ** 20, undefined, coded],
  [
    'memory for bits only',
    1_000_000,
    768,
    600 * 2 ** 20,
    undefined,
    { kind: 'IVF_RABITQ', params: { nlist: 1_000 } },
  ],
  ['memory for nothing', 1_000_000, 16, 0, undefined, flat],
  ['a named kind, whatever there is', 100, 4, 0, { kind: 'hnsw', m: 8 }, hnsw(8, 200)],
  [
    'a graph over the rows',
    1e5,
    768,
    0,
    { kind: 'hnsw_flat', m: 8 },
    { ...hnsw(8, 200), kind: 'HNSW_FLAT' },
  ],
  ['a rounded one', 1e5, 768, 0, { kind: 'hnsw_bf16' }, { ...hnsw(16, 200), kind: 'HNSW_BF16' }],
  ['another', 1e6, 768, GB, { kind: 'flat_sq8', recall: 0.9 }, coded],
];

test('lists: as many as asked for, twice the root of the rows otherwise', () => {
  const shape = { type: 'float32', metric: 'l2', dim: 8, memoryBytes: 0 } as const;
  const lists = (rowCount: number, choice: IndexChoice) =>
    indexSpec({ ...shape, rowCount, choice });
  expect(lists(10_000, { kind: 'ivf_flat' })).toEqual({ kind: 'IVF_FLAT', params: { nlist: 200 } });
  const some: IndexChoice = { kind: 'ivf_sq8', nlist: 300 };
  expect(lists(10_000, some)).toEqual({ kind: 'IVF_SQ8', params: { nlist: 300 } });
  // No list without a row, and a choice that can be built over no rows at all.
  expect(lists(250, some)).toEqual({ kind: 'IVF_SQ8', params: { nlist: 250 } });
  expect(lists(0, some)).toEqual({ kind: 'IVF_SQ8', params: { nlist: 1 } });
});

test('rows of bits: lists from where a scan takes long, and room for them', () => {
  const bits = { type: 'binary', metric: 'hamming', dim: 1024, memoryBytes: GB } as const;
  const spec = (rowCount: number, choice?: IndexChoice, memoryBytes = GB) =>
    indexSpec({ ...bits, rowCount, choice, memoryBytes });
  const lists = (nlist: number): IndexSpec => ({ kind: 'BIN_IVF_FLAT', params: { nlist } });
  expect(spec(30_000)).toBeUndefined();
  expect(spec(40_000)).toEqual(lists(400));
  expect(spec(40_000, undefined, 2 ** 20)).toBeUndefined();
  expect(spec(40_000, auto(1))).toBeUndefined();
  expect(spec(1_000_000, { kind: 'flat' })).toBeUndefined();
  expect(spec(100, { kind: 'bin_ivf_flat', nlist: 7 })).toEqual(lists(7));
  const bytes = buildBytes(lists(400), { ...bits, rowCount: 40_000 });
  // The file with its copy of the rows, and the sample.
  expect(bytes).toBeGreaterThan(40_000 * (128 + 4) + 400 * 48 * 128);
  expect(bytes).toBeLessThan(40_000 * (128 + 8) + 400 * 48 * 160 + 4 * 2 ** 20);
});

test('a build of a graph is given room for what its nodes hold', () => {
  const shape = { metric: 'l2', dim: 768, rowCount: 100_000 } as const;
  const params = { m: 16, efConstruction: 200 };
  const [flat = 0, coded = 0, rounded = 0] = (['HNSW_FLAT', 'HNSW', 'HNSW_BF16'] as const).map(
    (kind) => buildBytes({ kind, params }, shape),
  );
  expect(Math.round((coded - flat) / shape.rowCount)).toBe(768 + 4);
  expect(Math.round((rounded - flat) / shape.rowCount)).toBe(768 * 2);
});

test('a build of lists is given room for the codes and the sample besides its file', () => {
  const [dim, rowCount] = [64, 100_000];
  const shape = { metric: 'l2', dim, rowCount } as const;
  const bytes = (kind: IndexSpec['kind'], nlist: number) =>
    buildBytes({ kind, params: { nlist } }, shape);
  const codes = buildBytes({ kind: 'FLAT_SQ8', params: {} }, shape);
  const sample = 48 * 1000 * dim * 4;
  expect(bytes('IVF_SQ8', 1000)).toBeGreaterThan(2 * codes + sample);
  expect(bytes('IVF_SQ8', 1000)).toBeLessThan(2 * codes + 1.1 * sample + 8 * 2 ** 20);
  expect(bytes('IVF_FLAT', 1000)).toBeGreaterThan(sample);
  // The sample is never more than the rows.
  const [few, many] = [bytes('IVF_FLAT', 10_000), bytes('IVF_FLAT', 20_000)];
  expect(many - few).toBeLessThan(10_000 * (dim * 16 + 16));
});

test.each(table)('%s', (...row) => {
  const [, rowCount, dim, memoryBytes, choice, expected] = row;
  const wish = { choice, type: 'float32', metric: 'l2', dim, rowCount, memoryBytes } as const;
  expect(indexSpec(wish)).toEqual(expected);
});

test('bits are scanned as they are; sparse rows get postings unless they are to be scanned', () => {
  const wish = { metric: 'ip', dim: 0, rowCount: 1e5, memoryBytes: GB } as const;
  expect(indexSpec({ ...wish, type: 'binary', metric: 'hamming', dim: 64 })).toBeUndefined();
  expect(indexSpec({ ...wish, type: 'sparse' })).toEqual({ kind: 'SPARSE_INVERTED', params: {} });
  expect(indexSpec({ ...wish, type: 'sparse', choice: { kind: 'flat' } })).toBeUndefined();
});

test('what is chosen fits the memory, and the builder takes its parameters', () => {
  const wish = fc.record({
    rowCount: fc.integer({ min: 0, max: 10_000_000 }),
    dim: fc.integer({ min: 1, max: 32_768 }),
    memoryBytes: fc.integer({ min: 0, max: 64 * GB }),
    type: fc.constantFrom<VectorType>('float32', 'float16', 'bfloat16', 'int8'),
    metric: fc.constantFrom<Metric>('l2', 'ip', 'cosine'),
    choice: fc.constantFrom(undefined, auto(0.5), auto(0.99), auto(1)),
  });
  fc.assert(
    fc.property(wish, (one) => {
      const spec = indexSpec(one);
      if (spec === undefined) throw new Error('numbers have an index');
      if (spec.kind !== 'FLAT') expect(buildBytes(spec, one)).toBeLessThanOrEqual(one.memoryBytes);
      if (spec.kind === 'HNSW') graphShape(builderParams(spec), one.rowCount);
      const more = indexSpec({ ...one, memoryBytes: 1000 * GB });
      if (spec.kind === 'HNSW') expect(more?.kind).toBe('HNSW');
    }),
  );
});
