import { assert, type Clock, type Timestamp } from '@elanus/core';
import { DeleteLog } from '@elanus/segment';
import type { FlushedSegment, MovingRows } from './state.ts';

/** Deletes that are taken over in one turn: a millisecond. */
const DELETES_PER_TURN = 2_048;

interface Input {
  readonly deletes: DeleteLog;
  /** Its rows stand in `[from, to)` of the output. */
  readonly from: number;
  readonly to: number;
  /** Deletes taken over. */
  seen: number;
}

/**
 * The deletes of a merge's inputs as the output's: rows translated, in timestamp order. What comes
 * while it works is later than all before it, so the output's log only grows.
 *
 * The output has the inputs' rows one input behind the other, each in its own order, so a row is
 * found by halving.
 */
export class DeleteFold {
  readonly #inputs: readonly Input[];
  readonly #rows: Uint32Array;
  readonly #folded = new DeleteLog();

  constructor(moving: MovingRows, inputs: readonly FlushedSegment[]) {
    this.#rows = moving.rows;
    let from = 0;
    this.#inputs = inputs.map(({ segmentId, deletes }) => {
      let to = from;
      while (moving.inputs[to] === segmentId) to++;
      const input = { deletes, from, to, seen: 0 };
      from = to;
      return input;
    });
    assert(from === moving.rows.length, 'rows stand in the order of the inputs');
  }

  /** Takes over what was recorded so far, with turns between: `until` then has little to do. */
  async catchUp(clock: Clock): Promise<void> {
    for (const _ of this.#takeOver()) await clock.turn();
  }

  /** The output's deletes up to an instant. Cost: what came since `catchUp`. */
  until(at: Timestamp): { readonly rows: Uint32Array; readonly timestamps: BigUint64Array } {
    for (const _ of this.#takeOver());
    const count = this.#folded.countAt(at);
    const { rows, timestamps } = this.#folded.snapshot();
    return { rows: rows.subarray(0, count), timestamps: timestamps.subarray(0, count) };
  }

  /** Yields when a turn is over. */
  *#takeOver(): Generator<undefined, void, undefined> {
    const heads = this.#inputs.map((input) => {
      const { rows, timestamps } = input.deletes.snapshot();
      return { input, rows, timestamps, next: timestamps[input.seen] };
    });
    for (let done = 1; ; done++) {
      let first: (typeof heads)[number] | undefined;
      for (const head of heads) {
        if (head.next === undefined) continue;
        if (first?.next === undefined || head.next < first.next) first = head;
      }
      if (first?.next === undefined) return;
      const { input, rows, timestamps } = first;
      const row = this.#outputRow(input, rows[input.seen] ?? 0);
      if (row !== undefined) this.#folded.add(row, first.next);
      first.next = timestamps[++input.seen];
      if (done % DELETES_PER_TURN === 0) yield undefined;
    }
  }

  /** The output's row of an input's; undefined: it was left out. */
  #outputRow({ from, to }: Input, row: number): number | undefined {
    let [low, high] = [from, to];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#rows[middle] ?? 0) < row) low = middle + 1;
      else high = middle;
    }
    return low < to && this.#rows[low] === row ? low : undefined;
  }
}
