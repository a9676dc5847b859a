/**
 * Multiply-adds of one native call. 16 million take about 3 ms from memory on one core of a small
 * server, so a machine three times slower stays below the 10 ms that a call may take at most
 * (bench/kernels/scan.ts).
 */
const WORK_PER_CALL = 16_000_000;

/**
 * Rows that one native call scans for `nq` queries, so that no call takes longer than 10 ms and a
 * thread can be ended between two of them. Scans cut themselves by it; a caller uses it to decide
 * how much to scan in one of its own turns. At least 1.
 */
export function rowsPerCall(dim: number, nq: number): number {
  return Math.max(1, Math.floor(WORK_PER_CALL / (Math.max(dim, 16) * nq)));
}

/** Bits that cost as much as one multiply-add. */
const BITS_PER_WORK = 8;
/** Bits that a row costs at least: a logarithm, its place in the heap. */
const BITS_MIN = 1024;

/** The same for rows of bits. At least 1. */
export function bitRowsPerCall(dim: number, nq: number): number {
  const work = Math.max(dim, BITS_MIN) * nq;
  return Math.max(1, Math.floor((WORK_PER_CALL * BITS_PER_WORK) / work));
}
