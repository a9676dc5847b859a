import type { Hits, VectorColumn } from '@elanus/core';
import type { StandingSearch } from '@elanus/protocol';
import type { PreparedSearch } from '@elanus/segment';
import type { HeldSegments } from './held-segments.ts';

/** A search over the segments of a node that stands until one of the node's segments changes. */
export class StandingSegments implements StandingSearch {
  /** Which of their rows are visible, the caller says. */
  readonly at = 0n;
  readonly #held: HeldSegments;
  readonly #changes: number;
  readonly #search: PreparedSearch;

  constructor(held: HeldSegments, search: PreparedSearch) {
    this.#held = held;
    this.#changes = held.changes;
    this.#search = search;
  }

  again(queries: VectorColumn, nq: number): Hits | undefined {
    if (this.#held.changes !== this.#changes) return undefined;
    return this.#search.search(queries, nq);
  }
}
