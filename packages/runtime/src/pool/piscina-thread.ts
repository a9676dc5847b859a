import { toWireError } from '@elanus/core';
import type { PoolTask } from '@elanus/core';
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
