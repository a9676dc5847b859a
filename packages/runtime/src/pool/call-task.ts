import { assert } from '@elanus/core';
import type { PoolTask } from '@elanus/core';

/** Loads a task's entry (once a thread) and calls the function it names. */
export async function callTask(task: PoolTask): Promise<unknown> {
  const entry = (await import(task.entry)) as Readonly<Record<string, unknown>>;
  const found = entry[task.name];
  assert(typeof found === 'function', `${task.entry} exports ${task.name}`);
  return (found as (input: unknown) => unknown)(task.input);
}
