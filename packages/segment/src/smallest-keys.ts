/**
 * The rows with the smallest keys among many: a bounded number is kept, and a key that is not among
 * them costs one comparison, without an object or a text made of it.
 */
import { assert, compareKeys, hasBit, type Bitset, type Column } from '@elanus/core';
import { keyIn } from './key-column.ts';

/** A row and its key. */
export interface KeyedRow {
  readonly row: number;
  readonly key: bigint | string;
}

/** Rows of a chunk, by their number in it. */
export interface OfferedRows {
  readonly column: Column;
  readonly rowBase: number;
  readonly from: number;
  readonly to: number;
  /** Bit i set = row i may be taken; absent = all. */
  readonly allowed: Bitset | undefined;
  /** Rows of the segment that are left out. */
  readonly without: ReadonlySet<number>;
}

/** See the file's header. */
export class SmallestKeys {
  readonly #keep: number;
  /** The largest key first. */
  readonly #heap: KeyedRow[] = [];
  /** The largest key kept, once there is no more room: as columns have it. */
  readonly #number = new BigInt64Array(1);
  #text: Uint8Array = new Uint8Array(0);

  /** Keeps at most `keep`, at least 1. */
  constructor(keep: number) {
    assert(keep >= 1, 'at least one key is kept');
    this.#keep = keep;
  }

  /** What is kept, in no order. */
  get rows(): readonly KeyedRow[] {
    return this.#heap;
  }

  /** Offers one row of a chunk. Keys differ. */
  offer(column: Column, index: number, row: number): void {
    if (this.#heap.length < this.#keep) {
      this.#push({ row, key: keyIn(column, index) });
    } else if (this.#isSmaller(column, index)) {
      this.#replace({ row, key: keyIn(column, index) });
    }
  }

  /** Offers rows of a chunk. Cost: a few nanoseconds a row. */
  offerRows(rows: OfferedRows): void {
    const { column, rowBase, from, to, allowed, without } = rows;
    if (from >= to) return;
    // Keys that fall would each be the smallest so far: those are walked from their end.
    const falls = compareKeys(keyIn(column, from), keyIn(column, to - 1)) > 0;
    for (let i = from; i < to; i++) {
      const index = falls ? to - 1 - (i - from) : i;
      if (allowed !== undefined && !hasBit(allowed, index)) continue;
      if (this.#heap.length === this.#keep && !this.#isSmaller(column, index)) continue;
      if (!without.has(rowBase + index)) this.offer(column, index, rowBase + index);
    }
  }

  #isSmaller(column: Column, index: number): boolean {
    if (column.kind === 'int64') {
      const values = column.values as BigInt64Array;
      return (values[index] as bigint) < (this.#number[0] as bigint);
    }
    assert(column.kind === 'varchar', 'keys are int64 or varchar');
    const { offsets, data } = column;
    const [start, end] = [offsets[index] as number, offsets[index + 1] as number];
    return isBelow({ data, start, end }, this.#text);
  }

  #push(entry: KeyedRow): void {
    let at = this.#heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#at(parent);
      if (compareKeys(above.key, entry.key) >= 0) break;
      this.#heap[at] = above;
      at = parent;
    }
    this.#heap[at] = entry;
    if (this.#heap.length === this.#keep) this.#setBound();
  }

  #replace(entry: KeyedRow): void {
    const count = this.#heap.length;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && compareKeys(this.#at(child).key, this.#at(child + 1).key) < 0) {
        child++;
      }
      if (compareKeys(this.#at(child).key, entry.key) <= 0) break;
      this.#heap[at] = this.#at(child);
      at = child;
    }
    this.#heap[at] = entry;
    this.#setBound();
  }

  #at(place: number): KeyedRow {
    return this.#heap[place] as KeyedRow;
  }

  #setBound(): void {
    const { key } = this.#at(0);
    if (typeof key === 'bigint') this.#number[0] = key;
    else this.#text = encoder.encode(key);
  }
}

const encoder = new TextEncoder();

/** Lead bytes of characters that UTF-16 has as surrogates, and of those it orders behind them. */
const [SURROGATES, PRIVATE] = [0xf0, 0xee];

/** Whether text in UTF-8 comes before another in the order of keys, which is that of UTF-16. */
function isBelow(
  a: { readonly data: Uint8Array; readonly start: number; readonly end: number },
  b: Uint8Array,
): boolean {
  const length = Math.min(a.end - a.start, b.length);
  for (let i = 0; i < length; i++) {
    const [one, other] = [a.data[a.start + i] as number, b[i] as number];
    if (one === other) continue;
    if (one >= PRIVATE && other >= PRIVATE && one >= SURROGATES !== other >= SURROGATES) {
      return one >= SURROGATES;
    }
    return one < other;
  }
  return a.end - a.start < b.length;
}
