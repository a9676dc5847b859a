/** Rows of several segments: read by segment, then put back in the order they were listed. */
import {
  columnOf,
  concatColumns,
  takeBatch,
  type Column,
  type ColumnBatch,
  type FieldId,
  type Hits,
} from '@elanus/core';

/** Rows anywhere: the segment of each, and the row within it. */
export interface RowList {
  readonly segments: Float64Array;
  readonly rows: Uint32Array;
}

/** Listed rows by segment. */
export interface RowGroups {
  readonly groups: readonly { readonly segmentId: number; readonly rows: Uint32Array }[];
  /** Where each listed row stands in the groups; undefined: they stand as listed. */
  readonly order: Uint32Array | undefined;
}

/** The rows of all hits, query by query. */
export function listHits({ counts, limit, segments, rows }: Hits): RowList {
  const [only] = counts;
  if (counts.length === 1) {
    return { segments: segments.subarray(0, only), rows: rows.subarray(0, only) };
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  const list = { segments: new Float64Array(total), rows: new Uint32Array(total) };
  let at = 0;
  counts.forEach((count, q) => {
    const from = q * limit;
    list.segments.set(segments.subarray(from, from + count), at);
    list.rows.set(rows.subarray(from, from + count), at);
    at += count;
  });
  return list;
}

/** Groups rows by segment. Cost: linear. */
export function groupRows({ segments, rows }: RowList): RowGroups {
  const [first] = segments;
  if (first === undefined) return { groups: [], order: undefined };
  if (segments.every((id) => id === first)) {
    return { groups: [{ segmentId: first, rows }], order: undefined };
  }
  const places = new Map<number, number[]>();
  segments.forEach((id, i) => {
    const known = places.get(id);
    if (known === undefined) places.set(id, [i]);
    else known.push(i);
  });
  const order = new Uint32Array(rows.length);
  let at = 0;
  const groups = [...places].map(([segmentId, positions]) => {
    for (const position of positions) order[position] = at++;
    return { segmentId, rows: Uint32Array.from(positions, (position) => rows[position] ?? 0) };
  });
  return { groups, order };
}

/** The groups' fields as one batch, in the order listed; at least one group. */
export function joinGroups(
  parts: readonly ColumnBatch[],
  order: Uint32Array | undefined,
): ColumnBatch {
  const [first] = parts;
  if (first === undefined) throw new Error('assertion failed: at least one group');
  if (order === undefined) return first;
  const columns = new Map<FieldId, Column>();
  for (const id of first.columns.keys()) {
    columns.set(id, concatColumns(parts.map((part) => columnOf(part, id))));
  }
  return takeBatch({ rowCount: order.length, columns }, order);
}
