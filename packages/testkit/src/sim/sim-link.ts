import type { LogAppend, LogAppendOutcome, LogStream } from '@elanus/core';
import { ElanusError } from '@elanus/core';
import type { SimProcess } from './sim-process.ts';

/** A server that several processes ask. */
export type Server = 'log' | 'meta' | 'objects';

/** A call that is not answered for so long is given up; it may be carried out all the same. */
const TIMEOUT_MS = 2_000;
/** Keeps what is sent one behind the other apart. */
const GAP_MS = 1e-6;

/** What became of a call. */
type Answer<T> = { readonly value: T } | { readonly error: unknown } | 'no answer';

/** What waits in a connection that is stuck, in order. */
type Stuck = (() => void)[];

/**
 * The way from one process to the servers it shares with others. What is on its way arrives though
 * its sender dies, freezes or gives up, and so does an answer though nobody waits for it. A
 * connection that is stuck delivers late: a message that was given up long ago is one of those.
 */
export class SimLink {
  readonly #process: SimProcess;
  readonly #latencyMs: number;
  readonly #stuck = new Map<Server, Stuck>();
  /** The connection to the log: what is sent on it arrives in order. */
  #lastArrivalMs = 0;

  /** `latencyMs`: of one way, drawn between nothing and twice that. */
  constructor(process: SimProcess, latencyMs: number) {
    this.#process = process;
    this.#latencyMs = latencyMs;
  }

  /** Nothing gets through to a server any more, nor back, until the returned function is called. */
  stick(server: Server): () => void {
    const held = this.#stuck.get(server) ?? [];
    this.#stuck.set(server, held);
    return () => {
      if (this.#stuck.get(server) === held) this.#stuck.delete(server);
      for (const go of held.splice(0)) go();
    };
  }

  /** Calls a server. @throws what it throws; unavailable when there is no answer in time */
  async call<T>(server: Server, what: string, work: () => Promise<T>): Promise<T> {
    const answer = await this.#ask(server, what, work);
    if (answer === 'no answer') throw noAnswer(server);
    if ('error' in answer) throw answer.error;
    return answer.value;
  }

  /** Calls a server whose answer says by itself when nobody knows. */
  async settle<T extends { readonly kind: string }>(
    server: Server,
    what: string,
    work: () => Promise<T>,
  ): Promise<T | { readonly kind: 'unknown'; readonly cause: unknown }> {
    const answer = await this.#ask(server, what, work);
    if (answer === 'no answer') return { kind: 'unknown', cause: noAnswer(server) };
    if ('error' in answer) throw answer.error;
    return answer.value;
  }

  /** Appends to the log: in the order of the calls, unless a connection was given up between. */
  async append(stream: LogStream, append: LogAppend): Promise<LogAppendOutcome> {
    const answer = await this.#ask('log', 'append', () => stream.append(append));
    if (answer === 'no answer') {
      // Perhaps the next one goes by another connection, past what is stuck in this one.
      if (this.#process.rng.chance(0.5)) this.#stuck.delete('log');
      return { kind: 'unknown', cause: noAnswer('log') };
    }
    if ('error' in answer) throw answer.error;
    return answer.value;
  }

  /** Carries something over, and then does it. */
  #carry(server: Server, what: string, arrive: () => void): void {
    const { loop, rng } = this.#process;
    const go = (): void => {
      let arriveMs = loop.nowMs + this.#latencyMs * 2 * rng.share();
      if (what === 'append') {
        arriveMs = Math.max(arriveMs, this.#lastArrivalMs + GAP_MS);
        this.#lastArrivalMs = arriveMs;
      }
      loop.after(arriveMs - loop.nowMs, `${server} ${what}`, arrive);
    };
    const stuck = this.#stuck.get(server);
    if (stuck === undefined) go();
    else stuck.push(go);
  }

  async #ask<T>(server: Server, what: string, work: () => Promise<T>): Promise<Answer<T>> {
    const { loop } = this.#process;
    const outcome = await new Promise<Answer<T>>((resolve) => {
      const stop = loop.after(TIMEOUT_MS, `${server} gives no answer`, () => resolve('no answer'));
      const answer = (value: Answer<T>): void => {
        this.#carry(server, `${what} answered`, () => {
          stop();
          resolve(value);
        });
      };
      this.#carry(server, what, () => {
        work().then(
          (value) => answer({ value }),
          (error: unknown) => answer({ error }),
        );
      });
    });
    await this.#process.awake();
    return outcome;
  }
}

function noAnswer(server: Server): ElanusError {
  return new ElanusError('unavailable', { what: server, hint: 'No answer in time.' });
}
