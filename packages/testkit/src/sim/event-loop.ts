import { createHash } from 'node:crypto';
import { assert } from '@elanus/core';
import type { SeededRng } from './seeded-rng.ts';

interface Event {
  readonly atMs: number;
  /** Decides between events of one instant: drawn, so that seeds see every order. */
  readonly rank: number;
  readonly what: string;
  run: (() => void) | undefined;
}

const before = (a: Event, b: Event): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.rank < b.rank);

/** Kept when the module is loaded: none of the product's doing comes between. */
const turn = setImmediate;
/**
 * Immediates that are asked for together run in one turn of the real loop, which costs as much as
 * several events; between two of them all promises go as far as they can.
 */
const EVENTS_PER_TURN = 64;
/** Of the trace, hashed at once. */
const ENTRIES = 2_048;

/** How a run ended. */
export interface LoopEnd {
  /** What ran by itself: a timer, a call's way to a port or back, a message, a turn given away. */
  readonly events: number;
  readonly virtualMs: number;
  /** SHA-256 over all events: two runs of one seed give the same. */
  readonly trace: string;
}

/**
 * The one thing that happens next: a heap of events by virtual time. Each runs by itself, and all
 * promises that it settles go as far as they can before the next one. Nothing else moves time.
 */
export class EventLoop {
  readonly #rng: SeededRng;
  readonly #heap: Event[] = [];
  readonly #trace = createHash('sha256');
  /** What was not hashed yet: times, and what happened by the number of its word. */
  readonly #entries = new Float64Array(2 * ENTRIES);
  #entriesUsed = 0;
  /** Numbered as they come, and hashed when they come first. */
  readonly #words = new Map<string, number>();
  #nowMs = 0;
  #events = 0;

  constructor(rng: SeededRng) {
    this.#rng = rng;
  }

  /** Milliseconds since the run began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs something later; returns what takes it back. */
  after(delayMs: number, what: string, run: () => void): () => void {
    const event = this.#event(delayMs, what, run);
    return () => {
      event.run = undefined;
    };
  }

  /** Resolves later. */
  sleep(delayMs: number, what: string): Promise<void> {
    return new Promise((resolve) => {
      this.#event(delayMs, what, resolve);
    });
  }

  /** Adds words to the trace: what was done and what came of it. */
  note(what: string): void {
    let word = this.#words.get(what);
    if (word === undefined) {
      word = this.#words.size;
      this.#words.set(what, word);
      this.#trace.update(`${what}\n`);
    }
    this.#entries[this.#entriesUsed++] = this.#nowMs;
    this.#entries[this.#entriesUsed++] = word;
    if (this.#entriesUsed === this.#entries.length) this.#hashEntries();
  }

  /** Runs until `work` is done, and throws what it throws. */
  async run(work: () => Promise<void>): Promise<LoopEnd> {
    let over = false;
    let failure: { readonly error: unknown } | undefined;
    const failed = (error: unknown): void => {
      failure ??= { error };
      over = true;
    };
    work().then(() => {
      over = true;
    }, failed);
    const step = (): void => {
      if (over) return;
      try {
        this.#step();
      } catch (error) {
        failed(error);
      }
    };
    await drained();
    while (!over) {
      for (let n = 0; n < EVENTS_PER_TURN; n++) turn(step);
      await drained();
    }
    if (failure !== undefined) throw failure.error;
    this.#hashEntries();
    const trace = this.#trace.copy().digest('hex');
    return { events: this.#events, virtualMs: this.#nowMs, trace };
  }

  /** The next event that nobody took back. */
  #step(): void {
    let event = this.#pop();
    while (event !== undefined && event.run === undefined) event = this.#pop();
    assert(event?.run !== undefined, 'something is going to happen');
    this.#nowMs = event.atMs;
    this.#events++;
    this.note(event.what);
    event.run();
  }

  #hashEntries(): void {
    this.#trace.update(this.#entries.subarray(0, this.#entriesUsed));
    this.#entriesUsed = 0;
  }

  #event(delayMs: number, what: string, run: () => void): Event {
    assert(delayMs >= 0, 'time goes on');
    const event: Event = { atMs: this.#nowMs + delayMs, rank: this.#rng.u32(), what, run };
    this.#push(event);
    return event;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Event;
      if (!before(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && before(heap[down + 1] as Event, heap[down] as Event)) down++;
      if (!before(heap[down] as Event, last)) break;
      heap[at] = heap[down] as Event;
      at = down;
    }
    heap[at] = last;
    return first;
  }
}

/** All promises have gone as far as they can. */
function drained(): Promise<void> {
  return new Promise((resolve) => {
    turn(resolve);
  });
}
