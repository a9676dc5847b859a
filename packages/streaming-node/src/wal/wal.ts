/**
 * The one writer of a pchannel. A write is stamped and published in one synchronous turn: timestamp
 * order is publish order is seq order. Appends are pipelined, each with the predicted last
 * sequence.
 *
 *     submit: admit -> stamp -> publish        (one turn)
 *     outcome: ok -> confirm the prefix -> apply in order -> answer
 *              mismatch | unknown -> settle: read back, find out what is stored, publish the rest
 *              again
 *
 * Invariants
 * - W2, W4: every record carries the hash of the one before it; timestamps strictly rise.
 * - Prefix rule: a record is confirmed only when all before it are.
 * - While something is settled nothing else is on its way: what the log is found to end with holds.
 * - After a Term above its own has been seen, nothing is published any more (W3).
 * - Records are applied in log order, at most one full record's worth in a turn of the event loop.
 * - Where ownership is not exclusive, only a record of ours in the log says that we still own it:
 *   a barrier is one. R1, R2.
 */
import {
  assert,
  ElanusError,
  isElanusError,
  LIMITS,
  type Clock,
  type ColumnBatch,
  type LogAppendOutcome,
  type LogStream,
  type Timestamp,
} from '@elanus/core';
import { crc32 } from '@elanus/kernels/checksum';
import { decodeMessage, encodeHeader, type ChainPoint, type MessageHeader } from '@elanus/protocol';
import type { HybridClock } from './hybrid-clock.ts';

/** A record before the Wal has stamped it. */
export interface Draft {
  readonly header: Omit<MessageHeader, 'term' | 'n' | 'timestamp' | 'previousHash'>;
  /** The body in chunks, which never change from here on: the log writes them where they lie. */
  readonly body: readonly Uint8Array[];
  /** The body decoded, when the caller has it; `apply` then does not decode again. */
  readonly batch?: ColumnBatch | undefined;
}

/** A record that is in the log, as `apply` takes it. */
export interface LogRecord {
  readonly seq: number;
  readonly header: MessageHeader;
  /** The body in chunks. */
  readonly body: readonly Uint8Array[];
  readonly bodyBytes: number;
  readonly batch: ColumnBatch | undefined;
}

/** Where a Wal goes on after recovery. */
export interface WalPosition {
  readonly term: number;
  /** Number of the next record of the term. */
  readonly n: number;
  readonly lastSeq: number;
  readonly lastHash: number;
}

const NOTHING = new Uint8Array(0);

interface InFlight extends LogRecord {
  readonly head: Uint8Array;
  readonly hash: number;
  readonly write: Write;
  seq: number;
  state: 'published' | 'ok' | 'failed';
  cause: unknown;
}

interface Write {
  readonly timestamp: Timestamp;
  left: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** See the file's header. */
export class Wal {
  readonly #stream: LogStream;
  readonly #clock: Clock;
  readonly #hybrid: HybridClock;
  readonly #apply: (record: LogRecord) => void;
  readonly #onStop: ((why: ElanusError) => void) | undefined;
  readonly #exclusive: boolean;
  readonly #term: number;
  #n: number;
  #lastSeq: number;
  #lastHash: number;
  #serviceTs: Timestamp;
  #bytes = 0;
  readonly #published: InFlight[] = [];
  readonly #confirmed: InFlight[] = [];
  #waiting: (() => void)[] = [];
  #pumping = false;
  #settling = false;
  #stopped: ElanusError | undefined;
  /** A barrier that is not yet stamped: who asks now shares it. */
  #barrier: Promise<void> | undefined;

  constructor(options: {
    readonly stream: LogStream;
    readonly clock: Clock;
    readonly hybrid: HybridClock;
    readonly position: WalPosition;
    /** Folds a record into its shard; cannot fail on content. */
    readonly apply: (record: LogRecord) => void;
    /** False: another process may take the channel over at any moment. */
    readonly exclusive?: boolean;
    /** Told once, when nothing can be written any more though nobody closed it. */
    readonly onStop?: ((why: ElanusError) => void) | undefined;
  }) {
    this.#stream = options.stream;
    this.#clock = options.clock;
    this.#hybrid = options.hybrid;
    this.#apply = options.apply;
    this.#exclusive = options.exclusive ?? true;
    this.#onStop = options.onStop;
    this.#term = options.position.term;
    this.#n = options.position.n;
    this.#lastSeq = options.position.lastSeq;
    this.#lastHash = options.position.lastHash;
    this.#serviceTs = options.hybrid.last;
  }

