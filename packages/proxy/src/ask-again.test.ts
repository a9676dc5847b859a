import { emptyHits, fieldId, type CollectionSchema, type VectorColumn } from '@elanus/core';
import type { StandingSearch } from '@elanus/protocol';
import { expect, test } from 'vitest';
import { askAgain } from './ask-again.ts';
import type { KeptPlan } from './search-plan.ts';

const ID = fieldId(100);
const field = { id: fieldId(101), name: 'v', type: 'vector', dim: 2, metric: 'l2' };
const schema = { version: 3 } as CollectionSchema;
const demand = { guarantee: 0n, at: undefined };

function kept(again: StandingSearch['again']): KeptPlan {
  const plan = { field, keyField: ID } as unknown as KeptPlan['plan'];
  return { plan, asked: undefined, standing: { at: 9n, again } };
}

const column = (values: readonly number[], dim = 2): VectorColumn => ({
  kind: 'vector',
  type: 'float32',
  dim,
  values: Float32Array.from(values),
});

test('hits are copied, query after query', () => {
  const hits = emptyHits(2, 3, 'int64');
  hits.counts.set([1, 2]);
  hits.scores.set([5, 0, 0, 6, 7, 0]);
  (hits.keys as BigInt64Array).set([50n, 0n, 0n, 60n, 70n, 0n]);
  const asked = { schema, queries: column([1, 2, 3, 4]), demand, call: undefined };
  const result = askAgain(
    kept(({ nq }) => (nq === 2 ? hits : undefined)),
    asked,
  );
  hits.scores.fill(0);
  expect(result).toEqual({
    schemaVersion: 3,
    counts: Uint32Array.of(1, 2),
    scores: Float32Array.of(5, 6, 7),
    rows: {
      rowCount: 3,
      columns: new Map([[ID, { kind: 'int64', values: BigInt64Array.of(50n, 60n, 70n) }]]),
    },
    timestamp: 9n,
  });
});

test('vectors are checked before', () => {
  const standing = kept(() => undefined);
  const ask = (queries: VectorColumn) =>
    askAgain(standing, { schema, queries, demand, call: undefined });
  expect(() => ask(column([1, Number.NaN]))).toThrow(/NaN/);
  expect(() => ask(column([1, 2, 3], 3))).toThrow(/dimension/);
  expect(() => ask(column([]))).toThrow(/queries/);
  expect(ask(column([1, 2]))).toBeUndefined();
});
