// Goal: the key table is a map, whatever is set and deleted, for both kinds of keys.
import { createBitset, setBit } from '@elanus/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyTable, type RowLocation } from './key-table.ts';

const location = fc.record({
  segmentId: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  row: fc.nat(2 ** 32 - 1),
});
const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: 0n, max: 40n }),
  // Keys that differ in their high words only.
  fc.bigInt({ min: 0n, max: 40n }).map((n) => n << 32n),
);

function check<K extends bigint | string>(kind: 'int64' | 'varchar', keys: fc.Arbitrary<K>): void {
  const operation = fc.record({ key: keys, set: fc.option(location, { freq: 3 }) });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 400 }), fc.nat(), (operations, salt) => {
      const table = new KeyTable(kind, salt);
      const model = new Map<K, RowLocation>();
      for (const { key, set } of operations) {
        expect(table.get(key)).toEqual(model.get(key));
        if (set === null) {
          expect(table.delete(key)).toEqual(model.get(key));
          model.delete(key);
        } else {
          expect(table.set(key, set)).toEqual(model.get(key));
          model.set(key, set);
        }
        expect(table.count).toBe(model.size);
      }
      for (const [key, at] of model) expect(table.get(key)).toEqual(at);
    }),
    { numRuns: 150 },
  );
}

test('with int64 keys', () => {
  check('int64', int64);
});

test('with string keys', () => {
  check('varchar', fc.oneof(fc.string(), fc.nat(40).map(String)));
});

test('many int64 keys at once are the same as one by one', () => {
  const batch = fc.record({
    segmentId: location.map(({ segmentId }) => segmentId),
    rows: fc.array(fc.record({ key: int64, row: fc.nat(99) }), { maxLength: 300 }),
    hidden: fc.option(fc.array(fc.nat(99)), { nil: undefined }),
    reserve: fc.nat(2_000),
  });
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 4 }), fc.nat(), (batches, salt) => {
      const table = new KeyTable('int64', salt);
      const single = new KeyTable('int64', salt);
      const seen = new Set<bigint>();
      for (const { segmentId, rows, hidden, reserve } of batches) {
        const gone = hidden === undefined ? undefined : createBitset(100);
        for (const row of hidden ?? []) if (gone !== undefined) setBit(gone, row);
        for (const { key, row } of rows) {
          seen.add(key);
          if (!hidden?.includes(row)) single.set(key, { segmentId, row });
        }
        table.reserve(reserve);
        const keys = BigInt64Array.from(rows, ({ key }) => key);
        const places = Uint32Array.from(rows, ({ row }) => row);
        table.setMany(keys, places, { segmentId, hidden: gone });
        expect(table.count).toBe(single.count);
      }
      for (const key of seen) expect(table.get(key)).toEqual(single.get(key));
    }),
    { numRuns: 150 },
  );
});

test('many keys, half of them taken out, and the memory they are said to cost', () => {
  const table = new KeyTable('int64', 7);
  const count = 100_000;
  for (let i = 0; i < count; i++) table.set(BigInt(i), { segmentId: 1, row: i });
  for (let i = 0; i < count; i += 2) table.delete(BigInt(i));
  expect(table.count).toBe(count / 2);
  for (let i = 0; i < count; i++) {
    expect(table.get(BigInt(i))?.row).toBe(i % 2 === 0 ? undefined : i);
  }
  expect(table.bytes / count).toBeLessThan(48);
});
