import { ElanusError, type CollectionSchema } from '@elanus/core';
import { readFilter, type CheckedFilter } from '@elanus/expr';
import type { SegmentRef } from '@elanus/protocol';
import type { SegmentRead } from '@elanus/segment';
import type { HeldSegments } from './held-segments.ts';

/** The filter of a call, checked against the schema it was made for. */
export function filterOf(
  text: string | undefined,
  schema: CollectionSchema,
): CheckedFilter | undefined {
  return text === undefined ? undefined : readFilter(text, schema);
}

/**
 * The segments of a call as this node holds them; delete bitsets stand in `bodies` from `at` on.
 * @throws ElanusError shard_recovering when one is not (or no longer) loaded: the caller refreshes
 */
export function readsOf(
  held: Pick<HeldSegments, 'get'>,
  refs: readonly SegmentRef[],
  bodies: readonly ArrayBufferView[],
): SegmentRead[] {
  let body = 0;
  return refs.map((ref) => {
    const segment = held.get(ref.segmentId);
    if (segment === undefined) {
      throw new ElanusError('shard_recovering', { name: `segment ${ref.segmentId}` });
    }
    const deleted = ref.hasDeletes ? (bodies[body++] as Uint32Array) : undefined;
    return { view: segment.view, visibleRows: ref.visibleRows, deleted };
  });
}
