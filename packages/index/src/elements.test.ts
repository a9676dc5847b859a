import { createBitset, setBit } from '@elanus/core';
import {
  availableIsas,
  bytesOf,
  createTopK,
  decodeRows,
  elementBytes,
  elementsOf,
  floatsOf,
  loadKernels,
  sortTopK,
} from '@elanus/kernels';
import type { Kernels, RowElement, TopK } from '@elanus/kernels';
import { describe, expect, test } from 'vitest';

import { buildSteps } from './build.ts';
import type { NumberColumn, VectorColumn } from './column.ts';
import { INDEX_HEADER_BYTES, indexLayout, readIndexHeader } from './index-file.ts';
import type { IndexFile } from './index-file.ts';
import { flatIndex, openHandle, openIndex } from './open.ts';
import { randomOf } from './testing/random.ts';
import type { IndexKind, IndexSearch, VectorIndex } from './vector-index.ts';

const METRICS = ['l2', 'ip', 'cosine'] as const;
const ELEMENTS = ['float16', 'bfloat16', 'int8'] as const;

/** A column of clusters, and the same numbers as float32. */
function twins(kernels: Kernels, element: RowElement, shape: { rows: number; dim: number }) {
  const random = randomOf(11);
  const { rows: rowCount, dim } = shape;
  const length = rowCount * dim;
  const centres = Array.from({ length: 20 * dim }, random);
  const rows = kernels.allocate(length * elementBytes(element));
  const values = elementsOf(rows, element, { length });
  for (let i = 0; i < length; i++) {
    const centre = centres[((Math.floor(i / dim) * 7) % 20) * dim + (i % dim)] ?? 0;
    const x = (centre + (random() - 0.5) * 0.2) * 100 - 50;
    if (element === 'int8') values[i] = x;
    else values[i] = element === 'bfloat16' ? brain(x) : half(Math.round(x * 8) / 8);
  }
  const wide = kernels.allocate(length * 4);
  floatsOf(wide, length).set(decodeRows(rows, element, { at: 0, length }));
  const narrow: NumberColumn = { rows, rowCount, dim, element };
  const queries = floatsOf(wide, dim * 3).slice();
  for (let i = 0; i < queries.length; i++) queries[i] = (queries[i] ?? 0) + random() * 3;
  return { narrow, wide: { rows: wide, rowCount, dim } satisfies VectorColumn, queries };
}

const brain = (x: number): number => (new Uint32Array(Float32Array.of(x).buffer)[0] ?? 0) >>> 16;

/** Bits of a multiple of an eighth below 64 in size. */
function half(x: number): number {
  if (x === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(x)));
  const fraction = Math.round((Math.abs(x) / 2 ** exponent - 1) * 1024);
  return (x < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
}

interface Made {
  readonly kernels: Kernels;
  readonly kind: IndexKind;
  readonly metric: VectorIndex['metric'];
  readonly column: VectorColumn;
}

