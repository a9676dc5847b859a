/**
 * Searches that come again: answered from what stands of the one before (protocol/standing.ts),
 * short ones in the turn of the call.
 */
import type { Call, SearchResult } from '@elanus/api';
import {
  compactHits,
  type Awaitable,
  type CollectionSchema,
  type Column,
  type FieldId,
  type Hits,
  type VectorColumn,
} from '@elanus/core';
import type { ReadDemand } from '@elanus/protocol';
import { checkQueries, type KeptPlan } from './search-plan.ts';

/** A search by a plan that is kept. */
export interface AskedByPlan {
  readonly schema: CollectionSchema;
  readonly queries: VectorColumn;
  readonly demand: ReadDemand;
  readonly call: Call | undefined;
}

/** The answer; undefined: nothing stands of such a search any more. @throws as `checkQueries` */
export function askAgain(
  kept: KeptPlan,
  { schema, queries, demand, call }: AskedByPlan,
): Awaitable<SearchResult> | undefined {
  const { plan, standing } = kept;
  if (standing === undefined) return undefined;
  const nq = checkQueries(plan.field, queries);
  const { signal } = call ?? {};
  const caller = signal && { signal };
  const hits = standing.again({ queries, nq, demand, caller });
  if (hits === undefined) return undefined;
  const of = { keyField: plan.keyField, schema, at: standing.at };
  return hits instanceof Promise ? hits.then((later) => resultOf(later, of)) : resultOf(hits, of);
}

function resultOf(
  hits: Hits,
  of: { readonly keyField: FieldId; readonly schema: CollectionSchema; readonly at: bigint },
): SearchResult {
  // Hits as they stand belong to whoever found them.
  const { counts, scores, keys: values } = compactHits(hits);
  const columns = new Map<FieldId, Column>().set(of.keyField, { kind: 'int64', values });
  const rows = { rowCount: values.length, columns };
  return { schemaVersion: of.schema.version, counts, scores, rows, timestamp: of.at };
}
