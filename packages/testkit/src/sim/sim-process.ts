import type { Clock, Proc } from '@elanus/core';
import type { EventLoop } from './event-loop.ts';
import type { SeededRng } from './seeded-rng.ts';

/** When the machines' calendars begin. */
const EPOCH_MS = Date.UTC(2030, 0, 1);
/** Turns of a process: about so long. */
const TURN_MS = 0.02;
/** What a frozen process missed is made up for within so long. */
const THAW_MS = 20;
const MEMORY_BYTES = 2 ** 30;

/**
 * A process of the simulation: what runs in it goes on only while it lives and is awake. When it is
 * killed its timers never fire and what it waits for never comes, which is how a promise dies. When
 * it is frozen all that waits until it thaws.
 */
export class SimProcess {
  readonly loop: EventLoop;
  readonly rng: SeededRng;
  readonly #skewMs: number;
  #alive = true;
  /** What happened to it while it was frozen; undefined: it is awake. */
  #missed: (() => void)[] | undefined;

  constructor(options: { loop: EventLoop; rng: SeededRng; skewMs?: number }) {
    this.loop = options.loop;
    this.rng = options.rng;
    this.#skewMs = options.skewMs ?? 0;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get frozen(): boolean {
    return this.#missed !== undefined;
  }

  /** Ends it at once, as `kill -9` does. */
  kill(): void {
    this.#alive = false;
    this.#missed = undefined;
  }

  /** Stops it, as SIGSTOP does, until it thaws. */
  freeze(): void {
    if (this.#alive) this.#missed ??= [];
  }

  /** Lets it go on: it does not know how long it was gone. What it missed comes in any order. */
  thaw(): void {
    const missed = this.#missed ?? [];
    this.#missed = undefined;
    for (const happen of missed) {
      this.loop.after(THAW_MS * this.rng.share(), 'missed', () => this.enter(happen));
    }
  }

  /** Something happens in it: now, when it thaws, or never. */
  enter(happen: () => void): void {
    if (!this.#alive) return;
    if (this.#missed === undefined) happen();
    else this.#missed.push(happen);
  }

  /** Resolves when it is awake; never when it is dead. */
  awake(): Promise<void> {
    return new Promise((resolve) => {
      this.enter(resolve);
    });
  }

  /** Waits; never comes back to a process that is dead by then. */
  pause(delayMs: number, what: string): Promise<void> {
    return new Promise((resolve) => {
      this.loop.after(delayMs, what, () => this.enter(resolve));
    });
  }

  /** The clock as code in it sees it. `delayed`: how long a timer really takes. */
  clock(delayed: (delayMs: number) => number = (delayMs) => delayMs): Clock {
    return {
      wallMs: () => Math.floor(EPOCH_MS + this.loop.nowMs + this.#skewMs),
      monoMs: () => this.loop.nowMs,
      after: (delayMs, fire) => this.#timer(delayed(Math.max(0, delayMs)), fire),
      turn: () => this.pause(TURN_MS * (0.5 + this.rng.share()), 'turn'),
    };
  }

  #timer(delayMs: number, fire: () => void): () => void {
    let cancelled = false;
    const cancel = this.loop.after(delayMs, 'timer', () => {
      this.enter(() => {
        if (!cancelled) fire();
      });
    });
    return () => {
      cancelled = true;
      cancel();
    };
  }
}

/** What a dead process waits for. */
export function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

/** What a process knows of itself. */
export const procOf = (pid: number): Proc => ({
  pid,
  residentBytes: () => 0,
  memoryBytes: () => MEMORY_BYTES,
  cores: 2,
  setting: () => undefined,
});
