/**
 * Which rows of a segment a read may return: the visible prefix, minus deletes, and the filter. The
 * one place where MVCC, deletes and predicates meet; everything after it sees a bitset.
 */
import { andNotInto, clearTail, countBits, createBitset, filledBitset } from '@elanus/core';
import type { Bitset, FieldId } from '@elanus/core';
import { evaluate, type CheckedFilter, type ScalarLookup } from '@elanus/expr';
import { findRows, isScalarColumn } from '@elanus/index';
import type { ChunkView, SegmentView } from './view.ts';

/** Rows of a chunk that filter and deletes leave, worked out before. */
export interface PassingRows {
  /** Of the visible rows; never changed. Of sealed segments on shared memory. */
  readonly bits: Bitset;
  /** How many there are. */
  readonly count: number;
}

const NONE: readonly PassingRows[] = [];

/** A segment as one read sees it; clonable to threads. */
export interface SegmentRead {
  readonly view: SegmentView;
  /** Rows [0, visibleRows) were written at or before the read's instant. */
  readonly visibleRows: number;
  /** Rows hidden at the read's instant. */
  readonly deleted: Bitset | undefined;
  /** What the read's filter and `deleted` leave, chunk by chunk, where it is known. */
  readonly passing?: readonly PassingRows[] | undefined;
}

/** Rows of a chunk that are in the visible prefix. */
export function visibleInChunk(read: SegmentRead, chunk: ChunkView): number {
  return Math.max(0, Math.min(chunk.rowCount, read.visibleRows - chunk.rowBase));
}

/**
 * The chunk's rows that may be returned; undefined = all `visibleInChunk` of them. The bitset may
 * be one that is kept: it is only read.
 */
export function allowedRows(
  read: SegmentRead,
  chunk: ChunkView,
  filter: CheckedFilter | undefined,
): Bitset | undefined {
  const known = passingIn(read, chunk);
  if (known !== undefined) return known.bits;
  const rows = visibleInChunk(read, chunk);
  if (filter === undefined && read.deleted === undefined) return undefined;
  const { columns, timestamps } = chunk;
  const set =
    filter === undefined
      ? filledBitset(rows)
      : evaluate(filter, { rowCount: rows, columns, timestamps, lookups: lookupsOf(chunk) });
  clearTail(set, rows);
  if (read.deleted !== undefined) {
    const from = chunk.rowBase >>> 5;
    const hidden = read.deleted.subarray(from, from + set.length);
    if (hidden.length === set.length) andNotInto(set, hidden);
    else andNotInto(set.subarray(0, hidden.length), hidden);
  }
  return set;
}

/** What is known of a chunk's rows. */
function passingIn({ view, passing }: SegmentRead, chunk: ChunkView): PassingRows | undefined {
  return passing?.[passing.length === 1 ? 0 : view.chunks.indexOf(chunk)];
}

/** How many rows pass, where that is known. */
export function passingCount({ passing }: SegmentRead): number | undefined {
  if (passing === undefined) return undefined;
  let count = 0;
  for (const chunk of passing) count += chunk.count;
  return count;
}

/** The chunk's scalar indexes as filters ask them. */
function lookupsOf(chunk: ChunkView): ReadonlyMap<FieldId, ScalarLookup> | undefined {
  if (chunk.scalars === undefined) return undefined;
  const lookups = new Map<FieldId, ScalarLookup>();
  for (const [field, index] of chunk.scalars) {
    const column = chunk.columns.get(field);
    if (column === undefined || !isScalarColumn(column)) continue;
    lookups.set(field, (spans) => findRows(index, column, spans));
  }
  return lookups;
}

/**
 * The rows of a whole segment that may be returned, as one bitset over all its rows; undefined =
 * every row.
 */
export function allowedInSegment(
  read: SegmentRead,
  filter: CheckedFilter | undefined,
): Bitset | undefined {
  const { view, passing } = read;
  const [known] = passing ?? NONE;
  if (known !== undefined && view.chunks.length === 1) return known.bits;
  const everything =
    passing === undefined && read.visibleRows === view.rowCount && read.deleted === undefined;
  if (everything && filter === undefined) return undefined;
  const [only] = view.chunks;
  // Sealed rows lie in one chunk: its bitset is the segment's.
  if (only?.rowCount === view.rowCount && read.visibleRows >= view.rowCount) {
    return allowedRows(read, only, filter);
  }
  const joined = createBitset(view.rowCount);
  for (const chunk of view.chunks) {
    const rows = visibleInChunk(read, chunk);
    if (rows === 0) continue;
    joined.set(allowedRows(read, chunk, filter) ?? filledBitset(rows), chunk.rowBase >>> 5);
  }
  return joined;
}

/** How many rows `allowedInSegment` or `allowedRows` left; absent: all of them. */
export function countAllowed(read: SegmentRead, allowed: Bitset | undefined, all: number): number {
  for (const { bits, count } of read.passing ?? NONE) if (bits === allowed) return count;
  return allowed === undefined ? all : countBits(allowed);
}

/** The rows of a whole segment that pass a filter, as a bitset on shared memory. */
export function rowsPassing(view: SegmentView, filter: CheckedFilter): Bitset {
  const read = { view, visibleRows: view.rowCount, deleted: undefined };
  const found = allowedInSegment(read, filter) ?? filledBitset(view.rowCount);
  const bits = createBitset(view.rowCount, { shared: true });
  bits.set(found);
  return bits;
}
