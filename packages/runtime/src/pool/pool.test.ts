/** Goal: inline and threaded pools answer alike. Method: one set of cases, run on both. */
import type { Pool } from '@elanus/core';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../clock/system.ts';
import { inlinePool } from './inline.ts';
import { piscinaPool } from './piscina.ts';

const entry = new URL('../testing/sample-tasks.ts', import.meta.url).href;
const add = (a: number, b: number) => ({ entry, name: 'add', input: { a, b } });
const marks = (): Int32Array => new Int32Array(new SharedArrayBuffer(8));

let pool: Pool | undefined;
afterEach(() => pool?.close());

describe.each([
  { kind: 'inline', make: (queueMax: number) => inlinePool({ clock: systemClock, queueMax }) },
  { kind: 'threads', make: (queueMax: number) => piscinaPool({ threads: 1, queueMax }) },
])('$kind', ({ make }) => {
  const open = (queueMax = 100): Pool => {
    pool = make(queueMax);
    return pool;
  };
  const wait = (shared: Int32Array, ms = 50) => ({
    entry,
    name: 'wait',
    input: { ms, marks: shared },
  });

  test('a task answers', async () => {
    expect(await open().run(add(1, 2))).toBe(3);
  });

  test('many tasks answer in order of their calls', async () => {
    const one = open();
    const sums = await Promise.all(Array.from({ length: 50 }, (_, n) => one.run(add(n, 1))));
    expect(sums).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
    expect(one.pending).toBe(0);
  });

  test('a typed error keeps code and details', async () => {
    await expect(open().run({ entry, name: 'refuse', input: {} })).rejects.toMatchObject({
      code: 'wrong_type',
      details: { field: 'year', row: 3 },
    });
  });

  test('bytes of one task after the other, over inputs that come again', async () => {
    const one = open();
    const inputs = Array.from({ length: 12 }, (_, add) => ({ add }));
    for (let n = 0; n < 200; n++) {
      const input = inputs[(n * 7) % 12] ?? { add: 0 };
      const body = Uint8Array.of(n, n + 1);
      const found = await one.run({ entry, name: 'addToBytes', input, body });
      const want = input.add === 0 ? undefined : body.map((byte) => byte + input.add);
      expect(found).toEqual(want);
      // Between them tasks without bytes.
      if (n % 20 === 0) expect(await one.run(add(n, 1))).toBe(n + 1);
    }
  });

  test('bytes come in memory of their own', async () => {
    const one = open();
    for (let n = 0; n < 3; n++) {
      const body = Uint8Array.of(1, 2, 3, 4).subarray(2);
      expect(await one.run({ entry, name: 'firstOfBuffer', input: undefined, body })).toBe(3);
    }
  });

  test('bytes of any number, and errors of tasks that have some', async () => {
    const one = open();
    const input = { add: 1 };
    for (const length of [1, 300_000, 0, 262_144, 262_145, 3]) {
      const body = new Uint8Array(length).fill(7);
      const found = (await one.run({ entry, name: 'addToBytes', input, body })) as Uint8Array;
      expect(found).toHaveLength(length);
      expect(found.every((byte) => byte === 8)).toBe(true);
    }
    const refused = { entry, name: 'addToBytes', input: { add: 255 }, body: new Uint8Array(1) };
    for (let n = 0; n < 3; n++) {
      await expect(one.run(refused)).rejects.toMatchObject({ code: 'wrong_type' });
    }
    expect(await one.run({ ...refused, input, body: Uint8Array.of(1) })).toEqual(Uint8Array.of(2));
  });

  test('an unknown task fails', async () => {
    await expect(open().run({ entry, name: 'nothing', input: {} })).rejects.toThrow(
      /exports nothing/,
    );
  });

  test('more than may wait is refused at once', async () => {
    const one = open(2);
    const shared = marks();
    const sent = [1, 2, 3].map(() => one.run(wait(shared, 5)));
    await expect(one.run(add(1, 2))).rejects.toMatchObject({ code: 'queue_full' });
    expect(one.pending).toBe(3);
    expect(await Promise.all(sent)).toEqual(['done', 'done', 'done']);
    expect(await one.run(add(1, 2))).toBe(3);
  });

  test('an abort takes a waiting task out: it never runs', async () => {
    const one = open();
    const shared = marks();
    const end = new AbortController();
    const running = one.run(wait(shared, 30));
    const waiting = one.run(wait(shared, 30), { signal: end.signal });
    end.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    await running;
    await one.run(add(1, 1));
    expect([...shared]).toEqual([1, 1]);
  });

  test('an abort leaves a running task alone and drops its result', async () => {
    const one = open();
    const shared = marks();
    const end = new AbortController();
    const running = one.run(wait(shared), { signal: end.signal });
    while (Atomics.load(shared, 0) === 0) await systemClock.turn();
    end.abort();
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    expect(await one.run(add(2, 2))).toBe(4);
    expect([...shared]).toEqual([1, 1]);
  });

  test('a signal that fired before', async () => {
    const sent = open().run(add(1, 2), { signal: AbortSignal.abort() });
    await expect(sent).rejects.toMatchObject({ code: 'cancelled' });
  });

  test('close waits for what was sent, then refuses', async () => {
    const one = open();
    const shared = marks();
    const sent = [one.run(wait(shared, 10)), one.run(wait(shared, 10))];
    await one.close();
    expect([...shared]).toEqual([2, 2]);
    expect(await Promise.all(sent)).toEqual(['done', 'done']);
    await expect(one.run(add(1, 2))).rejects.toMatchObject({ code: 'unavailable' });
    await one.close();
  });
});

describe('threads', () => {
  test('run apart from the caller, always the same one', async () => {
    pool = piscinaPool({ threads: 1 });
    const ids = new Set<unknown>();
    for (let n = 0; n < 5; n++) ids.add(await pool.run({ entry, name: 'thread', input: {} }));
    expect(ids.size).toBe(1);
    expect(ids.has(0)).toBe(false);
  });

  test('an error of the language becomes internal, with its text', async () => {
    pool = piscinaPool({ threads: 1 });
    await expect(pool.run({ entry, name: 'bug', input: {} })).rejects.toMatchObject({
      code: 'internal',
      details: { why: 'undefined is not a function' },
    });
  });

  test('an input that cannot travel fails, and the pool goes on', async () => {
    pool = piscinaPool({ threads: 1 });
    const task = { entry, name: 'add', input: { a: () => 1, b: 2 } };
    await expect(pool.run(task)).rejects.toMatchObject({ code: 'internal' });
    expect(await pool.run(add(1, 2))).toBe(3);
  });

  test('a thread that dies over bytes fails its task, and the next one is sent all', async () => {
    pool = piscinaPool({ threads: 1 });
    const input = {};
    const ask = (byte: number) => ({ entry, name: 'dieAtZero', input, body: Uint8Array.of(byte) });
    for (const round of [1, 2]) {
      for (let n = 1; n < 20; n++) expect(await pool.run(ask(n))).toEqual(Uint8Array.of(n));
      const died = await pool.run(ask(0)).catch((error: unknown) => error);
      expect(died, `round ${round}`).toMatchObject({ code: 'internal' });
    }
  });

  test('a thread that dies fails its task, and the pool goes on', async () => {
    pool = piscinaPool({ threads: 1 });
    await expect(pool.run({ entry, name: 'die', input: {} })).rejects.toMatchObject({
      code: 'internal',
    });
    expect(await pool.run(add(1, 2))).toBe(3);
  });
});
