/**
 * Build jobs, level-triggered: look at what is flushed, plan what should be, have a data node do
 * it, have the shard take it over, look again. Nothing is remembered between two looks but how long
 * builds have waited, and which failed.
 */
import {
  assert,
  AUTO_INDEX,
  indexBuildKey,
  isElanusError,
  LIMITS,
  primaryField,
  storedFields,
  timestampFromMs,
  timestampMs,
  vectorFields,
  vectorShape,
  type Bus,
  type Clock,
  type CollectionSchema,
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
import { nextFold, planBuild, SMALL_SEGMENT_BYTES, type BuildPlan } from './build-plan.ts';
import type { Catalog } from './catalog.ts';
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
/** One that has had none for so long is idle: what only makes searches faster is done. */
const IDLE_MS = 5_000;
/** A shard that is never quiet gets its indexes after so long all the same. */
const WAITING_MS_MAX = 10_000;
/** Bytes of segments without an index from which on builds run beside writes. */
const WAITING_BYTES_MAX = 256 * 1024 * 1024;
const RETRY_MS = [500, 2_000, 10_000, 60_000] as const;
const retryMs = (failures: number): number =>
  RETRY_MS[Math.min(failures, RETRY_MS.length) - 1] ?? 60_000;

/** A shard whose builds fail: it is left alone for a while, so that others get theirs. */
interface FailingShard {
  readonly collectionId: number;
  readonly failures: number;
  readonly againAtMs: number;
  readonly cause: unknown;
}

/** See the file's header. */
export class Jobs {
  readonly #context: JobsContext;
  readonly #ended = new AbortController();
  #running: Promise<void> | undefined;
  #again = false;
  /** Since when builds of a shard wait, by the clock's own time. */
  readonly #waiting = new Map<string, number>();
  readonly #failing = new Map<string, FailingShard>();
  readonly #foldTimers = new Map<string, () => void>();
  #failures = 0;

  constructor(context: JobsContext) {
    this.#context = context;
  }

  /** Something changed: look, soon. */
  kick(): void {
    if (this.#ended.signal.aborted) return;
    this.#again = true;
    this.#running ??= this.#loop();
  }

  /** Why builds of a collection fail; undefined while they do not. */
  failureOf(collectionId: number): string | undefined {
    const failing = [...this.#failing.values()];
    const cause = failing.find((shard) => shard.collectionId === collectionId)?.cause;
    return cause instanceof Error ? cause.message : undefined;
  }

  /** Cancels what runs and waits for its end. */
  async stop(): Promise<void> {
    this.#ended.abort();
    for (const cancel of this.#foldTimers.values()) cancel();
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
      const key = `${schema.collectionId} ${shard}`;
      const failing = this.#failing.get(key);
      if (failing !== undefined && this.#context.clock.monoMs() < failing.againAtMs) continue;
      try {
        await this.#shard(schema, shard);
        this.#failing.delete(key);
      } catch (cause) {
        if (this.#ended.signal.aborted) return;
        const failures = (failing?.failures ?? 0) + 1;
        const { collectionId } = schema;
        // From the end of the failed build: it may have run for minutes.
        const againAtMs = this.#context.clock.monoMs() + retryMs(failures);
        this.#failing.set(key, { collectionId, failures, againAtMs, cause });
        this.#context.clock.after(retryMs(failures), () => this.kick());
      }
    }
  }

  async #shard(schema: CollectionSchema, shard: number): Promise<void> {
    const choices = new Map(
      vectorFields(schema).map((field) => [field.id, indexBuildKey(field.index)] as const),
    );
    let bytesMax: number = LIMITS.segmentBytesMax;
    while (!this.#ended.signal.aborted) {
      const all = await this.#context.segments.flushed(schema.collectionId);
      const segments = all.filter((segment) => segment.shard === shard);
      const plan = planBuild(segments, { bytesMax, choices, horizon: this.#horizon() });
      if (plan === undefined) return this.#lookAtFold(schema, shard, segments);
      const merges = plan.moves;
      const { idle } = plan;
      const small = !idle && plan.inputs.every(({ bytes }) => bytes < SMALL_SEGMENT_BYTES);
      if (
        !(plan.inputs.length > 1 && small) &&
        (await this.#mustWait({ schema, shard, segments, idle }))
      )
        return;
      try {
        await this.#run(schema, shard, plan);
      } catch (error) {
        if (!merges || !isElanusError(error, 'memory_budget')) throw error;
        // There is no room to join so many rows: an index for each segment takes less.
        bytesMax = 0;
      }
    }
  }

  /** Reads reach back to here. */
  #horizon(): Timestamp {
    return timestampFromMs(Math.max(0, this.#context.clock.wallMs() - LIMITS.retentionMs));
  }

  /** Looks again when deleted rows have got too old to be read: nothing else says so. */
  #lookAtFold(schema: CollectionSchema, shard: number, segments: readonly SegmentRecord[]): void {
    const key = `${schema.collectionId} ${shard}`;
    this.#foldTimers.get(key)?.();
    this.#foldTimers.delete(key);
    const at = nextFold(segments);
    if (at === undefined) return;
    const { clock } = this.#context;
    const leftMs = timestampMs(at) + LIMITS.retentionMs + 1 - clock.wallMs();
    const cancel = clock.after(Math.max(leftMs, FOLD_LOOK_MS), () => this.kick());
    this.#foldTimers.set(key, cancel);
  }

  /**
   * While a shard takes in rows or flushes them, builds wait: they would take processor, disk and
   * memory from the writers. Not for ever, nor when so much waits that searches feel it; and merges
   * of small segments never wait, so that segments stay few.
   */
  async #mustWait(input: {
    readonly schema: CollectionSchema;
    readonly shard: number;
    readonly segments: readonly SegmentRecord[];
    /** For as long as it takes. */
    readonly idle: boolean;
  }): Promise<boolean> {
    const { collectionId } = input.schema;
    const { idle } = input;
    const bare = input.segments.filter(({ indexed }) => !indexed);
    const waitingBytes = bare.reduce((sum, { bytes }) => sum + bytes, 0);
    if (!idle && waitingBytes >= WAITING_BYTES_MAX) return false;
    const { shards } = (
      await invoke(this.#context.bus, describeShards, { header: { collectionId } })
    ).header;
    const status = shards.find(({ shard }) => shard === input.shard);
    if (status === undefined) return false;
    const { idleMs, unflushedSegments } = status;
    const quietMs = idle ? IDLE_MS : QUIET_MS;
    const leftMs = unflushedSegments > 0 ? quietMs : quietMs - idleMs;
    const shard = `${collectionId} ${input.shard}`;
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

  async #run(schema: CollectionSchema, shard: number, plan: BuildPlan): Promise<void> {
    const { bus } = this.#context;
    const job = await this.#job(schema, shard, plan);
    const { signal } = this.#ended;
    const built = await invoke(bus, runBuild, {
      header: job,
      options: { signal, timeoutMs: JOB_TIMEOUT_MS },
    });
    const { output, origins } = built.header;
    const inputs = plan.inputs.map(({ segmentId, manifest }) => ({ segmentId, manifest }));
    const header = { collectionId: schema.collectionId, shard, inputs, output, origins };
    await invoke(bus, adoptBuild, { header, options: { timeoutMs: JOB_TIMEOUT_MS } });
  }

  async #job(schema: CollectionSchema, shard: number, plan: BuildPlan): Promise<BuildJob> {
    const { meta, rng } = this.#context;
    const jobId = await takeNumbers(meta, 'job', 1);
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
      horizon: String(this.#horizon()),
      inputs: plan.inputs,
      outputId,
    };
  }
}

/** A job that takes longer is tried again elsewhere. */
const JOB_TIMEOUT_MS = 60 * 60_000;