function build(plan: Made): IndexFile {
  const steps = buildSteps(plan);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

/** A search of dense queries. */
interface Asked extends Omit<IndexSearch, 'top'> {
  readonly queries: Float32Array | Uint8Array;
}

function topOf(index: VectorIndex, args: Asked, limit: number): TopK {
  const width = index.kind === 'BIN_FLAT' ? index.dim / 8 : index.dim;
  const top = createTopK(args.queries.length / width, limit);
  index.search({ ...args, top });
  sortTopK(top, index.metric);
  return top;
}

/** Everything behind the header and before the checksums. */
function sectionsOf(file: IndexFile): Buffer {
  const { checksums } = indexLayout(readIndexHeader({ ...file, path: 'x' }));
  const length = checksums.offset - INDEX_HEADER_BYTES;
  return Buffer.from(bytesOf(file.memory, length, INDEX_HEADER_BYTES));
}

describe.each(availableIsas())('%s: an index over a narrower column', (isa) => {
  const kernels = loadKernels(isa);

  test.each(ELEMENTS)('is that over the same numbers in float32: %s', (element) => {
    const { narrow, wide, queries } = twins(kernels, element, { rows: 1200, dim: 19 });
    const allowed = createBitset(1200);
    for (let row = 0; row < 1200; row += 3) setBit(allowed, row);
    const lists = ['IVF_FLAT', 'IVF_SQ8', 'IVF_RABITQ'] as const;
    const kinds = ['FLAT', 'FLAT_SQ8', 'HNSW', 'HNSW_FLAT', ...lists] as const;
    for (const kind of kinds) {
      for (const metric of METRICS) {
        const [own, twin] = [narrow, wide].map((column) => {
          const file = build({ kernels, kind, metric, column });
          const index = openIndex({ kernels, column, image: { ...file, path: kind } });
          const again = openHandle(kernels, structuredClone(index.handle()));
          const answers = [
            topOf(index, { queries }, 10),
            topOf(index, { queries, ef: 40, nprobe: 3 }, 5),
            topOf(index, { queries, candidates: 40 }, 5),
            topOf(again, { queries, allowed }, 10),
            topOf(again, { queries, exact: true, rowBase: 9 }, 10),
          ];
          return { sections: sectionsOf(file), answers };
        });
        expect(own?.sections.equals(twin?.sections ?? Buffer.alloc(0))).toBe(true);
        // What is scanned and what is walked depends on the bytes of a row; ties are told by scans.
        const found = (one: typeof own) => one?.answers.map(({ tied: _tied, ...rest }) => rest);
        expect(found(own)).toEqual(found(twin));
      }
    }
  });

  test.each(['hamming', 'jaccard', 'tanimoto'] as const)('BIN_FLAT is exact: %s', (metric) => {
    const random = randomOf(5);
    const dim = 136;
    const column: VectorColumn = {
      rows: kernels.allocate(900 * 17),
      rowCount: 900,
      dim,
      element: 'binary',
    };
    const bytes = bytesOf(column.rows, 900 * 17);
    for (let i = 0; i < bytes.length; i++) bytes[i] = random() * 256;
    const file = build({ kernels, kind: 'BIN_FLAT', metric, column });
    const index = openIndex({ kernels, column, image: { ...file, path: 'bits' } });
    expect(index.capabilities).toEqual({ exact: true, filter: true, range: true });
    const queries = bytes.slice(17, 51);
    const all = createTopK(2, 900);
    kernels.scanBits({
      metric,
      dim,
      rows: column.rows,
      rowBase: 0,
      from: 0,
      to: 900,
      queries,
      top: all,
    });
    sortTopK(all, metric);
    const plain = flatIndex({ kernels, metric, column });
    expect(plain.kind).toBe('BIN_FLAT');
    const again = openHandle(kernels, structuredClone(index.handle()));
    for (const one of [index, plain, again]) {
      expect(topOf(one, { queries }, 900)).toEqual(all);
      const bounds = { min: all.scores[4] ?? 0, max: all.scores[40] ?? 0 };
      const some = topOf(one, { queries: queries.subarray(0, 17), bounds }, 900);
      const inside = [...all.scores.subarray(0, 900)].filter(
        (score) => score >= bounds.min && score <= bounds.max,
      );
      expect([...some.scores.subarray(0, some.counts[0])]).toEqual(inside);
      const allowed = createBitset(900);
      for (let row = 5; row < 900; row += 31) setBit(allowed, row);
      const few = topOf(one, { queries, allowed }, 100);
      expect([...few.counts]).toEqual([29, 29]);
    }
  });
});

test('neighbours are found over narrower columns as over float32', () => {
  const kernels = loadKernels();
  // WebAssembly fetches each row that a walk over numbers meets: minutes for 8,000 of them.
  const walked = kernels.native ? (['HNSW', 'HNSW_FLAT'] as const) : (['HNSW'] as const);
  for (const element of ELEMENTS) {
    const { narrow, queries } = twins(kernels, element, { rows: 8000, dim: 48 });
    const exact = topOf(flatIndex({ kernels, metric: 'l2', column: narrow }), { queries }, 10);
    for (const kind of ['FLAT_SQ8', ...walked] as const) {
      const file = build({ kernels, kind, metric: 'l2', column: narrow });
      const index = openIndex({ kernels, column: narrow, image: { ...file, path: kind } });
      const work = index.search({ queries, top: createTopK(3, 10), recall: 0.9 });
      expect(work.plan).not.toBe('exact');
      expect(topOf(index, { queries, recall: 0.99 }, 10).scores).toEqual(exact.scores);
    }
  }
});

test('kinds, metrics, rows and queries that do not fit each other are refused', () => {
  const kernels = loadKernels();
  const rows = kernels.allocate(10 * 64 * 4);
  const bits: VectorColumn = { rows, rowCount: 10, dim: 64, element: 'binary' };
  const numbers: VectorColumn = { rows, rowCount: 10, dim: 64 };
  const refused = (plan: Omit<Made, 'kernels'>) =>
    expect(() => build({ kernels, ...plan })).toThrow(RangeError);
  for (const kind of ['FLAT', 'FLAT_SQ8', 'HNSW'] as const) {
    refused({ kind, metric: 'hamming', column: bits });
    refused({ kind, metric: 'l2', column: bits });
    refused({ kind, metric: 'hamming', column: numbers });
  }
  refused({ kind: 'BIN_FLAT', metric: 'l2', column: bits });
  refused({ kind: 'BIN_FLAT', metric: 'hamming', column: numbers });
  expect(() => flatIndex({ kernels, metric: 'l2', column: bits })).toThrow(RangeError);
  expect(() => flatIndex({ kernels, metric: 'jaccard', column: numbers })).toThrow(RangeError);
  const top = createTopK(1, 3);
  const binary = flatIndex({ kernels, metric: 'hamming', column: bits });
  expect(() => binary.search({ queries: new Float32Array(8), top })).toThrow(TypeError);
  expect(() => binary.search({ queries: new Uint8Array(7), top })).toThrow(RangeError);
  expect(() => binary.search({ queries: new Uint8Array(8), top, to: 11 })).toThrow(RangeError);
  const flat = flatIndex({ kernels, metric: 'l2', column: numbers });
  expect(() => flat.search({ queries: new Uint8Array(64), top })).toThrow(TypeError);
});
