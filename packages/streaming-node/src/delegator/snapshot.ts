/**
 * What one read sees of a shard, taken in one synchronous step: instant, segments and deletes
 * belong together.
 */
import { expiredBefore, type Bitset, type CollectionSchema, type Timestamp } from '@elanus/core';
import type { SegmentRef } from '@elanus/protocol';
import { visibleRows, type SegmentRead } from '@elanus/segment';
import { prefixUpTo, rowsBefore, type HiddenRows } from '../shard/expired-rows.ts';
import type { ShardSegment, ShardState } from '../shard/state.ts';

/** See the file's header. */
export interface Snapshot {
  readonly at: Timestamp;
  readonly growing: readonly SegmentRead[];
  readonly refs: readonly SegmentRef[];
  readonly deletes: readonly Bitset[];
}

/** What a read at an instant sees. No await between the parts. */
export function takeSnapshot(state: ShardState, hidden: HiddenRows, at: Timestamp): Snapshot {
  const growing: SegmentRead[] = [];
  const refs: SegmentRef[] = [];
  const deletes: Bitset[] = [];
  const { segments, schema } = state;
  const expired = expiredBefore(schema.ttl, at);
  for (const segment of segments.values()) {
    const first = rowsBefore(segment, expired);
    if (segment.state === 'flushed') {
      const { rowCount } = segment.record;
      if (first > 0 && first === rowCount) continue;
      const visible = prefixUpTo(segment.timestamps, rowCount, at);
      const deleted = hidden.of(segment.deletes, at, { first, rows: rowCount });
      refs.push({
        segmentId: segment.segmentId,
        visibleRows: visible,
        hasDeletes: deleted !== undefined,
      });
      if (deleted !== undefined) deletes.push(deleted);
    } else {
      const view = segment.rows.view();
      const { rowCount: rows } = view;
      if (first > 0 && first === rows) continue;
      const deleted = hidden.of(segment.deletes, at, { first, rows });
      growing.push({ view, visibleRows: visibleRows(view, at), deleted });
    }
  }
  return { at, growing, refs, deletes };
}

/**
 * What snapshots are taken of: rows and deletes that come have later instants than those before.
 */
export class SnapshotBasis {
  readonly #state: ShardState;
  readonly #schema: CollectionSchema;
  readonly #segments: readonly ShardSegment[];

  constructor(state: ShardState) {
    this.#state = state;
    this.#schema = state.schema;
    this.#segments = [...state.segments.values()];
  }

  /** Whether a snapshot at the same instant as before would be the same. */
  get holds(): boolean {
    const { segments, schema } = this.#state;
    if (schema !== this.#schema || segments.size !== this.#segments.length) return false;
    for (const segment of this.#segments) {
      if (segments.get(segment.segmentId) !== segment) return false;
    }
    return true;
  }
}
