// Goal: a reader's bitset holds exactly the deletes at or before its instant, and never changes.
import { hasBit } from '@elanus/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeleteLog } from './delete-log.ts';

test('bitsets at any instant, in any order of reads and deletes', () => {
  const step = fc.record({ row: fc.nat(199), gap: fc.nat(3), read: fc.nat(60) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const log = new DeleteLog();
      const rows = new Map<number, bigint>();
      const held: { set: Uint32Array | undefined; copy: number[] }[] = [];
      let ts = 1n;
      for (const { row, gap, read } of steps) {
        ts += BigInt(gap);
        if (!rows.has(row)) {
          rows.set(row, ts);
          log.add(row, ts);
        }
        const at = BigInt(read);
        const set = log.bitset(at, 200);
        for (let i = 0; i < 200; i++) {
          const hidden = (rows.get(i) ?? 1_000n) <= at;
          expect(set === undefined ? false : hasBit(set, i)).toBe(hidden);
        }
        held.push({ set, copy: [...(set ?? [])] });
      }
      for (const { set, copy } of held) expect([...(set ?? [])]).toEqual(copy);
      const again = new DeleteLog();
      const { rows: list, timestamps } = log.snapshot();
      again.load(list, timestamps);
      expect(again.bitset(ts, 200)).toEqual(log.bitset(ts, 200));
    }),
    { numRuns: 200 },
  );
});
