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

/** A filter ready to be sent: checked, and as canonical text; undefined = every row. */
export interface RequestFilter {
  readonly checked: CheckedFilter | undefined;
  readonly text: string | undefined;
}

/** Reads a caller's filter against the schema. @throws filter_invalid, unknown_field, ... */
export function readRequestFilter(
  filter: WireFilter | undefined,
  schema: CollectionSchema,
): RequestFilter {
  if (filter === undefined) return { checked: undefined, text: undefined };
  const expr =
    filter.kind === 'object'
      ? filterFromObject(filter.value, schema)
      : parseFilter(filter.text, filter.params);
  const checked = checkFilter(expr, schema);
  if (matchesAll(checked)) return { checked, text: undefined };
  return { checked, text: printFilter(checked) };
}
