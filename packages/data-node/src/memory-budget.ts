import { ElanusError } from '@elanus/core';

/** How soon a refused build is worth another try: others end meanwhile. */
const RETRY_AFTER_MS = 10_000;

/**
 * Memory of builds. Each reserves what it will need before it takes any, so that a build that does
 * not fit is refused while everything still works: its rows stay searchable by scan.
 */
export class MemoryBudget {
  readonly #budgetBytes: number;
  #usedBytes = 0;

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes;
  }

  get freeBytes(): number {
    return Math.max(0, this.#budgetBytes - this.#usedBytes);
  }

  /** Takes bytes until the returned function is called. @throws ElanusError memory_budget */
  reserve(neededBytes: number): () => void {
    if (neededBytes > this.freeBytes) {
      const budgetBytes = Math.floor(this.#budgetBytes);
      throw new ElanusError('memory_budget', {
        neededBytes,
        budgetBytes,
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    this.#usedBytes += neededBytes;
    let reserved = true;
    return () => {
      if (reserved) this.#usedBytes -= neededBytes;
      reserved = false;
    };
  }
}
