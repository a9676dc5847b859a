// Goal: full chunks of growing rows are searched by their codes once they have them, with the rows
// and scores of an exact search; a chunk that is seen in part is scanned; discarded rows take none.
import { fieldId, segmentId, type Column } from '@elanus/core';
import { buildSteps, loadIndexKinds, openIndex } from '@elanus/index';
import { loadKernels } from '@elanus/kernels';
import { expect, test } from 'vitest';
import { GrowingSegment } from './growing.ts';
import { searchSegments, type SearchTask } from './search.ts';
import { visibleRows } from './view.ts';

const [ID, VEC] = [fieldId(100), fieldId(102)];
const DIM = 24;
const ROWS = 9_000;
await loadIndexKinds();
const kernels = loadKernels();

/** Numbers without a pattern: codes tell such rows apart. */
function numbers(): () => number {
  let state = 7;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function fill(): GrowingSegment {
  const next = numbers();
  const vectors = [{ id: VEC, type: 'float32' as const, dim: DIM, metric: 'l2' as const }];
  const rows = new GrowingSegment({ segmentId: segmentId(1), firstSeq: 1, kernels, vectors });
  for (let from = 0; from < ROWS; from += 500) {
    const columns = new Map<typeof ID, Column>([
      [
        ID,
        { kind: 'int64', values: BigInt64Array.from({ length: 500 }, (_, i) => BigInt(from + i)) },
      ],
      [
        VEC,
        {
          kind: 'vector',
          type: 'float32',
          dim: DIM,
          values: Float32Array.from({ length: 500 * DIM }, next),
        },
      ],
    ]);
    rows.append({ rowCount: 500, columns }, BigInt(from + 1), 500 * DIM * 4);
  }
  return rows;
}

function codeAll(rows: GrowingSegment): boolean[] {
  return rows.uncoded().map(({ column, metric, take }) => {
    const steps = buildSteps({ kernels, kind: 'FLAT_SQ8', metric, column });
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    const image = { ...step.value, path: 'codes' };
    return take(openIndex({ kernels, image, column }).handle());
  });
}

function search(rows: GrowingSegment, more: { exact?: boolean; at?: bigint } = {}) {
  const view = rows.view();
  const task: SearchTask = {
    reads: [{ view, visibleRows: visibleRows(view, more.at ?? 100_000n), deleted: undefined }],
    field: VEC,
    metric: 'l2',
    keyField: ID,
    keyKind: 'int64',
    queries: {
      kind: 'vector',
      type: 'float32',
      dim: DIM,
      values: Float32Array.from({ length: 3 * DIM }, (_, i) => Math.abs(Math.cos(i * 0.9))),
    },
    nq: 3,
    limit: 20,
    filter: undefined,
    bounds: undefined,
    effort: { exact: more.exact ?? false },
  };
  const { hits, plans } = searchSegments(kernels, task);
  return { keys: [...(hits.keys as BigInt64Array)], scores: [...hits.scores], plan: plans[0] };
}

test('full chunks are searched by codes, with the answer of an exact search', () => {
  const rows = fill();
  const before = search(rows);
  expect(before.plan).toMatchObject({ kind: 'FLAT', strategy: 'exact', exactScores: 3 * ROWS });
  expect(codeAll(rows).length).toBeGreaterThan(1);
  expect(rows.uncoded()).toEqual([]);
  expect(rows.codeBytes).toBeGreaterThan(1_000 * DIM);
  const after = search(rows);
  expect(after.plan).toMatchObject({ kind: 'FLAT_SQ8', strategy: 'codes', allowed: ROWS });
  expect(after.plan?.exactScores).toBeLessThan(before.plan?.exactScores ?? 0);
  expect(after.keys).toEqual(before.keys);
  expect(after.scores).toEqual(before.scores);
  expect(search(rows, { exact: true }).plan).toMatchObject({ kind: 'FLAT', strategy: 'exact' });
});

test('a read at an instant in the past sees what it saw', () => {
  const rows = fill();
  const before = search(rows, { at: 4_000n });
  codeAll(rows);
  const after = search(rows, { at: 4_000n });
  expect(after.plan?.allowed).toBe(4_000);
  expect(after.keys).toEqual(before.keys);
});

test('rows that are gone take no codes', () => {
  const rows = fill();
  const [chunk] = rows.uncoded();
  rows.discard();
  expect(rows.uncoded()).toEqual([]);
  expect(chunk?.take({} as never)).toBe(false);
});
