/**
 * One of several processes over the same log, metadata and objects. The one that leads runs all
 * roles and answers; the others refuse as `channel_moved`, and whoever asked goes on elsewhere.
 */
import type { Database } from '@elanus/api';
import { ElanusError, isElanusError } from '@elanus/core';
import { PCHANNEL, startEmbedded, type EmbeddedOptions } from './embedded.ts';
import { startStandBy, type Reign, type StandByState } from './stand-by.ts';

/** How to take part. */
export interface ContenderOptions extends Omit<EmbeddedOptions, 'shared'> {
  /** A leader that is not heard of for so long is none. */
  readonly leaseMs?: number;
  /** Told when it opens, has opened, could not, or closes: for people and tests. */
  readonly onChange?: (what: StandByState, why?: unknown) => void;
}

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

/** Takes part; waits and opens in the background. */
export function startContender(options: ContenderOptions): Contender {
  const contending = new Contending(options);
  const { world, leaseMs, onChange } = options;
  const standBy = startStandBy({
    world,
    key: LEADER_KEY,
    leaseMs,
    onChange,
    start: (reign) => contending.open(reign),
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= standBy.close().then(() => world.close());
    return closing;
  };
  const database = new Proxy({} as Database, {
    get: (_, name) => {
      if (name === 'close') return close;
      // Nobody takes it for a promise.
      if (name === 'then') return undefined;
      return (...asked: unknown[]): Promise<unknown> => contending.call(name, asked);
    },
  });
  return { database };
}

class Contending {
  readonly #options: ContenderOptions;
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

  async open(shared: Reign): Promise<() => Promise<void>> {
    // The world outlives what was opened over it.
    const world = { ...this.#options.world, close: () => Promise.resolve() };
    const database = await startEmbedded({ ...this.#options, world, shared });
    this.#serving = database;
    return async () => {
      this.#serving = undefined;
      await database.close();
    };
  }
}
