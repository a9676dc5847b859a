import { makeIdempotencyKey } from '@elanus/core';
import type { Platform } from './platform.ts';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** 26 characters: 10 of the millisecond, 16 of randomness; text order is the order of time. */
export function makeIds(platform: Platform): () => string {
  let lastMs = -1;
  let counter = 0n;
  return () => {
    const ms = Math.max(platform.nowMs(), lastMs);
    // Within one millisecond ids count up from a random start, so that they stay in order.
    if (ms === lastMs) counter += 1n;
    else counter = random80(platform);
    lastMs = ms;
    return base32(BigInt(ms), 10) + base32(BigInt.asUintN(80, counter), 16);
  };
}

function random80(platform: Platform): bigint {
  let value = 0n;
  for (const byte of platform.random(10)) value = (value << 8n) | BigInt(byte);
  // The highest bit stays free, so that counting up does not wrap around.
  return value >> 1n;
}

function base32(value: bigint, length: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < length; i++) {
    text = ALPHABET[Number(rest & 31n)] + text;
    rest >>= 5n;
  }
  return text;
}

/** A new idempotency key: the time and 128 random bits. */
export function makeKey(platform: Platform): string {
  return makeIdempotencyKey(platform.nowMs(), platform.random(16));
}
