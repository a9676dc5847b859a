/**
 * One thread for short tasks. Piscina starts and ends it; tasks and answers go by a port of their
 * own, because what Piscina does for each takes longer than a search.
 */
import { ElanusError, fromWireError, type PoolTask } from '@elanus/core';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import type { ThreadAnswer } from './piscina-thread.ts';

interface Asked {
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** See the file's header. */
export class ThreadPort {
  readonly #threads: Piscina;
  readonly #port: MessagePort;
  /** Who waits for the answer to the task that runs. */
  #asked: Asked | undefined;
  #over = false;

  private constructor(threads: Piscina, port: MessagePort) {
    this.#threads = threads;
    this.#port = port;
    port.on('message', (answer: ThreadAnswer) => this.#answer(answer));
    port.on('messageerror', (error) => this.#fail(error));
    port.on('close', () => this.#end(new Error('the thread has ended')));
    port.unref();
    // What a thread throws between tasks ends it, which the port tells.
    threads.on('error', (error: unknown) => this.#end(error));
  }

  /** Starts a thread; `threads` starts one at most, and is ended with the port. */
  static async open(threads: Piscina): Promise<ThreadPort> {
    const { port1, port2 } = new MessageChannel();
    await threads.run(port2, { name: 'listen', transferList: [port2] });
    return new ThreadPort(threads, port1);
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
        this.#port.postMessage(task);
        this.#port.ref();
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    this.#over = true;
    this.#port.close();
    await this.#threads.destroy();
  }

  #answer(answer: ThreadAnswer): void {
    const asked = this.#asked;
    this.#asked = undefined;
    // An idle thread does not keep the process alive.
    this.#port.unref();
    if ('error' in answer) asked?.reject(fromWireError(answer.error));
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
