/**
 * What every call of the proxy needs: the schema of a collection, what a read must see, bounds on
 * numbers, and calls to the other roles with the caller's deadline.
 */
import type { Call as ApiCall, ReadPoint } from '@elanus/api';
import {
  BOUNDED_STALENESS_MS,
  didYouMean,
  ElanusError,
  isElanusError,
  LIMITS,
  timestampFromMs,
  TIMESTAMP_MAX,
  type Awaitable,
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
  type Answered,
  type Parcel,
  type ReadDemand,
} from '@elanus/protocol';
import { Turns } from './turns.ts';

/** Schemas are asked again after this, and at once when a shard knows a newer one. */
const SCHEMA_FRESH_MS = 1_000;
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
  readonly #resolving = new Map<string, Promise<CachedSchema>>();
  #closed = false;
  /** The lines in front of this proxy. */
  readonly reads: Turns;
  readonly writes: Turns;

  constructor(bus: Bus, clock: Clock) {
    this.#bus = bus;
    this.clock = clock;
    this.reads = new Turns(clock, { what: 'reads', max: LIMITS.readsUnderWayMax });
    this.writes = new Turns(clock, { what: 'writes', max: LIMITS.writesUnderWayMax });
  }

  /** Later calls end in handle_closed. */
  close(): void {
    this.#closed = true;
  }

  /** Calls a role with what is left of the caller's time. */
  call<Request, Reply>(
    to: Call<Request, Reply>,
    request: Parcel<Request>,
    call: ApiCall | undefined,
  ): Awaitable<Answered<Reply>> {
    if (this.#closed) throw new ElanusError('handle_closed', {});
    const turned = this.reads.pass();
    if (turned !== undefined) return turned.then(() => this.#send(to, request, call));
    return this.#send(to, request, call);
  }

  #send<Request, Reply>(
    to: Call<Request, Reply>,
    request: Parcel<Request>,
    call: ApiCall | undefined,
  ): Awaitable<Answered<Reply>> {
    const { signal, timeoutMs = TIMEOUT_MS } = call ?? {};
    const options: CallOptions = signal === undefined ? { timeoutMs } : { timeoutMs, signal };
    const { header, bodies = [] } = request;
    return invoke(this.#bus, to, { header, bodies, options });
  }

  /** The schema a name stands for, where that is known and fresh: nothing to wait for. */
  freshSchema(name: string, now = this.clock.monoMs()): CollectionSchema | undefined {
    const cached = this.#schemas.get(name);
    if (cached === undefined || this.#closed) return undefined;
    return now - cached.atMs < SCHEMA_FRESH_MS ? cached.schema : undefined;
  }

  /** The schema a name stands for. @throws collection_not_found */
  async schema(name: string, call: ApiCall | undefined): Promise<CollectionSchema> {
    const known = this.freshSchema(name);
    if (known !== undefined) return known;
    // One asks for all that come meanwhile; each gives up when it likes.
    const resolving = this.#resolving.get(name) ?? this.#ask(name, this.clock.monoMs());
    return (await this.patiently(resolving, call)).schema;
  }

  #ask(name: string, atMs: number): Promise<CachedSchema> {
    const asked = this.#resolve(name).then((schema) => ({ schema, atMs }));
    this.#resolving.set(name, asked);
    const over = (answer?: CachedSchema): void => {
      if (this.#resolving.get(name) !== asked) return;
      this.#resolving.delete(name);
      if (answer !== undefined) this.#schemas.set(name, answer);
    };
    asked.then(over, () => over());
    return asked;
  }

  /** What goes on whether this caller waits or not, for as long as it does. */
  patiently<T>(shared: Promise<T>, call: ApiCall | undefined): Promise<T> {
    const { signal, timeoutMs = TIMEOUT_MS } = call ?? {};
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(new ElanusError('cancelled', {}));
      if (signal?.aborted === true) giveUp();
      signal?.addEventListener('abort', giveUp, { once: true });
      const stop = this.clock.after(timeoutMs, () => {
        reject(new ElanusError('deadline_exceeded', { timeoutMs }));
      });
      const settled = (): void => {
        stop();
        signal?.removeEventListener('abort', giveUp);
      };
      shared.then(resolve, reject).finally(settled);
    });
  }

  /** Asks the catalog; when there is no such name, says which one is near. */
  async #resolve(name: string): Promise<CollectionSchema> {
    try {
      return (await this.call(resolveCollection, { header: { name } }, undefined)).header.schema;
    } catch (cause) {
      if (!isElanusError(cause, 'collection_not_found')) throw cause;
      const { entries } = (await this.call(listCollections, { header: {} }, undefined)).header;
      const names = entries.flatMap(({ schema, aliases }) => [schema.name, ...aliases]);
      throw new ElanusError(cause.code, { name, hint: didYouMean(name, names) }, { cause });
    }
  }

  /** Forgets what names stood for: the catalog has changed. */
  forget(): void {
    this.#schemas.clear();
    this.#resolving.clear();
  }

  /** What a read must see. Its shard knows what that takes. */
  demand(point: ReadPoint): ReadDemand {
    const { consistency, sessionTimestamp = 0n } = point;
    if (typeof consistency === 'object') {
      const { at } = consistency;
      if (typeof at === 'bigint' && at > 0n && at < TIMESTAMP_MAX) return { guarantee: 0n, at };
      throw new ElanusError('timestamp_out_of_range', { at: String(at) });
    }
    switch (consistency) {
      case 'strong':
        return { guarantee: sessionTimestamp, at: undefined, strong: true };
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
