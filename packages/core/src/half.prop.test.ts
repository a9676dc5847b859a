// Goal: 16-bit floats are the nearest to what was given, ties to even. Method: all 65,536 bit
// patterns, and numbers between, beside and halfway between neighbours, against distances in
// doubles; float16 also against the platform's own array where it has one.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  findNotFiniteHalf,
  halfToNumber,
  halvesToFloats,
  writeHalves,
  type HalfType,
} from './half.ts';

const TYPES: readonly HalfType[] = ['float16', 'bfloat16'];
const ALL = Uint16Array.from({ length: 65_536 }, (_, i) => i);

function halves(type: HalfType, values: ArrayLike<number>): Uint16Array {
  const into = new Uint16Array(values.length);
  writeHalves(type, values, { into, at: 0 });
  return into;
}

describe.each(TYPES)('%s', (type) => {
  const infinity = type === 'float16' ? 0x7c00 : 0x7f80;
  const numbers = halvesToFloats(type, ALL);

  test('every number comes back as its own bits', () => {
    const back = halves(type, numbers);
    for (let bits = 0; bits < 65_536; bits++) {
      if (Number.isNaN(numbers[bits])) expect(findNotFiniteHalf(type, back.subarray(bits))).toBe(0);
      else expect(back[bits]).toBe(bits);
    }
  });

  test('the nearest is taken, of two the even one', () => {
    const pair = fc.record({
      low: fc.integer({ min: 0, max: infinity - 2 }),
      part: fc.oneof(fc.constant(0.5), fc.double({ min: 0, max: 1, noNaN: true })),
      sign: fc.constantFrom(1, -1),
    });
    fc.assert(
      fc.property(pair, ({ low, part, sign }) => {
        const [a, b] = [halfToNumber(type, low), halfToNumber(type, low + 1)];
        const value = a + (b - a) * part;
        const even = low % 2 === 0 ? low : low + 1;
        const nearest = value - a === b - value ? even : value - a < b - value ? low : low + 1;
        const [bits] = halves(type, [sign * value]);
        expect(bits).toBe(sign < 0 ? nearest | 0x8000 : nearest);
      }),
    );
  });

  test('from a Float32Array the same, whatever its bits', () => {
    const word = fc.oneof(
      fc.nat(0xffff_ffff),
      fc
        .tuple(fc.integer({ min: 0, max: infinity }), fc.integer({ min: -2, max: 2 }))
        .map(([bits, step]) => {
          // Halfway between neighbours, and beside it.
          const [low, high] = [halfToNumber(type, bits), halfToNumber(type, bits + 1)];
          const middle = Float32Array.of((low + high) / 2);
          return (new Uint32Array(middle.buffer)[0] ?? 0) + step;
        }),
    );
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (words) => {
        const floats = new Float32Array(Uint32Array.from(words).buffer);
        const [one, other] = [new Uint16Array(words.length), new Uint16Array(words.length)];
        const bad = writeHalves(type, floats, { into: one, at: 0 });
        expect(bad).toBe(writeHalves(type, [...floats], { into: other, at: 0 }));
        const numbers = (bits: Uint16Array) => halvesToFloats(type, bits);
        expect(numbers(one)).toEqual(numbers(other));
      }),
    );
  });

  test('what lies beyond the largest is told by its place', () => {
    const largest = halfToNumber(type, infinity - 1);
    const step = largest - halfToNumber(type, infinity - 2);
    const into = new Uint16Array(3);
    const at = (value: number): number => writeHalves(type, [1, value, 2], { into, at: 0 });
    expect(at(largest + step / 2 - step / 1024)).toBe(-1);
    expect(at(largest + step / 2)).toBe(1);
    expect(at(-Infinity)).toBe(1);
    expect(at(Number.NaN)).toBe(1);
    expect(at(1e300)).toBe(1);
    expect(at(5e-324)).toBe(-1);
  });
});

test('float16 agrees with the platform', () => {
  const { Float16Array: platform } = globalThis as {
    Float16Array?: { from(values: number[]): { readonly buffer: ArrayBuffer } };
  };
  if (platform === undefined) return;
  fc.assert(
    fc.property(fc.array(fc.double({ min: -70_000, max: 70_000, noNaN: true })), (values) => {
      expect(halves('float16', values)).toEqual(new Uint16Array(platform.from(values).buffer));
    }),
  );
});
