import { assert } from '@elanus/core';

const LEASE_COUNT = 64;

/** Segment ids leased in blocks, so that a turn can take one without asking anybody. */
export class IdLease {
  readonly #lease: (count: number) => Promise<number>;
  #next = 0;
  #end = 0;

  constructor(lease: (count: number) => Promise<number>) {
    this.#lease = lease;
  }

  /** Makes sure that `take` has an id. */
  async ready(): Promise<void> {
    if (this.#next < this.#end) return;
    const from = await this.#lease(LEASE_COUNT);
    if (this.#next < this.#end) return;
    this.#next = from;
    this.#end = from + LEASE_COUNT;
  }

  /** The next id. Await `ready` in the same admission. */
  take(): number {
    assert(this.#next < this.#end, 'an id was leased');
    return this.#next++;
  }
}
