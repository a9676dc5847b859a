import type { IdBlock } from '@elanus/api';
import { LIMITS, makeIdempotencyKey } from '@elanus/core';
import type { Platform } from './platform.ts';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** Ids that the database makes, as one call gives them to its rows. */
export interface CallIds {
  /**
   * The text id of the caller's row: 26 characters, 10 of the millisecond in which the call began,
   * 16 that count up from a random start. Text order is the order of calls, then of rows.
   */
  readonly textAt: (row: number) => string;
  /** Leased whole numbers, by the first row of the part that they were taken for. */
  readonly blocks: Map<number, IdBlock>;
}

/**
 * The ids of calls by idempotency key: a call that is repeated with its key gives every row the id
 * it had before, so that it sends the same bytes and has one effect.
 */
export interface IdMemory {
  /** The ids of a call; those of an earlier one with this key, while servers remember it. */
  of(collectionId: number, key: string): CallIds;
  /** Nobody will repeat the call: its key is known to nobody. */
  forget(collectionId: number, key: string): void;
}

interface Remembered {
  readonly ids: CallIds;
  readonly usedMs: number;
}

/** Calls remembered by one client; the oldest are forgotten first. */
const CALLS_MAX = 1_000;
/** Ids that calls of one millisecond lie apart: more than any call has rows. */
const CALL_STEP = 2n ** 48n;

/** Makes the memory of one client. */
export function createIdMemory(platform: Platform): IdMemory {
  const calls = new Map<string, Remembered>();
  let lastMs = -1;
  let start = 0n;
  const begin = (): CallIds => {
    const ms = Math.max(platform.nowMs(), lastMs);
    // Within one millisecond calls count up from a random start, so that they stay in order.
    start = ms === lastMs ? start + CALL_STEP : random80(platform);
    lastMs = ms;
    const time = base32(BigInt(ms), 10);
    const first = start;
    const textAt = (row: number): string =>
      time + base32(BigInt.asUintN(80, first + BigInt(row)), 16);
    return { textAt, blocks: new Map() };
  };
  return {
    of: (collectionId, key) => {
      const name = `${collectionId}/${key}`;
      const usedMs = platform.nowMs();
      const before = calls.get(name);
      const known = before !== undefined && usedMs - before.usedMs < LIMITS.idempotencyWindowMs;
      const ids = known ? before.ids : begin();
      calls.delete(name);
      calls.set(name, { ids, usedMs });
      for (const oldest of calls.keys()) {
        if (calls.size <= CALLS_MAX) break;
        calls.delete(oldest);
      }
      return ids;
    },
    forget: (collectionId, key) => void calls.delete(`${collectionId}/${key}`),
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
