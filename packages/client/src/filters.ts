import type { WireFilter } from '@elanus/api';
import { ElanusError, LIMITS } from '@elanus/core';
import { isWhere, whereFields, wireFilterOf } from './where.ts';

/** Beyond these a filter is refused by who reads it, so no copy is needed. */
const DEPTH_MAX = LIMITS.filterDepthMax * 2;
const NODES_MAX = LIMITS.filterNodesMax * 2;

/**
 * Any form of a filter as it goes over the seam; undefined stays undefined. Captured: what the
 * caller changes later has no effect.
 *
 * @throws filter_invalid for plain strings and for builders that return no filter.
 */
export function wireFilter(filter: unknown): WireFilter | undefined {
  if (filter === undefined) return undefined;
  if (isWhere(filter)) return captured(wireFilterOf(filter));
  if (typeof filter === 'function') {
    const built: unknown = (filter as (fields: unknown) => unknown)(whereFields());
    if (isWhere(built)) return captured(wireFilterOf(built));
    throw new ElanusError('filter_invalid', {
      why: 'the builder returned no filter',
      hint: 'Return a condition: (d) => d.year.gte(2020).',
    });
  }
  if (typeof filter === 'object' && filter !== null && !Array.isArray(filter)) {
    return captured({ kind: 'object', value: filter as Readonly<Record<string, unknown>> });
  }
  throw new ElanusError('filter_invalid', {
    why: 'a filter is an object, an expr`...`, or a function',
    hint: typeof filter === 'string' ? 'Write expr`...` around the text.' : undefined,
  });
}

/** A deep copy, as far as a filter may go. */
function captured(filter: WireFilter): WireFilter {
  let nodes = 0;
  const copy = (value: unknown, depth: number): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (value instanceof Date) return new Date(value);
    if (value instanceof Uint8Array) return value.slice();
    if (ArrayBuffer.isView(value) || depth > DEPTH_MAX || ++nodes > NODES_MAX) return value;
    if (Array.isArray(value)) return value.map((item) => copy(item, depth + 1));
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return value;
    const object: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const item = copy((value as Record<string, unknown>)[key], depth + 1);
      // Assigned, this one would be the prototype.
      if (key !== '__proto__') object[key] = item;
      else Object.defineProperty(object, key, { value: item, enumerable: true });
    }
    return object;
  };
  return copy(filter, 0) as WireFilter;
}
