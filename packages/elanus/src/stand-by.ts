/**
 * One of several processes that can play a role which one plays at a time.
 *
 *     wait for leadership -> start -> serve -> lost, or it has stopped
 *       -> stop, resign -> wait again
 */
import { isElanusError } from '@elanus/core';
import { lead, type Leadership, type World } from '@elanus/runtime';

/** What a process that waits or leads does. `failed`: it could not start, and tries again. */
export type StandByState = 'waiting' | 'opening' | 'leading' | 'failed';

/** Leadership, as what is started under it sees it. */
export interface Reign {
  /** Holds in the metadata while we lead. */
  readonly fence: Leadership['fence'];
  /** Fires when we may not lead any more. */
  readonly lost: AbortSignal;
  /** To be told once, when what was started cannot go on. */
  readonly onStop: () => void;
}

/** What plays the role. */
export interface StandByOptions {
  readonly world: Pick<World, 'meta' | 'clock' | 'rng'>;
  /** Key of the lease that who leads holds. */
  readonly key: string;
  /** A leader that is not heard of for so long is none. Default 6 s. */
  readonly leaseMs?: number | undefined;
  /** Starts the role; returns what stops it. */
  readonly start: (reign: Reign) => Promise<() => Promise<void>>;
  /** Told when it opens, has opened, could not, or closes: for people and tests. */
  readonly onChange?: ((what: StandByState, why?: unknown) => void) | undefined;
}

/** A process that takes part. */
export interface StandBy {
  /** Stops what runs, resigns, and waits no more. */
  close(): Promise<void>;
}

const LEASE_MS = 6_000;
/** After a failure: the stores may be away. */
const AGAIN_MS = 500;

/** Takes part; waits and starts in the background. */
export function startStandBy(options: StandByOptions): StandBy {
  const standing = new Standing(options);
  const running = standing.run();
  return {
    close: async () => {
      standing.end();
      await running;
    },
  };
}

class Standing {
  readonly #options: StandByOptions;
  readonly #ended = new AbortController();

  constructor(options: StandByOptions) {
    this.#options = options;
  }

  end(): void {
    this.#ended.abort();
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

  #lead(): Promise<Leadership | undefined> {
    const { world, key, leaseMs = LEASE_MS } = this.#options;
    const { meta, clock, rng } = world;
    const id = Buffer.from(rng.bytes(12)).toString('hex');
    return lead({ meta, clock, key, id, ttlMs: leaseMs, signal: this.#ended.signal });
  }

  /** Starts, and serves until we do not lead any more. */
  async #serve(leadership: Leadership): Promise<void> {
    const { onChange, start } = this.#options;
    const { fence } = leadership;
    const over = new AbortController();
    const lost = AbortSignal.any([leadership.lost, over.signal]);
    try {
      onChange?.('opening');
      const stop = await start({ fence, lost, onStop: () => over.abort() });
      onChange?.('leading');
      await aborted(AbortSignal.any([lost, this.#ended.signal]));
      await stop();
    } catch (why) {
      await this.#asMoved(leadership, why);
    } finally {
      over.abort();
      await leadership.resign().catch(() => undefined);
    }
  }

  /**
   * What we found when we started, or could not finish when we stopped, means nothing once another
   * leads: it changes what we read. @throws `why` while we lead
   */
  async #asMoved(leadership: Leadership, why: unknown): Promise<void> {
    if (isElanusError(why, 'channel_moved')) return;
    const { world, key } = this.#options;
    const held = await world.meta.get(key);
    if (held?.createRevision === leadership.fence.createRevision) throw why;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
