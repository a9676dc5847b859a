// Goal: graphs go to hnswlib and come from it, and no damaged file is followed.
// Method: a file that hnswlib wrote, with its own answers; what is written is read back, and by
// hnswlib itself where bench/peers is installed; bytes changed and cut off.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { hasBit, isElanusError } from '@elanus/core';
import { createTopK, floatsOf, loadKernels, sortTopK } from '@elanus/kernels';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { buildSteps } from './build.ts';
import type { IndexPlan } from './build.ts';
import type { NumberColumn } from './column.ts';
import { readHnswlib, writeHnswlib } from './hnswlib-file.ts';
import type { HnswlibImage, HnswlibRows } from './hnswlib-file.ts';
import { openIndex } from './open.ts';
import type { VectorIndex } from './vector-index.ts';
import { randomOf } from './testing/random.ts';

const kernels = loadKernels();
const golden = new URL('../../../test/golden/v1/index/', import.meta.url);
const saved = new Uint8Array(readFileSync(new URL('hnswlib-l2.bin', golden)));

interface Answer {
  readonly row: number;
  readonly labels: readonly number[];
  readonly distances: readonly number[];
}
const answers = JSON.parse(
  readFileSync(new URL('answers-hnswlib.json', golden), 'utf8'),
) as readonly Answer[];

