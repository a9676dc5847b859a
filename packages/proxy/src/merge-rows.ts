/** Joining the answers of shards: by score then key, or by key. */
import {
  columnOf,
  compareKeys,
  concatColumns,
  isBetter,
  takeBatch,
  type Column,
  type ColumnBatch,
  type FieldId,
  type Metric,
} from '@elanus/core';

/** Hits of one shard: query q's rows follow those of q - 1 in `columns`. */
export interface ShardHits {
  /** [nq] */
  readonly counts: Uint32Array;
  /** One score per hit, in the order of `columns`. */
  readonly scores: Float32Array;
  readonly columns: ColumnBatch;
}

const decoder = new TextDecoder();

/** Key `i` of a key column. */
export function keyAt(column: Column, i: number): bigint | string {
  if (column.kind === 'int64') return (column.values as BigInt64Array)[i] ?? 0n;
  if (column.kind !== 'varchar') throw new Error('assertion failed: keys are int64 or varchar');
  return decoder.decode(column.data.subarray(column.offsets[i], column.offsets[i + 1]));
}

/** All rows of several batches, one behind the other. */
export function concatBatches(batches: readonly ColumnBatch[]): ColumnBatch {
  const [first] = batches;
  if (first === undefined || batches.length === 1)
    return first ?? { rowCount: 0, columns: new Map() };
  const columns = new Map<FieldId, Column>();
  for (const id of first.columns.keys()) {
    columns.set(id, concatColumns(batches.map((batch) => columnOf(batch, id))));
  }
  return { rowCount: batches.reduce((sum, batch) => sum + batch.rowCount, 0), columns };
}

/** The hits `[offset, offset + limit)` per query over all shards. Cost: hits x shards. */
export function mergeShardHits(
  parts: readonly ShardHits[],
  want: {
    readonly nq: number;
    readonly metric: Metric;
    readonly keyField: FieldId;
    readonly offset: number;
    readonly limit: number;
  },
): ShardHits {
  const [only] = parts;
  // A shard was asked for offset + limit rows, and answers in order.
  if (only !== undefined && parts.length === 1 && want.offset === 0) return only;
  const all = concatBatches(parts.map((part) => part.columns));
  const keys = columnOf(all, want.keyField);
  const bases: number[] = [];
  let base = 0;
  for (const part of parts) {
    bases.push(base);
    base += part.columns.rowCount;
  }
  const starts = parts.map(() => 0);
  const counts = new Uint32Array(want.nq);
  const rows: number[] = [];
  const scores: number[] = [];
  for (let q = 0; q < want.nq; q++) {
    const candidates: { score: number; row: number }[] = [];
    parts.forEach((part, p) => {
      const start = starts[p] ?? 0;
      const count = part.counts[q] ?? 0;
      for (let i = start; i < start + count; i++) {
        candidates.push({ score: part.scores[i] ?? 0, row: (bases[p] ?? 0) + i });
      }
      starts[p] = start + count;
    });
    if (parts.length > 1) {
      candidates.sort((a, b) => {
        if (a.score !== b.score) return isBetter(want.metric, a.score, b.score) ? -1 : 1;
        return compareKeys(keyAt(keys, a.row), keyAt(keys, b.row));
      });
    }
    const chosen = candidates.slice(want.offset, want.offset + want.limit);
    counts[q] = chosen.length;
    for (const { score, row } of chosen) {
      rows.push(row);
      scores.push(score);
    }
  }
  const whole = rows.length === all.rowCount && rows.every((row, i) => row === i);
  const columns = whole ? all : takeBatch(all, Uint32Array.from(rows));
  return { counts, scores: Float32Array.from(scores), columns };
}

/** Rows `[offset, offset + limit)` by ascending key over all shards. */
export function mergeByKey(
  parts: readonly ColumnBatch[],
  want: { readonly keyField: FieldId; readonly offset: number; readonly limit: number },
): ColumnBatch {
  const all = concatBatches(parts);
  const rows = Uint32Array.from({ length: all.rowCount }, (_, i) => i);
  if (parts.length > 1) {
    const column = columnOf(all, want.keyField);
    const keys = Array.from(rows, (row) => keyAt(column, row));
    rows.sort((a, b) => compareKeys(keys[a] ?? 0n, keys[b] ?? 0n));
  }
  const chosen = rows.subarray(want.offset, want.offset + want.limit);
  if (chosen.length === all.rowCount && parts.length === 1) return all;
  return takeBatch(all, chosen);
}
