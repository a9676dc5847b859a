import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isElanusError } from '@elanus/core';
import { decodeFrame, encodeFrame } from './frame.ts';

const leaf = fc.oneof(
  fc.string(),
  fc.constantFrom('~', '~n1', '~f2', '~~'),
  fc.double(),
  fc.bigInt(),
  fc.boolean(),
  fc.constant(null),
);
const head = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 5, noNullPrototype: true }),
  ),
})).value;
const body = fc.oneof(
  fc.uint8Array(),
  fc.int8Array(),
  fc.uint16Array(),
  fc.int16Array(),
  fc.uint32Array(),
  fc.int32Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigUint64Array(),
  fc.bigInt64Array(),
);
const bodies = fc.array(body, { maxLength: 4 });

test('what was encoded is decoded, wherever the bytes lie', () => {
  fc.assert(
    fc.property(head, bodies, fc.nat(9), (value, arrays, shift) => {
      const bytes = encodeFrame({ head: value, bodies: arrays });
      const moved = new Uint8Array(bytes.length + shift);
      moved.set(bytes, shift);
      const back = decodeFrame(moved.subarray(shift));
      expect(back.head).toStrictEqual(value);
      expect(back.bodies).toStrictEqual(arrays);
    }),
  );
});

test('bytes that are no message are refused', () => {
  const valid = encodeFrame({ head: { a: 1n }, bodies: [new Uint32Array([1, 2, 3])] });
  const refused = (bytes: Uint8Array): boolean => {
    try {
      decodeFrame(bytes);
      return false;
    } catch (error) {
      expect(isElanusError(error), String(error)).toBe(true);
      return true;
    }
  };
  for (let end = 0; end < valid.length; end++) {
    // The last bytes pad the last body.
    expect(refused(valid.subarray(0, end))).toBe(end < valid.length - 4);
  }
  fc.assert(
    fc.property(fc.nat(valid.length - 1), fc.nat(255), (at, byte) => {
      const harmed = valid.slice();
      harmed[at] = byte;
      refused(harmed);
    }),
    { numRuns: 1_000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void refused(bytes)));
  const newer = valid.slice();
  newer[0] = 2;
  expect(() => decodeFrame(newer)).toThrow(/newer|version/i);
});

test('an array between two elements of a larger one', () => {
  const all = new Float32Array([1, 2, 3, 4]);
  const { bodies: back } = decodeFrame(encodeFrame({ head: null, bodies: [all.subarray(1, 3)] }));
  expect(back).toStrictEqual([new Float32Array([2, 3])]);
});
