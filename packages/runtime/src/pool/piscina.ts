import { createRequire } from 'node:module';

import { ElanusError, fromWireError } from '@elanus/core';
import type { Pool, PoolTask } from '@elanus/core';
import type { Piscina } from 'piscina';
import type { ThreadAnswer } from './piscina-thread.ts';
import { systemClock } from '../clock/system.ts';
import { POOL_THREAD, THREAD_EXEC_ARGV } from '../threads.ts';
import { TaskQueue } from './task-queue.ts';
import type { ThreadPort } from './thread-port.ts';

/** How many threads, and how many tasks may wait for them. */
export interface PoolOptions {
  readonly threads: number;
  /** Default 1,024. */
  readonly queueMax?: number;
  /** Names the pool in errors. */
  readonly what?: string;
  /** Threads with nothing to do for so long end, and give their memory back; never when absent. */
  readonly idleMs?: number;
}

/** How tasks get to threads that start when the first one comes. */
interface Threads {
  readonly run: (task: PoolTask) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

/** What Piscina is made of, each after what it needs. */
const BUILT_IN = ['node:worker_threads', 'node:perf_hooks', 'node:timers/promises', 'node:assert'];
const FILES = ['symbols', 'errors', 'abort', 'histogram', 'common', 'task_queue', 'worker_pool'];

/**
 * Loads Piscina. With all that it imports this takes 10 ms and more, once in a process: no turn of
 * the event loop gets more than a part of it.
 */
async function loadPiscina(): Promise<typeof Piscina> {
  const fromHere = createRequire(import.meta.url);
  const fromThere = createRequire(fromHere.resolve('piscina'));
  for (const part of [...BUILT_IN, ...FILES.map((file) => `./${file}`), './index']) {
    try {
      fromThere(part);
    } catch {
      // Another version is made of other files: what is missing here comes with the rest.
    }
    await systemClock.turn();
  }
  const { Piscina: Loaded } = await import('piscina');
  await systemClock.turn();
  return Loaded;
}

async function startPiscina(threads: number, idleMs: number): Promise<Piscina> {
  const Started = await loadPiscina();
  const started = new Started({
    filename: POOL_THREAD,
    name: 'runTask',
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: idleMs,
    concurrentTasksPerWorker: 1,
    recordTiming: false,
    // A thread with a port of its own listens to that.
    atomics: idleMs === Number.POSITIVE_INFINITY ? 'disabled' : 'sync',
    execArgv: [...THREAD_EXEC_ARGV],
  });
  // To begin the first thread takes as long again.
  await systemClock.turn();
  return started;
}

/** Threads that come and go, each task by Piscina: for tasks that take long. */
function manyThreads(threads: number, idleMs: number): Threads {
  let started: Promise<Piscina<PoolTask, ThreadAnswer>> | undefined;
  return {
    run: async (task) => {
      started ??= startPiscina(threads, idleMs);
      const answer = await (await started).run(task).catch(threadError);
      if ('error' in answer) throw fromWireError(answer.error);
      return answer.output;
    },
    close: async () => {
      if (started !== undefined) await (await started).close();
    },
  };
}

async function openPort(): Promise<ThreadPort> {
  const { ThreadPort: Port } = await import('./thread-port.ts');
  return Port.open(await startPiscina(1, Number.POSITIVE_INFINITY));
}

/** One thread that stays, with a port of its own: for short tasks. */
function oneThread(): Threads {
  let open: ThreadPort | undefined;
  return {
    run: (task) => {
      if (open?.isOver === false) return open.run(task);
      return openPort().then((port) => {
        open = port;
        return port.run(task);
      }, threadError);
    },
    close: async () => {
      await open?.close();
    },
  };
}

/** The thread died, or the input cannot travel: a bug or the end of memory. */
function threadError(error: unknown): never {
  const why = error instanceof Error ? error.message : String(error);
  throw new ElanusError('internal', { why }, { cause: error });
}

/**
 * Threads by Piscina. A task's entry is a file URL: `.ts` from source, `.js` from dist or a bundle.
 * Idle threads do not keep the process alive.
 */
export function piscinaPool(options: PoolOptions): Pool {
  const { threads, queueMax = 1024, what = 'threads', idleMs = Number.POSITIVE_INFINITY } = options;
  const stays = threads === 1 && idleMs === Number.POSITIVE_INFINITY;
  const run = stays ? oneThread() : manyThreads(threads, idleMs);
  return new TaskQueue({ threads, queueMax, what, ...run });
}