  /** Everything at or below this is applied. */
  get serviceTs(): Timestamp {
    return this.#serviceTs;
  }

  /** Seq of the newest applied record. */
  get appliedSeq(): number {
    const first = this.#confirmed[0] ?? this.#published[0];
    return first === undefined ? this.#lastSeq : first.seq - 1;
  }

  /** What comes behind `appliedSeq`. */
  get appliedNext(): ChainPoint {
    const first = this.#confirmed[0] ?? this.#published[0];
    return { term: this.#term, n: first?.header.n ?? this.#n };
  }

  /** Bytes that are not yet applied. */
  get inFlightBytes(): number {
    return this.#bytes;
  }

  /** Whether another process may own the channel without our knowing. */
  get isShared(): boolean {
    return !this.#exclusive;
  }

  get stopped(): ElanusError | undefined {
    return this.#stopped;
  }

  /** Resolves when there is room for another write, or the Wal has stopped. */
  async room(): Promise<void> {
    while (this.#full() && this.#stopped === undefined) await this.#progress();
  }

  /**
   * Stamps and publishes one write in this turn; resolves when it is durable and applied.
   * `ready()` of the clock and `room()` have been awaited by the caller, in this turn or before.
   * @throws ElanusError channel_moved, write_unknown, disk_full, unavailable
   */
  submit(drafts: readonly Draft[]): {
    readonly timestamp: Timestamp;
    readonly done: Promise<void>;
  } {
    if (this.#stopped !== undefined) throw this.#stopped;
    const timestamp = this.#hybrid.next();
    let write: Write | undefined;
    const done = new Promise<void>((resolve, reject) => {
      write = { timestamp, left: drafts.length, resolve, reject };
    });
    assert(write !== undefined && drafts.length > 0, 'a write has at least one record');
    for (const draft of drafts) this.#stamp(draft, write);
    return { timestamp, done };
  }

  /**
   * Waits until everything at or below `ts` is applied and nothing more can come there.
   * @throws ElanusError what stopped the Wal
   */
  async serve(ts: Timestamp): Promise<void> {
    if (ts <= this.#serviceTs) return;
    await this.#hybrid.ready();
    this.#hybrid.observe(ts);
    if (!this.#exclusive) return this.barrier();
    for (;;) {
      const first = this.#confirmed[0] ?? this.#published[0];
      if (first === undefined || first.header.timestamp > ts) break;
      if (this.#stopped !== undefined) throw this.#stopped;
      await this.#progress();
    }
    if (ts > this.#serviceTs) this.#serviceTs = ts;
  }

  /**
   * Waits until everything is applied that was acknowledged before the call, by whatever owner. An
   * exclusive owner has applied it before it answered: there is nothing to wait for. Else a record
   * without content goes to the log, one for all who ask until it is stamped.
   *
   * @throws ElanusError what `submit` and `done` throw; channel_moved: somebody else owns it
   */
  async barrier(): Promise<void> {
    if (!this.#exclusive) await (this.#barrier ??= this.#sendBarrier());
  }

  async #sendBarrier(): Promise<void> {
    try {
      await this.#clock.turn();
      await this.room();
      await this.#hybrid.ready();
    } finally {
      // Whoever comes later may have seen what was acknowledged behind this one.
      this.#barrier = undefined;
    }
    const of = { collectionId: 0, shard: 0, schemaVersion: 0, segmentId: 0 };
    await this.submit([controlDraft({ kind: 'barrier', ...of })]).done;
  }

  /**
   * Stops at once: what is in flight may be in the log or not. For an owner that has reason to
   * believe it is none any more.
   */
  abandon(why: ElanusError): void {
    this.#stop(why);
  }

  /** Waits for what is in flight and takes nothing more. */
  async close(): Promise<void> {
    while (this.#published.length + this.#confirmed.length > 0 && this.#stopped === undefined) {
      await this.#progress();
    }
    this.#stopped ??= new ElanusError('handle_closed', {});
  }

  #full(): boolean {
    return (
      this.#bytes >= LIMITS.walInFlightBytesMax ||
      this.#published.length + this.#confirmed.length >= LIMITS.walInFlightRecordsMax ||
      this.#settling
    );
  }

  #progress(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #stamp(draft: Draft, write: Write): void {
    const header: MessageHeader = {
      ...draft.header,
      term: this.#term,
      n: this.#n++,
      timestamp: write.timestamp,
      previousHash: this.#lastHash,
    };
    const head = encodeHeader(header);
    const hash = crc32(head);
    const { body, batch } = draft;
    const bodyBytes = body.reduce((sum, chunk) => sum + chunk.length, 0);
    const record: InFlight = {
      header,
      head,
      body,
      bodyBytes,
      batch,
      hash,
      write,
      seq: ++this.#lastSeq,
      state: 'published',
      cause: undefined,
    };
    this.#lastHash = hash;
    this.#bytes += head.length + bodyBytes;
    this.#published.push(record);
    // Where it is to stand is known when all before it is settled, and then it is published.
    if (this.#settling) record.state = 'failed';
    else this.#publish(record);
  }

  #publish(record: InFlight): void {
    record.state = 'published';
    const outcome = this.#stream.append({
      subject: `c${record.header.collectionId}-s${record.header.shard}`,
      parts: [record.head],
      frozen: { chunks: record.body, crc32: record.header.bodyHash },
      expectedLastSeq: record.seq - 1,
    });
    void outcome.then(
      (result) => this.#outcome(record, result),
      (cause: unknown) => this.#outcome(record, { kind: 'unknown', cause }),
    );
  }

  #outcome(record: InFlight, outcome: LogAppendOutcome): void {
    if (outcome.kind === 'ok' && outcome.seq === record.seq) {
      record.state = 'ok';
    } else {
      record.state = 'failed';
      record.cause = outcome.kind === 'unknown' ? outcome.cause : undefined;
    }
    this.#confirm();
    if (this.#settling) this.#wake();
    const { length } = this.#published;
    const answered = this.#published.every((other) => other.state !== 'published');
    if (length > 0 && answered && !this.#settling && this.#stopped === undefined) {
      void this.#settle();
    }
  }

  /**
   * Moves the confirmed prefix to `apply`: whole writes only, so that none is ever half visible.
   */
  #confirm(): void {
    let complete = 0;
    for (let i = 0; this.#published[i]?.state === 'ok'; i++) {
      const header = this.#published[i]?.header;
      if (header !== undefined && header.part === header.parts - 1) complete = i + 1;
    }
    this.#confirmed.push(...this.#published.splice(0, complete));
    void this.#pump();
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    let turn = 0;
    for (;;) {
      const record = this.#confirmed[0];
      if (record === undefined) break;
      const bytes = record.head.length + record.bodyBytes;
      const share = shareOfTurn(record);
      if (turn > 0 && turn + share > 1) {
        await this.#clock.turn();
        turn = 0;
      }
      turn += share;
      this.#apply(record);
      this.#confirmed.shift();
      this.#bytes -= bytes;
      const { write } = record;
      write.left--;
      if (write.left === 0) {
        this.#serviceTs = write.timestamp;
        write.resolve();
      }
      this.#wake();
    }
    this.#pumping = false;
  }

  /**
   * Something was refused or not answered. Reads the tail: our records that stand there in order
   * are confirmed, a higher Term fences us, the rest is published again with the same bytes.
   */
  async #settle(): Promise<void> {
    this.#settling = true;
    try {
      for (let attempt = 0; this.#published.length > 0; attempt++) {
        const [oldest] = this.#published;
        const successor = await this.#readBack();
        this.#confirm();
        // What is not in the log before its Term never was, and never will be.
        if (successor !== undefined) return this.#stop(this.#moved(successor), 'void');
        const rest = this.#published.filter((record) => record.state !== 'ok');
        const cause = rest[0]?.cause;
        if (rest.length === 0) break;
        if (isRefusal(cause)) return this.#giveUp(cause);
        if (attempt === 2) throw cause ?? new ElanusError('unavailable', { what: 'the log' });
        for (const record of rest) this.#publish(record);
        while (rest.some((record) => record.state === 'published')) await this.#progress();
        this.#confirm();
        if (this.#published[0] !== oldest) attempt = -1;
      }
    } catch (error) {
      this.#stop(error);
    } finally {
      this.#settling = false;
      this.#wake();
    }
  }

  /**
   * The store said why it holds none of the rest: those writes fail, the Wal goes on before them.
   */
  #giveUp(cause: ElanusError): void {
    const at = this.#published.findIndex((record) => record.state !== 'ok');
    const first = this.#published[at];
    assert(first !== undefined, 'something was refused');
    this.#lastSeq = first.seq - 1;
    this.#lastHash = first.header.previousHash;
    this.#n = first.header.n;
    this.#rejectAll(() => cause);
  }

  /**
   * Reads from the first unconfirmed record to the tail. Ours are found by their hash; records of a
   * lower term are strays and are passed over; what is not stored is aimed behind the tail.
   *
   * @returns a successor's term, when its Term stands there: what follows it is not ours to read
   */
  async #readBack(): Promise<number | undefined> {
    const first = this.#published[0];
    if (first === undefined) return undefined;
    const { lastSeq } = await this.#stream.span();
    let at = 0;
    for await (const entry of this.#stream.scan({ fromSeq: first.seq, toSeq: lastSeq })) {
      const { header, head } = decodeMessage(entry.bytes, entry.seq);
      if (header.term > this.#term) return header.term;
      const ours = this.#published[at];
      if (ours === undefined || crc32(head) !== ours.hash) continue;
      ours.state = 'ok';
      ours.seq = entry.seq;
      at++;
    }
    let next = Math.max(lastSeq, first.seq - 1);
    for (const record of this.#published.slice(at)) {
      record.seq = ++next;
      // One that was stored ahead of a predecessor is void there: readers pass it over.
      record.state = 'failed';
    }
    this.#lastSeq = next;
    return undefined;
  }

  #moved(term: number): ElanusError<'channel_moved'> {
    return new ElanusError('channel_moved', { vchannel: this.#stream.name, term });
  }

  /** `inFlight`: what is known of what was published and is not confirmed. */
  #stop(error: unknown, inFlight: 'void' | 'unknown' = 'unknown'): void {
    if (this.#stopped !== undefined) return;
    const why = error instanceof Error ? error.message : String(error);
    const moved = isElanusError(error, 'channel_moved') ? error : undefined;
    const stopped = moved ?? new ElanusError('unavailable', { what: 'the log', hint: why });
    this.#stopped = stopped;
    this.#rejectAll((idempotencyKey) => {
      if (inFlight === 'void') return stopped;
      return new ElanusError('write_unknown', { idempotencyKey, why });
    });
    this.#wake();
    this.#onStop?.(stopped);
  }

