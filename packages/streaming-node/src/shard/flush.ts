/**
 * Flush and build commits of one shard, one at a time and in order, so that checkpoint, delta logs
 * and segment set always change together.
 *
 *     sealed -> files -> deltas, recovery snapshot -> commit (one transaction) -> load -> swap ->
 *     truncate
 *
 * A crash anywhere before the commit leaves garbage; after it, recovery starts from the new state.
 * Invariants: S1, S2, S5, E2, W7; flushes are FIFO, so the checkpoint is the first seq of the
 * oldest segment that is still open.
 */
import {
  assert,
  ElanusError,
  isElanusError,
  moveSegment,
  storedFields,
  type Clock,
  type ObjectStore,
  type Pool,
  type Rng,
  type Bus,
  type Timestamp,
} from '@elanus/core';
import { encodeDeltaLog, objectNames } from '@elanus/format';
import {
  commitFlush,
  invoke,
  loadSegment,
  type CheckpointRecord,
  type SegmentRecord,
} from '@elanus/protocol';
import type { Distribution } from '../delegator/distribution.ts';
import { encodeRecovery } from './recovery-file.ts';
import { writeSegment } from './segment-writer.ts';
import type { FlushedSegment, OpenSegment, ShardState } from './state.ts';

/** What flushing needs. */
export interface FlushContext {
  readonly state: ShardState;
  readonly objects: ObjectStore;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly pool: Pool;
  readonly pchannel: string;
  readonly term: number;
  /** Everything at or below this is applied. */
  readonly serviceTs: () => Timestamp;
  readonly distribution: Distribution;
  /** The segment set changed, or the checkpoint moved. */
  readonly onCommit: () => void;
}

const RETRY_MS = [250, 1_000, 4_000] as const;
/** Delta logs in one transaction, below the metadata store's limit of operations. */
const DELTAS_PER_COMMIT = 100;

/** See the file's header. */
export class Flusher {
  readonly #context: FlushContext;
  #tail: Promise<void> = Promise.resolve();
  #scheduled = false;
  #failures = 0;
  #closed = false;
  #isLast = false;
  /** Flushed by the last flush: still open in the state, never to be flushed again. */
  readonly #unloaded = new Set<number>();
  /** A flush whose files are written. Tried again, it is the same commit, never another one. */
  #pending: PendingFlush | undefined;
  /** Why the last attempt failed, for people. */
  lastFailure: unknown;

  constructor(context: FlushContext) {
    this.#context = context;
  }

