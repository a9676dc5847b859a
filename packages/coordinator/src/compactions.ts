/**
 * Compactions that were asked for, and what is told to those who asked. The job loop does them:
 * here is only what it has to reach, and how far it is. Kept in memory: whoever asked a coordinator
 * that was started anew asks again.
 */
import {
  ElanusError,
  toWireError,
  type Bus,
  type Clock,
  type CollectionSchema,
  type CompactionStatus,
  type SegmentTotals,
  type Timestamp,
} from '@elanus/core';
import { describeShards, flushShard, invoke } from '@elanus/protocol';

/** What they work with. */
export interface CompactionsContext {
  readonly bus: Bus;
  readonly clock: Clock;
  /** A number that no other has. */
  readonly newId: () => Promise<number>;
  /** What the flushed segments of a collection have to become. */
  readonly goal: (collectionId: number) => Promise<CompactionGoal>;
  /** There is one to do. */
  readonly onReady: (collectionId: number) => void;
  /** Nobody wants compactions of this collection any more. */
  readonly onCancel: (collectionId: number) => void;
}

/** What the job loop has to reach. */
export interface CompactionGoal {
  /** Segments whose oldest row is not newer ... */
  readonly until: Timestamp;
  /** ... have no rows that were deleted before. */
  readonly horizon: Timestamp;
}

interface Compaction {
  readonly id: string;
  readonly collectionId: number;
  state: CompactionStatus['state'];
  readonly before: SegmentTotals;
  after: SegmentTotals | undefined;
  jobs: number;
  failure: CompactionStatus['failure'];
  /** Undefined until rows that grew are flushed. */
  goal: CompactionGoal | undefined;
  /** Shards where it is not reached. */
  readonly left: Set<number>;
}

/** How many that have ended are remembered. */
const ENDED_MAX = 64;
/** Rows that grow are flushed within this. */
const FLUSH_TIMEOUT_MS = 10 * 60_000;

/** See the file's header. */
export class Compactions {
  readonly #context: CompactionsContext;
  readonly #all = new Map<string, Compaction>();
  readonly #waiting = new Set<() => void>();

  constructor(context: CompactionsContext) {
    this.#context = context;
  }

  /** Begins one: what grows is flushed, then the job loop is told. */
  async begin(schema: CollectionSchema): Promise<CompactionStatus> {
    const { newId } = this.#context;
    const { collectionId, shards } = schema;
    const before = await this.#totals(collectionId);
    const compaction: Compaction = {
      id: String(await newId()),
      collectionId,
      state: 'running',
      before,
      after: undefined,
      jobs: 0,
      failure: undefined,
      goal: undefined,
      left: new Set(Array.from({ length: shards }, (_, shard) => shard)),
    };
    this.#all.set(compaction.id, compaction);
    this.#forgetEnded();
    void this.#flush(compaction);
    return this.#status(compaction);
  }

  /** How far one is; waits for a change of it, at most `waitMs`. @throws compaction_not_found */
  async describe(id: string, waitMs: number): Promise<CompactionStatus> {
    const compaction = this.#find(id);
    if (compaction.state === 'running' && waitMs > 0) await this.#change(waitMs);
    return this.#status(compaction);
  }

  /** Ends one. @throws compaction_not_found */
  async cancel(id: string): Promise<CompactionStatus> {
    const compaction = this.#find(id);
    if (compaction.state !== 'running') return this.#status(compaction);
    await this.#end(compaction, 'cancelled');
    const { collectionId } = compaction;
    if (this.goalOf(collectionId) === undefined) this.#context.onCancel(collectionId);
    return this.#status(compaction);
  }

  /** What the shards of a collection have to reach; undefined: nobody asks. */
  goalOf(collectionId: number): CompactionGoal | undefined {
    let goal: CompactionGoal | undefined;
    for (const one of this.#running(collectionId)) {
      if (one.goal !== undefined && one.goal.until > (goal?.until ?? -1n)) goal = one.goal;
    }
    return goal;
  }

  /** A job of a collection was done. */
  progressed(collectionId: number): void {
    for (const one of this.#running(collectionId)) {
      if (one.goal === undefined) continue;
      one.jobs++;
      one.failure = undefined;
    }
    this.#changed();
  }

  /** A shard has reached a goal. */
  async reached(collectionId: number, shard: number, goal: CompactionGoal): Promise<void> {
    for (const one of this.#running(collectionId)) {
      if (one.goal === undefined || one.goal.until > goal.until) continue;
      one.left.delete(shard);
      if (one.left.size === 0) await this.#end(one, 'done');
    }
  }

  /** A job of a collection failed; `forGood`: it is not tried again soon. */
  async failed(collectionId: number, error: unknown, forGood: boolean): Promise<void> {
    for (const one of this.#running(collectionId)) {
      one.failure = toWireError(error);
      if (forGood) await this.#end(one, 'failed');
    }
    this.#changed();
  }

  /** Answers everybody: the coordinator ends. */
  async stop(): Promise<void> {
    for (const one of this.#all.values()) {
      if (one.state === 'running') await this.failed(one.collectionId, closed(), true);
    }
  }

  async #flush(compaction: Compaction): Promise<void> {
    const { bus, goal, onReady } = this.#context;
    const { collectionId, left } = compaction;
    try {
      for (const shard of left) {
        const options = { timeoutMs: FLUSH_TIMEOUT_MS };
        await invoke(bus, flushShard, { header: { collectionId, shard }, options });
      }
      compaction.goal = await goal(collectionId);
      onReady(collectionId);
    } catch (error) {
      compaction.failure = toWireError(error);
      if (compaction.state === 'running') await this.#end(compaction, 'failed');
    }
  }

  *#running(collectionId: number): Generator<Compaction> {
    for (const one of this.#all.values()) {
      if (one.state === 'running' && one.collectionId === collectionId) yield one;
    }
  }

  async #end(compaction: Compaction, state: 'done' | 'failed' | 'cancelled'): Promise<void> {
    compaction.state = state;
    compaction.after = await this.#totals(compaction.collectionId).catch(() => compaction.before);
    this.#changed();
  }

  async #status(compaction: Compaction): Promise<CompactionStatus> {
    const { id, before, collectionId } = compaction;
    const after = compaction.after ?? (await this.#totals(collectionId));
    const { state, jobs, failure } = compaction;
    return { id, state, before, after, jobs, ...(failure && { failure }) };
  }

  async #totals(collectionId: number): Promise<SegmentTotals> {
    const { header } = await invoke(this.#context.bus, describeShards, {
      header: { collectionId },
    });
    const segments = header.shards.flatMap((shard) => shard.segments);
    return {
      segments: segments.length,
      rows: segments.reduce((sum, { rows }) => sum + rows, 0),
      bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  #find(id: string): Compaction {
    const compaction = this.#all.get(id);
    if (compaction === undefined) throw new ElanusError('compaction_not_found', { id });
    return compaction;
  }

  #change(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#waiting.delete(wake);
        resolve();
      };
      const cancel = this.#context.clock.after(waitMs, wake);
      this.#waiting.add(wake);
    });
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
  }

  #forgetEnded(): void {
    const ended = [...this.#all.values()].filter(({ state }) => state !== 'running');
    for (const { id } of ended.slice(0, Math.max(0, ended.length - ENDED_MAX))) {
      this.#all.delete(id);
    }
  }
}

const closed = (): ElanusError => new ElanusError('handle_closed', {});
