import type { SearchRequest } from '@elanus/api';
import { fieldId, type CollectionSchema } from '@elanus/core';
import { expect, test } from 'vitest';
import { SearchPlans } from './search-plan.ts';

const schemaOf = (version: number): CollectionSchema =>
  ({
    collectionId: 1,
    name: 'rows',
    version,
    fields: [
      { id: fieldId(100), name: 'id', type: 'int64', primary: true },
      { id: fieldId(101), name: 'n', type: 'int32' },
      { id: fieldId(102), name: 'v', type: 'vector', dim: 2, metric: 'l2' },
      { id: fieldId(103), name: 'w', type: 'vector', dim: 2, metric: 'l2' },
    ],
    dynamic: false,
    shards: 1,
  }) as unknown as CollectionSchema;

const schema = schemaOf(1);
const requestOf = (more: Partial<SearchRequest> = {}): SearchRequest =>
  ({
    collection: 'rows',
    consistency: 'strong',
    field: 'v',
    limit: 10,
    offset: 0,
    select: ['n'],
    omit: undefined,
    filter: { kind: 'object', value: { n: { lt: 5, gt: 1 } } },
    within: { min: 0, max: 9 },
    recall: undefined,
    params: { ef: 40 },
    queries: { kind: 'vectors' },
    ...more,
  }) as unknown as SearchRequest;

/** Plans that know the request. */
function warm(): SearchPlans {
  const plans = new SearchPlans();
  for (let i = 0; i < 3; i++) plans.of(requestOf(), schema);
  expect(plans.of(requestOf(), schema)).toBe(plans.of(requestOf(), schema));
  return plans;
}

const others: readonly Partial<SearchRequest>[] = [
  { field: 'w' },
  { limit: 11 },
  { offset: 1 },
  { select: [] },
  { select: undefined, omit: ['n'] },
  { filter: undefined },
  { filter: { kind: 'object', value: { n: { lt: 6, gt: 1 } } } },
  { filter: { kind: 'text', text: 'n < 5', params: {} } },
  { within: undefined },
  { within: { min: 1, max: 9 } },
  { recall: 0.9 },
  { params: { ef: 41 } },
  { params: undefined },
];

test.each(others)('what is asked else is read anew: %o', (other) => {
  const plans = warm();
  const known = plans.of(requestOf(), schema);
  const kept = plans.of(requestOf(other), schema);
  expect(kept).not.toBe(known);
  expect(kept.plan).toEqual(new SearchPlans().of(requestOf(other), schema).plan);
});

test('another schema has plans of its own', () => {
  const plans = warm();
  expect(plans.of(requestOf(), schemaOf(2))).not.toBe(plans.of(requestOf(), schema));
});

test('what a caller changes in its own request has an effect', () => {
  const plans = new SearchPlans();
  const params = { ef: 40 };
  const value = { n: { lt: 5 } };
  const request = requestOf({ params, filter: { kind: 'object', value } });
  for (let i = 0; i < 3; i++) plans.of(request, schema);
  params.ef = 50;
  value.n.lt = 7;
  const { plan } = plans.of(request, schema);
  expect(plan.effort.ef).toBe(50);
  expect(plan.filter.text).toContain('7');
});

test('a search that was known is refused as any other', () => {
  const plans = warm();
  const refused = requestOf({ params: { ef: 0 } });
  for (let i = 0; i < 3; i++) {
    expect(() => plans.of(refused, schema)).toThrow(/ef/);
    plans.of(requestOf(), schema);
  }
});
