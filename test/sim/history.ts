/** What clients asked for, and what came of it: in virtual time, with the log's own order. */

/** A write. It stands for all its keys at once. */
export interface Write {
  readonly kind: 'upsert' | 'insert' | 'delete';
  /** Unique: rows carry it, so that a reader can tell whose they are. */
  readonly tag: number;
  readonly ids: readonly number[];
  readonly invokedMs: number;
  /** Undefined while it is under way; of an unknown one, when its process died or gave up. */
  endedMs: number | undefined;
  /** `unknown`: all of it may have happened, or nothing. */
  outcome: 'pending' | 'ok' | 'fail' | 'unknown';
  /** Its place in the order of writes; only of those that were acknowledged. */
  timestamp: bigint | undefined;
}

/** A strong read of some keys: the tag that each had, undefined where there was no row. */
export interface Read {
  readonly invokedMs: number;
  readonly endedMs: number;
  readonly found: ReadonlyMap<number, number | undefined>;
}

/** Everything that was asked of one collection. */
export class History {
  readonly writes: Write[] = [];
  readonly reads: Read[] = [];
  #tag = 0;

  /** Notes that a write begins. */
  begin(kind: Write['kind'], ids: readonly number[], invokedMs: number): Write {
    const write: Write = {
      kind,
      tag: ++this.#tag,
      ids,
      invokedMs,
      endedMs: undefined,
      outcome: 'pending',
      timestamp: undefined,
    };
    this.writes.push(write);
    return write;
  }

  /** The process died: what was under way may have happened, and will not happen any more. */
  crashed(atMs: number): void {
    for (const write of this.writes) {
      if (write.outcome === 'pending') {
        write.outcome = 'unknown';
        write.endedMs = atMs;
      }
    }
  }
}
