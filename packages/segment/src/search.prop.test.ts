// Goal: search over growing and indexed segments equals a naive scan: same rows, same order, ties
// by key, never fewer than min(limit, matches). Method: small integer vectors, so that ties abound.
import {
  compareKeys,
  fieldId,
  segmentId,
  type Column,
  type CollectionSchema,
  type Metric,
  type VectorColumn,
} from '@elanus/core';
import { checkFilter, parseFilter } from '@elanus/expr';
import { buildSteps, loadIndexKinds, openIndex, type IndexHandle } from '@elanus/index';
import { loadKernels } from '@elanus/kernels';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeleteLog } from './delete-log.ts';
import { GrowingSegment } from './growing.ts';
import type { SegmentRead } from './read-set.ts';
import { searchSegments, type SearchTask } from './search.ts';
import { countRows, selectRows } from './select.ts';
import { visibleRows, type SegmentView } from './view.ts';

const ID = fieldId(100);
const GROUP = fieldId(101);
const VEC = fieldId(102);
const DIM = 3;
await loadIndexKinds();
const kernels = loadKernels();
const schema = {
  collectionId: 1,
  name: 'rows',
  version: 1,
  fields: [
    { id: ID, name: 'id', type: 'int64', primary: true },
    { id: GROUP, name: 'g', type: 'int32' },
    { id: VEC, name: 'vec', type: 'vector', dim: DIM, metric: 'l2' },
  ],
  dynamic: false,
  shards: 1,
} as unknown as CollectionSchema;

interface Row {
  readonly key: bigint;
  readonly group: number;
  readonly vec: readonly number[];
  readonly ts: bigint;
}

const floats = (values: readonly number[]): VectorColumn => ({
  kind: 'vector',
  type: 'float32',
  dim: DIM,
  values: Float32Array.from(values),
});

function segmentOf(rows: readonly Row[], id: number, metric: Metric): GrowingSegment {
  const segment = new GrowingSegment({
    segmentId: segmentId(id),
    firstSeq: 1,
    kernels,
    vectors: [{ id: VEC, type: 'float32', dim: DIM, metric }],
  });
  for (const row of rows) {
    const columns = new Map<typeof ID, Column>([
      [ID, { kind: 'int64', values: BigInt64Array.of(row.key) }],
      [GROUP, { kind: 'int32', values: Int32Array.of(row.group) }],
      [VEC, floats(row.vec)],
    ]);
    segment.append({ rowCount: 1, columns }, row.ts, 64);
  }
  return segment;
}

function score(metric: Metric, row: readonly number[], query: readonly number[]): number {
  if (metric === 'l2') return row.reduce((sum, x, i) => sum + (x - (query[i] ?? 0)) ** 2, 0);
  return row.reduce((sum, x, i) => sum + x * (query[i] ?? 0), 0);
}

const rowsOf = (count: number) =>
  fc.array(
    fc.record({
      group: fc.nat(3),
      vec: fc.array(fc.integer({ min: -2, max: 2 }), { minLength: DIM, maxLength: DIM }),
      gone: fc.integer({ min: 0, max: 9 }),
    }),
    { maxLength: count, size: 'large' },
  );

test('search, select and count equal a naive scan', () => {
  const metrics = fc.constantFrom<Metric>('l2', 'ip');
  const queries = fc.array(fc.integer({ min: -2, max: 2 }), { minLength: DIM, maxLength: DIM });
  fc.assert(
    fc.property(
      fc.array(rowsOf(400), { minLength: 1, maxLength: 3 }),
      fc.record({ metric: metrics, query: queries, limit: fc.integer({ min: 1, max: 30 }) }),
      fc.record({ filtered: fc.boolean(), at: fc.nat(500), shuffle: fc.nat() }),
      (segments, { metric, query, limit }, { filtered, at, shuffle }) => {
        const model: Row[] = [];
        const reads: SegmentRead[] = [];
        segments.forEach((given, s) => {
          const deletes = new DeleteLog();
          const rows = given.map((row, i) => ({
            key: BigInt((i * 7919 + shuffle) % 1009) * 4n + BigInt(s),
            group: row.group,
            vec: row.vec,
            ts: BigInt(i),
          }));
          const unique = rows.filter((row, i) => rows.findIndex((o) => o.key === row.key) === i);
          const view = segmentOf(unique, s + 1, metric).view();
          unique.forEach((row, i) => {
            const gone = given[i]?.gone === 0;
            if (gone) deletes.add(i, 0n);
            if (!gone && row.ts <= BigInt(at)) model.push(row);
          });
          const deleted = deletes.bitset(BigInt(at), view.rowCount);
          reads.push({ view, visibleRows: visibleRows(view, BigInt(at)), deleted });
        });
        const filter = filtered ? checkFilter(parseFilter('g == 1'), schema) : undefined;
        const want = model
          .filter((row) => !filtered || row.group === 1)
          .map((row) => ({ key: row.key, score: score(metric, row.vec, query) }))
          .sort((a, b) => {
            if (a.score !== b.score) return metric === 'l2' ? a.score - b.score : b.score - a.score;
            return compareKeys(a.key, b.key);
          });
        const base = { reads, keyField: ID, keyKind: 'int64' as const, filter };
        const task: SearchTask = {
          ...base,
          field: VEC,
          metric,
          queries: floats(query),
          nq: 1,
          limit,
          bounds: undefined,
          effort: { exact: false },
        };
        const { hits } = searchSegments(kernels, task);
        const found = Array.from({ length: hits.counts[0] ?? 0 }, (_, i) => ({
          key: hits.keys[i],
          score: hits.scores[i],
        }));
        expect(found).toEqual(want.slice(0, limit));
        expect(countRows(base)).toBe(want.length);
        const keys = selectRows({ ...base, after: undefined, limit }).keys as BigInt64Array;
        const sorted = want.map((row) => row.key).sort(compareKeys);
        expect([...keys]).toEqual(sorted.slice(0, limit));
      },
    ),
    { numRuns: 300 },
  );
});