  #rejectAll(answer: (idempotencyKey: string) => ElanusError): void {
    for (const record of this.#published.splice(0)) {
      record.write.reject(answer(record.header.idempotencyKey));
      this.#bytes -= record.head.length + record.bodyBytes;
    }
  }
}

/** What applying a record takes of one turn of the event loop: a full record takes all of it. */
function shareOfTurn({ header, bodyBytes }: LogRecord): number {
  const { recordBytesTarget, recordRowsTarget } = LIMITS;
  return Math.max(bodyBytes / recordBytesTarget, header.rowCount / recordRowsTarget);
}

/** Whether the store said that it holds nothing of a record, and why. */
function isRefusal(cause: unknown): cause is ElanusError {
  return isElanusError(cause, 'disk_full') || isElanusError(cause, 'read_only');
}

/** A draft without rows: seals, barriers, drops. */
export function controlDraft(
  header: Pick<MessageHeader, 'kind' | 'collectionId' | 'shard' | 'schemaVersion' | 'segmentId'>,
  body: Uint8Array = NOTHING,
): Draft {
  return {
    header: {
      ...header,
      part: 0,
      parts: 1,
      asOf: 0n,
      payloadHash: 0,
      bodyHash: crc32(body),
      rowCount: 0,
      idempotencyKey: '',
    },
    body: body.length === 0 ? [] : [body],
  };
}
