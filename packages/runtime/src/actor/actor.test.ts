import { ElanusError } from '@elanus/core';
import { expect, test } from 'vitest';
import { systemClock } from '../clock/system.ts';
import type { Actor, ActorRef } from './actor.ts';
import { startActor } from './actor.ts';

const clock = systemClock;
const settle = async (): Promise<void> => {
  for (let n = 0; n < 5; n++) await clock.turn();
};

/** Sums what it is told; fails on what the test wants. */
function summer(onMessage: (message: number) => void = () => undefined): {
  readonly ref: ActorRef<number>;
  readonly seen: number[];
  readonly starts: () => number;
  readonly gaveUp: unknown[];
} {
  const seen: number[] = [];
  const gaveUp: unknown[] = [];
  let starts = 0;
  const start = (): Actor<number> => {
    starts += 1;
    return {
      name: 'summer',
      mailboxMax: 5,
      handle: (message) => {
        onMessage(message);
        seen.push(message);
      },
    };
  };
  const ref = startActor({ clock, start, restartsMax: 2, onGiveUp: (error) => gaveUp.push(error) });
  return { ref, seen, starts: () => starts, gaveUp };
}

test('messages are handled in order, in a later turn', async () => {
  const { ref, seen } = summer();
  for (const n of [1, 2, 3]) ref.tell(n);
  expect(seen).toEqual([]);
  await settle();
  expect(seen).toEqual([1, 2, 3]);
  expect(ref.pending).toBe(0);
});

test('a full mailbox refuses', async () => {
  const { ref, seen } = summer();
  for (const n of [1, 2, 3, 4, 5]) ref.tell(n);
  expect(() => ref.tell(6)).toThrow(expect.objectContaining({ code: 'queue_full' }));
  await settle();
  ref.tell(6);
  await settle();
  expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a message told while one is handled comes after it', async () => {
  const order: string[] = [];
  const ref: ActorRef<number> = startActor({
    clock,
    start: (self) => ({
      name: 'a',
      mailboxMax: 5,
      handle: (message: number) => {
        order.push(`begin ${message}`);
        if (message === 1) self.tell(2);
        order.push(`end ${message}`);
      },
    }),
    onGiveUp: () => undefined,
  });
  ref.tell(1);
  await settle();
  expect(order).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2']);
});

test('a failure restarts it; the other messages are handled', async () => {
  const { ref, seen, starts, gaveUp } = summer((message) => {
    if (message === 2) throw new ElanusError('unavailable', { what: 'log' });
  });
  for (const n of [1, 2, 3]) ref.tell(n);
  await settle();
  expect(seen).toEqual([1, 3]);
  expect([starts(), gaveUp.length]).toEqual([2, 0]);
});

test('too many failures give it up', async () => {
  const { ref, starts, gaveUp } = summer(() => {
    throw new ElanusError('unavailable', { what: 'log' });
  });
  for (const n of [1, 2, 3, 4]) ref.tell(n);
  await settle();
  expect(starts()).toBe(3);
  expect(gaveUp).toMatchObject([{ code: 'unavailable' }]);
  expect(() => ref.tell(5)).toThrow(expect.objectContaining({ code: 'unavailable' }));
});

test('a failed assertion gives it up at once', async () => {
  const { ref, starts, gaveUp } = summer(() => {
    throw new Error('assertion failed: terms rise');
  });
  ref.tell(1);
  await settle();
  expect([starts(), gaveUp.length]).toEqual([1, 1]);
});

test('a stopped actor handles nothing more', async () => {
  const { ref, seen } = summer((message) => {
    if (message === 2) ref.stop();
  });
  for (const n of [1, 2, 3]) ref.tell(n);
  await settle();
  expect(seen).toEqual([1, 2]);
  expect(ref.pending).toBe(0);
});

test('a long mailbox gives way to the event loop', async () => {
  const { ref, seen } = summer(() => {
    const end = performance.now() + 2;
    while (performance.now() < end);
  });
  for (const n of [1, 2, 3, 4, 5]) ref.tell(n);
  await clock.turn();
  await clock.turn();
  expect(seen.length).toBeLessThan(5);
  await settle();
  await settle();
  expect(seen).toEqual([1, 2, 3, 4, 5]);
});
