// Goal: keys land in the shards Milvus would choose. Murmur3-32 and CRC-32 have published vectors.
import { expect, test } from 'vitest';
import { shardOfInt64, shardOfString } from './key-hash.ts';

test('crc32 of "123456789" is the check value of CRC-32/IEEE', () => {
  const bytes = new TextEncoder().encode('123456789');
  expect(shardOfString(bytes, 0x100000000)).toBe(0xcbf43926);
});

test('only the first 100 bytes of a string decide', () => {
  const a = new Uint8Array(150).fill(7);
  const b = a.slice();
  b[120] = 9;
  expect(shardOfString(a, 16)).toBe(shardOfString(b, 16));
});

test('int64 keys follow murmur3-32 over eight little-endian bytes', () => {
  // Computed with the reference implementation of MurmurHash3_x86_32, seed 0.
  expect(shardOfInt64(0n, 0x80000000)).toBe(0x63852afc);
  expect(shardOfInt64(-1n, 0x80000000)).toBe(shardOfInt64(0xffffffffffffffffn, 0x80000000));
  const seen = new Set(Array.from({ length: 1000 }, (_, i) => shardOfInt64(BigInt(i), 16)));
  expect(seen.size).toBe(16);
});
