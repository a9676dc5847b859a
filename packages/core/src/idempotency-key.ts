/**
 * Idempotency keys that a client makes say when they were made, so that one older than what is
 * remembered is refused instead of executed a second time. Keys of users' own are any other text.
 */
const PREFIX = 'w1-';
const TIME_DIGITS = 10;
const PATTERN = /^w1-([0-9a-z]{10})-/;

/** A key made at `nowMs` from 16 random bytes. */
export function makeIdempotencyKey(nowMs: number, random: Uint8Array): string {
  const time = Math.trunc(nowMs).toString(36).padStart(TIME_DIGITS, '0');
  const noise = Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${PREFIX}${time}-${noise}`;
}

/** When a key was made, in wall-clock milliseconds; undefined for keys of users' own. */
export function idempotencyKeyMs(key: string): number | undefined {
  const [, time] = PATTERN.exec(key) ?? [];
  return time === undefined ? undefined : Number.parseInt(time, 36);
}
