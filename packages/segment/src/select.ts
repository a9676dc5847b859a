/**
 * Scalar reads: the rows that pass a filter, by ascending key. A bounded number is kept, so a page
 * of a scan costs memory for the page, not for the collection.
 */
import { compareKeys, type FieldId, type Keys } from '@elanus/core';
import type { CheckedFilter } from '@elanus/expr';
import { keyColumn, keyIn } from './key-column.ts';
import { countPassing, passingRows } from './search.ts';
import type { SegmentRead } from './read-set.ts';
import { chunkOf } from './view.ts';

/** One scalar read over a set of segments; clonable to threads. */
export interface SelectTask {
  readonly reads: readonly SegmentRead[];
  readonly filter: CheckedFilter | undefined;
  readonly keyField: FieldId;
  readonly keyKind: 'int64' | 'varchar';
  /** Only keys above this one. */
  readonly after: bigint | string | undefined;
  readonly limit: number;
}

/** Rows by ascending key. */
export interface Selection {
  readonly keys: Keys;
  readonly segments: Float64Array;
  readonly rows: Uint32Array;
}

interface Candidate {
  readonly key: bigint | string;
  readonly segmentId: number;
  readonly row: number;
}

const byKey = (a: Candidate, b: Candidate): number => compareKeys(a.key, b.key);

/**
 * The first `limit` passing rows by key. Candidates are sorted and cut each time twice the limit
 * has been gathered, so memory stays at 2 x limit. Cost: rows x log(limit).
 */
export function selectRows(task: SelectTask): Selection {
  let kept: Candidate[] = [];
  let bound: bigint | string | undefined;
  const trimAt = Math.max(1024, task.limit * 2);
  for (const read of task.reads) {
    const segmentId = read.view.segmentId;
    for (const row of passingRows(read, task.filter)) {
      const chunk = chunkOf(read.view, row);
      const key = keyIn(keyColumn(chunk, task.keyField), row - chunk.rowBase);
      if (task.after !== undefined && compareKeys(key, task.after) <= 0) continue;
      if (bound !== undefined && compareKeys(key, bound) >= 0) continue;
      kept.push({ key, segmentId, row });
      if (kept.length < trimAt) continue;
      kept = kept.sort(byKey).slice(0, task.limit);
      if (kept.length === task.limit) bound = kept[kept.length - 1]?.key;
    }
  }
  return toSelection(kept.sort(byKey).slice(0, task.limit), task.keyKind);
}

/** Joins selections of several nodes or shards: the first `limit` by key. */
export function mergeSelections(parts: readonly Selection[], limit: number): Selection {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const all: Candidate[] = [];
  for (const part of parts) {
    for (let i = 0; i < part.rows.length; i++) {
      const segmentId = part.segments[i] ?? 0;
      all.push({ key: part.keys[i] ?? 0n, segmentId, row: part.rows[i] ?? 0 });
    }
  }
  const kind = first === undefined || first.keys instanceof BigInt64Array ? 'int64' : 'varchar';
  return toSelection(all.sort(byKey).slice(0, limit), kind);
}

/** How many rows pass in all segments of the task. */
export function countRows(task: Pick<SelectTask, 'reads' | 'filter'>): number {
  return task.reads.reduce((sum, read) => sum + countPassing(read, task.filter), 0);
}

function toSelection(rows: readonly Candidate[], kind: 'int64' | 'varchar'): Selection {
  const keys = rows.map((row) => row.key);
  return {
    keys: kind === 'int64' ? BigInt64Array.from(keys as bigint[]) : (keys as string[]),
    segments: Float64Array.from(rows, (row) => row.segmentId),
    rows: Uint32Array.from(rows, (row) => row.row),
  };
}
