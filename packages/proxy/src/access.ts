/**
 * What every call of the proxy needs: the schema of a collection, what a read must see, bounds on
 * numbers, and calls to the other roles with the caller's deadline.
 */
import { didYouMean, type Call as ApiCall, type ReadPoint } from '@elanus/api';
import {
  BOUNDED_STALENESS_MS,
  ElanusError,
  isElanusError,
  LIMITS,
  timestampFromMs,
  TIMESTAMP_MAX,
  type Bus,
  type CallOptions,
  type Clock,
  type CollectionSchema,
} from '@elanus/core';
import {
  invoke,
  listCollections,
  resolveCollection,
  type Call,
  type Parcel,
  type ReadDemand,
} from '@elanus/protocol';

/** Schemas are asked again after this, and at once when a shard knows a newer one. */
const SCHEMA_FRESH_MS = 1_000;
/** Calls answered in one turn of the event loop may take this long together. */
const TURN_MS = 2;
/** A call without a deadline of its own. */
const TIMEOUT_MS = 30_000;

interface CachedSchema {
  readonly schema: CollectionSchema;
  readonly atMs: number;
}

/** See the file's header. */
export class Access {
  readonly clock: Clock;
  readonly #bus: Bus;
  readonly #schemas = new Map<string, CachedSchema>();
  #closed = false;
  #turn: Promise<void> | undefined;
  #turnAskedMs = 0;

  constructor(bus: Bus, clock: Clock) {
    this.#bus = bus;
    this.clock = clock;
  }

  /** Later calls end in handle_closed. */
  close(): void {
    this.#closed = true;
  }

  /** Calls a role with what is left of the caller's time. */
  async call<Request, Reply>(
    to: Call<Request, Reply>,
    request: Parcel<Request>,
    call: ApiCall | undefined,
  ): Promise<Required<Parcel<Reply>>> {
    if (this.#closed) throw new ElanusError('handle_closed', {});
    await this.#giveWay();
    const { signal, timeoutMs = TIMEOUT_MS } = call ?? {};
    const options: CallOptions = signal === undefined ? { timeoutMs } : { timeoutMs, signal };
    return invoke(this.#bus, to, { ...request, options });
  }

  /**
   * In process, a call may be answered without the event loop ever turning: a caller who awaits one
   * after the other would starve timers, disks and every write. So a turn is asked for while calls
   * come, and when it has not come for a while, the next call waits for it.
   */
  async #giveWay(): Promise<void> {
    for (;;) {
      const now = this.clock.monoMs();
      if (this.#turn === undefined) {
        this.#turnAskedMs = now;
        this.#turn = this.clock.turn().then(() => {
          this.#turn = undefined;
        });
        return;
      }
      if (now - this.#turnAskedMs <= TURN_MS) return;
      // Many may have waited for this turn: those for whom it has no time left wait for the next.
      await this.#turn;
    }
  }

  /** The schema a name stands for. @throws collection_not_found */
  async schema(name: string, call: ApiCall | undefined): Promise<CollectionSchema> {
    const cached = this.#schemas.get(name);
    const now = this.clock.monoMs();
    if (cached !== undefined && now - cached.atMs < SCHEMA_FRESH_MS) return cached.schema;
    const { schema } = await this.#resolve(name, call);
    this.#schemas.set(name, { schema, atMs: now });
    return schema;
  }

  /** Asks the catalog; when there is no such name, says which one is near. */
  async #resolve(
    name: string,
    call: ApiCall | undefined,
  ): Promise<{ readonly schema: CollectionSchema }> {
    try {
      return (await this.call(resolveCollection, { header: { name } }, call)).header;
    } catch (cause) {
      if (!isElanusError(cause, 'collection_not_found')) throw cause;
      const { entries } = (await this.call(listCollections, { header: {} }, call)).header;
      const names = entries.flatMap(({ schema, aliases }) => [schema.name, ...aliases]);
      throw new ElanusError(cause.code, { name, hint: didYouMean(name, names) }, { cause });
    }
  }

  /** Forgets what names stood for: the catalog has changed. */
  forget(): void {
    this.#schemas.clear();
  }

  /**
   * What a read must see. Embedded, everything acknowledged is applied: strong waits for nothing.
   */
  demand(point: ReadPoint): ReadDemand {
    const { consistency, sessionTimestamp = 0n } = point;
    if (typeof consistency === 'object') {
      const { at } = consistency;
      if (typeof at === 'bigint' && at > 0n && at < TIMESTAMP_MAX) return { guarantee: 0n, at };
      throw new ElanusError('timestamp_out_of_range', { at: String(at) });
    }
    switch (consistency) {
      case 'strong':
      case 'session':
        return { guarantee: sessionTimestamp, at: undefined };
      case 'bounded': {
        const oldest = timestampFromMs(this.clock.wallMs() - BOUNDED_STALENESS_MS);
        return { guarantee: oldest, at: undefined };
      }
      case 'eventual':
        return { guarantee: 0n, at: undefined };
      default:
        throw new ElanusError('invalid_argument', {
          argument: 'consistency',
          got: String(consistency),
          hint: 'It is strong, session, bounded, eventual or { at: timestamp }.',
        });
    }
  }

  /** Checks limit and offset. @throws limit_out_of_range */
  checkWindow(limit: number, offset: number): void {
    const max = LIMITS.resultRowsMax;
    if (!Number.isInteger(limit) || limit < 1 || limit > max) {
      throw new ElanusError('limit_out_of_range', {
        expected: `a whole number from 1 to ${max}`,
        got: String(limit),
        hint: 'Use scan() to read more rows.',
      });
    }
    if (Number.isInteger(offset) && offset >= 0 && offset + limit <= max) return;
    throw new ElanusError('limit_out_of_range', {
      field: 'offset',
      expected: `a whole number, offset + limit at most ${max}`,
      got: String(offset),
      hint: 'Use scan() to read more rows.',
    });
  }
}
