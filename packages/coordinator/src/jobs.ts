/**
 * Build jobs, level-triggered: look at what is flushed, plan what should be, have a data node do
 * it, have the shard take it over, look again. Nothing is remembered between two looks but how long
 * builds have waited, which failed, and which compactions were asked for.
 */
import {
  assert,
  AUTO_INDEX,
  ElanusError,
  expiredBefore,
  indexBuildKey,
  isElanusError,
  LIMITS,
  primaryField,
  storedFields,
  timestampFromMs,
  timestampMs,
  ttlOf,
  vectorFields,
  vectorShape,
  type Bus,
  type Clock,
  type CollectionSchema,
  type JobStatus,
  type Rng,
  type Timestamp,
} from '@elanus/core';
import {
  adoptBuild,
  describeShards,
  invoke,
  runBuild,
  type BuildJob,
  type SegmentRecord,
} from '@elanus/protocol';
import {
  nextFold,
  nextHalf,
  planBuild,
  planCompaction,
  SMALL_SEGMENT_BYTES,
  type BuildPlan,
} from './build-plan.ts';
import type { Catalog } from './catalog.ts';
import { Compactions, type CompactionGoal } from './compactions.ts';
import { takeNumbers } from './counters.ts';
import type { MetaAccess } from './meta-access.ts';
import type { Segments } from './segments.ts';

/** What the job loop works with. */
export interface JobsContext {
  readonly meta: MetaAccess;
  readonly catalog: Catalog;
  readonly segments: Segments;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly rng: Rng;
}

/** A shard that has had no write for so long is quiet: builds begin. */
const QUIET_MS = 300;
/** Segments are looked at for rows that can go no more often than this. */
const FOLD_LOOK_MS = 60_000;
/** ... and at least so often where some will: timers take no longer delays. */
const LOOK_MS_MAX = 24 * 3_600_000;
/** One that has had none for so long is idle: what only makes searches faster is done. */
const IDLE_MS = 5_000;
/** A shard that is never quiet gets its indexes after so long all the same. */
const WAITING_MS_MAX = 10_000;
/** Bytes of segments without an index from which on builds run beside writes. */
const WAITING_BYTES_MAX = 256 * 1024 * 1024;
const RETRY_MS = [500, 2_000, 10_000, 60_000] as const;
const retryMs = (failures: number): number =>
  RETRY_MS[Math.min(failures, RETRY_MS.length) - 1] ?? 60_000;
/** A job that failed so often in a row rests, ... */
const ATTEMPTS_MAX = 6;
/** ... until its shard changes, somebody asks, or so long. */
const REST_MS = 10 * 60_000;

/** For `bytesMax`: below what the smallest segment has. */
const NOTHING_MOVES = -1;

/** Where jobs are planned, and what they are planned for. */
interface Target {
  readonly schema: CollectionSchema;
  readonly shard: number;
  /** Somebody asked for it. */
  readonly goal: CompactionGoal | undefined;
}

/** A job under way. */
interface RunningJob extends Target {
  readonly plan: BuildPlan;
  readonly attempts: number;
  readonly cancelled: AbortController;
  /** Under what it writes, once it is described. */
  attempt?: string;
}

/** A shard whose jobs fail: it is left alone for a while, so that others get theirs. */
interface FailingShard {
  readonly collectionId: number;
  readonly shard: number;
  readonly failures: number;
  readonly againAtMs: number;
  readonly cause: unknown;
  /** What failed; undefined: it did not get as far as a job. */
  readonly plan: BuildPlan | undefined;
}

/** See the file's header. */
export class Jobs {
  readonly compactions: Compactions;
  readonly #context: JobsContext;
  readonly #ended = new AbortController();
  #running: Promise<void> | undefined;
  #again = false;
  #job: RunningJob | undefined;
  /** Since when builds of a shard wait, by the clock's own time. */
  readonly #waiting = new Map<string, number>();
  readonly #failing = new Map<string, FailingShard>();
  readonly #foldTimers = new Map<string, () => void>();
  #failures = 0;

  constructor(context: JobsContext) {
    this.#context = context;
    const { bus, clock, meta } = context;
    this.compactions = new Compactions({
      bus,
      clock,
      meta,
      schema: async (id) => {
        const found = await this.#schema(id);
        if (found !== undefined) return found;
        throw new ElanusError('collection_dropped', { name: `collection ${id}` });
      },
      newId: () => takeNumbers(meta, 'job', 1),
      goal: (collectionId) => this.#goal(collectionId),
      onReady: (collectionId) => {
        this.#forgetFailures(({ collectionId: of }) => of === collectionId);
        this.kick();
      },
      onCancel: (collectionId) => {
        const { goal, schema, cancelled } = this.#job ?? {};
        if (goal !== undefined && schema?.collectionId === collectionId) cancelled?.abort();
      },
    });
  }

