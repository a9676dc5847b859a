// Goal: a client's key tells its time, whatever is appended to it; other keys tell none.
import { expect, test } from 'vitest';
import { idempotencyKeyMs, makeIdempotencyKey } from './idempotency-key.ts';

test('a key tells when it was made, its parts too', () => {
  const key = makeIdempotencyKey(1_795_000_000_123.7, new Uint8Array(16).fill(255));
  expect(key).toBe(`w1-${(1_795_000_000_123).toString(36).padStart(10, '0')}-${'ff'.repeat(16)}`);
  expect(idempotencyKeyMs(key)).toBe(1_795_000_000_123);
  expect(idempotencyKeyMs(`${key}.3`)).toBe(1_795_000_000_123);
});

test('keys of users tell nothing', () => {
  for (const key of ['order-17', '01arz3ndektsv4rrffq69g5fav', 'w1-short-', '']) {
    expect(idempotencyKeyMs(key)).toBeUndefined();
  }
});
