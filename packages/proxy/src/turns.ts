/**
 * The line in front of the proxy. In process, a call may be answered without the event loop ever
 * turning, and thousands may be begun in one turn: they would starve timers, disks and each other.
 * So calls go on at once while the turn has time left and few are under way; else they wait in
 * line, and each turn takes in as many as fit. Whoever gives up in line is answered in a turn as
 * well, ahead of those who wait.
 */
import type { Call } from '@elanus/api';
import { andFinally, ElanusError, LIMITS, type Awaitable, type Clock } from '@elanus/core';

/** What calls of one turn may take together, in milliseconds; then the next turn's begin. */
const TURN_MS = 0.5;
/** Microtasks a call is given before the next one begins. */
const STEPS = 4;
/** A call without a deadline of its own. */
const TIMEOUT_MS = 30_000;
const RETRY_AFTER_MS = 100;

interface Waiting {
  readonly go: () => void;
  readonly giveUp: () => void;
  /** From here on its deadline and its signal are listened to. */
  readonly watch: () => void;
}

/** See the file's header. */
export class Turns {
  readonly #clock: Clock;
  readonly #what: 'reads' | 'writes';
  readonly #underWayMax: number;
  readonly #line = new Set<Waiting>();
  readonly #givenUp: Waiting[] = [];
  /**
   * Who came to the line and is not watched yet. Most of few go on in the next turn: a timer and a
   * listener for each would cost more than to stand in line. Thousands are watched over many turns.
   */
  readonly #unwatched = new Set<Waiting>();
  /** Calls under way that wait for a turn with time for their next step. */
  readonly #paused: (() => void)[] = [];
  #underWay = 0;
  /** When calls of this turn began; undefined: the loop has turned since. */
  #begunMs: number | undefined;

  /**
   * `underWayMax`: calls that are being answered at once. `what` stands in line: a write whose time
   * is over there has surely not begun, and is told so.
   */
  constructor(clock: Clock, line: { readonly what: 'reads' | 'writes'; readonly max: number }) {
    this.#clock = clock;
    this.#what = line.what;
    this.#underWayMax = line.max;
  }

  /**
   * Runs a call when it is its turn, with what is left of its time.
   * @throws ElanusError cancelled, deadline_exceeded (writes: exhausted) while it waits; exhausted
   * when too many do
   */
  run<T>(call: Call | undefined, run: (call: Call | undefined) => Awaitable<T>): Awaitable<T> {
    const entered = this.#enter(call);
    if (entered === undefined) return this.counted(() => run(call));
    return entered.then((left) => this.counted(() => run(left)));
  }

