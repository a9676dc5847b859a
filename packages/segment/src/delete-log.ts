import { assert, createBitset, setBit, type Bitset } from '@elanus/core';

/**
 * Deletes of one segment, in timestamp order: which row was hidden when. One row version is hidden
 * once. Readers get an immutable bitset for their instant; the newest is kept and shared.
 *
 * Memory: 12 bytes a delete, and a bit a row once there is one.
 */
export class DeleteLog {
  #rows = new Uint32Array(0);
  #timestamps = new BigUint64Array(0);
  #count = 0;
  #newest: { readonly count: number; readonly words: number; readonly set: Bitset } | undefined;

  /** Deletes recorded so far. */
  get count(): number {
    return this.#count;
  }

  /** Hides `row` from reads at `timestamp` and later. */
  add(row: number, timestamp: bigint): void {
    assert(timestamp >= (this.#timestamps[this.#count - 1] ?? 0n), 'deletes come in order');
    if (this.#count === this.#rows.length) this.#grow();
    this.#rows[this.#count] = row;
    this.#timestamps[this.#count] = timestamp;
    this.#count++;
  }

  /** Fills the log from a delta log. */
  load(rows: Uint32Array, timestamps: BigUint64Array): void {
    assert(this.#count === 0, 'a log is loaded once, first');
    this.#rows = rows.slice();
    this.#timestamps = timestamps.slice();
    this.#count = rows.length;
  }

  /** Everything recorded, as a delta log. */
  snapshot(): { readonly rows: Uint32Array; readonly timestamps: BigUint64Array } {
    return {
      rows: this.#rows.slice(0, this.#count),
      timestamps: this.#timestamps.slice(0, this.#count),
    };
  }

  /** Deletes with timestamp <= `at`. */
  countAt(at: bigint): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#timestamps[middle] ?? 0n) <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The rows hidden at `at`, on shared memory, never changed afterwards; undefined when none is.
   * `rowCount` is the segment's. Cost: the first read after a delete copies rowCount / 8 bytes.
   */
  bitset(at: bigint, rowCount: number): Bitset | undefined {
    const count = this.countAt(at);
    if (count === 0) return undefined;
    const words = (rowCount + 31) >>> 5;
    const known = this.#newest;
    if (known !== undefined && known.count === count && known.words >= words) return known.set;
    const set = createBitset(rowCount, { shared: true });
    let from = 0;
    if (known !== undefined && known.count < count && known.words <= words) {
      set.set(known.set);
      from = known.count;
    }
    for (let i = from; i < count; i++) setBit(set, this.#rows[i] ?? 0);
    if (count === this.#count) this.#newest = { count, words, set };
    return set;
  }

  /** When `row` was hidden, or undefined. Cost: linear in the deletes. */
  timestampOf(row: number): bigint | undefined {
    const i = this.#rows.subarray(0, this.#count).indexOf(row);
    return i < 0 ? undefined : this.#timestamps[i];
  }

  #grow(): void {
    const capacity = Math.max(64, this.#rows.length * 2);
    const rows = new Uint32Array(capacity);
    const timestamps = new BigUint64Array(capacity);
    rows.set(this.#rows);
    timestamps.set(this.#timestamps);
    this.#rows = rows;
    this.#timestamps = timestamps;
  }
}
