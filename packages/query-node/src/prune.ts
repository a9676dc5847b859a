/**
 * Segments that statistics rule out are not read: a filter on old rows does not look at new ones.
 */
import { fieldId, type FieldId } from '@elanus/core';
import { prune, type CheckedFilter, type SegmentStats, type StatValue } from '@elanus/expr';
import { mayContain, type SegmentStats as StoredStats } from '@elanus/format';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A segment's statistics as filters ask them; `keyField` is the one the bloom filter knows. */
export function filterStats(stored: StoredStats, keyField: FieldId): SegmentStats {
  return {
    rowCount: stored.rowCount,
    field: (id) => {
      const stats = stored.fields.get(fieldId(id));
      if (stats === undefined) return undefined;
      const { nullCount } = stats;
      const min = statValue(stats.min);
      const max = statValue(stats.max);
      if (id !== keyField) return { nullCount, min, max };
      return { nullCount, min, max, mayHold: (value) => mayHoldKey(stored, value) };
    },
  };
}

/** Whether a segment's statistics say that no row of it passes. */
export function rulesOut(stats: SegmentStats | undefined, filter: CheckedFilter): boolean {
  return stats !== undefined && prune(filter, stats);
}

function statValue(value: number | bigint | string | undefined): StatValue | undefined {
  return typeof value === 'string' ? encoder.encode(value) : value;
}

function mayHoldKey(stored: StoredStats, value: StatValue): boolean {
  if (typeof value === 'bigint') return mayContain(stored.bloom, value);
  if (value instanceof Uint8Array) return mayContain(stored.bloom, decoder.decode(value));
  return true;
}