  /** Flushes what is sealed, soon. */
  kick(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    void this.exclusive(() => this.#flushAll());
  }

  /** From now on what is flushed is not loaded any more: the node stops. */
  last(): void {
    this.#isLast = true;
  }

  /** Waits until nothing sealed is left. @throws why a flush failed */
  async drained(): Promise<void> {
    this.kick();
    await this.exclusive(() => Promise.resolve());
    if (this.#next() !== undefined) {
      throw this.lastFailure ?? new ElanusError('unavailable', { what: 'the object store' });
    }
  }

  /** Runs `work` between flushes: nothing else commits meanwhile. */
  exclusive(work: () => Promise<void>): Promise<void> {
    const next = this.#tail.then(work, work);
    this.#tail = next.catch(() => undefined);
    return next;
  }

  /** Finishes what runs and starts nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#tail;
  }

  /** The oldest segment that waits to be flushed. */
  #next(): OpenSegment | undefined {
    const { unflushed } = this.#context.state;
    return unflushed.find(({ segmentId }) => !this.#unloaded.has(segmentId));
  }

  async #flushAll(): Promise<void> {
    this.#scheduled = false;
    try {
      for (;;) {
        const segment = this.#next();
        if (segment === undefined || this.#closed) break;
        await this.#flush(segment);
        this.#failures = 0;
      }
    } catch (error) {
      this.lastFailure = error;
      const delay = RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)] ?? 4_000;
      this.#context.clock.after(delay, () => this.kick());
    }
  }

  /**
   * Moves the checkpoint without a segment: a shard that only deletes would hold the log for ever.
   * Runs when nothing grows and nothing waits to be flushed.
   */
  checkpoint(): Promise<void> {
    return this.exclusive(async () => {
      const { state } = this.#context;
      if (this.#closed || state.open.some(({ rows }) => rows.rowCount > 0)) return;
      const { checkpoint, at } = this.#checkpoint(undefined);
      const input = { segment: undefined, checkpoint, at, attempt: this.attempt() };
      await this.#send(await this.#prepare(input));
      this.#context.onCommit();
    });
  }

  async #flush(segment: OpenSegment): Promise<void> {
    const { distribution } = this.#context;
    const { segmentId } = segment;
    moveSegment(segmentId, segment.state, 'flush');
    let pending = this.#pending;
    if (pending?.segmentId !== segmentId) pending = await this.#writeFiles(segment);
    this.#pending = pending;
    const { record, commit } = pending;
    // What failed may have been committed all the same: sent again it changes nothing.
    if (!pending.committed) await this.#send(commit);
    this.#pending = { ...pending, committed: true };
    if (this.#isLast) {
      // Reads under way keep it as it is; nobody else will ask. The log behind it can go: the next
      // opening would read it for nothing.
      this.#unloaded.add(segmentId);
    } else {
      await this.load(record, segment.deletes, segment.deletes.countAt(commit.at));
      distribution.replaced(() => segment.rows.discard());
    }
    this.#pending = undefined;
    this.#context.onCommit();
  }

  async #writeFiles(segment: OpenSegment): Promise<PendingFlush> {
    const { state } = this.#context;
    const attempt = this.attempt();
    const record = await writeSegment(this.#context, {
      segment,
      shard: state.shard,
      keyField: state.keyField.id,
      fields: storedFields(segment.schema),
      attempt,
    });
    const { checkpoint, at } = this.#checkpoint(segment);
    const own = await this.#writeDelta(record, { segment, at, attempt });
    const commit = await this.#prepare({ segment: own, checkpoint, at, attempt });
    return { segmentId: segment.segmentId, record: own, commit, committed: false };
  }

  /** Deltas and the recovery snapshot: everything that the one transaction names. */
  async #prepare(input: {
    readonly segment: SegmentRecord | undefined;
    readonly checkpoint: CheckpointRecord;
    readonly at: Timestamp;
    readonly attempt: string;
  }): Promise<PreparedCommit> {
    const { segment, checkpoint, at, attempt } = input;
    const deltas = await this.#writeDeltas(at, attempt);
    const recovery = await this.#writeRecovery(at, attempt);
    const named = recovery === undefined ? checkpoint : { ...checkpoint, recovery };
    return { segment, deltas, checkpoint: named, at };
  }

  /** The one transaction. */
  async #send({ segment, deltas, checkpoint, at }: PreparedCommit): Promise<void> {
    const { state, bus, pchannel, term } = this.#context;
    try {
      await invoke(bus, commitFlush, {
        header: {
          pchannel,
          term,
          collectionId: state.collectionId,
          shard: state.shard,
          segment,
          deltas: deltas.map(named),
          checkpoint,
        },
      });
    } catch (error) {
      // Refused as a whole: nothing of it was committed, and nothing will be.
      if (isElanusError(error, 'catalog_conflict')) this.#pending = undefined;
      throw error;
    }
    for (const done of deltas) this.#deltaCommitted(done);
    state.checkpointSeq = checkpoint.seq;
    state.checkpointNext = checkpoint.next;
    state.checkpointTimestamp = at;
    state.logBytes = 0;
  }

  /** Loads a committed segment on a query node, then lets readers find it there. */
  async load(
    record: SegmentRecord,
    deletes: FlushedSegment['deletes'],
    deletesPersisted: number,
  ): Promise<void> {
    const { state, bus } = this.#context;
    const { bodies } = await invoke(bus, loadSegment, {
      header: { record, fields: state.schema.fields },
    });
    const timestamps = bodies[0];
    assert(timestamps instanceof BigUint64Array, 'a node answers with timestamps');
    const { segmentId } = record;
    const flushed = { state: 'flushed' as const, segmentId, record, deletes, deletesPersisted };
    state.segments.set(segmentId, { ...flushed, timestamps });
  }

  /** A name part that no other try uses. */
  attempt(): string {
    const random = [...this.#context.rng.bytes(6)].map((b) => b.toString(16).padStart(2, '0'));
    return `t${this.#context.term}-${random.join('')}`;
  }

  /** In one turn: where the log will be needed from once `flushed` is, and up to which instant. */
  #checkpoint(flushed: OpenSegment | undefined): {
    readonly checkpoint: CheckpointRecord;
    readonly at: Timestamp;
  } {
    const { state, serviceTs } = this.#context;
    const next = state.open.find(({ segmentId, rows }) => {
      const gone = segmentId === flushed?.segmentId || this.#unloaded.has(segmentId);
      return !gone && rows.rowCount > 0;
    });
    const first = next?.rows.view().chunks[0]?.timestamps[0];
    const at = first === undefined ? serviceTs() : first - 1n;
    const behind = { seq: state.completeSeq + 1, next: state.completeNext };
    const from = next === undefined ? behind : { seq: next.rows.firstSeq, next: next.first };
    return { checkpoint: { ...from, timestamp: String(at) }, at };
  }

  async #writeDelta(
    record: SegmentRecord,
    input: {
      readonly segment: Pick<OpenSegment, 'deletes'>;
      readonly at: Timestamp;
      readonly attempt: string;
    },
  ): Promise<SegmentRecord> {
    const count = input.segment.deletes.countAt(input.at);
    if (count === 0) return record;
    const { rows, timestamps } = input.segment.deletes.snapshot();
    const log = { rows: rows.subarray(0, count), timestamps: timestamps.subarray(0, count) };
    const folder = record.manifest.slice(0, record.manifest.lastIndexOf('/') + 1);
    const deltaSequence = record.deltaSequence + 1;
    const name = `${folder}${input.attempt}-${objectNames.delta(deltaSequence)}`;
    await this.#context.objects.put(name, [encodeDeltaLog(log)]);
    return { ...record, delta: name, deltaSequence, ...foldableOf(log, record) };
  }

  /** New delta logs of flushed segments that have gained deletes at or before `at`. */
  async #writeDeltas(at: Timestamp, attempt: string): Promise<DeltaWritten[]> {
    const written: DeltaWritten[] = [];
    for (const segment of this.#context.state.flushed) {
      const count = segment.deletes.countAt(at);
      if (count <= segment.deletesPersisted) continue;
      const record = await this.#writeDelta(segment.record, { segment, at, attempt });
      written.push({ segmentId: segment.segmentId, record, count });
      if (written.length >= DELTAS_PER_COMMIT) await this.#commitDeltas(written.splice(0));
    }
    return written;
  }

  /** Commits deltas ahead of the checkpoint: they only say earlier what the log says too. */
  async #commitDeltas(deltas: readonly DeltaWritten[]): Promise<void> {
    const { state, bus, pchannel, term } = this.#context;
    await invoke(bus, commitFlush, {
      header: {
        pchannel,
        term,
        collectionId: state.collectionId,
        shard: state.shard,
        segment: undefined,
        deltas: deltas.map(named),
        checkpoint: undefined,
      },
    });
    for (const done of deltas) this.#deltaCommitted(done);
  }

  #deltaCommitted(done: DeltaWritten): void {
    const { state } = this.#context;
    const segment = state.segments.get(done.segmentId);
    if (segment?.state !== 'flushed') return;
    const { record } = done;
    state.segments.set(done.segmentId, { ...segment, record, deletesPersisted: done.count });
  }

  async #writeRecovery(at: Timestamp, attempt: string): Promise<string | undefined> {
    const { state, objects } = this.#context;
    const bytes = encodeRecovery(state.idempotency, at);
    if (bytes === undefined) return undefined;
    const name = objectNames.recovery(state.schema.collectionId, state.shard, attempt);
    await objects.put(name, [bytes]);
    return name;
  }
}

