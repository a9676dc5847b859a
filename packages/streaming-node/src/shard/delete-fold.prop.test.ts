// Goal: the output of a merge has its inputs' deletes, whenever they come. Method: random inputs
// with rows left out and deletes in timestamp order, some of them while the fold works; against a
// plain translation of all of them.
import { segmentId, type Clock } from '@elanus/core';
import { DeleteLog } from '@elanus/segment';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeleteFold } from './delete-fold.ts';
import type { FlushedSegment } from './state.ts';

const ROWS = 3_000;

/**
 * Of each input: share of the rows that are kept; and deletes: input, row, before the fold or in
 * it.
 */
const lives = fc.record({
  keep: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 4 }),
  seed: fc.integer(),
  deletes: fc.integer({ min: 0, max: 6_000 }),
  late: fc.integer({ min: 0, max: 20 }),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
});

test('deletes are those of the inputs, in order, up to any instant', async () => {
  await fc.assert(
    fc.asyncProperty(lives, async ({ keep, seed, deletes, late, at }) => {
      let state = seed >>> 0;
      const random = (): number => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return state / 2 ** 32;
      };
      const inputs: number[] = [];
      const rows: number[] = [];
      const logs = keep.map(() => new DeleteLog());
      keep.forEach((share, i) => {
        for (let row = 0; row < ROWS; row++) {
          if (random() >= share) continue;
          inputs.push(i + 1);
          rows.push(row);
        }
      });
      const expected: string[] = [];
      let now = 0n;
      const deleteOne = (): void => {
        now += BigInt(Math.floor(random() * 2));
        const [input, row] = [Math.floor(random() * keep.length), Math.floor(random() * ROWS)];
        logs[input]?.add(row, now);
        const found = rows.findIndex((one, i) => inputs[i] === input + 1 && one === row);
        if (found >= 0) expected.push(`${found} ${now}`);
      };
      for (let i = 0; i < deletes; i++) deleteOne();
      const moving = {
        outputId: 9,
        inputs: Float64Array.from(inputs),
        rows: Uint32Array.from(rows),
      };
      const segments = logs.map((log, i) => ({ segmentId: segmentId(i + 1), deletes: log }));
      const fold = new DeleteFold(moving, segments as unknown as FlushedSegment[]);
      let left = late;
      let turns = 0;
      const turn = (): Promise<void> => {
        turns++;
        if (left-- > 0) deleteOne();
        return Promise.resolve();
      };
      await fold.catchUp({ turn } as Partial<Clock> as Clock);
      expect(turns).toBe(Math.floor(deletes / 2_048));
      while (left-- > 0) deleteOne();
      const told = (until: bigint): string[] => {
        const log = fold.until(until);
        return [...log.rows].map((row, i) => `${row} ${log.timestamps[i]}`).sort();
      };
      const instant = BigInt(Math.floor(Number(now) * at));
      const before = (one: string): boolean => BigInt(one.split(' ')[1] ?? 0) <= instant;
      expect(told(instant)).toEqual(expected.filter(before).sort());
      expect(told(2n ** 64n - 1n)).toEqual(expected.toSorted());
    }),
    { numRuns: 20 },
  );
});
