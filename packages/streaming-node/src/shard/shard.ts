/**
 * A shard: one vchannel's state with everything that acts on it. Writes enter by admission, become
 * state by `apply`, become files by the flusher, and are read by the delegator.
 */
import type { Bus, Clock, ObjectStore, Pool, Rng } from '@elanus/core';
import type { ShardStatus } from '@elanus/protocol';
import type { ReadRunner } from '@elanus/segment';
import { Distribution } from '../delegator/distribution.ts';
import { ShardReads } from '../delegator/reads.ts';
import type { HybridClock } from '../wal/hybrid-clock.ts';
import type { IdLease } from '../wal/id-lease.ts';
import type { LogRecord, Wal } from '../wal/wal.ts';
import { Admission } from './admission.ts';
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
  /** The checkpoint may have moved: the log can perhaps be cut. */
  readonly onCommit: () => void;
}

/** See the file's header. */
export class Shard {
  readonly state: ShardState;
  readonly admission: Admission;
  readonly flusher: Flusher;
  readonly reads: ShardReads;
  readonly adoption: BuildAdoption;

  constructor(context: ShardContext) {
    const { state, wal } = context;
    this.state = state;
    const distribution = new Distribution();
    this.admission = new Admission(context);
    this.flusher = new Flusher({ ...context, distribution, serviceTs: () => wal.serviceTs });
    this.reads = new ShardReads({ ...context, distribution });
    this.adoption = new BuildAdoption({ ...context, flusher: this.flusher, distribution });
    if (state.unflushed.length > 0) this.flusher.kick();
  }

  /** Folds a record in and starts what follows from it. */
  apply(record: LogRecord): void {
    if (apply(this.state, record).sealed) this.flusher.kick();
  }

  /** The oldest seq this shard still needs from the log; undefined when it needs none. */
  get neededSeq(): number | undefined {
    const { state } = this;
    return state.completeSeq < state.checkpointSeq ? undefined : state.checkpointSeq;
  }

  /** Seals and flushes what grows; returns how many segments were flushed. */
  async flush(): Promise<number> {
    const before = this.state.flushed.length;
    await this.admission.seal();
    await this.flusher.drained();
    return this.state.flushed.length - before;
  }

  /** For people and tests. */
  status(): ShardStatus {
    const { state } = this;
    const segments = [...state.segments.values()].map((segment) => {
      const { segmentId, state: phase, deletes } = segment;
      const deleted = deletes.count;
      if (segment.state !== 'flushed') {
        const { rowCount: rows, rowBytes: bytes } = segment.rows;
        return { segmentId, state: phase, rows, deleted, bytes, indexed: false };
      }
      const { rowCount: rows, bytes, indexed } = segment.record;
      return { segmentId, state: phase, rows, deleted, bytes, indexed };
    });
    const waiting = segments.filter((segment) => !segment.indexed);
    return {
      collectionId: state.collectionId,
      shard: state.shard,
      rowCount: state.rowCount,
      growingRows: state.open.reduce((sum, segment) => sum + segment.rows.rowCount, 0),
      unflushedSegments: state.unflushed.length,
      segments,
      unindexedRows: waiting
        .filter((segment) => segment.state === 'flushed')
        .reduce((sum, segment) => sum + segment.rows, 0),
      memoryBytes: segments.reduce((sum, segment) => sum + segment.bytes, 0) + state.keys.bytes,
    };
  }
}
