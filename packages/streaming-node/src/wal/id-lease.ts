const LEASE_COUNT = 64;

/** Segment ids leased in blocks, so that few of them are asked for. Shards share one. */
export class IdLease {
  readonly #lease: (count: number) => Promise<number>;
  #next = 0;
  #end = 0;
  #leasing: Promise<void> | undefined;

  constructor(lease: (count: number) => Promise<number>) {
    this.#lease = lease;
  }

  /** The next id; nobody else gets it, however long it is kept. */
  async take(): Promise<number> {
    while (this.#next === this.#end) await (this.#leasing ??= this.#renew());
    return this.#next++;
  }

  async #renew(): Promise<void> {
    try {
      this.#next = await this.#lease(LEASE_COUNT);
      this.#end = this.#next + LEASE_COUNT;
    } finally {
      this.#leasing = undefined;
    }
  }
}
