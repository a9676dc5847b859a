import { createBitset, fieldId, segmentId, type SearchEffort } from '@elanus/core';
import type { IndexHandle } from '@elanus/index';
import { expect, test } from 'vitest';
import { searchCost } from './search-cost.ts';
import type { SearchTask } from './search.ts';

/** About half a millisecond: what runs on the calling thread; see read-runner.ts. */
const SHORT = 1_600_000;
const VEC = fieldId(101);

interface Case {
  readonly kind: string | undefined;
  readonly rows: number;
  readonly dim?: number;
  readonly header?: object;
  readonly effort?: Partial<SearchEffort>;
  readonly passing?: number;
  readonly entries?: number;
  readonly nq?: number;
}

function costOf({ kind, rows, dim = 128, header, effort, passing, entries, nq = 1 }: Case): number {
  const handle = { header: { kind, ...header } } as unknown as IndexHandle;
  const sparseRows = { type: 'sparse', entries: rows * 30 };
  const chunk = { vectors: new Map(entries === undefined ? [] : [[VEC, sparseRows]]) };
  const indexes = new Map(kind === undefined ? [] : [[VEC, handle]]);
  const view = { segmentId: segmentId(1), rowCount: rows, chunks: [chunk], indexes };
  const known = passing === undefined ? undefined : [{ bits: createBitset(rows), count: passing }];
  const queries =
    entries === undefined
      ? { kind: 'vector', type: 'float32', dim, values: new Float32Array(dim * nq) }
      : { kind: 'sparse', values: new Float32Array(entries) };
  return searchCost({
    reads: [{ view, visibleRows: rows, deleted: undefined, passing: known }],
    field: VEC,
    metric: 'l2',
    keyField: fieldId(100),
    keyKind: 'int64',
    queries,
    nq,
    limit: 10,
    filter: undefined,
    bounds: undefined,
    effort: { exact: false, ...effort },
  } as unknown as SearchTask);
}

const lists = { lists: 1_000 };
const sparse = { sparse: { dimensions: 30_000, blocks: 1_000_000, postings: 300_000 } };

test.each<[string, Case]>([
  ['a walk', { kind: 'HNSW', rows: 1_000_000 }],
  ['a walk over the rows themselves', { kind: 'HNSW_FLAT', rows: 1_000_000 }],
  ['a scan of few rows', { kind: undefined, rows: 5_000 }],
  ['a scan of codes', { kind: 'FLAT_SQ8', rows: 10_000, dim: 256 }],
  ['a few lists', { kind: 'IVF_FLAT', rows: 500_000, header: lists, effort: { nprobe: 4 } }],
  ['lists of codes', { kind: 'IVF_SQ8', rows: 100_000, header: lists }],
  ['lists of 1-bit codes', { kind: 'IVF_RABITQ', rows: 100_000, header: lists }],
  ['postings of few rows', { kind: 'SPARSE_INVERTED', rows: 10_000, entries: 4, header: sparse }],
  [
    'a wide walk that few rows are left to',
    { kind: 'HNSW', rows: 1e6, effort: { ef: 500 }, passing: 900 },
  ],
])('%s is short', (_, given) => {
  expect(costOf(given)).toBeLessThanOrEqual(SHORT);
});

test.each<[string, Case]>([
  ['a wide walk', { kind: 'HNSW', rows: 1_000_000, effort: { ef: 500 } }],
  ['walks of many queries', { kind: 'HNSW', rows: 1_000_000, nq: 16 }],
  ['an exact search', { kind: 'HNSW', rows: 100_000, effort: { exact: true } }],
  ['a scan of codes', { kind: 'FLAT_SQ8', rows: 10_000, dim: 784 }],
  ['lists', { kind: 'IVF_FLAT', rows: 500_000, header: lists }],
  ['all lists', { kind: 'IVF_SQ8', rows: 100_000, header: lists, effort: { nprobe: 1_000 } }],
  ['postings of many rows', { kind: 'SPARSE_INVERTED', rows: 100_000, entries: 4, header: sparse }],
  [
    'postings of long queries',
    { kind: 'SPARSE_INVERTED', rows: 10_000, entries: 100, header: sparse },
  ],
])('%s is not', (_, given) => {
  expect(costOf(given)).toBeGreaterThan(SHORT);
});
