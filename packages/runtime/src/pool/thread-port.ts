/**
 * One thread for short tasks. Piscina starts and ends it; tasks and answers go by a port of their
 * own, because what Piscina does for each takes longer than a search. Those that come again and
 * again go by shared memory; see thread-slot.ts.
 */
import { ElanusError, fromWireError, type PoolTask } from '@elanus/core';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import type { IN_SLOT, ThreadAnswer, ThreadMessage } from './piscina-thread.ts';
import { ThreadSlot } from './thread-slot.ts';

/** Inputs that a thread keeps; the oldest one makes room. */
const KEPT_MAX = 8;

interface Asked {
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** See the file's header. */
export class ThreadPort {
  readonly #threads: Piscina;
  readonly #port: MessagePort;
  readonly #slot: ThreadSlot;
  /** What the thread keeps, by its number there. */
  readonly #kept: unknown[] = [];
  #keptNext = 0;
  /** Who waits for the answer to the task that runs. */
  #asked: Asked | undefined;
  #over = false;

  private constructor(threads: Piscina, port: MessagePort, slot: ThreadSlot) {
    this.#threads = threads;
    this.#port = port;
    this.#slot = slot;
    port.on('message', (answer: ThreadAnswer | typeof IN_SLOT) => this.#answer(answer));
    port.on('messageerror', (error) => this.#fail(error));
    port.on('close', () => this.#end(new Error('the thread has ended')));
    port.unref();
    // What a thread throws between tasks ends it, which the port tells.
    threads.on('error', (error: unknown) => this.#end(error));
  }

  /** Starts a thread; `threads` starts one at most, and is ended with the port. */
  static async open(threads: Piscina): Promise<ThreadPort> {
    const { port1, port2 } = new MessageChannel();
    const slot = new ThreadSlot();
    const to = { port: port2, memory: slot.memory };
    await threads.run(to, { name: 'listen', transferList: [port2] });
    return new ThreadPort(threads, port1, slot);
  }

  /** Whether the thread is gone; another one has to be opened. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Runs a task; the next one is sent when this has ended. @throws ElanusError */
  run(task: PoolTask): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject };
      try {
        this.#send(task);
        this.#port.ref();
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  #send(task: PoolTask): void {
    const { input, body } = task;
    const inSlot = body !== undefined && ThreadSlot.fits(body.length);
    const known = inSlot ? this.#kept.indexOf(input) : -1;
    if (inSlot && known >= 0) {
      if (!this.#slot.ask(known, body)) this.#post(known);
      return;
    }
    this.#slot.lookAway();
    if (!inSlot) {
      this.#post(task);
      return;
    }
    const keepAs = this.#keptNext;
    this.#slot.ask(keepAs, body);
    this.#post({ keepAs, task: { ...task, body: undefined } });
    this.#kept[keepAs] = input;
    this.#keptNext = (keepAs + 1) % KEPT_MAX;
  }

  #post(message: ThreadMessage): void {
    this.#port.postMessage(message);
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    this.#over = true;
    this.#port.close();
    await this.#threads.destroy();
  }

  #answer(answer: ThreadAnswer | typeof IN_SLOT): void {
    const asked = this.#asked;
    this.#asked = undefined;
    // An idle thread does not keep the process alive.
    this.#port.unref();
    if (typeof answer === 'string') asked?.resolve(this.#slot.take());
    else if ('error' in answer) asked?.reject(fromWireError(answer.error));
    else asked?.resolve(answer.output);
  }

  /** The thread died, or something cannot travel: a bug or the end of memory. */
  #fail(cause: unknown): void {
    const why = cause instanceof Error ? cause.message : String(cause);
    const asked = this.#asked;
    this.#asked = undefined;
    this.#port.unref();
    asked?.reject(new ElanusError('internal', { why }, { cause }));
  }

  #end(why: unknown): void {
    if (this.#over) return;
    this.#fail(why);
    void this.close();
  }
}
