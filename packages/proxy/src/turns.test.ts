import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '@elanus/core';
import { isElanusError, type Awaitable } from '@elanus/core';
import { systemClock } from '@elanus/runtime';
import { expect, it } from 'vitest';
import { Turns } from './turns.ts';

/** A clock on which every look takes a moment, so that turns fill up. */
function slowClock(stepMs: number): Clock {
  let now = 0;
  return {
    wallMs: () => now,
    monoMs: () => (now += stepMs),
    after: (delayMs, fire) => systemClock.after(delayMs, fire),
    turn: () => systemClock.turn(),
  };
}

const codeOf = async (pending: Awaitable<unknown>): Promise<string> => {
  const error: unknown = await Promise.resolve(pending).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  return isElanusError(error) ? error.code : String(error);
};

it('answers all, in order, a few in each turn of the loop', async () => {
  const turns = new Turns(slowClock(0.1), { what: 'reads', max: 1_000 });
  const begun: number[] = [];
  let loops = 0;
  const most: number[] = [];
  let done = false;
  const watch = (async () => {
    while (!done) {
      const before = begun.length;
      await turn();
      most.push(begun.length - before);
      loops++;
    }
  })();
  await Promise.all(
    Array.from({ length: 500 }, async (_, i) =>
      turns.run(undefined, () => {
        begun.push(i);
        return Promise.resolve();
      }),
    ),
  );
  done = true;
  await watch;
  expect(begun).toEqual(Array.from({ length: 500 }, (_, i) => i));
  expect(loops).toBeGreaterThan(20);
  expect(Math.max(...most)).toBeLessThan(50);
});

it('calls that waited for the same thing do not all go on in one turn', async () => {
  const turns = new Turns(slowClock(0.1), { what: 'reads', max: 1_000 });
  let arrive = (): void => undefined;
  const schema = new Promise<void>((resolve) => (arrive = resolve));
  let inTurn = 0;
  let most = 0;
  const each = async (): Promise<void> => {
    await schema;
    await turns.pass();
    most = Math.max(most, ++inTurn);
    setImmediate(() => (inTurn = 0));
  };
  const all = Array.from({ length: 200 }, async () => turns.run(undefined, each));
  for (let i = 0; i < 100; i++) await turn();
  arrive();
  await Promise.all(all);
  expect(most).toBeLessThan(30);
});

it('thousands in line are watched over many turns', async () => {
  let watched = 0;
  const clock: Clock = {
    ...slowClock(0.1),
    after: (delayMs, fire) => {
      watched++;
      return systemClock.after(delayMs, fire);
    },
  };
  const turns = new Turns(clock, { what: 'reads', max: 1 });
  let release = (): void => undefined;
  const first = turns.run(undefined, () => new Promise<void>((resolve) => (release = resolve)));
  const others = Array.from({ length: 300 }, async () => turns.run(undefined, () => undefined));
  const steps: number[] = [];
  for (let before = 0; watched < 300; before = watched) {
    await turn();
    steps.push(watched - before);
  }
  expect(Math.max(...steps)).toBeLessThan(12);
  release();
  await Promise.all([first, ...others]);
});

it('has no more under way than it may', async () => {
  const turns = new Turns(systemClock, { what: 'reads', max: 3 });
  let underWay = 0;
  let most = 0;
  const one = async (): Promise<void> => {
    most = Math.max(most, ++underWay);
    await turn();
    underWay--;
  };
  await Promise.all(Array.from({ length: 40 }, async () => turns.run(undefined, one)));
  expect(most).toBe(3);
});

it('who gives up in line is answered, and nobody else', async () => {
  const turns = new Turns(systemClock, { what: 'reads', max: 1 });
  let release = (): void => undefined;
  const first = turns.run(undefined, () => new Promise<void>((resolve) => (release = resolve)));
  const controller = new AbortController();
  const aborted = turns.run({ signal: controller.signal }, () => Promise.resolve('never'));
  const late = turns.run({ timeoutMs: 20 }, () => Promise.resolve('never'));
  const patient = turns.run({ timeoutMs: 5_000 }, (call) => Promise.resolve(call?.timeoutMs));
  controller.abort();
  expect(await codeOf(aborted)).toBe('cancelled');
  expect(await codeOf(late)).toBe('deadline_exceeded');
  const already = AbortSignal.abort();
  expect(await codeOf(turns.run({ signal: already }, () => Promise.resolve()))).toBe('cancelled');
  release();
  await first;
  // What it waited is taken off its time.
  const left = await patient;
  expect(left).toBeLessThanOrEqual(4_985);
  expect(left).toBeGreaterThan(1_000);
});

it('a write whose time is over in line has not begun, and is told so', async () => {
  const turns = new Turns(systemClock, { what: 'writes', max: 1 });
  let release = (): void => undefined;
  const first = turns.run(undefined, () => new Promise<void>((resolve) => (release = resolve)));
  expect(await codeOf(turns.run({ timeoutMs: 5 }, () => Promise.resolve()))).toBe('exhausted');
  release();
  await first;
});

it('goes on after a call that fails', async () => {
  const turns = new Turns(systemClock, { what: 'reads', max: 1 });
  const failing = turns.run(undefined, () => Promise.reject(new Error('no')));
  const next = turns.run(undefined, () => Promise.resolve('yes'));
  await expect(failing).rejects.toThrow('no');
  expect(await next).toBe('yes');
});

it('calls that are answered at once give way to the loop too, and leave no trace', async () => {
  let now = 0;
  const clock = { ...systemClock, monoMs: () => now };
  const turns = new Turns(clock, { what: 'reads', max: 2 });
  const work = (): number => {
    now += 0.2;
    return 1;
  };
  const given = Array.from({ length: 6 }, () => turns.run(undefined, work));
  // Half a millisecond is three of them; the others wait for the next turn.
  expect(given.map((one) => one instanceof Promise)).toEqual([
    false,
    false,
    false,
    true,
    true,
    true,
  ]);
  for (const one of given) expect(await one).toBe(1);
  await systemClock.turn();
  await systemClock.turn();
  const refuse = (): number => {
    throw new Error('refused');
  };
  expect(() => turns.run(undefined, refuse)).toThrow('refused');
  // Neither those that were answered nor the one that failed count as under way.
  expect(turns.run(undefined, work)).toBe(1);
  expect(turns.run(undefined, work)).toBe(1);
});
