import {
  emptyHits,
  mergeHits,
  ownHits,
  type Awaitable,
  type Hits,
  type Metric,
  type Timestamp,
} from '@elanus/core';
import type { AskedAgain, ReadDemand, StandingSearch } from '@elanus/protocol';
import type { PreparedSearch } from '@elanus/segment';
import type { Wal } from '../wal/wal.ts';
import type { SnapshotBasis } from './snapshot.ts';

/** What a search of a shard stands on. */
export interface StandsOn {
  readonly at: Timestamp;
  readonly metric: Metric;
  readonly wal: Wal;
  readonly basis: SnapshotBasis;
  /** Whether a search may begin now. */
  readonly mayBegin: () => boolean;
  /** Keeps what a thread searches, and counts it among those that run, until it has ended. */
  readonly hold: (running: Promise<Hits>) => Awaitable<Hits>;
  /** Over rows that grow. */
  readonly growing: PreparedSearch | undefined;
  /** Over sealed ones. */
  readonly sealed: StandingSearch | undefined;
}

/**
 * A search of a shard that stands while nothing is written and no segment moves: then what it sees
 * is what it saw.
 */
export class StandingShardSearch implements StandingSearch {
  readonly at: Timestamp;
  readonly #on: StandsOn;
  /** Where hits of both are merged. */
  #room: Hits | undefined;

  constructor(on: StandsOn) {
    this.at = on.at;
    this.#on = on;
  }

  again(asked: AskedAgain): Awaitable<Hits> | undefined {
    const { growing, sealed, hold } = this.#on;
    if (!this.#holds(asked.demand)) return undefined;
    const { queries, nq } = asked;
    const here = growing?.search(queries, nq);
    if (growing !== undefined && here === undefined) return undefined;
    if (sealed === undefined) return here;
    const there = sealed.again(asked);
    if (there === undefined || here === undefined) {
      return there instanceof Promise ? hold(there) : there;
    }
    const { metric } = this.#on;
    if (there instanceof Promise) {
      // The next search writes over what this one found here.
      const own = ownHits(here);
      return hold(there.then((later) => mergeHits([own, later], metric)));
    }
    if (this.#room?.nq !== nq) this.#room = emptyHits(nq, here.limit, 'int64');
    return mergeHits([here, there], metric, this.#room);
  }

  /** Whether a read with this demand would take the same snapshot, and take it now. */
  #holds({ at, guarantee, strong }: ReadDemand): boolean {
    const { wal, basis, mayBegin } = this.#on;
    if (at !== undefined || guarantee > this.at || wal.serviceTs !== this.at) return false;
    if (strong === true && wal.isShared) return false;
    return basis.holds && mayBegin();
  }
}
