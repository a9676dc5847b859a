/**
 * Where a read runs: short ones on the caller's thread, when nothing waits, because waking a thread
 * costs more than they do; the others on the search pools.
 */
import { hitsOfBytes, type Awaitable, type Bitset, type BusCaller } from '@elanus/core';
import type { Hits, Pool } from '@elanus/core';
import { isLookup, type CheckedFilter } from '@elanus/expr';
import type { ScalarColumn, ScalarIndex } from '@elanus/index';
import { loadKernels, type KernelChoice, type Kernels } from '@elanus/kernels';
import { ViewSender } from './kept-views.ts';
import { narrowReads } from './narrow.ts';
import type { Queries } from './scan.ts';
import { PreparedSearch } from './prepared-search.ts';
import { rowsPassing } from './read-set.ts';
import { bytesOfQueries, RepeatedSearches } from './repeated-search.ts';
import { searchCost } from './search-cost.ts';
import { searchSegments, type SearchOutput, type SearchTask } from './search.ts';
import { countRows, selectRows, type Selection, type SelectTask } from './select.ts';
import { segmentThreads } from './threads.ts';
import type { SegmentView } from './view.ts';

/** Multiply-adds that run inline: about half a millisecond on one core of a small server. */
const INLINE_WORK_MAX = 1_600_000;
/** Rows a filter may look at inline; JSON costs up to 100 ns a row. */
const INLINE_FILTER_ROWS_MAX = 2_000;
/** Rows that an index answers for in the time that a filter looks at one. */
const LOOKUP_ROWS = 64;
/** Rows a scalar read may sort inline. */
const INLINE_SELECT_ROWS_MAX = 1_000;

/** Which way was taken. */
export type Where = 'inline' | 'pool';

/** What a search found, and where. */
export interface Searched {
  readonly output: SearchOutput;
  readonly where: Where;
}

/** Where a read goes, and for whom. */
interface To {
  readonly pool: Pool;
  readonly caller: BusCaller | undefined;
}

/** Runs reads over segments; see the file's header. */
export class ReadRunner {
  readonly kernels: Kernels;
  readonly choice: KernelChoice;
  readonly #pools: readonly Pool[];
  readonly #views: ViewSender;
  readonly #kept: boolean;
  readonly #repeated = new RepeatedSearches();

  /** `kept`: threads keep what they are sent, until `forget`; for segments that do not grow. */
  constructor(choice: KernelChoice, pools: readonly Pool[], options: { kept?: boolean } = {}) {
    this.#kept = options.kept === true;
    this.#views = new ViewSender(this.#kept);
    this.kernels = loadKernels(choice);
    this.choice = choice;
    this.#pools = pools;
  }

  /** How many reads run at once on threads. */
  get threads(): number {
    return this.#pools.reduce((sum, { threads }) => sum + threads, 0);
  }

  /** Starts a thread, so that the first long read does not wait for it. */
  async warm(): Promise<void> {
    await this.#run('count', { reads: [], filter: undefined });
  }

  /** Searches; see `searchSegments`. Short ones are answered in this turn. */
  search(task: SearchTask, caller?: BusCaller): Awaitable<Searched> {
    const short = searchCost(task) <= INLINE_WORK_MAX && task.limit * task.nq <= 1_000;
    const filtered = filteredRows(task) > INLINE_FILTER_ROWS_MAX;
    if (short && !filtered) return { output: searchSegments(this.kernels, task), where: 'inline' };
    return this.#searchOnThread(task, caller);
  }

  /**
   * A search made ready to be asked again with other vectors; undefined where too much of it
   * differs by the vectors.
   */
  prepare(task: SearchTask): PreparedSearch | undefined {
    if (task.keyKind !== 'int64' || task.queries.kind !== 'vector') return undefined;
    if (filteredRows(task) > 0) return undefined;
    return new PreparedSearch(task, {
      kernels: this.kernels,
      queriesMax: Math.floor((INLINE_WORK_MAX / searchCost(task)) * task.nq),
      onThread: (asked, caller) => this.#searchOnThread(asked, caller).then(hitsOfSearched),
    });
  }

  /** A segment was released: threads need not keep it any more. */
  forget(segmentId: number): void {
    this.#views.forget(segmentId);
    this.#repeated.clear();
  }

