import { assert, toWireError } from '@elanus/core';
import type { PoolTask } from '@elanus/core';
import type { MessagePort } from 'node:worker_threads';
import { systemClock } from '../clock/system.ts';
import { callTask } from './call-task.ts';
import { ThreadSlot } from './thread-slot.ts';

/** What a thread answers: errors lose their code on the way between threads, so they go as data. */
export type ThreadAnswer =
  | { readonly output: unknown }
  | { readonly error: ReturnType<typeof toWireError> };

/** Said instead of an answer whose bytes lie in the slot. */
export const IN_SLOT = 'in slot';

/**
 * What a thread is told by its port: a task; a task whose bytes lie in the slot, to be kept under a
 * number; or that number, when its bytes lie there.
 */
export type ThreadMessage = PoolTask | KeptTask | number;

/** See `ThreadMessage`. */
export interface KeptTask {
  readonly keepAs: number;
  readonly task: PoolTask;
}

/** What a port is opened with. */
export interface ListenTo {
  readonly port: MessagePort;
  readonly memory: SharedArrayBuffer;
}

/** Runs a task on a Piscina thread; entered by name. */
export async function runTask(task: PoolTask): Promise<ThreadAnswer> {
  try {
    return { output: await callTask(task) };
  } catch (error) {
    return { error: toWireError(error) };
  }
}

/** Answers the tasks that come through a port from now on, one at a time; entered by name. */
export function listen({ port, memory }: ListenTo): void {
  const slot = new ThreadSlot(memory);
  const kept: PoolTask[] = [];
  port.on('message', (message: ThreadMessage) => {
    if (typeof message === 'object' && !('keepAs' in message)) {
      runPlain(port, message);
      return;
    }
    if (typeof message === 'object') kept[message.keepAs] = message.task;
    while (runInSlot(port, slot, kept));
  });
  port.on('messageerror', (error) => refuse(port, error));
}

function refuse(port: MessagePort, error: unknown): void {
  port.postMessage({ error: toWireError(error) });
}

/** Sends what a task gave, now or when it is there. */
function answer(port: MessagePort, output: unknown): void {
  if (output instanceof Promise) {
    output.then(
      (later) => answer(port, later),
      (error: unknown) => refuse(port, error),
    );
    return;
  }
  try {
    port.postMessage({ output });
  } catch (error) {
    refuse(port, error);
  }
}

function runPlain(port: MessagePort, task: PoolTask): void {
  try {
    answer(port, callTask(task));
  } catch (error) {
    refuse(port, error);
  }
}

/** Runs the task whose bytes lie in the slot; true: the next one lies there. */
function runInSlot(port: MessagePort, slot: ThreadSlot, kept: readonly PoolTask[]): boolean {
  const began = systemClock.monoMs();
  const { input, body } = slot.asked();
  try {
    const task = kept[input];
    assert(task !== undefined, 'a task that is kept');
    const output = callTask({ ...task, body });
    if (!(output instanceof Uint8Array) || !ThreadSlot.fits(output.length)) {
      answer(port, output);
      return false;
    }
    slot.put(output);
  } catch (error) {
    refuse(port, error);
    return false;
  }
  const looks = slot.willLook(began);
  port.postMessage(IN_SLOT);
  slot.answered();
  return looks && slot.look();
}
