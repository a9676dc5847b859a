/**
 * Searches of one shard that come while others run are answered together: one snapshot, one filter,
 * one walk over the rows, one answer from each thread. A search alone starts at once; what comes
 * meanwhile waits, and goes on as one as soon as there is room, the longest waiting first. Only
 * searches that ask alike in all but the vectors are joined; what each gets is what it would have
 * got alone at the snapshot's instant.
 *
 * One that is aborted leaves at once; a batch is stopped when all of it has left.
 */
import {
  andFinally,
  assert,
  concatColumns,
  ElanusError,
  isVectorColumn,
  sliceBatch,
  type Awaitable,
  type BusCaller,
  type Clock,
} from '@elanus/core';
import type { ShardHits, ShardSearch } from './reads.ts';

/** Queries of one batch: shared walks pay up to here, and a batch stays short. */
const QUERIES_MAX = 16;
/** How many of those that wait are looked at for one batch. */
const LOOKED_AT_MAX = 1_024;
/** Answers of one turn may take this long together, in milliseconds. */
const TURN_MS = 0.5;
/** Microtasks an answer is given on its way to the caller before the next one is sent. */
const STEPS = 8;

interface Waiting {
  readonly search: ShardSearch;
  readonly shape: string;
  readonly resolve: (hits: ShardHits) => void;
  readonly reject: (error: unknown) => void;
  /** Whether its caller has given up. */
  left: boolean;
  /** Told when it does while the batch runs. */
  onLeave: (() => void) | undefined;
}

type Run = (search: ShardSearch, caller: BusCaller) => Awaitable<ShardHits>;

/** See the file's header. */
export class SearchBatches {
  readonly #run: Run;
  readonly #clock: Clock;
  readonly #batchesMax: number;
  readonly #waiting = new Set<Waiting>();
  #running = 0;

  /** `batchesMax`: as many as there are threads to search on. */
  constructor(options: {
    readonly run: Run;
    readonly clock: Clock;
    readonly batchesMax: number;
  }) {
    this.#run = options.run;
    this.#clock = options.clock;
    this.#batchesMax = options.batchesMax;
  }

  /** Answers one search; at once when it needs no thread. @throws what it throws; cancelled */
  search(search: ShardSearch, caller: BusCaller): Awaitable<ShardHits> {
    if (this.isFree) return this.counted(() => this.#run(search, caller));
    return this.#wait(search, caller.signal);
  }

  /** Counts something as a search that runs, until it ends. */
  counted<T>(run: () => Awaitable<T>): Awaitable<T> {
    this.#running++;
    return andFinally(run, () => this.#ended());
  }

  /** Whether a search would begin at once. */
  get isFree(): boolean {
    return this.#running < this.#batchesMax && this.#waiting.size === 0;
  }

  #wait(search: ShardSearch, signal: AbortSignal): Promise<ShardHits> {
    if (signal.aborted) return Promise.reject(new ElanusError('cancelled', {}));
    return new Promise((resolve, reject) => {
      const shape = shapeOf(search);
      const waiting: Waiting = {
        search,
        shape,
        resolve,
        reject,
        left: false,
        onLeave: undefined,
      };
      this.#waiting.add(waiting);
      const leave = (): void => {
        waiting.left = true;
        this.#waiting.delete(waiting);
        reject(new ElanusError('cancelled', {}));
        waiting.onLeave?.();
      };
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  #ended(): void {
    this.#running--;
    while (this.#running < this.#batchesMax && this.#waiting.size > 0) {
      this.#running++;
      void this.#together(this.#next());
    }
  }

  /** The one that waits longest, and others like it. */
  #next(): readonly Waiting[] {
    const batch: Waiting[] = [];
    let queries = 0;
    let looked = 0;
    for (const waiting of this.#waiting) {
      if (looked++ > LOOKED_AT_MAX) break;
      const { shape, search } = waiting;
      if (batch[0] !== undefined) {
        if (shape !== batch[0].shape || queries + search.nq > QUERIES_MAX) continue;
      }
      this.#waiting.delete(waiting);
      batch.push(waiting);
      queries += search.nq;
      if (queries >= QUERIES_MAX) break;
    }
    return batch;
  }

  async #together(batch: readonly Waiting[]): Promise<void> {
    const stop = new AbortController();
    for (const waiting of batch) {
      waiting.onLeave = () => {
        if (batch.every(({ left }) => left)) stop.abort();
      };
    }
    try {
      const found = andFinally(
        () => this.#run(joined(batch), stop),
        () => this.#ended(),
      );
      await this.#answer(batch, await found);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  /** Gives each its part, a few in one turn: what follows from an answer takes its time too. */
  async #answer(batch: readonly Waiting[], found: ShardHits): Promise<void> {
    let begun = this.#clock.monoMs();
    let query = 0;
    let row = 0;
    for (const { search, resolve } of batch) {
      const part = partOf(found, { query, row, nq: search.nq });
      query += search.nq;
      row += part.columns.rowCount;
      resolve(part);
      for (let step = 0; step < STEPS; step++) await Promise.resolve();
      if (this.#clock.monoMs() - begun <= TURN_MS) continue;
      await this.#clock.turn();
      begun = this.#clock.monoMs();
    }
  }
}

/** What searches that are joined must have in common. */
function shapeOf(search: ShardSearch): string {
  const { demand, field, metric, limit, filter, bounds, effort, fields } = search;
  const { withTimestamp, explain } = search;
  const ids = fields.map(({ id }) => id);
  const range = bounds === undefined ? undefined : [String(bounds.min), String(bounds.max)];
  const at = String(demand.at);
  const shown = [ids, withTimestamp, explain];
  return JSON.stringify([at, field, metric, limit, range, effort, shown, filter]);
}

/** One search with all their vectors, at an instant that satisfies each. */
function joined(batch: readonly Waiting[]): ShardSearch {
  const [first] = batch;
  assert(first !== undefined, 'a batch is not empty');
  const { search } = first;
  if (batch.length === 1) return search;
  const nq = batch.reduce((sum, waiting) => sum + waiting.search.nq, 0);
  const queries = concatColumns(batch.map((waiting) => waiting.search.queries));
  assert(isVectorColumn(queries), 'columns keep their kind');
  let { guarantee } = search.demand;
  for (const { search: own } of batch) {
    if (own.demand.guarantee > guarantee) guarantee = own.demand.guarantee;
  }
  return { ...search, queries, nq, demand: { ...search.demand, guarantee } };
}

/** The hits of `nq` queries from `query` on; their fields begin at `row`. */
function partOf(
  found: ShardHits,
  part: { readonly query: number; readonly row: number; readonly nq: number },
): ShardHits {
  const { query, row, nq } = part;
  const { hits } = found;
  if (nq === hits.nq) return found;
  const { limit } = hits;
  const [from, to] = [query * limit, (query + nq) * limit];
  const counts = hits.counts.subarray(query, query + nq);
  const rows = counts.reduce((sum, count) => sum + count, 0);
  return {
    ...found,
    hits: {
      nq,
      limit,
      counts,
      scores: hits.scores.subarray(from, to),
      keys: hits.keys.slice(from, to),
      segments: hits.segments.subarray(from, to),
      rows: hits.rows.subarray(from, to),
    },
    columns: sliceBatch(found.columns, row, row + rows),
  };
}
