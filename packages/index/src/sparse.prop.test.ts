import { isElanusError, setBit } from '@elanus/core';
import type { SparseColumn } from '@elanus/core';
import { bytesOf, createTopK, loadKernels, sortTopK } from '@elanus/kernels';
import type { RowMemory, ScoreBounds } from '@elanus/kernels';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32 } from 'node:zlib';

import { buildSteps } from './build.ts';
import type { SparseRows } from './column.ts';
import { flatIndex, openHandle, openIndex } from './open.ts';
import { randomOf } from './testing/random.ts';
import type { IndexSearch, VectorIndex } from './vector-index.ts';

const kernels = loadKernels();

/** One sparse row: indices with their numbers. */
type Row = ReadonlyMap<number, number>;

function csr(rows: readonly Row[]): SparseColumn {
  const sorted = rows.map((row) => [...row].sort(([a], [b]) => a - b));
  const offsets = new Uint32Array(rows.length + 1);
  for (const [i, row] of sorted.entries()) offsets[i + 1] = (offsets[i] ?? 0) + row.length;
  const flat = sorted.flat();
  const indices = Uint32Array.from(flat, ([index]) => index);
  return { kind: 'sparse', offsets, indices, values: Float32Array.from(flat, ([, x]) => x) };
}

function shared(values: Uint32Array | Float32Array): RowMemory {
  const memory = kernels.allocate(Math.max(4, values.byteLength));
  bytesOf(memory, values.byteLength).set(new Uint8Array(values.buffer, 0, values.byteLength));
  return memory;
}

function columnOf(rows: readonly Row[]): SparseRows {
  const { offsets, indices, values } = csr(rows);
  return {
    element: 'sparse',
    rowCount: rows.length,
    dim: 0,
    entries: indices.length,
    offsets: shared(offsets),
    indices: shared(indices),
    values: shared(values),
  };
}

function fileOf(column: SparseRows) {
  const steps = buildSteps({ kernels, kind: 'SPARSE_INVERTED', metric: 'ip', column });
  let count = 0;
  for (;;) {
    const step = steps.next();
    count++;
    if (step.done === true) return { file: step.value, steps: count };
  }
}

function open(column: SparseRows): VectorIndex {
  return openIndex({ kernels, column, image: { ...fileOf(column).file, path: 'sparse' } });
}

/** The definition: products summed by rising index in doubles, rounded once. */
function score(query: Row, row: Row): number {
  let sum = 0;
  for (const [index, x] of [...query].sort(([a], [b]) => a - b)) sum += x * (row.get(index) ?? 0);
  return Math.fround(sum);
}

interface Asked {
  readonly rows: readonly Row[];
  readonly queries: readonly Row[];
  readonly limit: number;
  readonly allowed?: Uint32Array | undefined;
  readonly bounds?: ScoreBounds | undefined;
  readonly from: number;
  readonly to: number;
}

/** What a search has to answer, by looking at every row. */
function naive(asked: Asked, query: Row) {
  const { rows, allowed, bounds, from, to, limit } = asked;
  const all = rows
    .map((row, at) => ({ row: at, score: score(query, row) }))
    .filter(({ row }) => row >= from && row < to)
    .filter(({ row }) => allowed === undefined || ((allowed[row >> 5] ?? 0) >>> (row & 31)) & 1)
    .filter((hit) => hit.score >= Math.fround(bounds?.min ?? -Infinity))
    .filter((hit) => hit.score <= Math.fround(bounds?.max ?? Infinity))
    .sort((a, b) => b.score - a.score || a.row - b.row);
  const kept = all.slice(0, limit);
  const tied = all.slice(limit).some((hit) => hit.score === kept.at(-1)?.score);
  return { rows: kept.map((hit) => hit.row), scores: kept.map((hit) => hit.score), tied };
}

function answer(
  index: VectorIndex,
  args: Omit<IndexSearch, 'top'>,
  shape: { nq: number; limit: number },
) {
  const top = createTopK(shape.nq, shape.limit);
  const work = index.search({ ...args, top });
  sortTopK(top, 'ip');
  return Array.from({ length: shape.nq }, (_, q) => {
    const at = q * shape.limit;
    const end = at + (top.counts[q] ?? 0);
    return {
      plan: work.plan,
      rows: [...top.rows.subarray(at, end)],
      scores: [...top.scores.subarray(at, end)],
      tied: top.tied[q] === 1,
    };
  });
}

