/**
 * Rows that have outlived their collection's time to live. Rows stand in timestamp order, so they
 * are the first ones of a segment; for readers they are as good as deleted. Which timestamp is the
 * bound says `expiredBefore` in core.
 */
import { createBitset, filledBitset, type Bitset, type Timestamp } from '@elanus/core';
import { visibleRows, type DeleteLog } from '@elanus/segment';
import type { ShardSegment } from './state.ts';

/** How many rows of a segment were written before; 0n: none. */
export function rowsBefore(segment: ShardSegment, before: Timestamp): number {
  if (before === 0n) return 0;
  if (segment.state !== 'flushed') return visibleRows(segment.rows.view(), before - 1n);
  return prefixUpTo(segment.timestamps, segment.record.rowCount, before - 1n);
}

/** How many of the first `rowCount` timestamps, which rise, are at or below `at`. */
export function prefixUpTo(timestamps: BigUint64Array, rowCount: number, at: Timestamp): number {
  // Mostly all rows, or none, are meant.
  if (rowCount === 0 || (timestamps[rowCount - 1] ?? 0n) <= at) return rowCount;
  if ((timestamps[0] ?? 0n) > at) return 0;
  let low = 0;
  let high = rowCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((timestamps[middle] ?? 0n) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A segment's deleted rows and its first ones, on shared memory. */
export function withFirstRows(deleted: Bitset | undefined, first: number, rows: number): Bitset {
  const hidden = createBitset(Math.max(rows, (deleted?.length ?? 0) * 32), { shared: true });
  hidden.set(filledBitset(first));
  deleted?.forEach((word, i) => {
    hidden[i] = (hidden[i] ?? 0) | word;
  });
  return hidden;
}

interface Joined {
  readonly first: number;
  readonly deleted: Bitset | undefined;
  readonly hidden: Bitset;
}

/** The last joined bitset of each segment: reads that see the same rows share one. */
export class HiddenRows {
  readonly #last = new WeakMap<DeleteLog, Joined>();

  /** The rows of a segment that are deleted at `at` or are among its `first`. */
  of(deletes: DeleteLog, at: Timestamp, size: { readonly first: number; readonly rows: number }) {
    const { first, rows } = size;
    const deleted = deletes.bitset(at, rows);
    if (first === 0) return deleted;
    const last = this.#last.get(deletes);
    const known = last?.first === first && last.deleted === deleted;
    if (last !== undefined && known && last.hidden.length * 32 >= rows) return last.hidden;
    const hidden = withFirstRows(deleted, first, rows);
    this.#last.set(deletes, { first, deleted, hidden });
    return hidden;
  }
}
