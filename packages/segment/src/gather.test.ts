import { emptyHits, fieldId, type ColumnBatch } from '@elanus/core';
import { expect, test } from 'vitest';
import { groupRows, joinGroups, listHits } from './gather.ts';

const field = fieldId(100);

/** A batch that tells the segment and the row of each of its rows. */
function read(segmentId: number, rows: Uint32Array): ColumnBatch {
  const values = Int32Array.from(rows, (row) => segmentId * 100 + row);
  return { rowCount: rows.length, columns: new Map([[field, { kind: 'int32', values }]]) };
}

function gather(segments: readonly number[], rows: readonly number[]): number[] {
  const list = { segments: Float64Array.from(segments), rows: Uint32Array.from(rows) };
  const { groups, order } = groupRows(list);
  const parts = groups.map((group) => read(group.segmentId, group.rows));
  const column = joinGroups(parts, order).columns.get(field);
  return column?.kind === 'int32' ? [...column.values].map(Number) : [];
}

test('rows of one segment are read as listed', () => {
  expect(gather([4, 4, 4], [9, 1, 5])).toEqual([409, 401, 405]);
});

test('rows of several are read by segment and stand as listed', () => {
  expect(gather([4, 2, 4, 7, 2], [9, 1, 5, 0, 3])).toEqual([409, 201, 405, 700, 203]);
});

test('nothing listed is no group', () => {
  expect(groupRows({ segments: new Float64Array(0), rows: new Uint32Array(0) }).groups).toEqual([]);
});

test('hits are listed query by query, without the room behind them', () => {
  for (const nq of [1, 2]) {
    const hits = emptyHits(nq, 3, 'int64');
    hits.counts.fill(2);
    hits.rows.set([1, 2, 0, 4, 5, 0].slice(0, nq * 3));
    hits.segments.set([8, 8, 0, 9, 9, 0].slice(0, nq * 3));
    const { segments, rows } = listHits(hits);
    expect([...rows]).toEqual([1, 2, 4, 5].slice(0, nq * 2));
    expect([...segments]).toEqual([8, 8, 9, 9].slice(0, nq * 2));
  }
});
