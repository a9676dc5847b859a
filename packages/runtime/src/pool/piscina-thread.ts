import { toWireError } from '@elanus/core';
import type { PoolTask } from '@elanus/core';
import type { MessagePort } from 'node:worker_threads';
import { callTask } from './call-task.ts';

/** What a thread answers: errors lose their code on the way between threads, so they go as data. */
export type ThreadAnswer =
  | { readonly output: unknown }
  | { readonly error: ReturnType<typeof toWireError> };

/** Runs a task on a Piscina thread; entered by name. */
export async function runTask(task: PoolTask): Promise<ThreadAnswer> {
  try {
    return { output: await callTask(task) };
  } catch (error) {
    return { error: toWireError(error) };
  }
}

/** Answers the tasks that come through a port from now on, one at a time; entered by name. */
export function listen(port: MessagePort): void {
  const answer = (found: ThreadAnswer): void => {
    try {
      port.postMessage(found);
    } catch (error) {
      port.postMessage({ error: toWireError(error) });
    }
  };
  const refuse = (error: unknown): void => answer({ error: toWireError(error) });
  port.on('message', (task: PoolTask) => {
    try {
      const output = callTask(task);
      if (output instanceof Promise) output.then((later) => answer({ output: later }), refuse);
      else answer({ output });
    } catch (error) {
      refuse(error);
    }
  });
  port.on('messageerror', refuse);
}
