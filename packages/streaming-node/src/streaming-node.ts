/**
 * The streaming node: owns a pchannel in a term, and serves every vchannel on it. Opening is a
 * recovery from whatever was left: own the channel, write the Term record, rebuild each shard at
 * its checkpoint, fold the log in behind it.
 */
import {
  assert,
  ElanusError,
  timestampFromMs,
  timestampMs,
  type CollectionSchema,
  type LogStream,
  type Pool,
} from '@elanus/core';
import { crc32 } from '@elanus/kernels/checksum';
import type { KernelChoice } from '@elanus/kernels';
import {
  encodeHeader,
  invoke,
  leaseIds,
  ownChannel,
  saveLogSpan,
  saveTimestampWindow,
  type ChainPoint,
  type ChannelTerm,
  type LogRecord,
  type MessageHeader,
  type ShardAssignment,
} from '@elanus/protocol';
import type { World } from '@elanus/runtime';
import { ReadRunner } from '@elanus/segment';
import { apply } from './shard/apply.ts';
import { recoverShard } from './shard/recover.ts';
import { Shard } from './shard/shard.ts';
import { ShardState } from './shard/state.ts';
import { serveShards } from './serve.ts';
import { HybridClock } from './wal/hybrid-clock.ts';
import { IdLease } from './wal/id-lease.ts';
import { replay } from './wal/replay.ts';
import { controlDraft, Wal } from './wal/wal.ts';

/** What a streaming node is made of. */
export interface StreamingNodeOptions {
  readonly world: Pick<World, 'bus' | 'clock' | 'rng' | 'logs' | 'objects'>;
  readonly pchannel: string;
  readonly kernels: KernelChoice;
  readonly searchPools: readonly Pool[];
  readonly buildPool: Pool;
  /** Bytes that rows may take in memory. */
  readonly memoryBytes: number;
  /** Undefined: nobody else can open the log. */
  readonly shared?: SharedChannel | undefined;
}

/** Ownership that another process can take at any moment. */
export interface SharedChannel {
  /** Fires when it may have been taken: nothing is waited for any more, nothing is flushed. */
  readonly lost: AbortSignal;
  /** Told once, when the log takes nothing any more. */
  readonly onStop: (why: ElanusError) => void;
}

/** A running streaming node. */
export interface StreamingNode {
  /** Waits for writes and flushes that run, then stops. */
  stop(): Promise<void>;
}

/** Opens a pchannel; see the file's header. @throws ElanusError log_corrupt, log_regressed, ... */
export async function startStreamingNode(options: StreamingNodeOptions): Promise<StreamingNode> {
  const node = new Channel(options);
  await node.open();
  const ends = serveShards(options.world.bus, node);
  return {
    stop: async () => {
      for (const end of ends) end();
      await node.close();
    },
  };
}

/** A pchannel in this term, with its shards. */
export class Channel {
  readonly shards = new Map<string, Shard>();
  readonly #options: StreamingNodeOptions;
  readonly #runner: ReadRunner;
  readonly #ids: IdLease;
  #stream: LogStream | undefined;
  #wal: Wal | undefined;
  #hybrid: HybridClock | undefined;
  #term = 0;
  /** Truncations of the log, one after the other. */
  #cuts: Promise<void> = Promise.resolve();

