/**
 * A shard: one vchannel's state with everything that acts on it. Writes enter by admission, become
 * state by `apply`, become files by the flusher, and are read by the delegator.
 */
import { LIMITS, type Bus, type Clock, type ObjectStore, type Pool, type Rng } from '@elanus/core';
import { reportIndexLost, sendCall, type SegmentRecord, type ShardStatus } from '@elanus/protocol';
import type { GrowingSegment, ReadRunner } from '@elanus/segment';
import { Distribution } from '../delegator/distribution.ts';
import { ShardReads } from '../delegator/reads.ts';
import type { HybridClock } from '../wal/hybrid-clock.ts';
import type { IdLease } from '../wal/id-lease.ts';
import type { LogRecord, Wal } from '../wal/wal.ts';
import { Admission, type MemoryBudget } from './admission.ts';
import { apply } from './apply.ts';
import { BuildAdoption } from './adopt.ts';
import { Flusher } from './flush.ts';
import type { ShardState } from './state.ts';

/** What a shard lives on. */
export interface ShardContext {
  readonly state: ShardState;
  readonly wal: Wal;
  readonly hybrid: HybridClock;
  readonly ids: IdLease;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly bus: Bus;
  readonly objects: ObjectStore;
  readonly pool: Pool;
  readonly runner: ReadRunner;
  readonly pchannel: string;
  readonly term: number;
  readonly budget: MemoryBudget;
  /** The checkpoint may have moved: the log can perhaps be cut. */
  readonly onCommit: () => void;
}

/** Open rows of this size are flushed when the node stops: replaying them would take longer. */
const LAST_FLUSH_BYTES = 8 * 1024 * 1024;

/** See the file's header. */
export class Shard {
  readonly state: ShardState;
  readonly admission: Admission;
  readonly flusher: Flusher;
  readonly reads: ShardReads;
  readonly adoption: BuildAdoption;
  readonly #clock: Clock;
  #lastWriteMs = 0;
  /** The patience that the idle timer was set by. */
  #idleMs = 0;
  #idle: (() => void) | undefined;
  #flushing: (() => void) | undefined;
  #shortening = false;

  constructor(context: ShardContext) {
    const { state, wal } = context;
    this.state = state;
    this.#clock = context.clock;
    const distribution = new Distribution();
    this.admission = new Admission(context);
    this.flusher = new Flusher({ ...context, distribution, serviceTs: () => wal.serviceTs });
    this.reads = new ShardReads({ ...context, distribution });
    this.adoption = new BuildAdoption({ ...context, flusher: this.flusher, distribution });
    if (state.unflushed.length > 0) this.flusher.kick();
    for (const record of state.indexesLost.splice(0)) this.#reportLost(context, record);
    this.#lastWriteMs = this.#clock.monoMs();
    this.#watchIdle();
  }

