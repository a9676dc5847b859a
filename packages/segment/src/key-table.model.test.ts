// Goal: the key table is a map, whatever is set and deleted, for both kinds of keys.
import { createBitset, setBit, type Column } from '@elanus/core';
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
      const table = new KeyTable(kind, salt, 2 << (salt % 8));
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

function columnOf(keys: readonly (bigint | string)[]): Column {
  if (typeof keys[0] !== 'string') {
    return { kind: 'int64', values: BigInt64Array.from(keys as readonly bigint[]) };
  }
  const parts = keys.map((key) => new TextEncoder().encode(String(key)));
  const offsets = new Uint32Array(keys.length + 1);
  parts.forEach((part, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + part.length;
  });
  return { kind: 'varchar', offsets, data: new Uint8Array(Buffer.concat(parts)) };
}

function checkSpans<K extends bigint | string>(
  kind: 'int64' | 'varchar',
  keys: fc.Arbitrary<K>,
): void {
  const batch = fc.record({
    keys: fc.array(keys, { minLength: 1, maxLength: 200 }),
    skip: fc.nat(3),
    to: location,
    step: fc.constantFrom(0 as const, 1 as const),
    forget: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 6 }), fc.nat(), (batches, salt) => {
      const table = new KeyTable(kind, salt);
      const model = new KeyTable(kind, salt);
      for (const { keys: list, skip, to, step, forget } of batches) {
        const from = Math.min(skip, list.length);
        const span = { keys: columnOf(list), from, to: list.length };
        const seen: unknown[] = [];
        table.each(span, (i, segmentId, row) => seen.push([i, segmentId && { segmentId, row }]));
        expect(seen).toEqual(list.slice(from).map((key, i) => [from + i, model.get(key) ?? 0]));
        const lost: unknown[] = [];
        table.point(span, { ...to, row: to.row >>> 1, step }, (i, segmentId, row) => {
          lost.push([i, { segmentId, row }]);
        });
        const wanted: unknown[] = [];
        for (let i = from; i < list.length; i++) {
          const row = (to.row >>> 1) + (i - from) * step;
          const before = model.set(list[i] as K, { segmentId: to.segmentId, row });
          if (before !== undefined) wanted.push([i, before]);
        }
        expect(lost).toEqual(wanted);
        if (forget) {
          const half = list.length >>> 1;
          table.forget({ ...span, to: half }, to.segmentId);
          for (const key of list.slice(from, half)) model.delete(key);
          table.forget(span, (to.segmentId % 1000) + 1_000_000_007);
        }
        expect(table.count).toBe(model.count);
        for (const key of list) expect(table.get(key)).toEqual(model.get(key));
      }
    }),
    { numRuns: 100 },
  );
}

test('spans of int64 keys are the same as keys one by one', () => {
  checkSpans('int64', int64);
});

test('spans of string keys are the same as keys one by one', () => {
  checkSpans('varchar', fc.oneof(fc.string(), fc.nat(40).map(String)));
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
