import { compareKeys, createBitset, hasBit, setBit, type Column } from '@elanus/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SmallestKeys } from './smallest-keys.ts';

function textColumn(keys: readonly string[]): Column {
  const parts = keys.map((key) => new TextEncoder().encode(key));
  const offsets = new Uint32Array(keys.length + 1);
  parts.forEach((part, i) => (offsets[i + 1] = (offsets[i] ?? 0) + part.length));
  const data = new Uint8Array(offsets[keys.length] ?? 0);
  parts.forEach((part, i) => data.set(part, offsets[i]));
  return { kind: 'varchar', offsets, data };
}

const ints = fc.uniqueArray(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), {
  maxLength: 60,
});
const letter = fc.constantFrom('a', 'b', 'é', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}', '一');
const texts = fc.uniqueArray(
  fc.array(letter, { maxLength: 4 }).map((all) => all.join('')),
  {
    maxLength: 60,
  },
);

test('keeps the rows that sorting all of them would', () => {
  const keys = fc.oneof(ints, texts) as fc.Arbitrary<readonly (bigint | string)[]>;
  const order = fc.constantFrom(0, 1, -1);
  const bits = fc.infiniteStream(fc.boolean());
  const some = fc.tuple(keys, order, fc.integer({ min: 1, max: 12 }), bits, fc.boolean());
  fc.assert(
    fc.property(some, ([given, sign, keep, allow, all]) => {
      const list = sign === 0 ? given : given.toSorted((a, b) => sign * compareKeys(a, b));
      const allowed = all ? undefined : createBitset(list.length);
      list.forEach((_, i) => {
        if (allow.next().value && allowed !== undefined) setBit(allowed, i);
      });
      const without = new Set(list.flatMap((_, i) => (allow.next().value ? [] : [64 + i])));
      const column: Column =
        typeof list[0] === 'string'
          ? textColumn(list as readonly string[])
          : { kind: 'int64', values: BigInt64Array.from(list as readonly bigint[]) };
      const smallest = new SmallestKeys(keep);
      smallest.offerRows({ column, rowBase: 64, from: 0, to: list.length, allowed, without });
      const expected = list
        .map((key, i) => ({ key, row: 64 + i }))
        .filter(
          ({ row }) => !without.has(row) && (allowed === undefined || hasBit(allowed, row - 64)),
        )
        .sort((a, b) => compareKeys(a.key, b.key))
        .slice(0, keep);
      const found = smallest.rows.toSorted((a, b) => compareKeys(a.key, b.key));
      expect(found).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});
