/** Goal: equal values, and only those, are the same. Method: random values, and their copies. */
import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { sameValue } from './same-value.ts';

const leaf = fc.oneof(
  fc.constantFrom<unknown>(null, undefined, true, false, 0, -0, Number.NaN, 1, 1n, '1', '', '0'),
  fc.string({ maxLength: 2 }),
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'constructor'), tie('value'), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  ),
}));

test('as deep equality says, of values and of their copies', () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      expect(sameValue(a, b)).toBe(isDeepStrictEqual(a, b));
      expect(sameValue(a, structuredClone(a))).toBe(isDeepStrictEqual(a, structuredClone(a)));
    }),
    { numRuns: 2_000 },
  );
});

test('what is more than data is never the same', () => {
  const date = new Date(0);
  expect(sameValue({ date }, { date })).toBe(false);
  expect(sameValue(Uint8Array.of(1), Uint8Array.of(1))).toBe(false);
  expect(sameValue(Object.create(null), Object.create(null))).toBe(false);
  let deep: unknown = 1;
  for (let i = 0; i < 20; i++) deep = [deep];
  expect(sameValue(deep, deep)).toBe(false);
});
