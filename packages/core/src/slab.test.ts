import { expect, test } from 'vitest';
import { emptyHits, ownHits } from './hits.ts';
import { takeRoom } from './slab.ts';

test('rooms are aligned, zeroed and do not meet', () => {
  const arrays = Array.from({ length: 500 }, (_, i) => {
    const bytes = 1 + ((i * 37) % 12_000);
    const { buffer, offset } = takeRoom(bytes);
    expect(offset % 8).toBe(0);
    const array = new Uint8Array(buffer, offset, bytes);
    expect(array.every((byte) => byte === 0)).toBe(true);
    return array.fill(i % 251);
  });
  arrays.forEach((array, i) => expect(array.every((byte) => byte === i % 251)).toBe(true));
});

test('hits of their own take no slab along', () => {
  const hits = emptyHits(2, 5, 'int64');
  hits.scores[3] = 7;
  const { buffer } = hits.scores;
  const own = ownHits(hits);
  expect(own).toEqual(hits);
  const arrays = [own.counts, own.scores, own.rows, own.segments, own.keys as BigInt64Array];
  const bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
  for (const array of arrays) {
    expect(array.buffer).not.toBe(buffer);
    expect(array.buffer.byteLength).toBe(bytes);
  }
});
