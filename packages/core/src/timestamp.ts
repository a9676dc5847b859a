/**
 * Hybrid timestamp, 64 bits: Unix milliseconds shifted left by 18, plus a logical counter. Milvus'
 * layout, so that wire clients can compare them. Strictly increasing from write to write in a
 * shard.
 */
export type Timestamp = bigint;

/** Bits of the logical counter. */
export const LOGICAL_BITS = 18n;

/** The timestamp before every write: what `eventual` reads demand. */
export const TIMESTAMP_ZERO: Timestamp = 0n;

/** The largest timestamp: above every write. */
export const TIMESTAMP_MAX: Timestamp = (1n << 64n) - 1n;

/** The first timestamp of a wall-clock millisecond. */
export function timestampFromMs(ms: number, logical = 0): Timestamp {
  return (BigInt(Math.trunc(ms)) << LOGICAL_BITS) + BigInt(logical);
}

/** The wall-clock millisecond of a timestamp. */
export function timestampMs(ts: Timestamp): number {
  return Number(ts >> LOGICAL_BITS);
}

/** The larger of two timestamps. */
export function maxTimestamp(a: Timestamp, b: Timestamp): Timestamp {
  return a > b ? a : b;
}
