import type { BusMessage, Clock } from '@elanus/core';
import { assert, expect, test, vi } from 'vitest';
import { systemClock } from '../clock/system.ts';
import { systemRng } from '../rng/system.ts';
import { askOn, describeBus } from '../testing/bus-suite.ts';
import { memoryTransport } from '../testing/memory-transport.ts';
import { networkBus, type NetworkBus } from './network.ts';
import type { Transport } from './transport.ts';

const hello: BusMessage = { header: { say: 'hello' } };
const never = (): Promise<BusMessage> => new Promise(() => undefined);

function busOn(transport: Transport, clock: Clock = systemClock): NetworkBus {
  return networkBus({ transport, clock, rng: systemRng() });
}

function twoOn(transport: Transport, clock?: Clock) {
  return { asking: busOn(transport, clock), serving: busOn(transport, clock) };
}

describeBus('network', () => twoOn(memoryTransport(systemClock)));

/** A clock on which only timers move time. */
function timerClock() {
  let now = 0;
  let timers: { readonly at: number; readonly fire: () => void }[] = [];
  const clock: Clock = {
    wallMs: () => now,
    monoMs: () => now,
    after: (delayMs, fire) => {
      const timer = { at: now + delayMs, fire };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    turn: () => systemClock.turn(),
  };
  const pass = async (ms: number): Promise<void> => {
    const end = now + ms;
    for (;;) {
      for (let i = 0; i < 4; i++) await systemClock.turn();
      const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      now = next.at;
      timers = timers.filter((one) => one !== next);
      next.fire();
    }
    now = end;
  };
  return { clock, pass, armed: () => timers.length };
}

test('a long call lives as long as it is worked on', async () => {
  const { clock, pass, armed } = timerClock();
  const { asking, serving } = twoOn(memoryTransport(clock), clock);
  let finish: (message: BusMessage) => void = () => undefined;
  serving.serve('a', () => new Promise((resolve) => (finish = resolve)));
  const asked = askOn(asking)('a', hello);
  await pass(3_600_000);
  finish(hello);
  await pass(10);
  expect((await asked).header).toEqual(hello.header);
  expect(armed()).toBe(0);
});

test.each(['ask', 'answer'] as const)('an %s that is lost is told within seconds', async (lost) => {
  const { clock, pass } = timerClock();
  const carried = memoryTransport(clock);
  const text = new TextDecoder();
  const transport: Transport = {
    ...carried,
    send: (subject, bytes, nobody) => {
      if (!text.decode(bytes).includes(`"what":"${lost}"`)) carried.send(subject, bytes, nobody);
    },
  };
  const { asking, serving } = twoOn(transport, clock);
  serving.serve('a', (message) => message);
  const asked = askOn(asking)('a', hello);
  asked.catch(() => undefined);
  await pass(2_900);
  const early = await Promise.race([asked.catch(() => 'told'), Promise.resolve('waits')]);
  expect(early).toBe('waits');
  await pass(200);
  await expect(asked).rejects.toMatchObject({ code: 'unavailable', details: { what: 'a' } });
});

test('who works for a caller that has left, or died, is told', async () => {
  const { clock, pass } = timerClock();
  const transport = memoryTransport(clock);
  for (const leave of [(bus: NetworkBus) => bus.close(), undefined]) {
    const { asking, serving } = twoOn(transport, clock);
    let seen: AbortSignal | undefined;
    const end = serving.serve('a', (_message, { signal }) => {
      seen = signal;
      return never();
    });
    const caller = new AbortController();
    const asked = askOn(asking)('a', hello, { signal: caller.signal });
    asked.catch(() => undefined);
    await pass(10);
    assert(seen !== undefined);
    if (leave === undefined) caller.abort();
    else leave(asking);
    await pass(1_000);
    expect(seen.aborted).toBe(true);
    await expect(asked).rejects.toMatchObject({
      code: leave === undefined ? 'cancelled' : 'handle_closed',
    });
    end();
  }
});

test('a question that comes twice is answered once', async () => {
  const carried = memoryTransport(systemClock);
  const transport: Transport = {
    ...carried,
    send: (...message) => {
      carried.send(...message);
      carried.send(...message);
    },
  };
  const { asking, serving } = twoOn(transport);
  let times = 0;
  serving.serve('a', (message) => {
    times++;
    return message;
  });
  await askOn(asking)('a', hello);
  await askOn(asking)('a', hello);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(times).toBe(2);
});

test('what is too long for the transport is refused, on both ways', async () => {
  const transport = { ...memoryTransport(systemClock), messageBytesMax: 1_000 };
  const { asking, serving } = twoOn(transport);
  const long = [new Uint8Array(1_000)];
  serving.serve('a', (message) => message);
  serving.serve('b', () => ({ header: {}, bodies: long }));
  const refused = { code: 'request_too_large', details: { bytesMax: 1_000 } };
  await expect(askOn(asking)('a', { header: {}, bodies: long })).rejects.toMatchObject(refused);
  await expect(askOn(asking)('b', hello)).rejects.toMatchObject(refused);
});

test('bytes that are no message disturb nobody', async () => {
  const transport = memoryTransport(systemClock);
  const { asking, serving } = twoOn(transport);
  const handler = vi.fn((message: BusMessage) => message);
  serving.serve('a', handler);
  for (const bytes of [new Uint8Array(0), new Uint8Array(40).fill(1), new Uint8Array([9])]) {
    transport.send('a', bytes, () => undefined);
  }
  expect((await askOn(asking)('a', hello)).header).toEqual(hello.header);
  expect(handler).toHaveBeenCalledTimes(1);
});

test('a closed bus takes nothing', async () => {
  const { asking, serving } = twoOn(memoryTransport(systemClock));
  serving.serve('a', (message) => message);
  serving.close();
  await expect(askOn(asking)('a', hello)).rejects.toMatchObject({ code: 'unavailable' });
  asking.close();
  await expect(askOn(asking)('a', hello)).rejects.toMatchObject({ code: 'handle_closed' });
});
