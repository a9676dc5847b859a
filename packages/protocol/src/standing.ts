/**
 * A search that stands: it was answered, and can be asked again with other vectors, by a call from
 * role to role within the process. Nothing is read, looked up or packed anew; each role only sees
 * whether what it had found still holds. Where it does not, or there is something to wait for, the
 * search goes by the bus, as the first one did.
 */
import type { Hits, Timestamp, VectorColumn } from '@elanus/core';
import type { ReadDemand } from './calls/streaming.ts';

/** See the file's header. */
export interface StandingSearch {
  /** The instant that answers are of. */
  readonly at: Timestamp;
  /**
   * The best rows for `nq` vectors, in this turn, to be read before the next call; undefined: ask
   * by the bus.
   */
  again(queries: VectorColumn, nq: number, demand: ReadDemand): Hits | undefined;
}
