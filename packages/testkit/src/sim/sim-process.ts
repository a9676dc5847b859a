import type { Clock } from '@elanus/core';
import type { EventLoop } from './event-loop.ts';
import type { SeededRng } from './seeded-rng.ts';

/** When the machines' calendars begin. */
const EPOCH_MS = Date.UTC(2030, 0, 1);
/** Turns of a process: about so long. */
const TURN_MS = 0.02;

/**
 * A process of the simulation: what runs in it goes on only while it lives. When it is killed its
 * timers never fire and what it waits for never comes, which is how a promise dies.
 */
export class SimProcess {
  readonly loop: EventLoop;
  readonly rng: SeededRng;
  readonly #skewMs: number;
  #alive = true;

  constructor(options: { loop: EventLoop; rng: SeededRng; skewMs?: number }) {
    this.loop = options.loop;
    this.rng = options.rng;
    this.#skewMs = options.skewMs ?? 0;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Ends it at once, as `kill -9` does. */
  kill(): void {
    this.#alive = false;
  }

  /** Waits; never comes back to a process that is dead by then. */
  pause(delayMs: number, what: string): Promise<void> {
    return new Promise((resolve) => {
      this.loop.after(delayMs, what, () => {
        if (this.#alive) resolve();
      });
    });
  }

  /** The clock as code in it sees it. `delayed`: how long a timer really takes. */
  clock(delayed: (delayMs: number) => number = (delayMs) => delayMs): Clock {
    return {
      wallMs: () => Math.floor(EPOCH_MS + this.loop.nowMs + this.#skewMs),
      monoMs: () => this.loop.nowMs,
      after: (delayMs, fire) =>
        this.loop.after(delayed(Math.max(0, delayMs)), 'timer', () => {
          if (this.#alive) fire();
        }),
      turn: () => this.pause(TURN_MS * (0.5 + this.rng.share()), 'turn'),
    };
  }
}

/** What a dead process waits for. */
export function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}