  /** Has a damaged index built again; until then its rows are scanned. */
  #reportLost(context: ShardContext, record: SegmentRecord): void {
    const { pchannel, term, bus } = context;
    const { collectionId, shard, segmentId, manifest } = record;
    const header = { pchannel, term, collectionId, shard, segmentId, manifest };
    // Refused or lost: the next opening sees the damage again.
    void sendCall(bus, reportIndexLost, { header }).catch(() => undefined);
  }

  /** Folds a record in and starts what follows from it. */
  apply(record: LogRecord): void {
    this.#lastWriteMs = this.#clock.monoMs();
    if (apply(this.state, record).sealed) this.#flushSoon();
    this.#watchIdle();
    if (this.state.logBytes > LIMITS.growingLogBytesMax && !this.#shortening) {
      this.#shortening = true;
      void this.#shortenLog().finally(() => {
        this.#shortening = false;
      });
    }
  }

  /**
   * Flushes what is sealed when writes pause, for they share the disk with it; at once when writers
   * would have to wait otherwise, or when there is no pause.
   */
  #flushSoon(): void {
    if (this.state.unflushed.length >= LIMITS.unflushedSegmentsMax) {
      this.flusher.kick();
      return;
    }
    if (this.#flushing !== undefined) return;
    const begunMs = this.#clock.monoMs();
    const wait = (delayMs: number): void => {
      this.#flushing = this.#clock.after(delayMs, () => {
        this.#flushing = undefined;
        const nowMs = this.#clock.monoMs();
        const leftMs = this.#lastWriteMs + LIMITS.flushQuietMs - nowMs;
        if (leftMs > 0 && nowMs - begunMs < LIMITS.flushPatienceMs) wait(leftMs);
        else this.flusher.kick();
      });
    };
    wait(LIMITS.flushQuietMs);
  }

  /** Lets go of the log: flushes what grows, or moves the checkpoint alone. */
  async #shortenLog(): Promise<void> {
    try {
      if (await this.admission.seal()) await this.flusher.drained();
      else await this.flusher.checkpoint();
    } catch {
      // The flusher tries again by itself; the next record asks anew.
    }
  }

  /**
   * Rows that nobody adds to are flushed after a while, so that the log behind them can go; many
   * rows soon, so that they get an index.
   */
  #watchIdle(): void {
    if (this.state.open.length === 0) return;
    const patienceMs = this.#patienceMs();
    if (this.#idle !== undefined && this.#idleMs <= patienceMs) return;
    this.#idle?.();
    const wait = (delayMs: number): void => {
      this.#idleMs = this.#patienceMs();
      this.#idle = this.#clock.after(delayMs, () => {
        this.#idle = undefined;
        const leftMs = this.#lastWriteMs + this.#patienceMs() - this.#clock.monoMs();
        if (leftMs > 0) wait(leftMs);
        else void this.#shortenLog();
      });
    };
    wait(patienceMs);
  }

  #patienceMs(): number {
    const many = this.state.open.some(({ rows: { rowBytes, rowCount } }) => {
      return rowBytes >= LIMITS.growingQuietBytes || rowCount >= LIMITS.growingQuietRows;
    });
    return many ? LIMITS.growingQuietMs : LIMITS.growingIdleMs;
  }

  /** Stops timers and flushes; what is not flushed stays in the log. */
  async close(): Promise<void> {
    this.#idle?.();
    this.#flushing?.();
    await this.flusher.close();
  }

  /** The oldest seq this shard still needs from the log; undefined when it needs none. */
  get neededSeq(): number | undefined {
    const { state } = this;
    return state.completeSeq < state.checkpointSeq ? undefined : state.checkpointSeq;
  }

  /**
   * Seals and flushes what grows, and writes the deletes of what is flushed; returns how many
   * segments were flushed.
   */
  async flush(): Promise<number> {
    const before = this.state.flushed.length;
    const sealed = await this.admission.seal();
    await this.flusher.drained();
    if (!sealed && this.state.logBytes > 0) await this.flusher.checkpoint();
    return this.state.flushed.length - before;
  }

  /** Bytes of memory the shard's rows take, here and on query nodes. */
  get memoryBytes(): number {
    let bytes = this.state.keys.bytes;
    for (const segment of this.state.segments.values()) {
      bytes += segment.state === 'flushed' ? segment.record.bytes : heldBytes(segment.rows);
    }
    return bytes;
  }

  /** Flushes before the end when the log behind the open rows is long; nobody reads them after. */
  async flushLast(): Promise<void> {
    const bytes = this.state.open.reduce((sum, { rows }) => sum + rows.rowBytes, 0);
    if (bytes < LAST_FLUSH_BYTES) return;
    this.flusher.last();
    await this.admission.seal();
    await this.flusher.drained();
  }

  /** For people and tests. */
  status(): ShardStatus {
    const { state } = this;
    const segments = [...state.segments.values()].map((segment) => {
      const { segmentId, state: phase, deletes } = segment;
      const deleted = deletes.count;
      if (segment.state !== 'flushed') {
        const { rowCount: rows, rowBytes: bytes } = segment.rows;
        return { segmentId, state: phase, rows, deleted, bytes, indexed: false, indexes: [] };
      }
      const { rowCount: rows, bytes, indexed, indexes = [] } = segment.record;
      return { segmentId, state: phase, rows, deleted, bytes, indexed, indexes };
    });
    const soon = this.#patienceMs() < LIMITS.growingIdleMs;
    const indexing = segments.filter(({ indexed, state: phase, rows }) => {
      return !indexed && rows >= LIMITS.indexRowsMin && (phase !== 'growing' || soon);
    });
    return {
      collectionId: state.collectionId,
      shard: state.shard,
      rowCount: this.reads.rowCount,
      growingRows: state.open.reduce((sum, segment) => sum + segment.rows.rowCount, 0),
      unflushedSegments: state.unflushed.length,
      segments,
      indexingRows: indexing.reduce((sum, { rows }) => sum + rows, 0),
      idleMs: this.#clock.monoMs() - this.#lastWriteMs,
      memoryBytes: this.memoryBytes,
    };
  }
}

function heldBytes({ rowBytes, codeBytes }: GrowingSegment): number {
  return rowBytes + codeBytes;
}
