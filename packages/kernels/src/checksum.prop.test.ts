import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { crc32, joinCrc32 } from './checksum.ts';

it('is what zlib computes, at every length, offset and seed', () => {
  const bytes = new Uint8Array(8_192).map((_, i) => (i * 2_654_435_761) >>> 13);
  for (let length = 0; length < 1_200; length++) {
    expect(crc32(bytes.subarray(3, 3 + length))).toBe(zlibCrc32(bytes.subarray(3, 3 + length)));
  }
  fc.assert(
    fc.property(fc.nat(4_000), fc.nat(4_000), fc.nat(0xffffffff), (at, length, seed) => {
      const part = bytes.subarray(at, at + length);
      expect(crc32(part, seed)).toBe(zlibCrc32(part, seed));
    }),
  );
});

it('continues from what came before, on shared memory too, past one native call', () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(33 * 1024 * 1024 + 5)).map((_, i) => i * 7);
  const head = crc32(bytes.subarray(0, 1_000_001));
  expect(crc32(bytes.subarray(1_000_001), head)).toBe(crc32(bytes));
  expect(crc32(bytes)).toBe(zlibCrc32(bytes));
});

it('joins the sums of two texts', () => {
  const bytes = new Uint8Array(70_000).map((_, i) => (i * 2_654_435_761) >>> 11);
  const whole = (length: number): void => {
    for (const at of [0, Math.min(7, length), length >>> 1, length]) {
      const second = bytes.subarray(at, length);
      const first = crc32(bytes.subarray(0, at));
      expect(joinCrc32(first, crc32(second), second.length)).toBe(crc32(bytes.subarray(0, length)));
    }
  };
  for (let length = 0; length < 300; length++) whole(length);
  fc.assert(fc.property(fc.nat(70_000), whole));
});
