/** Randomness as the code sees it: the system's in production, seeded in the simulator. */
export interface Rng {
  /** A uniform integer in [0, 2^32). */
  u32(): number;
  /** `length` random bytes, fit for identifiers and idempotency keys. */
  bytes(length: number): Uint8Array;
}
