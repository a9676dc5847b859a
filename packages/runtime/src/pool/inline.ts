import type { Clock, Pool } from '@elanus/core';
import { callTask } from './call-task.ts';
import { TaskQueue } from './task-queue.ts';

/** Runs tasks on the caller's thread, each in a later turn: for tests and the simulator. */
export function inlinePool(options: { readonly clock: Clock; readonly queueMax?: number }): Pool {
  const { clock, queueMax = 1024 } = options;
  return new TaskQueue({
    threads: 1,
    queueMax,
    what: 'inline tasks',
    run: async (task) => {
      await clock.turn();
      // As a thread gets it: in memory of its own.
      return callTask({ ...task, body: task.body?.slice() });
    },
    close: () => Promise.resolve(),
  });
}
