import { assert, type Awaitable } from '@elanus/core';
import type { PoolTask } from '@elanus/core';

type Entry = Readonly<Record<string, unknown>>;

/** Importing what is there takes its time, too. */
const loaded = new Map<string, Entry>();

async function load(task: PoolTask): Promise<unknown> {
  const entry = (await import(task.entry)) as Entry;
  loaded.set(task.entry, entry);
  return call(entry, task);
}

function call(entry: Entry, { entry: path, name, input, body }: PoolTask): unknown {
  const found = entry[name];
  assert(typeof found === 'function', `${path} exports ${name}`);
  return (found as (input: unknown, body: unknown) => unknown)(input, body);
}

/**
 * Loads a task's entry (once a thread) and calls the function it names; in this turn when the entry
 * is there and the function has its result at once.
 */
export function callTask(task: PoolTask): Awaitable<unknown> {
  const entry = loaded.get(task.entry);
  return entry === undefined ? load(task) : call(entry, task);
}
