import {
  emptyHits,
  mergeHits,
  type Hits,
  type Metric,
  type Timestamp,
  type VectorColumn,
} from '@elanus/core';
import type { ReadDemand, StandingSearch } from '@elanus/protocol';
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
  #merged: Hits | undefined;

  constructor(on: StandsOn) {
    this.at = on.at;
    this.#on = on;
  }

  again(queries: VectorColumn, nq: number, demand: ReadDemand): Hits | undefined {
    const { growing, sealed, metric } = this.#on;
    if (!this.#holds(demand)) return undefined;
    const there = sealed?.again(queries, nq, demand);
    if (growing === undefined) return there;
    if (sealed !== undefined && there === undefined) return undefined;
    const here = growing.search(queries, nq);
    if (there === undefined || here === undefined) return here;
    if (this.#merged?.nq !== nq) this.#merged = emptyHits(nq, here.limit, 'int64');
    return mergeHits([here, there], metric, this.#merged);
  }

  /** Whether a read with this demand would take the same snapshot, and take it now. */
  #holds({ at, guarantee, strong }: ReadDemand): boolean {
    const { wal, basis, mayBegin } = this.#on;
    if (at !== undefined || guarantee > this.at || wal.serviceTs !== this.at) return false;
    if (strong === true && wal.isShared) return false;
    return basis.holds && mayBegin();
  }
}