/** Few numbers, so that scores are equal; others of every size. */
const number = fc.oneof(
  fc.constantFrom(0.5, 1, 2),
  fc.float({ min: Math.fround(1e-30), max: Math.fround(1e30), noNaN: true }),
  fc.float({ min: Math.fround(0.01), max: 4, noNaN: true }),
);
const index = fc.oneof(fc.nat(12), fc.nat(200), fc.constantFrom(2 ** 32 - 2, 2 ** 31, 1 << 20));
const row = fc
  .array(fc.tuple(index, number), { maxLength: 12 })
  .map((pairs): Row => new Map(pairs));
/** Rows drawn from a few, so that many blocks cost no time to draw. */
const rowsOf = fc
  .tuple(fc.array(row, { minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 700 }))
  .map(([some, count]) =>
    Array.from({ length: count }, (_, i) => some[(i * i) % some.length] ?? new Map()),
  );

describe('a search of postings', () => {
  test('answers as one that looks at every row, bit by bit', () => {
    const cases = fc.record({
      rows: rowsOf,
      queries: fc.array(row, { minLength: 1, maxLength: 3 }),
      limit: fc.constantFrom(1, 3, 10, 100),
      filter: fc.option(fc.constantFrom(2, 7, 100), { nil: undefined }),
      bounds: fc.option(fc.tuple(fc.constantFrom(0, 0.5, 1), fc.constantFrom(1, 4, Infinity)), {
        nil: undefined,
      }),
      cut: fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean()),
    });
    fc.assert(
      fc.property(cases, ({ rows, queries, limit, filter, bounds, cut }) => {
        const index = open(columnOf(rows));
        const allowed = filter === undefined ? undefined : new Uint32Array(22);
        for (let at = 3; allowed && at < rows.length; at += filter ?? 1) setBit(allowed, at);
        const middle = Math.floor(cut[0] * rows.length);
        const [from, to] = cut[1] ? [0, rows.length] : [middle, rows.length];
        const range = bounds && { min: bounds[0], max: bounds[1] };
        const asked: Asked = { rows, queries, limit, allowed, bounds: range, from, to };
        const args = { queries: csr(queries), allowed, bounds: range, from, to };
        const got = answer(index, args, { nq: queries.length, limit });
        const expected = queries.map((query) => ({ plan: 'postings', ...naive(asked, query) }));
        expect(got).toEqual(expected);
      }),
      { numRuns: 400 },
    );
  });

  test('a block that promises next to nothing comes before those that promise nothing', () => {
    const rows: Row[] = Array.from({ length: 200 }, () => new Map([[9, 1]]));
    rows[0] = new Map([[1, 1e30]]);
    rows[190] = new Map([[1, 1e-30]]);
    const asked = { rows, queries: [new Map([[1, 1]])], limit: 3, from: 0, to: 200 };
    const got = answer(open(columnOf(rows)), { queries: csr(asked.queries) }, { nq: 1, limit: 3 });
    expect(got).toEqual([
      { plan: 'postings', rows: [0, 190, 1], scores: expect.anything(), tied: true },
    ]);
    expect(naive(asked, new Map([[1, 1]])).rows).toEqual([0, 190, 1]);
  });

  test('queries with negative numbers are answered as well', () => {
    const signed = fc
      .array(fc.tuple(fc.nat(12), fc.constantFrom(-2, -0.5, 0.5, 1)), { maxLength: 8 })
      .map((pairs): Row => new Map(pairs));
    fc.assert(
      fc.property(rowsOf, signed, (rows, query) => {
        const asked = { rows, queries: [query], limit: 10, from: 0, to: rows.length };
        const got = answer(open(columnOf(rows)), { queries: csr([query]) }, { nq: 1, limit: 10 });
        expect(got).toEqual([{ plan: 'postings', ...naive(asked, query) }]);
      }),
      { numRuns: 100 },
    );
  });

  test('a handle, a scan and a search cut in two answer the same', () => {
    fc.assert(
      fc.property(rowsOf, row, (rows, query) => {
        const column = columnOf(rows);
        const index = open(column);
        const queries = csr([query]);
        const shape = { nq: 1, limit: 7 };
        const [whole] = answer(index, { queries }, shape);
        const again = openHandle(kernels, structuredClone(index.handle()));
        expect(answer(again, { queries }, shape)).toEqual([whole]);
        const flat = flatIndex({ kernels, metric: 'ip', column });
        expect(answer(flat, { queries }, shape)).toEqual([{ ...whole, plan: 'exact' }]);
        const top = createTopK(1, 7);
        const middle = rows.length >> 1;
        index.search({ queries, top, from: middle });
        index.search({ queries, top, to: middle });
        sortTopK(top, 'ip');
        expect([...top.rows.subarray(0, top.counts[0])]).toEqual(whole?.rows);
      }),
      { numRuns: 100 },
    );
  });

  test('dropped numbers cost recall, never scores or rows', () => {
    fc.assert(
      fc.property(
        rowsOf,
        row,
        fc.double({ min: 0, max: 0.9, noNaN: true }),
        (rows, query, ratio) => {
          const index = open(columnOf(rows));
          const args = { queries: csr([query]), dropRatio: ratio };
          const [got] = answer(index, args, { nq: 1, limit: 10 });
          expect(got?.rows).toHaveLength(Math.min(10, rows.length));
          expect(got?.scores).toEqual(got?.rows.map((at) => score(query, rows[at] ?? new Map())));
          const [exact] = answer(index, { ...args, exact: true }, { nq: 1, limit: 10 });
          const asked = { rows, queries: [query], limit: 10, from: 0, to: rows.length };
          expect(exact).toEqual({ plan: 'postings', ...naive(asked, query) });
        },
      ),
      { numRuns: 100 },
    );
  });
});

