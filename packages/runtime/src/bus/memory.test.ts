import { ElanusError } from '@elanus/core';
import type { BusCaller, BusMessage } from '@elanus/core';
import { expect, test } from 'vitest';
import { systemClock } from '../clock/system.ts';
import { askOn, describeBus } from '../testing/bus-suite.ts';
import { memoryBus } from './memory.ts';

const hello: BusMessage = { header: { say: 'hello' } };
const never = (): Promise<BusMessage> => new Promise(() => undefined);

describeBus('memory', () => {
  const bus = memoryBus(systemClock);
  return { asking: bus, serving: bus };
});

test('a request reaches its handler and the reply comes back, by reference', async () => {
  const bus = memoryBus(systemClock);
  const body = new Uint8Array([1, 2, 3]);
  bus.serve('a.b', async (message) => ({ header: message.header, bodies: message.bodies ?? [] }));
  const reply = await askOn(bus)('a.b', { header: 7, bodies: [body] });
  expect(reply.header).toBe(7);
  expect(reply.bodies?.[0]).toBe(body);
});

test('the handler starts in the turn of the call', () => {
  const bus = memoryBus(systemClock);
  let started = false;
  bus.serve('a', async (message) => {
    started = true;
    return message;
  });
  void askOn(bus)('a', hello);
  expect(started).toBe(true);
});

test('typed errors are passed as they are', async () => {
  const bus = memoryBus(systemClock);
  const refusal = new ElanusError('wrong_type', { field: 'year' });
  bus.serve('a', () => Promise.reject(refusal));
  await expect(askOn(bus)('a', hello)).rejects.toBe(refusal);
});

test('other errors have their cause', async () => {
  const bus = memoryBus(systemClock);
  const cause = new TypeError('undefined is not a function');
  bus.serve('a', () => Promise.reject(cause));
  await expect(askOn(bus)('a', hello)).rejects.toMatchObject({ code: 'internal', cause });
});

test('a call answered in its turn has no timer; others count from their beginning', async () => {
  let now = 5;
  const timers: number[] = [];
  const clock = {
    ...systemClock,
    monoMs: () => now,
    after: (delayMs: number) => {
      timers.push(delayMs);
      return () => undefined;
    },
  };
  const bus = memoryBus(clock);
  bus.serve('now', async (message) => message);
  bus.serve('never', never);
  void askOn(bus)('never', hello, { timeoutMs: 100 });
  await askOn(bus)('now', hello, { timeoutMs: 100 });
  expect(timers).toEqual([]);
  now = 35;
  await systemClock.turn();
  expect(timers).toEqual([70]);
});

test('without a deadline the handler has the signal of its caller', async () => {
  const bus = memoryBus(systemClock);
  const caller = new AbortController();
  let seen: AbortSignal | undefined;
  bus.serve('a', (_message, { signal }) => {
    seen = signal;
    return never();
  });
  const sent = askOn(bus)('a', hello, { signal: caller.signal });
  expect(seen).toBe(caller.signal);
  await systemClock.turn();
  caller.abort();
  await expect(sent).rejects.toMatchObject({ code: 'cancelled' });
});

test('what a handler has at once is there in the same turn, and so is a failure', () => {
  const bus = memoryBus(systemClock);
  bus.serve('a', (message) => message);
  expect(bus.request('a', hello, { timeoutMs: 10 })).toBe(hello);
  const refusal = new ElanusError('wrong_type', { field: 'year' });
  bus.serve('b', () => {
    throw refusal;
  });
  expect(() => bus.request('b', hello)).toThrow(refusal);
  expect(() => bus.request('c', hello)).toThrow(/c/);
});

test('a signal that is asked for late tells what happened before', async () => {
  const bus = memoryBus(systemClock);
  let seen: BusCaller | undefined;
  bus.serve('a', (_message, caller) => {
    seen = caller;
    return never();
  });
  const refused = { code: 'deadline_exceeded' };
  await expect(askOn(bus)('a', hello, { timeoutMs: 5 })).rejects.toMatchObject(refused);
  expect(seen?.signal.aborted).toBe(true);
  expect(seen?.signal.reason).toMatchObject(refused);
});
