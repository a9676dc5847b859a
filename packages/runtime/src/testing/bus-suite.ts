/** What every bus does, within a process and between processes. */
import { ElanusError } from '@elanus/core';
import type { Bus, BusCaller, BusMessage } from '@elanus/core';
import { describe, expect, test, vi } from 'vitest';

/** Two ends of a bus; within a process they are one. */
export interface BusEnds {
  readonly asking: Bus;
  readonly serving: Bus;
}

const hello: BusMessage = { header: { say: 'hello' } };
const never = (): Promise<BusMessage> => new Promise(() => undefined);

/** Requests as every bus takes them: answered in this turn or later is one. */
export function askOn(bus: Bus): (...request: Parameters<Bus['request']>) => Promise<BusMessage> {
  return async (...request) => bus.request(...request);
}

/** Describes a bus by its cases. */
export function describeBus(name: string, open: () => BusEnds): void {
  describe(`bus: ${name}`, () => {
    describeAnswers(open);
    describeRefusals(open);
    describeEnds(open);
  });
}

function describeAnswers(open: () => BusEnds): void {
  test('a request reaches its handler, its reply comes back, with all their bodies', async () => {
    const { asking, serving } = open();
    const header = { a: 1n, b: -0, c: Infinity, d: ['~', null, { e: 'Ünï' }], f: Number.NaN };
    const bodies = [
      new Uint8Array([1, 2, 3]),
      new Float32Array([1.5]),
      new BigInt64Array([-1n]),
      new BigUint64Array([2n]),
      new Uint32Array([]),
      new Float64Array([1, 2]).subarray(1),
    ];
    let heard: BusMessage | undefined;
    serving.serve('a.b', (message) => {
      heard = message;
      return { header: message.header, bodies: [...(message.bodies ?? [])].reverse() };
    });
    const reply = await askOn(asking)('a.b', { header, bodies });
    expect(heard?.header).toStrictEqual(header);
    expect(heard?.bodies).toStrictEqual(bodies);
    expect(reply.header).toStrictEqual(header);
    expect(reply.bodies).toStrictEqual([...bodies].reverse());
  });

  test('many at once get their own answers', async () => {
    const { asking, serving } = open();
    serving.serve('a', async ({ header }) => {
      await new Promise((resolve) => setTimeout(resolve, ((header as number) * 7) % 5));
      return { header: (header as number) * 2 };
    });
    const asked = Array.from({ length: 200 }, (_, i) => askOn(asking)('a', { header: i }));
    const answers = await Promise.all(asked);
    expect(answers.map(({ header }) => header)).toEqual(asked.map((_, i) => i * 2));
  });
}

function describeRefusals(open: () => BusEnds): void {
  test('nobody serves', async () => {
    const { asking } = open();
    await expect(askOn(asking)('a', hello)).rejects.toMatchObject({
      code: 'unavailable',
      details: { what: 'a' },
    });
  });

  test('a handler that left is not asked any more', async () => {
    const { asking, serving } = open();
    const stop = serving.serve('a', async (message) => message);
    stop();
    await expect(askOn(asking)('a', hello)).rejects.toMatchObject({ code: 'unavailable' });
    serving.serve('a', async () => ({ header: 'second' }));
    stop();
    expect((await askOn(asking)('a', hello)).header).toBe('second');
  });

  test('two handlers on one subject are a bug', () => {
    const { serving } = open();
    serving.serve('a', never);
    expect(() => serving.serve('a', never)).toThrow(/one handler/);
  });

  test('typed errors pass through', async () => {
    const { asking, serving } = open();
    const refusal = new ElanusError('timestamp_out_of_range', { at: '7' });
    serving.serve('a', () => Promise.reject(refusal));
    const { code, details, message } = refusal;
    await expect(askOn(asking)('a', hello)).rejects.toMatchObject({ code, details, message });
  });

  test('other errors are internal, thrown or rejected', async () => {
    const { asking, serving } = open();
    const bug = new TypeError('undefined is not a function');
    serving.serve('a', () => Promise.reject(bug));
    serving.serve('b', () => {
      throw bug;
    });
    for (const subject of ['a', 'b']) {
      const asked = askOn(asking)(subject, hello);
      await expect(asked).rejects.toMatchObject({
        code: 'internal',
        details: { why: bug.message },
      });
    }
  });
}

function describeEnds(open: () => BusEnds): void {
  test('at the deadline the caller is told and the handler’s signal fires', async () => {
    const { asking, serving } = open();
    let seen: AbortSignal | undefined;
    serving.serve('a', (_message, { signal }) => {
      seen = signal;
      return never();
    });
    await expect(askOn(asking)('a', hello, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'deadline_exceeded',
      details: { timeoutMs: 20 },
    });
    await vi.waitFor(() => expect(seen?.aborted).toBe(true));
    expect(seen?.reason).toMatchObject({ code: 'deadline_exceeded' });
  });

  test('an abort reaches both sides', async () => {
    const { asking, serving } = open();
    const caller = new AbortController();
    let seen: AbortSignal | undefined;
    serving.serve('a', (_message, { signal }) => {
      seen = signal;
      return never();
    });
    const sent = askOn(asking)('a', hello, { signal: caller.signal });
    sent.catch(() => undefined);
    await vi.waitFor(() => expect(seen).toBeDefined());
    caller.abort();
    await expect(sent).rejects.toMatchObject({ code: 'cancelled' });
    await vi.waitFor(() => expect(seen?.aborted).toBe(true), 2_000);
  });

  test('a signal that fired before: the handler is not asked', async () => {
    const { asking, serving } = open();
    let asked = false;
    serving.serve('a', () => {
      asked = true;
      return never();
    });
    const sent = askOn(asking)('a', hello, { signal: AbortSignal.abort() });
    await expect(sent).rejects.toMatchObject({ code: 'cancelled' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked).toBe(false);
  });

  test('a handler that fails after the caller left is no unhandled rejection', async () => {
    const { asking, serving } = open();
    serving.serve('a', (_message, { signal }) => {
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('given up')));
      });
    });
    await expect(askOn(asking)('a', hello, { timeoutMs: 5 })).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
  });

  test('a call within a call ends with it', async () => {
    const { asking, serving } = open();
    let seen: AbortSignal | undefined;
    let inner: Promise<BusMessage> | undefined;
    serving.serve('outer', (message, caller: BusCaller) => {
      inner = askOn(asking)('inner', message, { parent: caller });
      inner.catch(() => undefined);
      return inner;
    });
    serving.serve('inner', (_message, { signal }) => {
      seen = signal;
      return never();
    });
    const asked = askOn(asking)('outer', hello, { timeoutMs: 30 });
    await expect(asked).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await expect(inner).rejects.toMatchObject({ code: 'cancelled' });
    await vi.waitFor(() => expect(seen?.aborted).toBe(true), 2_000);
  });
}
