import { ElanusError } from '@elanus/core';
import type { Clock, MetaLease } from '@elanus/core';

/** Leases of one store: who is alive, and until when. What ends is told to the store. */
export class Leases {
  readonly #clock: Clock;
  readonly #end: (leaseId: string) => Promise<void>;
  readonly #cancel = new Map<string, () => void>();
  #next = 1;

  /** `end` removes the keys of a lease that has ended. */
  constructor(clock: Clock, end: (leaseId: string) => Promise<void>) {
    this.#clock = clock;
    this.#end = end;
  }

  /** Whether a lease lives. */
  has(leaseId: string): boolean {
    return this.#cancel.has(leaseId);
  }

  /** Refuses an unknown or ended lease. */
  check(leaseId: string): void {
    if (!this.has(leaseId)) throw new ElanusError('lease_expired', { leaseId });
  }

  grant(ttlMs: number): MetaLease {
    const id = String(this.#next++);
    const arm = (): void => {
      this.#cancel.get(id)?.();
      const cancel = this.#clock.after(ttlMs, () => {
        this.#cancel.delete(id);
        void this.#end(id);
      });
      this.#cancel.set(id, cancel);
    };
    arm();
    return {
      id,
      keepAlive: async () => {
        this.check(id);
        arm();
      },
      revoke: async () => {
        if (!this.has(id)) return;
        this.#cancel.get(id)?.();
        this.#cancel.delete(id);
        await this.#end(id);
      },
    };
  }

  /** Stops the timers; nothing ends any more. */
  close(): void {
    for (const cancel of this.#cancel.values()) cancel();
    this.#cancel.clear();
  }
}