  constructor(options: StreamingNodeOptions) {
    const { bus } = options.world;
    this.#options = options;
    this.#runner = new ReadRunner(options.kernels, options.searchPools);
    this.#ids = new IdLease(async (count) => {
      return (await invoke(bus, leaseIds, { header: { count } })).header.from;
    });
  }

  /** What this process owns, as far as it knows. */
  get owned(): ChannelTerm {
    return { pchannel: this.#options.pchannel, term: this.#term };
  }

  /** The shard at an address. @throws ElanusError collection_dropped */
  shard(at: { readonly collectionId: number; readonly shard: number }): Shard {
    const shard = this.shards.get(address(at.collectionId, at.shard));
    if (shard !== undefined) return shard;
    throw new ElanusError('collection_dropped', { name: `collection ${at.collectionId}` });
  }

  async open(): Promise<void> {
    const { world, pchannel, shared } = this.#options;
    const owner = `node-${world.rng.u32().toString(16)}`;
    const own = await invoke(world.bus, ownChannel, { header: { pchannel, owner } });
    const { term, savedUntilMs, shards, log } = own.header;
    this.#term = term;
    // Segments are loaded while the log is opened: neither needs the other.
    const recovering = this.#recover(shards);
    recovering.catch(() => undefined);
    const stream = await world.logs.open(pchannel);
    this.#stream = stream;
    await this.#checkSpan(stream, shards, log);
    const hybrid = this.#openClock(savedUntilMs);
    this.#hybrid = hybrid;
    await hybrid.ready();
    const position = await this.#writeTerm(stream, hybrid);
    const states = await recovering;
    await this.#replay(stream, { termSeq: position.lastSeq, log }, states);
    const wal = new Wal({
      stream,
      clock: world.clock,
      hybrid,
      position,
      apply: (record) => {
        const { collectionId, shard } = record.header;
        this.shards.get(address(collectionId, shard))?.apply(record);
      },
      exclusive: shared === undefined,
      onStop: shared?.onStop,
    });
    this.#wal = wal;
    const abandon = (): void => wal.abandon(this.#moved());
    if (shared?.lost.aborted === true) throw this.#moved();
    shared?.lost.addEventListener('abort', abandon, { once: true });
    for (const [key, state] of states) this.shards.set(key, this.#compose(state, wal, hybrid));
  }

  /** Opens the shards of a collection that are not open; those that are have its newest schema. */
  async openShards(schema: CollectionSchema): Promise<void> {
    const { wal, hybrid } = this.#running();
    const { collectionId } = schema;
    const shards = Array.from({ length: schema.shards }, (_, shard) => shard);
    const isOpen = (shard: number): boolean => this.shards.has(address(collectionId, shard));
    if (!shards.every(isOpen)) {
      await wal.room();
      await hybrid.ready();
      const draft = { kind: 'create' as const, collectionId, shard: 0, segmentId: 0 };
      const body = new TextEncoder().encode(JSON.stringify(schema));
      await wal.submit([controlDraft({ ...draft, schemaVersion: schema.version }, body)]).done;
    }
    for (const shard of shards) {
      const open = this.shards.get(address(collectionId, shard));
      if (open === undefined) this.#openShard({ schema, shard });
      else await open.admission.alter(schema);
    }
  }

  /** An empty shard, from here on. */
  #openShard(of: Pick<ShardAssignment, 'schema' | 'shard'>): void {
    const { wal, hybrid } = this.#running();
    const state = this.#newState(of);
    state.checkpointSeq = wal.appliedSeq + 1;
    state.checkpointNext = wal.appliedNext;
    state.appliedSeq = wal.appliedSeq;
    state.completeSeq = wal.appliedSeq;
    state.completeNext = wal.appliedNext;
    const key = address(of.schema.collectionId, of.shard);
    this.shards.set(key, this.#compose(state, wal, hybrid));
  }

  /** Forgets the shards of a dropped collection; their files go with the coordinator's sweep. */
  async dropShards(collectionId: number): Promise<void> {
    for (const [key, shard] of this.shards) {
      if (shard.state.collectionId !== collectionId) continue;
      this.shards.delete(key);
      await shard.close();
      await shard.reads.releaseAll();
    }
    this.#truncate();
  }

  async close(): Promise<void> {
    // What is long to replay is flushed, so that the next opening is short. If that fails, the log
    // has it.
    for (const shard of this.shards.values()) {
      if (this.#wal?.stopped === undefined) await shard.flushLast().catch(() => undefined);
    }
    await this.#wal?.close();
    for (const shard of this.shards.values()) await shard.close();
    await this.#cuts;
    await this.#stream?.close();
    const lastSeq = this.#wal?.stopped?.code === 'handle_closed' ? this.#wal.appliedSeq : 0;
    if (lastSeq > 0) await this.#saveSpan({ firstSeq: 0, lastSeq });
    const last = this.#hybrid?.last;
    if (last === undefined || this.#wal?.stopped?.code === 'channel_moved') return;
    const untilMs = timestampMs(last) + 1;
    await invoke(this.#options.world.bus, saveTimestampWindow, {
      header: { untilMs, final: true },
    });
  }

  #moved(term = this.#term + 1): ElanusError<'channel_moved'> {
    return new ElanusError('channel_moved', { vchannel: this.#options.pchannel, term });
  }

  #running(): { readonly wal: Wal; readonly hybrid: HybridClock } {
    assert(this.#wal !== undefined && this.#hybrid !== undefined, 'the channel is open');
    return { wal: this.#wal, hybrid: this.#hybrid };
  }

  #openClock(savedUntilMs: number): HybridClock {
    const { bus, clock } = this.#options.world;
    return new HybridClock({
      clock,
      last: timestampFromMs(savedUntilMs),
      save: async (untilMs) => {
        const reply = await invoke(bus, saveTimestampWindow, { header: { untilMs, final: false } });
        return reply.header.untilMs;
      },
    });
  }

  /** Appends the Term record unconditionally: our right to do so came from the coordinator. */
  async #writeTerm(stream: LogStream, hybrid: HybridClock) {
    const header: MessageHeader = {
      kind: 'term',
      part: 0,
      parts: 1,
      term: this.#term,
      n: 0,
      timestamp: hybrid.next(),
      asOf: 0n,
      previousHash: 0,
      payloadHash: 0,
      bodyHash: 0,
      collectionId: 0,
      shard: 0,
      schemaVersion: 0,
      segmentId: 0,
      rowCount: 0,
      idempotencyKey: '',
    };
    const bytes = encodeHeader(header);
    const outcome = await stream.append({ subject: 'term', parts: [bytes] });
    if (outcome.kind === 'ok') {
      return { term: this.#term, n: 1, lastSeq: outcome.seq, lastHash: crc32(bytes) };
    }
    const cause = outcome.kind === 'unknown' ? outcome.cause : undefined;
    throw cause ?? new ElanusError('unavailable', { what: 'the log' });
  }

  #newState(of: Pick<ShardAssignment, 'schema' | 'shard'>): ShardState {
    const { kernels } = this.#runner;
    return new ShardState({ ...of, kernels, salt: this.#options.world.rng.u32() });
  }

  async #recover(shards: readonly ShardAssignment[]): Promise<Map<string, ShardState>> {
    const { world } = this.#options;
    const { kernels } = this.#runner;
    const states = new Map<string, ShardState>();
    for (const assignment of shards) {
      const state = await recoverShard({ ...world, kernels, salt: world.rng.u32() }, assignment);
      states.set(address(state.collectionId, state.shard), state);
    }
    return states;
  }

  /**
   * A log that ends before, or begins behind, what it has to hold has lost what was acknowledged.
   * What was found at the opening is safe on disk: from now on the log has to hold it.
   */
  async #checkSpan(
    stream: LogStream,
    shards: readonly ShardAssignment[],
    log: LogRecord | undefined,
  ): Promise<void> {
    const { firstSeq, lastSeq } = await stream.span();
    const expectedSeq = Math.max(
      log?.lastSeq ?? 0,
      ...shards.map(({ checkpoint }) => (checkpoint?.seq ?? 1) - 1),
    );
    if (lastSeq < expectedSeq) throw new ElanusError('log_regressed', { expectedSeq, lastSeq });
    if (log !== undefined && firstSeq > log.firstSeq) {
      throw new ElanusError('log_truncated', { fromSeq: log.firstSeq, firstSeq });
    }
    await this.#saveSpan({ firstSeq: log?.firstSeq ?? firstSeq, lastSeq });
  }

  async #saveSpan(span: LogRecord): Promise<void> {
    const { world, pchannel } = this.#options;
    await invoke(world.bus, saveLogSpan, { header: { pchannel, term: this.#term, ...span } });
  }

  /**
   * Folds the log in, up to our Term. Behind that of a later owner ours says nothing: it was on its
   * way while the channel was taken from us.
   */
  async #replay(
    stream: LogStream,
    of: { readonly termSeq: number; readonly log: LogRecord | undefined },
    states: ReadonlyMap<string, ShardState>,
  ): Promise<void> {
    const { termSeq, log } = of;
    const { firstSeq } = await stream.span();
    const needed = [...states.values()].map((state) => state.checkpointSeq);
    const fromSeq = Math.max(firstSeq, log?.firstSeq ?? 0, Math.min(termSeq, ...needed));
    const held = [...states.values()].find((state) => state.checkpointSeq === fromSeq);
    const next = held?.checkpointNext ?? (log?.firstSeq === fromSeq ? log.next : undefined);
    const end = await replay(stream, { fromSeq, toSeq: termSeq, next }, (record) => {
      const { collectionId, shard } = record.header;
      const state = states.get(address(collectionId, shard));
      if (state !== undefined) apply(state, record);
    });
    if (end.term !== this.#term) throw this.#moved(end.term);
  }

  #compose(state: ShardState, wal: Wal, hybrid: HybridClock): Shard {
    const { world, pchannel, buildPool } = this.#options;
    return new Shard({
      state,
      wal,
      hybrid,
      ids: this.#ids,
      clock: world.clock,
      rng: world.rng,
      bus: world.bus,
      objects: world.objects,
      pool: buildPool,
      runner: this.#runner,
      pchannel,
      term: this.#term,
      budget: {
        budgetBytes: this.#options.memoryBytes,
        usedBytes: () => this.#usedBytes(),
      },
      onCommit: () => this.#truncate(),
    });
  }

  #usedBytes(): number {
    let bytes = 0;
    for (const shard of this.shards.values()) bytes += shard.memoryBytes;
    return bytes;
  }

  /** Cuts the log below what any shard needs. W7. */
  #truncate(): void {
    const { wal } = this.#running();
    let below = wal.appliedSeq + 1;
    let next: ChainPoint | undefined = wal.appliedNext;
    for (const { neededSeq, state } of this.shards.values()) {
      if (neededSeq === undefined || neededSeq >= below) continue;
      below = neededSeq;
      next = state.checkpointNext;
    }
    const span = { firstSeq: below, lastSeq: 0, next };
    this.#cuts = this.#cuts.then(() => this.#cut(span)).catch(() => undefined);
  }

  /** It is said before it is done: what is missing unsaid is damage. */
  async #cut(span: LogRecord): Promise<void> {
    await this.#saveSpan(span);
    await this.#stream?.truncate(span.firstSeq);
  }
}

function address(collectionId: number, shard: number): string {
  return `${collectionId}/${shard}`;
}