  /** Counts a call as under way, until it has ended. */
  counted<T>(run: () => Awaitable<T>): Awaitable<T> {
    this.#underWay++;
    return andFinally(run, () => {
      this.#underWay--;
      if (this.#line.size > 0) this.#isOpen(this.#clock.monoMs());
    });
  }

  /**
   * For steps within a call: undefined when it may go on at once, else resolves in a turn that has
   * time for it: those who waited for the same thing do not all go on in one. @throws never
   */
  pass(): Promise<void> | undefined {
    const now = this.#clock.monoMs();
    if (this.#isOpen(now) || now - (this.#begunMs ?? now) <= TURN_MS) return undefined;
    return new Promise((resolve) => this.#paused.push(resolve));
  }

  /** Whether a call may begin at once. */
  mayBegin(now: number): boolean {
    const open = this.#isOpen(now) || now - (this.#begunMs ?? now) <= TURN_MS;
    return open && this.#line.size === 0 && !this.#isFull;
  }

  #enter(call: Call | undefined): Promise<Call> | undefined {
    const now = this.#clock.monoMs();
    if (this.mayBegin(now)) return undefined;
    if (this.#line.size < LIMITS.callsInLineMax) return this.#wait(call, now);
    return Promise.reject(this.#exhausted());
  }

  #exhausted(): ElanusError {
    const what = `${this.#what} in line`;
    return new ElanusError('exhausted', { what, retryAfterMs: RETRY_AFTER_MS });
  }

  /** Whether nothing has begun since the loop turned; from now on something has. */
  #isOpen(now: number): boolean {
    if (this.#begunMs !== undefined) return false;
    this.#begunMs = now;
    void this.#turn();
    return true;
  }

  #wait(call: Call | undefined, now: number): Promise<Call> {
    const { signal, timeoutMs = TIMEOUT_MS } = call ?? {};
    return new Promise((resolve, reject) => {
      const give = (error: () => ElanusError): void => {
        if (!this.#line.delete(waiting)) return;
        leave();
        this.#givenUp.push({ ...waiting, giveUp: () => reject(error()) });
        this.#isOpen(this.#clock.monoMs());
      };
      const onAbort = (): void => give(() => new ElanusError('cancelled', {}));
      const leftMs = (): number => Math.max(1, timeoutMs - (this.#clock.monoMs() - now));
      let stopTimer: (() => void) | undefined;
      const watch = (): void => {
        if (signal?.aborted === true) return onAbort();
        stopTimer = this.#clock.after(leftMs(), () => {
          const late = (): ElanusError => new ElanusError('deadline_exceeded', { timeoutMs });
          give(this.#what === 'writes' ? () => this.#exhausted() : late);
        });
        signal?.addEventListener('abort', onAbort, { once: true });
      };
      const leave = (): void => {
        this.#unwatched.delete(waiting);
        stopTimer?.();
        if (stopTimer !== undefined) signal?.removeEventListener('abort', onAbort);
      };
      const go = (): void => {
        leave();
        if (signal?.aborted === true) reject(new ElanusError('cancelled', {}));
        else resolve({ ...call, timeoutMs: leftMs() });
      };
      const waiting: Waiting = { go, giveUp: onAbort, watch };
      this.#line.add(waiting);
      this.#unwatched.add(waiting);
    });
  }

  /** Turns the loop until nobody waits, or all who wait do so for others to end. */
  async #turn(): Promise<void> {
    do {
      await this.#clock.turn();
      await this.#serve();
      this.#watchWaiting();
    } while (this.#hasMore);
    this.#begunMs = undefined;
  }

  /** From now on those who stand in line are watched, as many as a turn has time for. */
  #watchWaiting(): void {
    const begun = this.#clock.monoMs();
    for (const waiting of this.#unwatched) {
      this.#unwatched.delete(waiting);
      waiting.watch();
      if (this.#clock.monoMs() - begun > TURN_MS) return;
    }
  }

  /** Whether there is something to do in the next turn. */
  get #hasMore(): boolean {
    if (this.#givenUp.length > 0 || this.#paused.length > 0) return true;
    if (this.#unwatched.size > 0) return true;
    return this.#line.size > 0 && !this.#isFull;
  }

  get #isFull(): boolean {
    return this.#underWay >= this.#underWayMax;
  }

  /** Answers who gave up, then lets calls go on and begin, while this turn has time for them. */
  async #serve(): Promise<void> {
    const begun = this.#clock.monoMs();
    this.#begunMs = begun;
    for (let waiting = this.#givenUp.pop(); waiting !== undefined; waiting = this.#givenUp.pop()) {
      waiting.giveUp();
      await steps();
      if (this.#clock.monoMs() - begun > TURN_MS) return;
    }
    for (let goOn = this.#paused.shift(); goOn !== undefined; goOn = this.#paused.shift()) {
      goOn();
      await steps();
      if (this.#clock.monoMs() - begun > TURN_MS) return;
    }
    for (const waiting of this.#line) {
      if (this.#isFull) return;
      this.#line.delete(waiting);
      waiting.go();
      await steps();
      if (this.#clock.monoMs() - begun > TURN_MS) return;
    }
  }
}

/** What was begun runs here, step by step, until it waits for somebody else. */
async function steps(): Promise<void> {
  for (let step = 0; step < STEPS; step++) await Promise.resolve();
}