  /** Something changed: look, soon. */
  kick(): void {
    if (this.#ended.signal.aborted) return;
    this.#again = true;
    this.#running ??= this.#loop();
  }

  /** A shard has other segments: what rests there is worth another try. */
  changed(collectionId: number, shard: number): void {
    this.#forgetFailures((one) => {
      return one.collectionId === collectionId && one.shard === shard && rests(one);
    });
    this.kick();
  }

  /** A collection was dropped: its jobs end. */
  dropped(collectionId: number): void {
    if (this.#job?.schema.collectionId === collectionId) this.#job.cancelled.abort();
    this.#forgetFailures((one) => one.collectionId === collectionId);
    const gone = new ElanusError('collection_dropped', { name: `collection ${collectionId}` });
    void this.compactions.failed(collectionId, gone, true);
  }

  /** Whether a job that runs wrote an object: nothing names it before all of them are written. */
  isWriting(name: string): boolean {
    const attempt = this.#job?.attempt;
    return attempt !== undefined && name.includes(`/${attempt}/`);
  }

  /** The jobs of a collection that run, or failed and are tried again. */
  jobsOf(collectionId: number): readonly JobStatus[] {
    const jobs: JobStatus[] = [];
    const job = this.#job;
    if (job?.schema.collectionId === collectionId) {
      const { shard, plan, attempts } = job;
      const cause = this.#failing.get(keyOf(job))?.cause;
      jobs.push({ ...statusOf(plan), shard, state: 'running', attempts, ...failureOf(cause) });
    }
    for (const failing of this.#failing.values()) {
      const { shard, plan, failures: attempts, cause } = failing;
      if (failing.collectionId !== collectionId || jobs.some((one) => one.shard === shard))
        continue;
      const state = rests(failing) ? 'failed' : 'waiting';
      jobs.push({ ...statusOf(plan), shard, state, attempts, ...failureOf(cause) });
    }
    return jobs;
  }

  /** Cancels what runs and waits for its end. */
  async stop(): Promise<void> {
    this.#ended.abort();
    this.#job?.cancelled.abort();
    for (const cancel of this.#foldTimers.values()) cancel();
    await this.compactions.stop();
    await this.#running;
  }

  async #loop(): Promise<void> {
    await this.#context.clock.turn();
    try {
      while (this.#again && !this.#ended.signal.aborted) {
        this.#again = false;
        for (const schema of await this.#context.catalog.collections()) {
          await this.#collection(schema);
        }
        this.#failures = 0;
      }
    } catch {
      // The catalog or a shard did not answer: look again later.
      this.#context.clock.after(retryMs(++this.#failures), () => this.kick());
    } finally {
      this.#running = undefined;
    }
  }

  async #collection(schema: CollectionSchema): Promise<void> {
    for (let shard = 0; shard < schema.shards; shard++) {
      const goal = this.compactions.goalOf(schema.collectionId);
      const target = { schema, shard, goal };
      const failing = this.#failing.get(keyOf(target));
      if (failing !== undefined && this.#context.clock.monoMs() < failing.againAtMs) continue;
      try {
        await this.#shard(target);
        this.#failing.delete(keyOf(target));
      } catch (cause) {
        const { collectionId } = schema;
        // Cancelled, dropped or closed: that is no failure, and there may be other work.
        if (this.#job?.cancelled.signal.aborted === true) this.kick();
        else if (!this.#ended.signal.aborted) await this.#failed({ collectionId, shard, cause });
      } finally {
        this.#job = undefined;
      }
    }
  }

  async #failed(at: Pick<FailingShard, 'collectionId' | 'shard' | 'cause'>): Promise<void> {
    const { clock } = this.#context;
    const key = `${at.collectionId} ${at.shard}`;
    const failures = nextTry(this.#failing.get(key));
    const forGood = failures >= ATTEMPTS_MAX;
    const pauseMs = forGood ? REST_MS : retryMs(failures);
    // From the end of the failed build: it may have run for minutes.
    const againAtMs = clock.monoMs() + pauseMs;
    this.#failing.set(key, { ...at, failures, againAtMs, plan: this.#job?.plan });
    clock.after(pauseMs, () => this.kick());
    await this.compactions.failed(at.collectionId, at.cause, forGood);
  }

  #forgetFailures(which: (shard: FailingShard) => boolean): void {
    for (const [key, failing] of this.#failing) if (which(failing)) this.#failing.delete(key);
  }

  async #shard(known: Target): Promise<void> {
    const { shard, goal } = known;
    const { collectionId } = known.schema;
    let bytesMax: number = LIMITS.segmentBytesMax;
    let compacting = goal;
    while (!this.#ended.signal.aborted) {
      const all = await this.#context.segments.flushed(collectionId);
      const segments = all.filter((segment) => segment.shard === shard);
      // Read behind the segments: no field of theirs is missing in it.
      const schema = await this.#schema(collectionId);
      if (schema === undefined) return;
      const target = { ...known, schema };
      const choices = new Map(
        vectorFields(schema).map((field) => [field.id, indexBuildKey(field.index)] as const),
      );
      const goesBy = this.#goesBy(schema, compacting?.horizon);
      const asked = compacting && planCompaction(segments, { bytesMax, ...compacting, ...goesBy });
      if (compacting !== undefined && asked === undefined) {
        await this.compactions.reached(collectionId, shard, compacting);
        compacting = undefined;
      }
      const plan = asked ?? planBuild(segments, { bytesMax, choices, ...this.#goesBy(schema) });
      if (plan === undefined) return this.#lookAtFold(schema, shard, segments);
      if (asked === undefined && (await this.#mustWait(target, segments, plan))) return;
      try {
        await this.#run(target, plan, asked !== undefined);
        if (asked !== undefined) this.compactions.progressed(collectionId);
      } catch (error) {
        if (!plan.moves || !isElanusError(error, 'memory_budget')) throw error;
        // There is no room to move so many rows: half of them, or none, take less.
        const moved = plan.inputs.reduce((sum, { bytes }) => sum + bytes, 0);
        bytesMax = moved > 0 ? Math.floor(moved / 2) : NOTHING_MOVES;
      }
    }
  }

  /** The schema as it is now; undefined: the collection was dropped. */
  async #schema(id: number): Promise<CollectionSchema | undefined> {
    const all = await this.#context.catalog.collections();
    return all.find(({ collectionId }) => collectionId === id);
  }

  /** What a compaction that is asked for now has to reach. */
  async #goal(collectionId: number): Promise<CompactionGoal> {
    const flushed = await this.#context.segments.flushed(collectionId);
    const until = flushed.map(({ minTimestamp }) => BigInt(minTimestamp)).at(-1) ?? 0n;
    return { until, horizon: this.#horizon() };
  }

  /** Reads reach back to here. */
  #horizon(): Timestamp {
    return timestampFromMs(Math.max(0, this.#context.clock.wallMs() - LIMITS.retentionMs));
  }

  /** What nobody may read any more: deleted before the one, or written before the other. */
  #goesBy({ ttl }: CollectionSchema, horizon: Timestamp = this.#horizon()) {
    return { horizon, expired: expiredBefore(ttl, horizon) };
  }

  /** Looks again when rows have got too old to be read: nothing else says so. */
  #lookAtFold(schema: CollectionSchema, shard: number, segments: readonly SegmentRecord[]): void {
    const key = `${schema.collectionId} ${shard}`;
    this.#foldTimers.get(key)?.();
    this.#foldTimers.delete(key);
    const folds = nextFold(segments);
    const half = nextHalf(segments);
    const ttlMs = ttlOf(schema.ttl);
    const atMs = Math.min(
      folds === undefined ? Infinity : timestampMs(folds),
      half === undefined || ttlMs === undefined ? Infinity : timestampMs(half) + ttlMs,
    );
    if (atMs === Infinity) return;
    const { clock } = this.#context;
    const leftMs = Math.min(atMs + LIMITS.retentionMs + 1 - clock.wallMs(), LOOK_MS_MAX);
    const cancel = clock.after(Math.max(leftMs, FOLD_LOOK_MS), () => this.kick());
    this.#foldTimers.set(key, cancel);
  }

  /**
   * While a shard takes in rows or flushes them, builds wait: they would take processor, disk and
   * memory from the writers. Not for ever, nor when so much waits that searches feel it; and merges
   * of small segments never wait, so that segments stay few.
   */
  async #mustWait(
    target: Target,
    segments: readonly SegmentRecord[],
    { idle, inputs }: BuildPlan,
  ): Promise<boolean> {
    const { collectionId } = target.schema;
    const small = !idle && inputs.every(({ bytes }) => bytes < SMALL_SEGMENT_BYTES);
    if (inputs.length > 1 && small) return false;
    const bare = segments.filter(({ indexed }) => !indexed);
    const waitingBytes = bare.reduce((sum, { bytes }) => sum + bytes, 0);
    if (!idle && waitingBytes >= WAITING_BYTES_MAX) return false;
    const { shards } = (
      await invoke(this.#context.bus, describeShards, { header: { collectionId } })
    ).header;
    const status = shards.find(({ shard }) => shard === target.shard);
    if (status === undefined) return false;
    const { idleMs, unflushedSegments } = status;
    const quietMs = idle ? IDLE_MS : QUIET_MS;
    const leftMs = unflushedSegments > 0 ? quietMs : quietMs - idleMs;
    const shard = keyOf(target);
    const now = this.#context.clock.monoMs();
    const since = this.#waiting.get(shard) ?? now;
    if (leftMs <= 0 || (!idle && now - since > WAITING_MS_MAX)) {
      this.#waiting.delete(shard);
      return false;
    }
    if (!idle) this.#waiting.set(shard, since);
    this.#context.clock.after(leftMs, () => this.kick());
    return true;
  }

  async #run(target: Target, plan: BuildPlan, asked: boolean): Promise<void> {
    const { bus } = this.#context;
    const { schema, shard } = target;
    const cancelled = new AbortController();
    const attempts = nextTry(this.#failing.get(keyOf(target)));
    const goal = asked ? target.goal : undefined;
    const running: RunningJob = { schema, shard, goal, plan, attempts, cancelled };
    this.#job = running;
    if (this.#ended.signal.aborted) cancelled.abort();
    const job = await this.#describe(schema, shard, plan);
    running.attempt = job.attempt;
    const built = await invoke(bus, runBuild, {
      header: job,
      options: { signal: cancelled.signal, timeoutMs: JOB_TIMEOUT_MS },
    });
    const { output, origins } = built.header;
    const { expiredBefore: expired } = job;
    const inputs = plan.inputs.map(({ segmentId, manifest }) => ({ segmentId, manifest }));
    const { collectionId } = schema;
    const adopted = { inputs, output, origins, expiredBefore: expired };
    const header = { collectionId, shard, ...adopted };
    await invoke(bus, adoptBuild, { header, options: { timeoutMs: JOB_TIMEOUT_MS } });
  }

  async #describe(schema: CollectionSchema, shard: number, plan: BuildPlan): Promise<BuildJob> {
    const { meta, rng } = this.#context;
    const jobId = await takeNumbers(meta, 'job', 1);
    const { horizon, expired } = this.#goesBy(schema);
    const [first] = plan.inputs;
    assert(first !== undefined, 'a build has inputs');
    const outputId = plan.moves ? await takeNumbers(meta, 'id', 1) : first.segmentId;
    return {
      jobId,
      attempt: `j${jobId}-${rng.u32().toString(16)}`,
      collectionId: schema.collectionId,
      shard,
      keyField: primaryField(schema).id,
      fields: storedFields(schema).filter((field) => field.type !== 'vector'),
      vectors: vectorFields(schema).map((field) => {
        const { id, index = AUTO_INDEX } = field;
        return { field: id, ...vectorShape(field), index };
      }),
      horizon: String(horizon),
      expiredBefore: String(expired),
      inputs: plan.inputs,
      outputId,
    };
  }
}

/** A job that takes longer is tried again elsewhere. */
const JOB_TIMEOUT_MS = 60 * 60_000;

function keyOf({ schema, shard }: Target): string {
  return `${schema.collectionId} ${shard}`;
}

function rests({ failures }: FailingShard): boolean {
  return failures >= ATTEMPTS_MAX;
}

/** The number of the next try; a shard that has rested begins anew. */
function nextTry(failing: FailingShard | undefined): number {
  return failing === undefined || rests(failing) ? 1 : failing.failures + 1;
}

function statusOf(plan: BuildPlan | undefined): Pick<JobStatus, 'kind' | 'segments' | 'rows'> {
  const { inputs = [], moves = false } = plan ?? {};
  const rows = inputs.reduce((sum, { rowCount }) => sum + rowCount, 0);
  return { kind: moves ? 'compaction' : 'index', segments: inputs.length, rows };
}

function failureOf(cause: unknown): Pick<JobStatus, 'failure'> {
  if (cause === undefined) return {};
  return { failure: cause instanceof Error ? cause.message : String(cause) };
}
