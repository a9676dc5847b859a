/**
 * A search that is asked again and again with other vectors: what is the same each time was worked
 * out once, and the hits of short ones are written over those of the time before.
 */
import { emptyHits, mergeHits, type BusCaller, type Hits, type VectorColumn } from '@elanus/core';
import type { Kernels } from '@elanus/kernels';
import { scanQueries } from './scan.ts';
import { searchInto, type ReadyTask, type SearchTask } from './search.ts';

/** Hits of one search; more are asked for in the usual way. */
const HITS_MAX = 1_000;

/** Where a search is made. */
export interface PreparedOn {
  readonly kernels: Kernels;
  /** So many queries fit in a turn. */
  readonly queriesMax: number;
  /** More are searched for there. */
  readonly onThread: (task: SearchTask, caller: BusCaller | undefined) => Promise<Hits>;
}

/** See the file's header. */
export class PreparedSearch {
  readonly #kernels: Kernels;
  /** Its queries are those of the call. */
  readonly #task: { -readonly [K in keyof ReadyTask]: ReadyTask[K] };
  readonly #queriesMax: number;
  readonly #onThread: PreparedOn['onThread'];
  #nq = 0;
  /** Of each segment, and of all together. */
  #parts: readonly Hits[] = [];
  #none: Hits | undefined;
  #merged: Hits | undefined;

  /**
   * `task`: vectors that are not sparse, keys that are numbers, filters whose results are known.
   */
  constructor(task: SearchTask, { kernels, queriesMax, onThread }: PreparedOn) {
    this.#kernels = kernels;
    this.#task = { ...task, ready: scanQueries(task.queries), silent: true };
    this.#queriesMax = Math.min(queriesMax, Math.floor(HITS_MAX / task.limit));
    this.#onThread = onThread;
  }

  /** The best rows, by a thread. */
  searchOnThread(queries: VectorColumn, nq: number, caller: BusCaller | undefined): Promise<Hits> {
    return this.#onThread({ ...this.#task, queries, nq }, caller);
  }

  /** The best rows, to be read before the next call; undefined: too long for this turn. */
  search(queries: VectorColumn, nq: number): Hits | undefined {
    if (nq > this.#queriesMax) return undefined;
    if (nq !== this.#nq) this.#makeRoom(nq);
    const task = this.#task;
    task.queries = queries;
    task.nq = nq;
    task.ready = scanQueries(queries);
    const { reads, metric } = task;
    let found: Hits[] | undefined;
    let first: Hits | undefined;
    for (let i = 0; i < reads.length; i++) {
      const [read, hits] = [reads[i], this.#parts[i]];
      if (read === undefined || hits === undefined) continue;
      if (!searchInto(this.#kernels, task, { read, hits })) continue;
      if (first === undefined) first = hits;
      else (found ??= [first]).push(hits);
    }
    if (found !== undefined) return mergeHits(found, metric, this.#merged);
    return first ?? this.#none;
  }

  #makeRoom(nq: number): void {
    const { limit, keyKind, reads } = this.#task;
    this.#nq = nq;
    this.#parts = reads.map(() => emptyHits(nq, limit, keyKind));
    this.#none = emptyHits(nq, limit, keyKind);
    this.#merged = reads.length > 1 ? emptyHits(nq, limit, keyKind) : undefined;
  }
}
