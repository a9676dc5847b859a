import type { WireFilter } from '@elanus/api';
import type { CollectionSchema } from '@elanus/core';
import {
  checkFilter,
  filterFromObject,
  matchesAll,
  parseFilter,
  printFilter,
  type CheckedFilter,
} from '@elanus/expr';
import { spell } from './spell.ts';

/** A filter ready to be sent: checked, and as canonical text; undefined = every row. */
export interface RequestFilter {
  readonly checked: CheckedFilter | undefined;
  readonly text: string | undefined;
}

const EVERY_ROW: RequestFilter = { checked: undefined, text: undefined };
/** Filters that are kept for a schema. */
const KNOWN_MAX = 64;

/** Most searches of an application ask with one of a few filters: what was read is kept. */
const known = new WeakMap<CollectionSchema, Map<string, RequestFilter>>();

/** Reads a caller's filter against the schema. @throws filter_invalid, unknown_field, ... */
export function readRequestFilter(
  filter: WireFilter | undefined,
  schema: CollectionSchema,
): RequestFilter {
  if (filter === undefined) return EVERY_ROW;
  const spelled = spell(filter);
  if (spelled === undefined) return read(filter, schema);
  let kept = known.get(schema);
  const found = kept?.get(spelled);
  if (found !== undefined) return found;
  const made = read(filter, schema);
  if (kept === undefined) {
    kept = new Map();
    known.set(schema, kept);
  }
  if (kept.size >= KNOWN_MAX) kept.clear();
  kept.set(spelled, made);
  return made;
}

function read(filter: WireFilter, schema: CollectionSchema): RequestFilter {
  const expr =
    filter.kind === 'object'
      ? filterFromObject(filter.value, schema)
      : parseFilter(filter.text, filter.params);
  const checked = checkFilter(expr, schema);
  if (matchesAll(checked)) return { checked, text: undefined };
  return { checked, text: printFilter(checked) };
}
