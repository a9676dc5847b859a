import { threadId } from 'node:worker_threads';
import { ElanusError } from '@elanus/core';

/** Adds two numbers. Sample task for the pools' tests, as all below. */
export const add = (input: { readonly a: number; readonly b: number }): number => input.a + input.b;

/** The thread it runs on. */
export const thread = (): number => threadId;

/** Adds a number to each byte; none at all for 0, a typed error for 255. */
export const addToBytes = (
  input: { readonly add: number },
  body: Uint8Array,
): Uint8Array | undefined => {
  if (input.add === 255) return refuse();
  return input.add === 0 ? undefined : body.map((byte) => byte + input.add);
};

/** Its bytes are the beginning of their buffer. */
export const firstOfBuffer = (_: unknown, { buffer }: Uint8Array): number | undefined =>
  new Uint8Array(buffer)[0];

/** Ends its thread when it comes to a 0. */
export const dieAtZero = (_: unknown, body: Uint8Array): Uint8Array => {
  if (body[0] === 0) process.exit(1);
  return body;
};

/** Fails with a typed error. */
export const refuse = (): never => {
  throw new ElanusError('wrong_type', { field: 'year', row: 3, expected: 'int32', got: 'string' });
};

/** Fails with an error of the language. */
export const bug = (): never => {
  throw new TypeError('undefined is not a function');
};

/** Raises a counter on shared memory, waits, raises the next. */
export async function wait(input: {
  readonly ms: number;
  readonly marks: Int32Array;
}): Promise<string> {
  Atomics.add(input.marks, 0, 1);
  await new Promise((resolve) => setTimeout(resolve, input.ms));
  Atomics.add(input.marks, 1, 1);
  return 'done';
}

/** Ends its thread in the middle of the task. */
export async function die(): Promise<never> {
  process.exit(1);
}
