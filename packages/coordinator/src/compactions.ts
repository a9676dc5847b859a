/**
 * Compactions that were asked for, and what is told to those who asked. The job loop does them:
 * here is only what it has to reach, and how far it is. The metadata know of each: another
 * coordinator takes one up again when somebody asks how far it is.
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
import { describeShards, flushShard, invoke, metaKeys } from '@elanus/protocol';
import { put, type MetaAccess } from './meta-access.ts';

/** What they work with. */
export interface CompactionsContext {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly meta: MetaAccess;
  /** A number that no other has. */
  readonly newId: () => Promise<number>;
  /** What the flushed segments of a collection have to become. */
  readonly goal: (collectionId: number) => Promise<CompactionGoal>;
  /** @throws ElanusError collection_dropped */
  readonly schema: (collectionId: number) => Promise<CollectionSchema>;
  /** There is one to do. */
  readonly onReady: (collectionId: number) => void;
  /** Nobody wants compactions of this collection any more. */
  readonly onCancel: (collectionId: number) => void;
}

/** A compaction in the metadata: whoever coordinates next knows of it. */
export interface CompactionRecord {
  readonly collectionId: number;
  readonly status: CompactionStatus;
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
  /** What runs is not over: it goes on elsewhere. */
  #isStopped = false;

  constructor(context: CompactionsContext) {
    this.#context = context;
  }

  /** Begins one: what grows is flushed, then the job loop is told. */
  async begin(schema: CollectionSchema): Promise<CompactionStatus> {
    const { newId } = this.#context;
    const { collectionId } = schema;
    const before = await this.#totals(collectionId);
    const status = { id: String(await newId()), state: 'running', before, jobs: 0 } as const;
    await this.#save({ collectionId, status: { ...status, after: before } });
    await this.#forgetEnded();
    return this.#start(schema, status);
  }

  /** How far one is; waits for a change of it, at most `waitMs`. @throws compaction_not_found */
  async describe(id: string, waitMs: number): Promise<CompactionStatus> {
    const compaction = this.#all.get(id);
    if (compaction === undefined) return this.#takeUp(id);
    if (compaction.state === 'running' && waitMs > 0) await this.#change(waitMs);
    return this.#status(compaction);
  }

  /** Ends one. @throws compaction_not_found */
  async cancel(id: string): Promise<CompactionStatus> {
    const compaction = this.#all.get(id);
    if (compaction === undefined) return this.#cancelOf(await this.#find(id));
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
    this.#isStopped = true;
    for (const one of this.#all.values()) {
      if (one.state === 'running') await this.failed(one.collectionId, closed(), true);
    }
  }

  #start(
    { collectionId, shards }: Pick<CollectionSchema, 'collectionId' | 'shards'>,
    { id, before, jobs }: Pick<CompactionStatus, 'id' | 'before' | 'jobs'>,
  ): Promise<CompactionStatus> {
    const compaction: Compaction = {
      id,
      collectionId,
      state: 'running',
      before,
      after: undefined,
      jobs,
      failure: undefined,
      goal: undefined,
      left: new Set(Array.from({ length: shards }, (_, shard) => shard)),
    };
    this.#all.set(id, compaction);
    void this.#flush(compaction);
    return this.#status(compaction);
  }

  /** One that a coordinator before us knew: it begins anew if it had not ended. */
  async #takeUp(id: string): Promise<CompactionStatus> {
    const { collectionId, status } = await this.#find(id);
    if (status.state !== 'running') return status;
    const schema = await this.#context.schema(collectionId);
    const known = this.#all.get(id);
    return known === undefined ? this.#start(schema, status) : this.#status(known);
  }

  async #cancelOf({ collectionId, status }: CompactionRecord): Promise<CompactionStatus> {
    if (status.state !== 'running') return status;
    const ended = { ...status, state: 'cancelled' } as const;
    await this.#save({ collectionId, status: ended });
    return ended;
  }

  async #save(record: CompactionRecord): Promise<void> {
    await this.#context.meta.txn([], [put(metaKeys.compaction(record.status.id), record)]);
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
    const { collectionId } = compaction;
    compaction.after = await this.#totals(collectionId).catch(() => compaction.before);
    const status = await this.#status(compaction);
    // What is not saved is done again by whoever coordinates next, if anybody asks.
    if (!this.#isStopped) await this.#save({ collectionId, status }).catch(() => undefined);
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

  async #find(id: string): Promise<CompactionRecord> {
    const held = await this.#context.meta.get<CompactionRecord>(metaKeys.compaction(id));
    if (held === undefined) throw new ElanusError('compaction_not_found', { id });
    return held.record;
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

  /** Keeps the newest; those that nobody asked about since they were left behind go, too. */
  async #forgetEnded(): Promise<void> {
    const { meta } = this.#context;
    const known = await meta.range<CompactionRecord>(metaKeys.compactions);
    const ended = known.filter(({ record }) => {
      return this.#all.get(record.status.id)?.state !== 'running';
    });
    const old = ended.slice(0, Math.max(0, ended.length - ENDED_MAX));
    if (old.length === 0) return;
    for (const { record } of old) this.#all.delete(record.status.id);
    await meta.txn(
      [],
      old.map(({ key }) => ({ delete: key })),
    );
  }
}

const closed = (): ElanusError => new ElanusError('handle_closed', {});