  #searchOnThread(given: SearchTask, caller: BusCaller | undefined): Promise<Searched> {
    const pool = this.#pool();
    // What filters leave is known, or has to be looked for: then with the columns it needs.
    const known = given.reads.every(({ passing }) => passing !== undefined);
    const task = known && given.filter ? { ...given, filter: undefined } : given;
    const again = this.#repeated.find(pool, task);
    const body = again && bytesOfQueries(task.queries);
    if (again === undefined || body === undefined) return this.#searchWhole(task, { pool, caller });
    const asked = { entry: segmentThreads.read, name: 'searchAgain', input: again, body };
    return pool.run(asked, caller).then((found) => {
      if (found === undefined) return this.#searchWhole(task, { pool, caller });
      const hits = hitsOfBytes(found as Uint8Array<ArrayBuffer>, task);
      return { output: { hits, plans: [] }, where: 'pool' };
    });
  }

  /** Sends all of a search; rows that the thread has by their names, unless it lacks them. */
  #searchWhole(task: SearchTask, to: To): Promise<Searched> {
    const { keyField, field, filter } = task;
    const needs = { filter, keyField, vectors: field };
    const queries = ownQueries(task.queries);
    const run = (whole: boolean): Promise<unknown> => {
      const reads = this.#views.send(to.pool, task.reads, { needs, whole });
      if (this.#kept && reads.sent.every(({ view }) => view === undefined)) {
        this.#repeated.add(to.pool, task, { kernels: this.choice, reads: reads.sent });
      }
      return this.#run('search', { ...task, queries, reads }, to);
    };
    const done = (output: unknown): Searched => ({ output: output as SearchOutput, where: 'pool' });
    return run(false).then((found) => (found === undefined ? run(true).then(done) : done(found)));
  }

  /** Selects rows by key; see `selectRows`. */
  select(task: SelectTask, caller?: BusCaller): Awaitable<Selection> {
    if (rowsOf(task) <= INLINE_SELECT_ROWS_MAX) return selectRows(task);
    const { filter, keyField } = task;
    const reads = narrowReads(task.reads, { filter, keyField, vectors: undefined });
    return this.#run('select', { ...task, reads }, { caller }) as Promise<Selection>;
  }

  /** Counts rows; see `countRows`. */
  count(task: Pick<SelectTask, 'reads' | 'filter'>, caller?: BusCaller): Awaitable<number> {
    if (filteredRows(task) <= INLINE_FILTER_ROWS_MAX) return countRows(task);
    const { filter } = task;
    const needs = { filter, keyField: undefined, vectors: undefined };
    const reads = narrowReads(task.reads, needs);
    return this.#run('count', { filter, reads }, { caller }) as Promise<number>;
  }

  /** The rows of a segment that pass a filter; see `rowsPassing`. Short ones in this turn. */
  passing(view: SegmentView, filter: CheckedFilter): Awaitable<Bitset> {
    const read = { view, visibleRows: view.rowCount, deleted: undefined };
    const asked = { reads: [read], filter };
    if (filteredRows(asked) <= INLINE_FILTER_ROWS_MAX) return rowsPassing(view, filter);
    const needs = { filter, keyField: undefined, vectors: undefined };
    const reads = narrowReads(asked.reads, needs);
    return this.#run('passing', { filter, reads }) as Promise<Bitset>;
  }

  /** Builds the index of a scalar column of a sealed segment, on a thread. */
  async indexScalar(column: ScalarColumn): Promise<ScalarIndex | undefined> {
    return (await this.#run('indexScalar', column)) as ScalarIndex | undefined;
  }

  #run(
    name: string,
    task: unknown,
    { pool = this.#pool(), caller }: Partial<To> = {},
  ): Promise<unknown> {
    const input = { kernels: this.choice, task };
    return pool.run({ entry: segmentThreads.read, name, input }, caller);
  }

  /** The pool with the shortest queue; the first of equals, whose thread was awake last. */
  #pool(): Pool {
    let [pool] = this.#pools;
    for (const other of this.#pools) if (pool && other.pending < pool.pending) pool = other;
    if (pool === undefined) throw new Error('assertion failed: a world has a search pool');
    return pool;
  }
}

const hitsOfSearched = ({ output }: Searched): Hits => output.hits;

/** Queries in arrays of their own: a thread gets the whole buffer that an array lies in. */
function ownQueries(queries: Queries): Queries {
  return queries.kind === 'vector' ? { ...queries, values: queries.values.slice() } : queries;
}

/** Rows that a filter looks at, or what takes as long. */
function filteredRows({ filter, reads }: Pick<SearchTask, 'filter' | 'reads'>): number {
  if (filter === undefined) return 0;
  return reads.reduce((sum, { view, visibleRows, passing }) => {
    if (passing !== undefined) return sum;
    const found = view.chunks.every(({ scalars }) => {
      return scalars !== undefined && isLookup(filter, (field) => scalars.has(field));
    });
    return sum + (found ? visibleRows / LOOKUP_ROWS : visibleRows);
  }, 0);
}

function rowsOf(task: { readonly reads: SearchTask['reads'] }): number {
  return task.reads.reduce((sum, read) => sum + read.visibleRows, 0);
}
