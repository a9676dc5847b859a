// Goal: sparse searches whose query few rows meet fill up with the rows of the smallest keys, as a
// naive answer does, within bounds, deletes and limits. Method: few dimensions, many rows.
import { fieldId, segmentId, type Column, type SparseColumn } from '@elanus/core';
import { loadKernels } from '@elanus/kernels';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeleteLog } from './delete-log.ts';
import { GrowingSegment } from './growing.ts';
import type { SegmentRead } from './read-set.ts';
import { searchSegments, type SearchTask } from './search.ts';

const ID = fieldId(100);
const VEC = fieldId(101);
const kernels = loadKernels();

type Entries = readonly (readonly [index: number, value: number])[];

function sparse(rows: readonly Entries[]): SparseColumn {
  const offsets = new Uint32Array(rows.length + 1);
  rows.forEach((row, i) => (offsets[i + 1] = (offsets[i] ?? 0) + row.length));
  const all = rows.flat();
  return {
    kind: 'sparse',
    offsets,
    indices: Uint32Array.from(all, ([index]) => index),
    values: Float32Array.from(all, ([, value]) => value),
  };
}

function segmentOf(keys: readonly bigint[], rows: readonly Entries[]): GrowingSegment {
  const segment = new GrowingSegment({
    segmentId: segmentId(1),
    firstSeq: 1,
    kernels,
    vectors: [{ id: VEC, type: 'sparse', dim: 0, metric: 'ip' }],
  });
  const columns = new Map<typeof ID, Column>([
    [ID, { kind: 'int64', values: BigInt64Array.from(keys) }],
    [VEC, sparse(rows)],
  ]);
  segment.append({ rowCount: rows.length, columns }, 1n, 64);
  return segment;
}

function taskOf(read: SegmentRead, more: Partial<SearchTask>): SearchTask {
  return {
    reads: [read],
    field: VEC,
    metric: 'ip',
    keyField: ID,
    keyKind: 'int64',
    queries: sparse([[[0, 1]]]),
    nq: 1,
    limit: 10,
    filter: undefined,
    bounds: undefined,
    effort: { exact: true },
    ...more,
  };
}

test('few matches: the rest are the smallest keys', () => {
  const row = fc.record({
    entries: fc
      .uniqueArray(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 3 })), {
        maxLength: 3,
        selector: ([index]) => index,
      })
      .map((all) => all.toSorted((a, b) => a[0] - b[0])),
    key: fc.bigInt({ min: -1000n, max: 1000n }),
    gone: fc.integer({ min: 0, max: 5 }),
  });
  const rows = fc.uniqueArray(row, { minLength: 1, maxLength: 300, selector: ({ key }) => key });
  const asked = fc.record({
    dimension: fc.nat(5),
    limit: fc.integer({ min: 1, max: 40 }),
    bounds: fc.constantFrom(undefined, { min: 0, max: 1 }, { min: -1, max: Infinity }),
  });
  fc.assert(
    fc.property(rows, asked, (given, { dimension, limit, bounds }) => {
      const view = segmentOf(
        given.map(({ key }) => key),
        given.map(({ entries }) => entries),
      ).view();
      const deletes = new DeleteLog();
      given.forEach(({ gone }, i) => gone === 0 && deletes.add(i, 1n));
      const deleted = deletes.bitset(1n, view.rowCount);
      const read = { view, visibleRows: view.rowCount, deleted };
      const queries = sparse([[[dimension, 1]]]);
      const { hits } = searchSegments(kernels, taskOf(read, { queries, limit, bounds }));
      const scoreOf = (entries: Entries): number =>
        entries.find(([index]) => index === dimension)?.[1] ?? 0;
      const want = given
        .filter(({ gone }) => gone !== 0)
        .map(({ key, entries }) => ({ key, score: scoreOf(entries) }))
        .filter(({ score }) => !bounds || (score >= bounds.min && score <= bounds.max))
        .sort((a, b) => b.score - a.score || Number(a.key - b.key))
        .slice(0, limit);
      const count = hits.counts[0] ?? 0;
      expect([...hits.keys].slice(0, count)).toEqual(want.map(({ key }) => key));
      expect([...hits.scores.subarray(0, count)]).toEqual(want.map(({ score }) => score));
    }),
    { numRuns: 200 },
  );
});
