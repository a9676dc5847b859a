/** What clients asked for, and what came of it: in virtual time, with the log's own order. */

/** How a change ended. `unknown`: all of it may have happened, or nothing. */
export type Outcome = 'pending' | 'ok' | 'fail' | 'unknown';

/** A field that was added, by the name it had then; `n` stays when it gets another. */
export interface ExtraField {
  readonly name: string;
  readonly n: number;
}

/** A write. It stands for all its keys at once. */
export interface Write {
  /**
   * `deleteWhere` removes what it finds, one by one; `drop` removes every key, made again after.
   */
  readonly kind: 'upsert' | 'insert' | 'delete' | 'deleteWhere' | 'drop';
  /** Unique: rows carry it, so that a reader can tell whose they are. */
  readonly tag: number;
  readonly ids: readonly number[];
  /** Fields of its rows that were added to the schema before it began. */
  readonly extras: readonly ExtraField[];
  readonly invokedMs: number;
  /** Undefined while it is under way; of an unknown one, when its process died or gave up. */
  endedMs: number | undefined;
  outcome: Outcome;
  /** Not below that of any of its rows; only of those that were acknowledged. */
  timestamp: bigint | undefined;
  /** When a read that had seen it was over: by then it had happened. */
  seenMs: number;
  /** The process it was sent to; a retry may have gone to a later one. */
  life: number;
  /** The client that sent it. */
  readonly lane: number;
  /** When the first read of a client that had seen it was over, by client. */
  readonly seenBy: Map<number, number>;
}

/** A read of some keys: the tag that each had, undefined where there was no row. */
export interface Read {
  readonly how: 'get' | 'scan' | 'search';
  readonly invokedMs: number;
  readonly endedMs: number;
  readonly found: ReadonlyMap<number, number | undefined>;
  /** The instant it asked for; undefined: a strong read. */
  readonly at: bigint | undefined;
  /** The client that asked, which has to see what it wrote and saw before; undefined: strong. */
  readonly session?: number | undefined;
  /** How far it may be behind, of a bounded or eventual one; undefined: a strong one. */
  readonly staleMs?: number | undefined;
}

/** How many rows a strong read counted. */
export interface Count {
  readonly invokedMs: number;
  readonly endedMs: number;
  readonly count: number;
}

/** Everything that was asked of one collection. */
export class History {
  readonly writes: Write[] = [];
  readonly reads: Read[] = [];
  readonly counts: Count[] = [];
  readonly #byTag = new Map<number, Write>();
  #tag = 0;

  /** Notes that a write begins. */
  begin(
    write: Pick<Write, 'kind' | 'ids' | 'invokedMs' | 'life'> &
      Partial<Pick<Write, 'extras' | 'lane'>>,
  ): Write {
    const begun: Write = {
      extras: [],
      lane: -1,
      seenBy: new Map(),
      ...write,
      tag: ++this.#tag,
      endedMs: undefined,
      outcome: 'pending',
      timestamp: undefined,
      seenMs: Infinity,
    };
    this.writes.push(begun);
    this.#byTag.set(begun.tag, begun);
    return begun;
  }

  /** The write that rows of this tag come from. */
  of(tag: number): Write | undefined {
    return this.#byTag.get(tag);
  }

  /** Notes a read, and that the writes it saw had happened. */
  saw(read: Read, lane = -1): void {
    this.reads.push(read);
    for (const tag of read.found.values()) {
      const write = tag === undefined ? undefined : this.#byTag.get(tag);
      if (write === undefined) continue;
      write.seenMs = Math.min(write.seenMs, read.endedMs);
      if (!write.seenBy.has(lane)) write.seenBy.set(lane, read.endedMs);
    }
  }

  /** The process died: what was under way may have happened, and will not happen any more. */
  crashed(atMs: number): void {
    for (const write of this.writes) {
      if (write.outcome === 'pending') write.outcome = 'unknown';
      if (write.outcome === 'unknown') write.endedMs ??= atMs;
    }
  }
}
