import {
  assert,
  maxTimestamp,
  timestampFromMs,
  timestampMs,
  type Clock,
  type Timestamp,
} from '@elanus/core';

/** The saved window reaches this far ahead of what was needed. */
const WINDOW_MS = 3_000;
/** A new window is asked for when less than this is left. */
const WINDOW_MARGIN_MS = 1_500;

/**
 * Timestamps of a pchannel: max(last + 1, wall), inside a window whose end was saved before any
 * timestamp in it was given. So a successor, whatever its clock says, starts above all of ours.
 */
export class HybridClock {
  readonly #clock: Clock;
  readonly #save: (untilMs: number) => Promise<number>;
  #last: Timestamp;
  #savedUntilMs: number;
  #saving: Promise<void> | undefined;

  constructor(options: {
    readonly clock: Clock;
    /** The newest timestamp that may have been given before. */
    readonly last: Timestamp;
    readonly save: (untilMs: number) => Promise<number>;
  }) {
    this.#clock = options.clock;
    this.#save = options.save;
    this.#last = options.last;
    this.#savedUntilMs = 0;
  }

  /** The newest timestamp given or promised. */
  get last(): Timestamp {
    return this.#last;
  }

  /** The instant it is now: not below anything given. */
  now(): Timestamp {
    return maxTimestamp(this.#last, timestampFromMs(this.#clock.wallMs()));
  }

  /**
   * Makes sure that timestamps can be given in this turn; waits for a new window when the old one
   * ends. What is stamped is stamped right after it: nothing else is awaited in between.
   */
  async ready(): Promise<void> {
    for (;;) {
      const leftMs = this.#savedUntilMs - timestampMs(this.now());
      if (leftMs > WINDOW_MARGIN_MS) return;
      this.#saving ??= this.#extend();
      if (leftMs > WINDOW_MARGIN_MS / 2) {
        // The next window comes while this one serves; a failure is told to who needs it.
        this.#saving.catch(() => undefined);
        return;
      }
      await this.#saving;
    }
  }

  /** The next timestamp, above all before. Call `ready` first. */
  next(): Timestamp {
    const wall = timestampFromMs(this.#clock.wallMs());
    const next = maxTimestamp(this.#last + 1n, wall);
    assert(timestampMs(next) <= this.#savedUntilMs, 'timestamps stay in the saved window');
    this.#last = next;
    return next;
  }

  /** Promises that nothing at or below `ts` will be given any more. Call `ready` first. */
  observe(ts: Timestamp): void {
    assert(timestampMs(ts) <= this.#savedUntilMs, 'timestamps stay in the saved window');
    this.#last = maxTimestamp(this.#last, ts);
  }

  async #extend(): Promise<void> {
    try {
      const untilMs = timestampMs(this.now()) + WINDOW_MS;
      this.#savedUntilMs = await this.#save(untilMs);
    } finally {
      this.#saving = undefined;
    }
  }
}
