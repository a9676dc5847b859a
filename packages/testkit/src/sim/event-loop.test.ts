import { describe, expect, it } from 'vitest';
import { EventLoop } from './event-loop.ts';
import { SeededRng } from './seeded-rng.ts';

const loopOf = (seed = 1): EventLoop => new EventLoop(new SeededRng(seed));

describe('EventLoop', () => {
  it('moves time from event to event, and leaves out what was taken back', async () => {
    const loop = loopOf();
    const seen: number[] = [];
    const end = await loop.run(async () => {
      loop.after(20, 'later', () => seen.push(loop.nowMs));
      loop.after(15, 'never', () => seen.push(-1))();
      loop.after(10, 'sooner', () => seen.push(loop.nowMs));
      await loop.sleep(30, 'end');
    });
    expect(seen).toEqual([10, 20]);
    expect(end).toMatchObject({ events: 3, virtualMs: 30 });
  });

  it('lets promises go as far as they can between two events', async () => {
    const loop = loopOf();
    const seen: string[] = [];
    await loop.run(async () => {
      const hops = async (): Promise<void> => {
        for (let n = 0; n < 1_000; n++) await Promise.resolve();
        seen.push(`hops ${loop.nowMs}`);
      };
      for (let n = 1; n <= 200; n++) loop.after(n, 'event', () => void hops());
      await loop.sleep(200.5, 'end');
    });
    expect(seen).toEqual(Array.from({ length: 200 }, (_, n) => `hops ${n + 1}`));
  });

  it('runs nothing once its work is done', async () => {
    const loop = loopOf();
    let late = 0;
    const end = await loop.run(async () => {
      for (let n = 0; n < 100; n++) loop.after(2, 'late', () => late++);
      await loop.sleep(1, 'end');
    });
    expect(late).toBe(0);
    expect(end.events).toBe(1);
  });

  it('throws what an event throws, and when nothing is left to happen', async () => {
    const loop = loopOf();
    const broken = loop.run(() => {
      loop.after(1, 'broken', () => {
        throw new Error('of an event');
      });
      return loop.sleep(2, 'end');
    });
    await expect(broken).rejects.toThrow('of an event');
    const stuck = loopOf().run(() => new Promise(() => undefined));
    await expect(stuck).rejects.toThrow('something is going to happen');
  });

  it('gives one seed one trace, however long, and another seed another', async () => {
    const traceOf = async (seed: number): Promise<string> => {
      const loop = loopOf(seed);
      const end = await loop.run(async () => {
        for (let n = 0; n < 3_000; n++) loop.after(1, `event ${n}`, () => undefined);
        await loop.sleep(2, 'end');
        loop.note('over');
      });
      return end.trace;
    };
    expect(await traceOf(1)).toBe(await traceOf(1));
    expect(await traceOf(1)).not.toBe(await traceOf(2));
  });
});