/** Rows as a model makes them: few of many dimensions, some of them in most rows. */
function learned(count: number, random: () => number): readonly Row[] {
  return Array.from({ length: count }, () => {
    const row = new Map<number, number>();
    for (let i = 0; i < 40; i++) {
      row.set(Math.floor(random() ** 4 * 30_000), Math.fround(0.05 + random() ** 3 * 3));
    }
    return row;
  });
}

test('most rows are left out, and no step is long', () => {
  const random = randomOf(3);
  const rows = learned(20_000, random);
  const column = columnOf(rows);
  const { file, steps } = fileOf(column);
  expect(steps).toBeGreaterThan(column.entries / 20_000);
  const index = openIndex({ kernels, column, image: { ...file, path: 'sparse' } });
  const queries = csr(learned(1, random));
  const top = createTopK(1, 10);
  const work = index.search({ queries, top });
  expect(work.exactScores).toBeLessThan(10_000);
  // A search that keeps every row looks at every row, in many steps.
  const all = index.searchSteps({ queries, top: createTopK(1, 20_000) });
  let pauses = 0;
  while (all.next().done !== true) pauses++;
  expect(pauses).toBeGreaterThan(3);
});

test('rows that are no sparse rows are refused by the build', () => {
  const good = columnOf([
    new Map([[1, 1]]),
    new Map([
      [1, 2],
      [5, 1],
    ]),
  ]);
  const refused = (change: Partial<Record<'offsets' | 'indices' | 'values', number[]>>) => {
    const column = { ...good };
    for (const [name, words] of Object.entries(change)) {
      const typed = name === 'values' ? Float32Array.from(words) : Uint32Array.from(words);
      column[name as 'offsets'] = shared(typed);
    }
    expect(() => fileOf(column)).toThrow(RangeError);
  };
  refused({ indices: [1, 5, 5] });
  refused({ indices: [1, 5, 1] });
  refused({ indices: [1, 5, 2 ** 32 - 1] });
  refused({ values: [1, 0, 1] });
  refused({ values: [1, -1, 1] });
  refused({ values: [1, Infinity, 1] });
  refused({ values: [1, Number.NaN, 1] });
  refused({ offsets: [0, 4, 3] });
  refused({ offsets: [0, 1, 4] });
  const plan = { kernels, kind: 'SPARSE_INVERTED', column: good } as const;
  expect(() => buildSteps({ ...plan, metric: 'l2' }).next()).toThrow(RangeError);
  expect(() => buildSteps({ ...plan, kind: 'FLAT', metric: 'ip' }).next()).toThrow(RangeError);
});

