import { assert } from '@elanus/core';
import type { PoolTask } from '@elanus/core';

type Entry = Readonly<Record<string, unknown>>;

/** Importing what is there takes its time, too. */
const loaded = new Map<string, Entry>();

async function load(path: string): Promise<Entry> {
  const entry = (await import(path)) as Entry;
  loaded.set(path, entry);
  return entry;
}

/** Loads a task's entry (once a thread) and calls the function it names. */
export async function callTask(task: PoolTask): Promise<unknown> {
  const entry = loaded.get(task.entry) ?? (await load(task.entry));
  const found = entry[task.name];
  assert(typeof found === 'function', `${task.entry} exports ${task.name}`);
  return (found as (input: unknown) => unknown)(task.input);
}
