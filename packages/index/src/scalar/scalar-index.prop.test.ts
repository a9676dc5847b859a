// Goal: rows stand in the order of their values, and a look-up finds what a test of every row
// finds. Method: random columns of every kind, few values and many, against sorts and tests by
// JavaScript itself.
import { createBitset, hasBit, setBit } from '@elanus/core';
import type { BytesColumn, NumberColumn } from '@elanus/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { numberOrder, textOrder } from './row-order.ts';
import { buildScalarIndex, findRows } from './scalar-index.ts';
import type { ScalarColumn, ScalarValue, ValueSpan } from './scalar-index.ts';

type Kind = NumberColumn['kind'];

function numberColumn(kind: Kind, values: readonly (number | bigint | null)[]): NumberColumn {
  const plain = values.map((value) => value ?? 0);
  const valid = createBitset(values.length);
  values.forEach((value, row) => value !== null && setBit(valid, row));
  if (kind === 'int64') {
    return { kind, values: BigInt64Array.from(plain.map((value) => BigInt(value))), valid };
  }
  const numbers = plain.map(Number);
  if (kind === 'double') return { kind, values: Float64Array.from(numbers), valid };
  if (kind === 'float') return { kind, values: Float32Array.from(numbers), valid };
  if (kind === 'int8') return { kind, values: Int8Array.from(numbers), valid };
  return { kind: 'int32', values: Int32Array.from(numbers), valid };
}

function textColumn(texts: readonly (Uint8Array | null)[]): BytesColumn {
  const offsets = new Uint32Array(texts.length + 1);
  const valid = createBitset(texts.length);
  texts.forEach((text, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + (text?.length ?? 0);
    if (text !== null) setBit(valid, i);
  });
  const data = new Uint8Array(offsets[texts.length] ?? 0);
  texts.forEach((text, i) => text && data.set(text, offsets[i]));
  return { kind: 'bytes', offsets, data, valid };
}

const NUMBERS: Readonly<Record<string, fc.Arbitrary<number | bigint>>> = {
  int64: fc.oneof(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.bigInt(-2n, 2n)),
  int32: fc.oneof(fc.integer(), fc.integer({ min: -1, max: 1 })),
  int8: fc.integer({ min: -128, max: 127 }),
  double: fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(0, -0, 1, Infinity, -Infinity)),
  float: fc.float({ noNaN: true }),
};
/** Short and long, with common beginnings, zeros, and one the beginning of another. */
const text = fc.oneof(
  fc.uint8Array({ maxLength: 3, max: 2 }),
  fc.uint8Array({ maxLength: 20, max: 1 }),
  fc
    .uint8Array({ maxLength: 12 })
    .map((tail) =>
      Uint8Array.of(...'prefix of all '.split('').map((c) => c.charCodeAt(0)), ...tail),
    ),
);

/** A few values that come again, or any. */
const listOf = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<(T | null)[]> =>
  fc
    .array(value, { minLength: 1, maxLength: 40 })
    .chain((few) =>
      fc.array(fc.option(fc.oneof(fc.constantFrom(...few), value)), { maxLength: 300 }),
    );

const compare = (a: ScalarValue, b: ScalarValue): number => {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
};

const all = (length: number): Uint32Array => Uint32Array.from({ length }, (_, row) => row);

test.each(Object.keys(NUMBERS) as Kind[])('%s: rows by value, equal ones by number', (kind) => {
  const value = NUMBERS[kind] ?? fc.constant(0);
  fc.assert(
    fc.property(fc.array(value, { maxLength: 300 }), (values) => {
      const column = numberColumn(kind, values);
      const rows = [...all(values.length)];
      const sorted = rows.sort(
        (a, b) => compare(column.values[a] ?? 0, column.values[b] ?? 0) || a - b,
      );
      expect([...numberOrder(column, all(values.length))]).toEqual(sorted);
    }),
  );
});

test('texts: rows by bytes, equal ones by number', () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 400 }), (texts) => {
      const rows = [...all(texts.length)];
      const of = (row: number): Uint8Array => texts[row] ?? new Uint8Array(0);
      const sorted = rows.sort((a, b) => Buffer.compare(of(a), of(b)) || a - b);
      expect([...textOrder(textColumn(texts), all(texts.length))]).toEqual(sorted);
    }),
  );
});

test('texts: of those that are the beginning of others the shorter stand first', () => {
  const texts = Array.from({ length: 400 }, (_, i) => new Uint8Array((i * 7) % 21));
  const sorted = [...all(400)].sort((a, b) => ((a * 7) % 21) - ((b * 7) % 21) || a - b);
  expect([...textOrder(textColumn(texts), all(400))]).toEqual(sorted);
});

function spansOf<T extends ScalarValue>(value: fc.Arbitrary<T>): fc.Arbitrary<ValueSpan[]> {
  const bound = fc.option(value, { nil: undefined });
  const span = fc.record({ min: bound, max: bound, above: fc.boolean(), below: fc.boolean() });
  return fc.array(span, { maxLength: 4 });
}

function inSpan(value: ScalarValue, { min, max, above, below }: ValueSpan): boolean {
  if (min !== undefined && compare(value, min) < (above === true ? 1 : 0)) return false;
  return max === undefined || compare(value, max) <= (below === true ? -1 : 0);
}

function expectLookup(
  column: ScalarColumn,
  values: readonly (ScalarValue | null)[],
  spans: readonly ValueSpan[],
): void {
  const index = buildScalarIndex(column);
  if (index === undefined) throw new Error('it has an order');
  const distinct = new Set(values.flatMap((one) => (one === null ? [] : [String(one)])));
  if (distinct.size < 30) expect(index.kind).toBe('BITMAP');
  if (distinct.size > 34) expect(index.kind).toBe('SORTED');
  const found = findRows(index, column, spans);
  values.forEach((value, row) => {
    const expected = value !== null && spans.some((span) => inSpan(value, span));
    expect(hasBit(found, row)).toBe(expected);
  });
}

test.each(Object.keys(NUMBERS) as Kind[])('%s: a look-up finds what passes', (kind) => {
  const value = NUMBERS[kind] ?? fc.constant(0);
  // Bounds of other kinds: the order of JavaScript between numbers and bigints is exact.
  const bound = fc.oneof(value, fc.constantFrom(0.5, 2n ** 70n, -(2n ** 63n), 2 ** 53));
  fc.assert(
    fc.property(listOf(value), spansOf(bound), (values, spans) => {
      const column = numberColumn(kind, values);
      const kept = values.map((one, row) => (one === null ? null : (column.values[row] ?? 0)));
      expectLookup(column, kept, spans);
    }),
  );
});

test('texts: a look-up finds what passes', () => {
  fc.assert(
    fc.property(listOf(text), spansOf(text), (texts, spans) => {
      expectLookup(textColumn(texts), texts, spans);
    }),
  );
});

test('what has no order has no index', () => {
  expect(buildScalarIndex(numberColumn('double', [1, Number.NaN]))).toBeUndefined();
});
