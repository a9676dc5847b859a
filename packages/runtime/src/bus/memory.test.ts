import { ElanusError } from '@elanus/core';
import type { Bus, BusCaller, BusMessage } from '@elanus/core';
import { expect, test } from 'vitest';
import { systemClock } from '../clock/system.ts';
import { memoryBus } from './memory.ts';

const hello: BusMessage = { header: { say: 'hello' } };
const never = (): Promise<BusMessage> => new Promise(() => undefined);

/** Requests as every bus takes them: answered in this turn or later is one. */
function askOn(bus: Bus): (...request: Parameters<Bus['request']>) => Promise<BusMessage> {
  return async (...request) => bus.request(...request);
}

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

test('nobody serves', async () => {
  const bus = memoryBus(systemClock);
  await expect(askOn(bus)('a', hello)).rejects.toMatchObject({
    code: 'unavailable',
    details: { what: 'a' },
  });
});

test('a handler that left is not asked any more', async () => {
  const bus = memoryBus(systemClock);
  const stop = bus.serve('a', async (message) => message);
  stop();
  await expect(askOn(bus)('a', hello)).rejects.toMatchObject({ code: 'unavailable' });
  bus.serve('a', async () => ({ header: 'second' }));
  stop();
  expect((await askOn(bus)('a', hello)).header).toBe('second');
});

test('two handlers on one subject are a bug', () => {
  const bus = memoryBus(systemClock);
  bus.serve('a', never);
  expect(() => bus.serve('a', never)).toThrow(/one handler/);
});

test('typed errors pass through', async () => {
  const bus = memoryBus(systemClock);
  const refusal = new ElanusError('wrong_type', { field: 'year' });
  bus.serve('a', () => Promise.reject(refusal));
  await expect(askOn(bus)('a', hello)).rejects.toBe(refusal);
});

test('other errors are internal, with their cause', async () => {
  const bus = memoryBus(systemClock);
  const cause = new TypeError('undefined is not a function');
  bus.serve('a', () => Promise.reject(cause));
  await expect(askOn(bus)('a', hello)).rejects.toMatchObject({ code: 'internal', cause });
});

test('at the deadline the caller is told and the handler’s signal fires', async () => {
  const bus = memoryBus(systemClock);
  let seen: AbortSignal | undefined;
  bus.serve('a', (_message, { signal }) => {
    seen = signal;
    return never();
  });
  await expect(askOn(bus)('a', hello, { timeoutMs: 10 })).rejects.toMatchObject({
    code: 'deadline_exceeded',
    details: { timeoutMs: 10 },
  });
  expect(seen?.aborted).toBe(true);
  expect(seen?.reason).toMatchObject({ code: 'deadline_exceeded' });
});

test('a handler that throws fails like one that rejects', async () => {
  const bus = memoryBus(systemClock);
  const cause = new TypeError('undefined is not a function');
  bus.serve('a', () => {
    throw cause;
  });
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

test('an abort reaches both sides', async () => {
  const bus = memoryBus(systemClock);
  const caller = new AbortController();
  let seen: AbortSignal | undefined;
  bus.serve('a', (_message, { signal }) => {
    seen = signal;
    return never();
  });
  const sent = askOn(bus)('a', hello, { signal: caller.signal });
  caller.abort();
  await expect(sent).rejects.toMatchObject({ code: 'cancelled' });
  expect(seen?.aborted).toBe(true);
});

test('a signal that fired before: the handler is not asked', async () => {
  const bus = memoryBus(systemClock);
  let asked = false;
  bus.serve('a', () => {
    asked = true;
    return never();
  });
  const sent = askOn(bus)('a', hello, { signal: AbortSignal.abort() });
  await expect(sent).rejects.toMatchObject({ code: 'cancelled' });
  expect(asked).toBe(false);
});

test('a handler that fails after the caller left is no unhandled rejection', async () => {
  const bus = memoryBus(systemClock);
  bus.serve(
    'a',
    (_message, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('given up')));
      }),
  );
  await expect(askOn(bus)('a', hello, { timeoutMs: 5 })).rejects.toMatchObject({
    code: 'deadline_exceeded',
  });
  await systemClock.turn();
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

test('a call within a call ends with it', async () => {
  const bus = memoryBus(systemClock);
  let seen: AbortSignal | undefined;
  let inner: Promise<BusMessage> | undefined;
  bus.serve('outer', (message, caller) => {
    inner = askOn(bus)('inner', message, { parent: caller });
    inner.catch(() => undefined);
    return inner;
  });
  bus.serve('inner', (_message, { signal }) => {
    seen = signal;
    return never();
  });
  const asked = askOn(bus)('outer', hello, { timeoutMs: 5 });
  await expect(asked).rejects.toMatchObject({ code: 'deadline_exceeded' });
  await expect(inner).rejects.toMatchObject({ code: 'cancelled' });
  expect(seen?.aborted).toBe(true);
});