test('wrong arguments are refused', () => {
  const index = open(columnOf([new Map([[1, 1]]), new Map([[2, 1]])]));
  const queries = csr([
    new Map([
      [1, 1],
      [3, 1],
    ]),
  ]);
  const top = createTopK(1, 2);
  const bad = (args: Partial<IndexSearch>, error: typeof TypeError | typeof RangeError) =>
    expect(() => index.search({ queries, top, ...args })).toThrow(error);
  bad({ queries: new Float32Array(2) }, TypeError);
  bad({ queries: { ...queries, values: new Float32Array(1) } }, RangeError);
  bad({ queries: { ...queries, indices: Uint32Array.of(3, 1) } }, RangeError);
  bad({ queries: { ...queries, values: Float32Array.of(1, Number.NaN) } }, RangeError);
  bad({ queries: { ...queries, offsets: Uint32Array.of(2, 0) } }, RangeError);
  bad({ queries: { ...queries, offsets: Uint32Array.of(0, 1, 2) } }, RangeError);
  bad({ dropRatio: 1 }, RangeError);
  bad({ dropRatio: -0.1 }, RangeError);
  bad({ dropRatio: Number.NaN }, RangeError);
  bad({ from: -1 }, RangeError);
  bad({ to: 3 }, RangeError);
  bad({ allowed: new Uint32Array(0) }, RangeError);
  bad({ top: { ...createTopK(1, 2), sorted: true } }, RangeError);
});

test('postings of nonsense answer with rows that there are', () => {
  const rows = learned(300, randomOf(9));
  const column = columnOf(rows);
  const { file } = fileOf(column);
  const words = new Uint32Array(file.memory.buffer, file.memory.byteOffset, file.bytes >> 2);
  const sound = words.slice();
  const handle = open(column).handle();
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(), fc.constant(2 ** 32 - 1)))),
      (lies) => {
        words.set(sound);
        for (const [at, value] of lies) words[64 + (at % (words.length - 64))] = value;
        // Its checksums would refuse it: this is what a reader does that has already checked.
        const index = openHandle(kernels, { ...handle, column, file });
        const [got] = answer(index, { queries: csr(rows.slice(0, 1)) }, { nq: 1, limit: 10 });
        expect(got?.rows.every((one) => one < 300)).toBe(true);
        expect(new Set(got?.rows).size).toBe(got?.rows.length);
      },
    ),
    { numRuns: 200 },
  );
});

describe('a file', () => {
  const column = columnOf(learned(100, randomOf(2)));
  const { file } = fileOf(column);
  const sound = bytesOf(file.memory, file.bytes).slice();

  function openBytes(bytes: Uint8Array, of: SparseRows = column): string | undefined {
    const memory = kernels.allocate(Math.max(1, bytes.length));
    bytesOf(memory, bytes.length).set(bytes);
    const image = { memory, bytes: bytes.length, path: 'sparse' };
    try {
      openIndex({ kernels, column: of, image });
      return undefined;
    } catch (error) {
      if (isElanusError(error)) return error.code;
      throw error;
    }
  }

  test('with any one bit flipped, cut anywhere or with bytes behind it is refused', () => {
    expect(openBytes(sound)).toBeUndefined();
    expect(openBytes(Uint8Array.of(...sound, 0))).toBe('file_corrupt');
    fc.assert(
      fc.property(fc.nat(sound.length - 1), fc.nat(7), (at, bit) => {
        const bytes = sound.slice();
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        expect(openBytes(bytes)).toBe('file_corrupt');
        expect(openBytes(sound.slice(0, at))).toBe('file_corrupt');
      }),
      { numRuns: 500 },
    );
  });

  test('whose header lies under a right checksum is refused, never followed', () => {
    const values = fc.oneof(fc.constantFrom(0, 1, 2, 4, 255, 0x7fffffff, 0xffffffff), fc.nat());
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), values, (word, value) => {
        const bytes = sound.slice();
        const view = new DataView(bytes.buffer);
        const field = word * 4;
        // Writer features and numbers of codes: any value is a legal file.
        if (field === 16 || (field >= 40 && field < 56)) return;
        if (view.getUint32(field, true) === value) return;
        view.setUint32(field, value, true);
        view.setUint32(252, crc32(bytes.subarray(0, 252)), true);
        expect(openBytes(bytes)).toMatch(/file_corrupt|format_too_new/);
      }),
      { numRuns: 1000 },
    );
  });

  test('is that of its rows', () => {
    for (const other of [columnOf(learned(99, randomOf(2))), columnOf(learned(101, randomOf(2)))]) {
      expect(openBytes(sound, other)).toBe('file_corrupt');
    }
  });
});
