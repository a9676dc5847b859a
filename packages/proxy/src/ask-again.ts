/**
 * Searches that come again: answered from what stands of the one before (protocol/standing.ts), in
 * the turn of the call.
 */
import type { SearchResult } from '@elanus/api';
import {
  compactHits,
  type CollectionSchema,
  type Column,
  type FieldId,
  type VectorColumn,
} from '@elanus/core';
import type { ReadDemand } from '@elanus/protocol';
import { checkQueries, type KeptPlan } from './search-plan.ts';

/** A search by a plan that is kept. */
export interface AskedAgain {
  readonly schema: CollectionSchema;
  readonly queries: VectorColumn;
  readonly demand: ReadDemand;
}

/** The answer; undefined: nothing stands of such a search any more. @throws as `checkQueries` */
export function askAgain(kept: KeptPlan, asked: AskedAgain): SearchResult | undefined {
  const { plan, standing } = kept;
  if (standing === undefined) return undefined;
  const { queries, schema, demand } = asked;
  const nq = checkQueries(plan.field, queries);
  const hits = standing.again(queries, nq, demand);
  if (hits === undefined) {
    kept.standing = undefined;
    return undefined;
  }
  // Hits as they stand belong to whoever found them.
  const { counts, scores, keys: values } = compactHits(hits);
  const columns = new Map<FieldId, Column>().set(plan.keyField, { kind: 'int64', values });
  const rows = { rowCount: values.length, columns };
  return { schemaVersion: schema.version, counts, scores, rows, timestamp: standing.at };
}
