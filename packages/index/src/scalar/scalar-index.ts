import { bitsetWords, columnRows, filledBitset, hasBit, setBit } from '@elanus/core';
import type { Bitset, BytesColumn, Column, NumberColumn } from '@elanus/core';

import { compareTexts, numberOrder, textOrder } from './row-order.ts';

/**
 * An index of one scalar column of a sealed segment, in shared memory: plain data that threads may
 * have. Values are not kept: the column is asked. Rows without a value are in none.
 *
 *   BITMAP  few distinct values: a bitset for each; a look-up joins bitsets.
 *   SORTED  rows in the order of their values; a look-up is two binary searches, then the run
 *           between them.
 */
export interface ScalarIndex {
  readonly kind: 'BITMAP' | 'SORTED';
  readonly rowCount: number;
  /** SORTED: all rows by value. BITMAP: one row of each distinct value, by value. */
  readonly rows: Uint32Array;
  /** BITMAP: bitsets, one behind the other. */
  readonly bits: Uint32Array | undefined;
  readonly bytes: number;
}

/** Columns that can have one. */
export type ScalarColumn = NumberColumn | BytesColumn;

/** A bound of values: a number of any kind, compared exactly; texts by their bytes. */
export type ScalarValue = number | bigint | Uint8Array;

/** Values from `min` to `max`; absent = without end. */
export interface ValueSpan {
  readonly min?: ScalarValue | undefined;
  readonly max?: ScalarValue | undefined;
  /** Whether `min`, `max` themselves are left out. */
  readonly above?: boolean | undefined;
  readonly below?: boolean | undefined;
}

/** More distinct values than this, and bitsets would take more memory than sorted rows. */
const BITMAP_VALUES_MAX = 32;

/** Whether a column can have an index: scalars other than JSON. */
export function isScalarColumn(column: Column): column is ScalarColumn {
  return !['vector', 'sparse', 'array', 'json'].includes(column.kind);
}

/**
 * Builds the index of a column; undefined when it holds what has no order (NaN). Cost: see
 * `row-order.ts`; memory: four bytes a row at most.
 */
export function buildScalarIndex(column: ScalarColumn): ScalarIndex | undefined {
  const rowCount = columnRows(column);
  if (holdsNaN(column)) return undefined;
  const present = presentRows(column, rowCount);
  const order = 'data' in column ? textOrder(column, present) : numberOrder(column, present);
  const starts = distinctStarts(column, order);
  if (starts === undefined) {
    const rows = shared(order.length);
    rows.set(order);
    return { kind: 'SORTED', rowCount, rows, bits: undefined, bytes: rows.byteLength };
  }
  const words = bitsetWords(rowCount);
  const rows = shared(starts.length);
  const bits = shared(starts.length * words);
  starts.forEach((from, value) => {
    rows[value] = order[from] ?? 0;
    const own = bits.subarray(value * words, (value + 1) * words);
    for (const row of order.subarray(from, starts[value + 1] ?? order.length)) setBit(own, row);
  });
  return { kind: 'BITMAP', rowCount, rows, bits, bytes: rows.byteLength + bits.byteLength };
}

function holdsNaN(column: ScalarColumn): boolean {
  if (column.kind !== 'float' && column.kind !== 'double') return false;
  return (column.values as Float64Array).some(Number.isNaN);
}

const shared = (words: number): Uint32Array => new Uint32Array(new SharedArrayBuffer(words * 4));

function presentRows({ valid }: ScalarColumn, rowCount: number): Uint32Array {
  const rows = new Uint32Array(rowCount);
  let count = 0;
  for (let row = 0; row < rowCount; row++) {
    rows[count] = row;
    if (valid === undefined || hasBit(valid, row)) count++;
  }
  return rows.subarray(0, count);
}

/** Where each distinct value begins in the order; undefined when there are many. */
function distinctStarts(column: ScalarColumn, order: Uint32Array): readonly number[] | undefined {
  const starts: number[] = [];
  for (let i = 0; i < order.length; i++) {
    if (i > 0 && isEqual(column, order[i - 1] as number, order[i] as number)) continue;
    starts.push(i);
    if (starts.length > BITMAP_VALUES_MAX) return undefined;
  }
  return starts;
}

