import { columnRows, type Clock, type Column } from '@elanus/core';
import { KeyTable, type KeySpan, type RowLocation } from '@elanus/segment';

/** Keys handled in one turn: a few hundred microseconds. */
const KEYS_PER_TURN = 4_096;

/** A table of more keys than this is replaced, not emptied, when nothing is in flight. */
const FORGET_KEYS_MAX = 1_024;

/** Parts of the table of keys on their way: a few writes' worth. */
const PARTS = 16;

/** Whether nobody sees the row at a location any more; undefined: all that are there are seen. */
type IsExpired = ((at: RowLocation) => boolean) | undefined;

/** The keys of a write, by record. */
type KeyColumns = readonly Column[];

/**
 * Which keys will be there once everything in flight is applied: the shard's own table, and over
 * it the keys of writes that are on their way, each by the number of its write.
 */
export class ProjectedKeys {
  readonly #keys: KeyTable;
  /** Key to the newest write in flight (as its segment), and whether it will be there (row 1). */
  #coming: KeyTable;
  readonly #emptyTable: () => KeyTable;
  readonly #clock: Clock;
  readonly #expired: (() => IsExpired) | undefined;
  /** Writes that count; what others left in the table is on its way out. */
  readonly #inFlight = new Set<number>();
  #writes = 0;

  constructor(options: {
    readonly keys: KeyTable;
    readonly kind: 'int64' | 'varchar';
    readonly salt: number;
    readonly clock: Clock;
    /** Which rows nobody sees any more, now: their keys are free. */
    readonly expired?: () => IsExpired;
  }) {
    this.#keys = options.keys;
    this.#emptyTable = () => new KeyTable(options.kind, options.salt, PARTS);
    this.#coming = this.#emptyTable();
    this.#clock = options.clock;
    this.#expired = options.expired;
  }

  /**
   * Takes the rows of a key column whose keys will be there, in order; gives way to others between
   * thousands of rows. What `visit` throws ends it.
   */
  async eachTaken(keys: Column, visit: (row: number) => void): Promise<void> {
    const rows = columnRows(keys);
    for (let from = 0; from < rows; from += KEYS_PER_TURN) {
      if (from > 0) await this.#clock.turn();
      const span = { keys, from, to: Math.min(rows, from + KEYS_PER_TURN) };
      const taken = this.#taken(span);
      for (let i = 0; i < taken.length; i++) if (taken[i] === 1) visit(from + i);
    }
  }

  #taken(span: KeySpan): Uint8Array {
    const { from, to } = span;
    const taken = new Uint8Array(to - from);
    const expired = this.#expired?.();
    this.#keys.each(span, (i, segmentId, row) => {
      const free = segmentId === 0 || expired?.({ segmentId, row }) === true;
      taken[i - from] = free ? 0 : 1;
    });
    if (this.#coming.count === 0) return taken;
    this.#coming.each(span, (i, write, there) => {
      if (this.#inFlight.has(write)) taken[i - from] = there;
    });
    return taken;
  }

  /** Projects a write: its keys will be there, or will not. Returns its number. */
  async add(columns: KeyColumns, there: boolean): Promise<number> {
    this.#writes = this.#writes === 0xffffffff ? 1 : this.#writes + 1;
    const write = this.#writes;
    this.#inFlight.add(write);
    const row = there ? 1 : 0;
    this.#coming.reserve(columns.reduce((rows, keys) => rows + columnRows(keys), 0));
    await this.#inTurns(columns, (span) => {
      this.#coming.point(span, { segmentId: write, row, step: 0 }, undefined);
    });
    return write;
  }

  /** The write is applied, or has failed: the shard's own table tells, from this turn on. */
  end(write: number, columns: KeyColumns): void {
    this.#inFlight.delete(write);
    void this.#forget(write, columns);
  }

  async #forget(write: number, columns: KeyColumns): Promise<void> {
    if (this.#inFlight.size === 0 && this.#coming.count > FORGET_KEYS_MAX) {
      this.#coming = this.#emptyTable();
      return;
    }
    await this.#inTurns(columns, (span) => this.#coming.forget(span, write));
  }

  async #inTurns(columns: KeyColumns, work: (span: KeySpan) => void): Promise<void> {
    let rows = 0;
    for (const keys of columns) {
      const count = columnRows(keys);
      for (let from = 0; from < count; from += KEYS_PER_TURN) {
        const to = Math.min(count, from + KEYS_PER_TURN);
        rows += to - from;
        if (rows > KEYS_PER_TURN) {
          await this.#clock.turn();
          rows = to - from;
        }
        work({ keys, from, to });
      }
    }
  }
}