test('an index gives the rows a scan gives, and fills the limit under any filter', () => {
  const rows = Array.from({ length: 5_000 }, (_, i) => ({
    key: BigInt(i),
    group: i % 50,
    vec: [Math.sin(i), Math.cos(i * 1.7), Math.sin(i * 0.3)],
    ts: 1n,
  }));
  const plain = sealed(segmentOf(rows, 1, 'l2').view());
  const [chunk] = plain.chunks;
  const vectors = chunk?.vectors.get(VEC);
  if (vectors === undefined || vectors.type === 'sparse') throw new Error('fixture');
  const column = { rows: vectors.memory, rowCount: plain.rowCount, dim: DIM };
  const steps = buildSteps({ kernels, kind: 'FLAT_SQ8', metric: 'l2', column });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const image = { ...step.value, path: 'index' };
  const handle = openIndex({ kernels, image, column }).handle();
  const indexed = { ...plain, indexes: new Map<typeof VEC, IndexHandle>([[VEC, handle]]) };
  const filter = checkFilter(parseFilter('g == 7'), schema);
  for (const view of [plain, indexed]) {
    const task: SearchTask = {
      reads: [{ view, visibleRows: view.rowCount, deleted: undefined }],
      field: VEC,
      metric: 'l2',
      keyField: ID,
      keyKind: 'int64',
      queries: floats([0.1, 0.2, 0.3]),
      nq: 1,
      limit: 200,
      filter,
      bounds: undefined,
      effort: { exact: false },
    };
    const { hits, plans } = searchSegments(kernels, task);
    expect(hits.counts[0]).toBe(100);
    expect([...(hits.keys as BigInt64Array)].slice(0, 100).every((key) => key % 50n === 7n)).toBe(
      true,
    );
    expect(plans[0]?.way).toBe(view === plain ? 'scan' : 'index');
  }
});

/** A view in one chunk, as loaded segments are. */
function sealed(view: SegmentView): SegmentView {
  const floats = new Float32Array(view.rowCount * DIM);
  const keys = new BigInt64Array(view.rowCount);
  const groups = new Int32Array(view.rowCount);
  for (const chunk of view.chunks) {
    const source = chunk.vectors.get(VEC);
    const id = chunk.columns.get(ID);
    const group = chunk.columns.get(GROUP);
    if (source === undefined || source.type === 'sparse') throw new Error();
    if (id?.kind !== 'int64' || group?.kind !== 'int32') throw new Error();
    const { buffer, byteOffset } = source.memory;
    floats.set(new Float32Array(buffer, byteOffset, chunk.rowCount * DIM), chunk.rowBase * DIM);
    keys.set((id.values as BigInt64Array).subarray(0, chunk.rowCount), chunk.rowBase);
    groups.set((group.values as Int32Array).subarray(0, chunk.rowCount), chunk.rowBase);
  }
  const memory = kernels.allocate(floats.byteLength);
  new Float32Array(memory.buffer, memory.byteOffset, floats.length).set(floats);
  return {
    ...view,
    chunks: [
      {
        rowBase: 0,
        rowCount: view.rowCount,
        columns: new Map<typeof ID, Column>([
          [ID, { kind: 'int64', values: keys }],
          [GROUP, { kind: 'int32', values: groups }],
        ]),
        vectors: new Map([[VEC, { type: 'float32', dim: DIM, memory, inverseNorms: undefined }]]),
        timestamps: new BigUint64Array(view.rowCount).fill(1n),
        codes: new Map(),
      },
    ],
  };
}