function isEqual(column: ScalarColumn, a: number, b: number): boolean {
  if ('data' in column) return compareTexts(column, { a, b, depth: 0 }) === 0;
  return column.values[a] === column.values[b];
}

/** Order of a row's value and another value: below, at or above zero. */
function compareRow(column: ScalarColumn, row: number, value: ScalarValue): number {
  if (!(value instanceof Uint8Array)) {
    const own = 'data' in column ? 0 : (column.values[row] ?? 0);
    return own < value ? -1 : own > value ? 1 : 0;
  }
  if (!('data' in column)) return 0;
  const { data, offsets } = column;
  const [start, end] = [offsets[row] as number, offsets[row + 1] as number];
  const length = Math.min(end - start, value.length);
  for (let i = 0; i < length; i++) {
    const difference = (data[start + i] as number) - (value[i] as number);
    if (difference !== 0) return difference;
  }
  return end - start - value.length;
}

/**
 * The rows whose value lies in one of the spans, as a bitset of the caller's. Cost: 100,000 rows 10
 * to 130 us, most where half of them are found; never more than a scan of the column
 * (bench/scalar-index.ts).
 */
export function findRows(
  index: ScalarIndex,
  column: ScalarColumn,
  spans: readonly ValueSpan[],
): Bitset {
  const runs = joinRuns(spans.map((span) => runOf(index, column, span)));
  const count = runs.reduce((sum, [from, to]) => sum + to - from, 0);
  const few = count <= index.rows.length / 2;
  const chosen = few ? runs : gaps(runs, index.rows.length);
  const bits = few ? new Uint32Array(bitsetWords(index.rowCount)) : presentBits(index, column);
  for (const run of chosen) flip(index, run, bits);
  return bits;
}

function presentBits(index: ScalarIndex, column: ScalarColumn): Bitset {
  return column.valid?.slice(0, bitsetWords(index.rowCount)) ?? filledBitset(index.rowCount);
}

/** Places of an index, from the first to before the last. */
type Run = readonly [number, number];

function runOf(index: ScalarIndex, column: ScalarColumn, span: ValueSpan): Run {
  const { min, max, above = false, below = false } = span;
  const { rows } = index;
  /** The first place whose value is not below (with `after`: above) the bound. */
  const placeOf = (bound: ScalarValue, after: boolean): number => {
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = compareRow(column, rows[middle] ?? 0, bound);
      if (order < 0 || (after && order === 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const from = min === undefined ? 0 : placeOf(min, above);
  const to = max === undefined ? rows.length : placeOf(max, !below);
  return [from, Math.max(from, to)];
}

/** Runs in ascending order, joined where they meet. */
function joinRuns(runs: readonly Run[]): readonly Run[] {
  const joined: [number, number][] = [];
  for (const [from, to] of runs.toSorted((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (from === to) continue;
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

/** What lies between the runs. */
function gaps(runs: readonly Run[], length: number): readonly Run[] {
  const out: Run[] = [];
  let at = 0;
  for (const [from, to] of runs) {
    if (from > at) out.push([at, from]);
    at = to;
  }
  if (at < length) out.push([at, length]);
  return out;
}

/** Turns the bits of a run's rows. */
function flip(index: ScalarIndex, [from, to]: Run, bits: Bitset): void {
  if (index.bits === undefined) {
    const { rows } = index;
    for (let i = from; i < to; i++) {
      const row = rows[i] as number;
      bits[row >>> 5] = (bits[row >>> 5] as number) ^ (1 << (row & 31));
    }
    return;
  }
  const words = bitsetWords(index.rowCount);
  for (let i = from * words; i < to * words; i += words) {
    for (let w = 0; w < words; w++) {
      bits[w] = (bits[w] as number) ^ (index.bits[i + w] as number);
    }
  }
}
