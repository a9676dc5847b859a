import { LIMITS, timestampFromMs, timestampMs, type Timestamp } from '@elanus/core';

/** What a remembered write answered. */
export interface RememberedWrite {
  readonly count: number;
  readonly timestamp: Timestamp;
  readonly payloadHash: number;
}

/**
 * Idempotency keys of a vchannel: those of the last 15 minutes, at most 100,000. Folded from the
 * log by `apply`, kept in the recovery snapshot, so that a retry after a restart finds its answer.
 */
export class IdempotencyWindow {
  readonly #writes = new Map<string, RememberedWrite>();

  get size(): number {
    return this.#writes.size;
  }

  get(key: string): RememberedWrite | undefined {
    return this.#writes.get(key);
  }

  /** Remembers a write, in timestamp order, and forgets what has left the window. */
  remember(key: string, write: RememberedWrite): void {
    this.#writes.set(key, write);
    const oldest = timestampFromMs(timestampMs(write.timestamp) - LIMITS.idempotencyWindowMs);
    for (const [old, { timestamp }] of this.#writes) {
      const over = this.#writes.size > LIMITS.idempotencyKeysMax;
      if (!over && timestamp >= oldest) break;
      this.#writes.delete(old);
    }
  }

  entries(): IterableIterator<[string, RememberedWrite]> {
    return this.#writes.entries();
  }
}
