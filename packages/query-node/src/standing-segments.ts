import type { Awaitable, Hits } from '@elanus/core';
import type { AskedAgain, StandingSearch } from '@elanus/protocol';
import type { PreparedSearch } from '@elanus/segment';
import type { HeldSegments } from './held-segments.ts';

/** A search over the segments of a node that stands until one of the node's segments changes. */
export class StandingSegments implements StandingSearch {
  /** Which of their rows are visible, the caller says. */
  readonly at = 0n;
  readonly #held: HeldSegments;
  readonly #changes: number;
  readonly #search: PreparedSearch;

  /** `changes`: of the segments when the search looked at them. */
  constructor(held: HeldSegments, changes: number, search: PreparedSearch) {
    this.#held = held;
    this.#changes = changes;
    this.#search = search;
  }

  again({ queries, nq, caller }: AskedAgain): Awaitable<Hits> | undefined {
    if (this.#held.changes !== this.#changes) return undefined;
    return this.#search.search(queries, nq) ?? this.#search.searchOnThread(queries, nq, caller);
  }
}
