import { ElanusError, fromWireError } from '@elanus/core';
import type { Pool, PoolTask } from '@elanus/core';
import type { Piscina } from 'piscina';
import type { ThreadAnswer } from './piscina-thread.ts';
import { POOL_THREAD, THREAD_EXEC_ARGV } from '../threads.ts';
import { TaskQueue } from './task-queue.ts';

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

/** Starts Piscina when the first task comes: a process that needs no thread pays for none. */
function lazyPiscina(
  threads: number,
  idleMs: number,
): { run: TaskRun; close: () => Promise<void> } {
  let started: Promise<Piscina<PoolTask, ThreadAnswer>> | undefined;
  const start = async (): Promise<Piscina<PoolTask, ThreadAnswer>> => {
    const { Piscina: Threads } = await import('piscina');
    return new Threads({
      filename: POOL_THREAD,
      name: 'runTask',
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: idleMs,
      concurrentTasksPerWorker: 1,
      recordTiming: false,
      execArgv: [...THREAD_EXEC_ARGV],
    });
  };
  return {
    run: async (task) => {
      started ??= start();
      const answer = await (await started).run(task).catch(threadError);
      if ('error' in answer) throw fromWireError(answer.error);
      return answer.output;
    },
    close: async () => {
      if (started !== undefined) await (await started).close();
    },
  };
}

/** The thread died, or the input cannot travel: a bug or the end of memory. */
function threadError(error: unknown): never {
  const why = error instanceof Error ? error.message : String(error);
  throw new ElanusError('internal', { why }, { cause: error });
}

type TaskRun = (task: PoolTask) => Promise<unknown>;

/**
 * Threads by Piscina. A task's entry is a file URL: `.ts` from source, `.js` from dist or a bundle.
 * Idle threads do not keep the process alive.
 */
export function piscinaPool(options: PoolOptions): Pool {
  const { threads, queueMax = 1024, what = 'threads', idleMs = Number.POSITIVE_INFINITY } = options;
  return new TaskQueue({ threads, queueMax, what, ...lazyPiscina(threads, idleMs) });
}
