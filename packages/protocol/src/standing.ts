/**
 * A search that stands: it was answered, and can be asked again with other vectors, by a call from
 * role to role within the process. Nothing is read, looked up or packed anew; each role only sees
 * whether what it had found still holds. Where it does not, or there is something to wait for, the
 * search goes by the bus, as the first one did.
 */
import type { Awaitable, BusCaller, Hits, Timestamp, VectorColumn } from '@elanus/core';
import type { ReadDemand } from './calls/streaming.ts';

/** A search as it is asked again. */
export interface AskedAgain {
  readonly queries: VectorColumn;
  /** How many vectors there are. */
  readonly nq: number;
  readonly demand: ReadDemand;
  /** Who may give up while a thread searches; undefined: nobody. */
  readonly caller: BusCaller | undefined;
}

/** See the file's header. */
export interface StandingSearch {
  /** The instant that answers are of. */
  readonly at: Timestamp;
  /**
   * The best rows: short searches in this turn, to be read before the next call; long ones when a
   * thread has found them. Undefined: ask by the bus.
   */
  again(asked: AskedAgain): Awaitable<Hits> | undefined;
}
