// Goal: keys are said to increase exactly when each is above the one before it.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Column } from './column.ts';
import { keysIncrease } from './key-order.ts';

const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -3n, max: 3n }),
  fc.bigInt({ min: -3n, max: 3n }).map((n) => n << 32n),
);

function pairs<T>(keys: readonly T[], below: (a: T, b: T) => boolean): boolean {
  return keys.every((key, i) => i === 0 || below(keys[i - 1] as T, key));
}

/** Lists as they come, sorted, and sorted without doubles. */
function orders<T>(keys: readonly T[], compare: (a: T, b: T) => number): readonly T[][] {
  const sorted = [...keys].sort(compare);
  return [[...keys], sorted, sorted.filter((key, i) => i === 0 || key !== sorted[i - 1])];
}

test('int64', () => {
  fc.assert(
    fc.property(fc.array(int64, { maxLength: 40 }), (given) => {
      for (const keys of orders(given, (a, b) => (a < b ? -1 : Number(a > b)))) {
        const column: Column = { kind: 'int64', values: BigInt64Array.from(keys) };
        expect(keysIncrease(column)).toBe(pairs(keys, (a, b) => a < b));
      }
    }),
  );
});

test('text', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'z', '0'), maxLength: 4 });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 30 }), (given) => {
      for (const keys of orders(given, (a, b) => (a < b ? -1 : Number(a > b)))) {
        const data = new TextEncoder().encode(keys.join(''));
        const offsets = new Uint32Array(keys.length + 1);
        keys.forEach((key, i) => {
          offsets[i + 1] = (offsets[i] ?? 0) + key.length;
        });
        expect(keysIncrease({ kind: 'varchar', offsets, data })).toBe(pairs(keys, (a, b) => a < b));
      }
    }),
  );
});
