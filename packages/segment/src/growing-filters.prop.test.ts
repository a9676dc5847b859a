/**
 * Goal: what is kept of filters over growing rows is what looking at all of them gives. Method:
 * random appends (small ones, and more than one read catches up with), deletes, and reads of now
 * and of the past; each is compared with what `allowedRows` finds for itself.
 */
import { fieldId, segmentId, type Column, type CollectionSchema } from '@elanus/core';
import { readFilter } from '@elanus/expr';
import { loadKernels } from '@elanus/kernels';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeleteLog } from './delete-log.ts';
import { GrowingFilters } from './growing-filters.ts';
import { GrowingSegment } from './growing.ts';
import { allowedRows, countAllowed, passingCount, visibleInChunk } from './read-set.ts';
import type { SegmentRead } from './read-set.ts';
import { visibleRows } from './view.ts';

const ID = fieldId(100);
const GROUP = fieldId(101);
const schema = {
  collectionId: 1,
  name: 'rows',
  version: 1,
  fields: [
    { id: ID, name: 'id', type: 'int64', primary: true },
    { id: GROUP, name: 'g', type: 'int32' },
  ],
  dynamic: false,
  shards: 1,
} as unknown as CollectionSchema;
const filters = ['g < 3', 'g == 1 or $ts > 5', 'not (g in [2, 4])'].map((text) =>
  readFilter(text, schema),
);

class Model {
  readonly rows: GrowingSegment;
  readonly deletes = new DeleteLog();
  readonly filters = new GrowingFilters();
  /** Reads that were told which rows pass. */
  told = 0;
  #now = 0n;

  constructor() {
    const kernels = loadKernels();
    this.rows = new GrowingSegment({ segmentId: segmentId(1), firstSeq: 1, kernels, vectors: [] });
  }

  append(count: number): void {
    const first = this.rows.rowCount;
    const columns = new Map<typeof ID, Column>([
      [ID, { kind: 'int64', values: BigInt64Array.from({ length: count }, (_, i) => BigInt(i)) }],
      [
        GROUP,
        { kind: 'int32', values: Int32Array.from({ length: count }, (_, i) => (first + i) % 7) },
      ],
    ]);
    this.rows.append({ rowCount: count, columns }, ++this.#now, 0);
  }

  remove(row: number): void {
    const { rowCount } = this.rows;
    if (rowCount === 0 || this.deletes.timestampOf(row % rowCount) !== undefined) return;
    this.deletes.add(row % rowCount, ++this.#now);
  }

  read(back: number, filter: (typeof filters)[number] | undefined): void {
    const view = this.rows.view();
    const at = this.#now - BigInt(back);
    const deleted = this.deletes.bitset(at, view.rowCount);
    const read: SegmentRead = { view, visibleRows: visibleRows(view, at), deleted };
    const [known = read] = this.filters.apply([read], filter);
    if (known.passing !== undefined) this.told++;
    let sum = 0;
    for (const chunk of view.chunks) {
      const expected = allowedRows(read, chunk, filter);
      const found = allowedRows(known, chunk, filter);
      expect(found).toEqual(expected);
      const count = countAllowed(read, expected, visibleInChunk(read, chunk));
      expect(countAllowed(known, found, visibleInChunk(read, chunk))).toBe(count);
      sum += count;
    }
    if (known.passing !== undefined) expect(passingCount(known)).toBe(sum);
  }
}

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('append' as const), n: fc.nat(400) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('append' as const), n: fc.nat(5_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), n: fc.nat(9_999) }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('read' as const), n: fc.nat(3), back: fc.nat(2) }),
  },
);

test('kept results are those of looking again', () => {
  let told = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const model = new Model();
      for (const one of steps) {
        if (one.kind === 'append') model.append(one.n + 1);
        else if (one.kind === 'delete') model.remove(one.n);
        else model.read(one.n > 0 ? 0 : one.back, filters[one.n]);
      }
      told += model.told;
    }),
    { numRuns: 60 },
  );
  expect(told).toBeGreaterThan(100);
});

test('what is kept is used again until rows or deletes come', () => {
  const model = new Model();
  model.append(100);
  const view = model.rows.view();
  const read = { view, visibleRows: 100, deleted: undefined };
  const [first] = model.filters.apply([read], filters[0]);
  const [again] = model.filters.apply([read], filters[0]);
  expect(first?.passing).toBeDefined();
  expect(again?.passing).toBe(first?.passing);
  model.append(1);
  const more = { view: model.rows.view(), visibleRows: 101, deleted: undefined };
  expect(model.filters.apply([more], filters[0])[0]?.passing).not.toBe(first?.passing);
});