interface PreparedCommit {
  readonly segment: SegmentRecord | undefined;
  readonly deltas: readonly DeltaWritten[];
  readonly checkpoint: CheckpointRecord;
  readonly at: Timestamp;
}

interface PendingFlush {
  readonly segmentId: number;
  readonly record: SegmentRecord;
  readonly commit: PreparedCommit;
  /** Only loading is left. */
  readonly committed: boolean;
}

interface DeltaWritten {
  readonly segmentId: number;
  readonly record: SegmentRecord;
  readonly count: number;
}

/** A delta as the commit names it. */
function named({ segmentId, record }: DeltaWritten) {
  const { delta, firstDeleteAt, foldableAt } = record;
  assert(delta !== undefined, 'a delta was written');
  return { segmentId, delta, firstDeleteAt, foldableAt };
}

/** Deleted rows of a segment that are worth writing the others again. */
const FOLD_SHARE = 0.2;

/** When a delta log, which stands in timestamp order, had its first delete, and so many. */
export function foldableOf(
  { timestamps }: { readonly timestamps: BigUint64Array },
  { rowCount }: SegmentRecord,
): Pick<SegmentRecord, 'firstDeleteAt' | 'foldableAt'> {
  const first = timestamps[0];
  const at = timestamps[Math.ceil(rowCount * FOLD_SHARE) - 1];
  return {
    ...(first !== undefined && { firstDeleteAt: String(first) }),
    ...(at !== undefined && { foldableAt: String(at) }),
  };
}