function finish<T>(steps: Generator<undefined, T, undefined>): T {
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

const read = (bytes: Uint8Array): HnswlibRows =>
  finish(readHnswlib(kernels, { bytes, path: 'a.bin' }));

function build(plan: Omit<IndexPlan, 'kernels' | 'kind'> & { column: NumberColumn }): VectorIndex {
  const file = finish(buildSteps({ kernels, kind: 'HNSW', ...plan }));
  return openIndex({ kernels, image: { ...file, path: 'made' }, column: plan.column });
}

const write = (index: VectorIndex, labels?: BigUint64Array): Uint8Array =>
  Buffer.concat([...writeHnswlib({ handle: index.handle(), labels })]);

/** Rows of clusters. */
function clustered(rowCount: number, dim: number): NumberColumn {
  const even = randomOf(7);
  const random = (): number => even() - 0.5;
  const centres = Float32Array.from({ length: 30 * dim }, () => random() * 4);
  const rows = kernels.allocate(Math.max(4, rowCount * dim * 4));
  const values = floatsOf(rows, rowCount * dim);
  for (let i = 0; i < values.length; i++) {
    const centre = Math.floor(i / dim) % 30;
    values[i] = (centres[centre * dim + (i % dim)] ?? 0) + random() + random() + random();
  }
  return { rows, rowCount, dim };
}

function search(index: VectorIndex, query: Float32Array, more: object = {}) {
  const top = createTopK(1, 10);
  const work = index.search({ queries: query, top, ...more });
  sortTopK(top, index.metric);
  return { rows: [...top.rows], scores: [...top.scores], work };
}

const queryOf = ({ rows, dim }: NumberColumn, row: number): Float32Array =>
  floatsOf(rows, dim, row * dim * 4).slice();

test('a file of hnswlib gives its rows, labels and deletes, and answers as it did', () => {
  const found = read(saved);
  const { column, labels, allowed, params } = found;
  expect(column).toMatchObject({ rowCount: 600, dim: 12 });
  expect(params).toEqual({ M: 8, efConstruction: 60 });
  expect(labels.subarray(0, 3)).toEqual(BigUint64Array.of(1000n, 1003n, 1006n));
  const gone = Array.from({ length: 600 }, (_, row) => row).filter(
    (row) => allowed !== undefined && !hasBit(allowed, row),
  );
  expect(gone).toEqual([17, 64, 599]);
  expect(Math.max(...found.adopted.levels)).toBeGreaterThan(0);

  const index = build({ ...found, metric: 'l2' });
  for (const answer of answers) {
    const hits = search(index, queryOf(column, answer.row), { allowed, ef: 200 });
    expect(hits.work.plan).toMatch('graph');
    const told = hits.rows.slice(0, 5).map((row) => Number(labels[row]));
    expect(told).toEqual(answer.labels);
    for (const [i, distance] of answer.distances.entries()) {
      expect(hits.scores[i]).toBeCloseTo(distance, 3);
    }
  }
});

test.each(['l2', 'ip'] as const)('links that are kept lead as well as links made, %s', (metric) => {
  const column = clustered(3000, 24);
  const made = build({ column, metric, params: { M: 12, efConstruction: 100 } });
  const found = read(write(made));
  const kept = build({ ...found, metric });
  expect(found.params).toEqual({ M: 12, efConstruction: 100 });
  const [hits, looked] = [made, kept].map((index) => {
    let [same, distances] = [0, 0];
    for (let row = 5; row < 3000; row += 50) {
      const query = queryOf(column, row).map((x, j) => x + Math.sin(row + j) / 5);
      const truth = new Set(search(index, query, { exact: true }).rows);
      const { rows, work } = search(index, query, { ef: 60 });
      expect(work.plan).toBe('graph');
      same += rows.filter((one) => truth.has(one)).length;
      distances += work.codeScores;
    }
    return { same, distances };
  }) as [{ same: number; distances: number }, { same: number; distances: number }];
  expect(hits.same).toBeGreaterThan(0.9 * 600);
  expect(looked.same).toBeGreaterThan(hits.same - 0.02 * 600);
  expect(looked.distances).toBeLessThan(hits.distances * 1.1);
  // What was measured picks walks by recall.
  const { work } = search(kept, queryOf(column, 9), { recall: 0.9 });
  expect(work.plan).toBe('graph');
  expect(work.recall).toBeGreaterThanOrEqual(0.89);
  // What goes out again is what came in, but for the upper layers.
  const end = 96 + 3000 * (12 * 8 + 4 + 24 * 4 + 8);
  const [once, again] = [write(made), write(kept)];
  expect(Buffer.compare(once.subarray(96, end), again.subarray(96, end))).toBe(0);
});

test('no rows are written and read; too few for a graph are refused', () => {
  for (const rowCount of [0, 1, 2, 40]) {
    const made = build({ column: clustered(rowCount, 4), metric: 'l2' });
    if (rowCount > 0) {
      expect(() => write(made)).toThrow('no graph');
      continue;
    }
    const found = read(write(made));
    expect(found).toMatchObject({ column: { rowCount: 0, dim: 4 }, allowed: undefined });
    expect(build({ ...found, metric: 'l2' }).rowCount).toBe(0);
  }
});

test('rows that are there thrice go out and come back', () => {
  const column = clustered(900, 16);
  const values = floatsOf(column.rows, 900 * 16);
  values.copyWithin(300 * 16, 0, 300 * 16);
  values.copyWithin(600 * 16, 0, 300 * 16);
  const made = build({ column, metric: 'l2' });
  const kept = build({ ...read(write(made)), metric: 'l2' });
  for (const row of [0, 7, 299]) {
    const { rows, work } = search(kept, queryOf(column, row), { ef: 80 });
    expect(work.plan).toBe('graph');
    expect(rows.slice(0, 3)).toEqual([row, row + 300, row + 600]);
  }
});

test('what hnswlib cannot hold is refused', () => {
  const column = clustered(600, 8);
  expect(() => write(build({ column, metric: 'cosine' }))).toThrow(RangeError);
  const flat = finish(buildSteps({ kernels, kind: 'FLAT_SQ8', metric: 'l2', column }));
  const opened = openIndex({ kernels, column, image: { ...flat, path: 'flat' } });
  expect(() => write(opened)).toThrow(RangeError);
  const made = build({ column, metric: 'l2' });
  expect(() => write(made, new BigUint64Array(3))).toThrow(RangeError);
});

describe('damaged files', () => {
  const codeOf = (bytes: Uint8Array): unknown => {
    try {
      read(bytes);
      return undefined;
    } catch (error) {
      return isElanusError(error) ? error.code : error;
    }
  };
  const changed = (at: number, ...to: readonly number[]): Uint8Array => {
    const bytes = saved.slice();
    bytes.set(to, at);
    return bytes;
  };
  const many = [255, 255, 255, 255, 255, 255, 255, 255];
  const stride = 8 * 8 + 4 + 12 * 4 + 8;
  const upper = 96 + 600 * stride;
  test.each([
    ['nothing', saved.slice(0, 0)],
    ['half a header', saved.slice(0, 50)],
    ['elements elsewhere', changed(0, 1)],
    ['less room than elements', changed(8, 1, 0)],
    ['more elements than bytes', changed(16, ...many.slice(0, 3))],
    ['elements without end', changed(16, ...many)],
    ['another length of elements', changed(24, stride + 4)],
    ['a label out of place', changed(32, 70)],
    ['numbers out of place', changed(40, 64)],
    ['no layers', changed(48, ...many.slice(0, 4))],
    ['layers without end', changed(48, 100)],
    ['a beginning nowhere', changed(52, 0, 0, 1)],
    ['M 1', changed(72, 1)],
    ['M 100', changed(72, 100)],
    ['another M above', changed(56, 16)],
    ['efConstruction 0', changed(88, 0)],
    ['too many links', changed(96, 17)],
    ['a link to nowhere', changed(100, ...many.slice(0, 4))],
    ['a number that is none', changed(96 + 68, 0, 0, 192, 127)],
    ['a label twice', changed(96 + stride - 8, 235, 3)],
    ['upper links of an odd length', changed(upper, 1)],
    ['upper links beyond the end', changed(upper, ...many.slice(0, 3), 0)],
    ['bytes behind the end', Buffer.concat([saved, new Uint8Array(4)])],
    ['a byte less', saved.slice(0, -1)],
  ])('%s', (_name, bytes) => {
    expect(codeOf(bytes)).toBe('file_corrupt');
  });

  test('any bytes are refused or give an index that answers', () => {
    const lie = fc.tuple(fc.nat(saved.length - 1), fc.nat(255));
    const head = fc.tuple(fc.nat(120), fc.nat(255));
    fc.assert(
      fc.property(fc.array(fc.oneof(lie, head), { maxLength: 4 }), fc.nat(64), (lies, cut) => {
        const bytes = saved.slice(0, cut < 8 ? saved.length - cut : saved.length);
        for (const [at, value] of lies) bytes[Math.min(at, bytes.length - 1)] = value;
        const code = codeOf(bytes);
        expect([undefined, 'file_corrupt']).toContain(code);
        if (code !== undefined) return;
        const found = read(bytes);
        const index = build({ ...found, metric: 'l2' });
        const hits = search(index, new Float32Array(found.column.dim), { ef: 30 });
        expect(hits.rows.every((row) => row < found.column.rowCount)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

/** What is used of hnswlib-node. */
interface Hnswlib {
  readonly HierarchicalNSW: new (
    space: string,
    dim: number,
  ) => {
    readIndexSync(path: string): void;
    setEf(ef: number): void;
    searchKnn(query: readonly number[], k: number): { neighbors: number[]; distances: number[] };
  };
}

/** hnswlib itself, where the peers of the bench are installed. */
function peer(): readonly Hnswlib[] {
  const require = createRequire(new URL('../../../bench/peers/package.json', import.meta.url));
  try {
    return [require('hnswlib-node') as Hnswlib];
  } catch {
    return [];
  }
}

describe.each(peer())('hnswlib', ({ HierarchicalNSW }) => {
  test.each(['l2', 'ip'] as const)('reads what is written, %s', (metric) => {
    const column = clustered(4000, 16);
    const made = build({ column, metric, params: { M: 8, efConstruction: 80 } });
    const labels = BigUint64Array.from({ length: 4000 }, (_, row) => BigInt(row * 7 + 5));
    const folder = mkdtempSync(join(tmpdir(), 'elanus-hnswlib-'));
    try {
      writeFileSync(join(folder, 'index'), write(made, labels));
      const theirs = new HierarchicalNSW(metric, 16);
      theirs.readIndexSync(join(folder, 'index'));
      theirs.setEf(100);
      let same = 0;
      for (let row = 0; row < 4000; row += 100) {
        const query = queryOf(column, row).map((x) => x + 0.1);
        const truth = search(made, query, { exact: true });
        const { neighbors, distances } = theirs.searchKnn([...query], 10);
        const told = new Set(truth.rows.map((one) => one * 7 + 5));
        same += neighbors.filter((one) => told.has(one)).length;
        const best = truth.scores[0] ?? 0;
        expect(distances[0]).toBeCloseTo(metric === 'l2' ? best : 1 - best, 2);
      }
      expect(same).toBeGreaterThan(0.95 * 400);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test('an image may lie anywhere in a buffer', () => {
  const shifted = new Uint8Array(saved.length + 3);
  shifted.set(saved, 3);
  const image: HnswlibImage = { bytes: shifted.subarray(3), path: 'a.bin' };
  expect(finish(readHnswlib(kernels, image)).labels).toEqual(read(saved).labels);
});
