import type { WireFilter } from '@elanus/api';
import { ElanusError } from '@elanus/core';
import { isWhere, whereFields, wireFilterOf } from './where.ts';

/**
 * Any form of a filter as it goes over the seam; undefined stays undefined.
 *
 * @throws filter_invalid for plain strings and for builders that return no filter.
 */
export function wireFilter(filter: unknown): WireFilter | undefined {
  if (filter === undefined) return undefined;
  if (isWhere(filter)) return wireFilterOf(filter);
  if (typeof filter === 'function') {
    const built: unknown = (filter as (fields: unknown) => unknown)(whereFields());
    if (isWhere(built)) return wireFilterOf(built);
    throw new ElanusError('filter_invalid', {
      why: 'the builder returned no filter',
      hint: 'Return a condition: (d) => d.year.gte(2020).',
    });
  }
  if (typeof filter === 'object' && filter !== null && !Array.isArray(filter)) {
    return { kind: 'object', value: filter as Readonly<Record<string, unknown>> };
  }
  throw new ElanusError('filter_invalid', {
    why: 'a filter is an object, an expr`...`, or a function',
    hint: typeof filter === 'string' ? 'Write expr`...` around the text.' : undefined,
  });
}
