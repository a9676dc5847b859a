import { ElanusError } from '@elanus/core';
import type { Pool, PoolTask } from '@elanus/core';

/** How a pool queues. */
export interface TaskQueueOptions {
  /** Tasks that run at once. */
  readonly threads: number;
  /** Tasks that may wait; one more is refused with `queue_full`. */
  readonly queueMax: number;
  /** Names the pool in errors. */
  readonly what: string;
  readonly run: (task: PoolTask) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

interface Waiting {
  readonly task: PoolTask;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What callers are told to wait when the queue is full. */
const RETRY_AFTER_MS = 50;

/**
 * The queue in front of threads. Tasks wait here and not in the thread library, so that an abort
 * takes a waiting task out, and never kills a thread that runs one: its result is dropped instead.
 */
export class TaskQueue implements Pool {
  readonly threads: number;
  readonly #options: TaskQueueOptions;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #closed = false;
  #onIdle: (() => void)[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: TaskQueueOptions) {
    this.threads = options.threads;
    this.#options = options;
  }

  get pending(): number {
    return this.#waiting.length + this.#running;
  }

  run(task: PoolTask, options: { readonly signal?: AbortSignal } = {}): Promise<unknown> {
    const { signal } = options;
    const { what, queueMax } = this.#options;
    if (this.#closed) {
      return Promise.reject(new ElanusError('unavailable', { what, hint: 'It is closed.' }));
    }
    if (signal?.aborted) return Promise.reject(new ElanusError('cancelled', {}));
    if (this.#running >= this.threads && this.#waiting.length >= queueMax) {
      return Promise.reject(new ElanusError('queue_full', { what, retryAfterMs: RETRY_AFTER_MS }));
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(new ElanusError('cancelled', {}));
      };
      const waiting: Waiting = { task, signal, onAbort, resolve, reject };
      this.#waiting.push(waiting);
      // What can start has started before its caller's signal is listened to.
      this.#next();
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #next(): void {
    while (this.#running < this.threads) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) break;
      this.#running += 1;
      this.#start(waiting);
    }
    if (this.#running > 0 || this.#waiting.length > 0) return;
    const idle = this.#onIdle;
    this.#onIdle = [];
    for (const one of idle) one();
  }

  #start(waiting: Waiting): void {
    this.#options.run(waiting.task).then(
      (output) => {
        waiting.resolve(output);
        this.#ended(waiting);
      },
      (error: unknown) => {
        waiting.reject(error);
        this.#ended(waiting);
      },
    );
  }

  #ended({ signal, onAbort }: Waiting): void {
    this.#running -= 1;
    this.#next();
    signal?.removeEventListener('abort', onAbort);
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    if (this.pending > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    await this.#options.close();
  }
}
