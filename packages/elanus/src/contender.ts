/**
 * One of several processes over the same log, metadata and objects. The one that leads runs all
 * roles and answers; the others refuse as `channel_moved`, and whoever asked goes on elsewhere.
 *
 *     wait for leadership -> open (a new term) -> serve -> lost, or the log has stopped
 *       -> answer nothing any more, close, resign -> wait again
 */
import type { Database } from '@elanus/api';
import { ElanusError, isElanusError } from '@elanus/core';
import { lead, type Leadership } from '@elanus/runtime';
import { PCHANNEL, startEmbedded, type EmbeddedOptions } from './embedded.ts';

/** How to take part. */
export interface ContenderOptions extends Omit<EmbeddedOptions, 'shared'> {
  /** A leader that is not heard of for so long is none. */
  readonly leaseMs?: number;
  /** Told when it opens, has opened, could not, or closes: for people and tests. */
  readonly onChange?: (what: ContenderState, why?: unknown) => void;
}

/** What a contender does. `failed`: it could not open, and tries again. */
export type ContenderState = 'waiting' | 'opening' | 'leading' | 'failed';

/** A process that leads or waits. */
export interface Contender {
  /**
   * Answers while it leads; else, and when it is closed, every call fails as `channel_moved`:
   * others go on. Closing it waits for what runs and resigns.
   */
  readonly database: Database;
}

/** Key of the lease that the leader holds. */
export const LEADER_KEY = 'elanus/leader';
const LEASE_MS = 6_000;
/** After a failure: the stores may be away. */
const AGAIN_MS = 500;

/** Takes part; waits and opens in the background. */
export function startContender(options: ContenderOptions): Contender {
  const process = new Contending(options);
  const running = process.run();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= process.end(running).then(() => options.world.close());
    return closing;
  };
  const database = new Proxy({} as Database, {
    get: (_, name) => {
      if (name === 'close') return close;
      // Nobody takes it for a promise.
      if (name === 'then') return undefined;
      return (...asked: unknown[]): Promise<unknown> => process.call(name, asked);
    },
  });
  return { database };
}

class Contending {
  readonly #options: ContenderOptions;
  readonly #ended = new AbortController();
  #serving: Database | undefined;

  constructor(options: ContenderOptions) {
    this.#options = options;
  }

  /** Calls the database, while we lead. @throws ElanusError channel_moved, what the call throws */
  async call(name: string | symbol, asked: readonly unknown[]): Promise<unknown> {
    // Which term it is in now is not known here.
    const moved = new ElanusError('channel_moved', { vchannel: PCHANNEL, term: 0 });
    const serving = this.#serving;
    if (serving === undefined) throw moved;
    const method = Reflect.get(serving, name) as (...all: readonly unknown[]) => unknown;
    try {
      return await method(...asked);
    } catch (error) {
      // Closed between two steps of the call, by us and not by the caller.
      throw isElanusError(error, 'handle_closed') ? moved : error;
    }
  }

  async run(): Promise<void> {
    const { world, onChange } = this.#options;
    while (!this.#ended.signal.aborted) {
      onChange?.('waiting');
      try {
        const leadership = await this.#lead();
        if (leadership !== undefined) await this.#serve(leadership);
      } catch (why) {
        onChange?.('failed', why);
        await new Promise<void>((resolve) => world.clock.after(AGAIN_MS, resolve));
      }
    }
  }

  async end(running: Promise<void>): Promise<void> {
    this.#ended.abort();
    await running;
  }

  #lead(): Promise<Leadership | undefined> {
    const { world, leaseMs = LEASE_MS } = this.#options;
    const { meta, clock, rng } = world;
    const id = Buffer.from(rng.bytes(12)).toString('hex');
    const { signal } = this.#ended;
    return lead({ meta, clock, key: LEADER_KEY, id, ttlMs: leaseMs, signal });
  }

  /** Opens, and answers until we do not lead any more. */
  async #serve(leadership: Leadership): Promise<void> {
    const { onChange } = this.#options;
    const over = new AbortController();
    const lost = AbortSignal.any([leadership.lost, over.signal]);
    const onStop = (): void => over.abort();
    const shared = { fence: leadership.fence, lost, onStop };
    try {
      onChange?.('opening');
      // The world outlives what was opened over it.
      const world = { ...this.#options.world, close: () => Promise.resolve() };
      const database = await startEmbedded({ ...this.#options, world, shared });
      this.#serving = database;
      onChange?.('leading');
      await aborted(AbortSignal.any([lost, this.#ended.signal]));
      this.#serving = undefined;
      await database.close();
    } catch (why) {
      await this.#asMoved(leadership, why);
    } finally {
      this.#serving = undefined;
      over.abort();
      await leadership.resign().catch(() => undefined);
    }
  }

  /**
   * What we found when we opened, or could not finish when we closed, means nothing once another
   * leads: it changes what we read. @throws `why` while we lead
   */
  async #asMoved(leadership: Leadership, why: unknown): Promise<void> {
    if (isElanusError(why, 'channel_moved')) return;
    const { meta } = this.#options.world;
    const held = await meta.get(LEADER_KEY);
    if (held?.createRevision === leadership.fence.createRevision) throw why;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
