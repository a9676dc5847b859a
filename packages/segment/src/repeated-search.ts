/**
 * Searches that come again with other vectors. All else of them is sent to a thread once, under the
 * same object each time, and vectors and hits travel as bytes (`PoolTask.body`): to send a whole
 * search takes longer than many of them.
 */
import { denseArray, denseWidth, type DenseType, type Pool, type SearchEffort } from '@elanus/core';
import type { KernelChoice } from '@elanus/kernels';
import type { SentRead } from './kept-views.ts';
import type { SegmentRead } from './read-set.ts';
import type { Queries } from './scan.ts';
import type { SearchTask } from './search.ts';

/** A search without its vectors, over rows that the thread has. */
export interface RepeatedSearch extends Omit<SearchTask, 'reads' | 'queries' | 'nq'> {
  readonly reads: readonly SentRead[];
  /** The vectors that come with it. */
  readonly type: DenseType;
  readonly dim: number;
}

/** What a thread is sent once. */
export interface RepeatedInput {
  readonly kernels: KernelChoice;
  readonly task: RepeatedSearch;
}

/** Searches that are remembered; the oldest one makes room. */
const KNOWN_MAX = 8;

interface Known {
  readonly pool: Pool;
  readonly task: SearchTask;
  readonly input: RepeatedInput;
}

/** What was sent, to be known again. */
export class RepeatedSearches {
  readonly #known: Known[] = [];

  /** What to send of a search that has come before; undefined: it has not. */
  find(pool: Pool, task: SearchTask): RepeatedInput | undefined {
    for (const known of this.#known) {
      if (known.pool === pool && sameButVectors(known.task, task)) return known.input;
    }
    return undefined;
  }

  /** A search was sent to a thread that had all its rows, by the names in `reads`. */
  add(pool: Pool, task: SearchTask, of: { kernels: KernelChoice; reads: readonly SentRead[] }) {
    const { queries, nq: _, ...rest } = task;
    if (!canRepeat(task) || queries.kind !== 'vector') return;
    const { type, dim } = queries;
    const input = { kernels: of.kernels, task: { ...rest, reads: of.reads, type, dim } };
    // Of the vectors their shape alone.
    const shape = { ...queries, values: queries.values.subarray(0, 0) };
    this.#known.unshift({ pool, task: { ...task, queries: shape }, input });
    if (this.#known.length > KNOWN_MAX) this.#known.pop();
  }

  /** Rows that were sent may be released. */
  clear(): void {
    this.#known.length = 0;
  }
}

/** Hits with keys that are numbers have a form in bytes; how they were found has none. */
function canRepeat({ keyKind, silent }: SearchTask): boolean {
  return keyKind === 'int64' && silent === true;
}

function sameButVectors(a: SearchTask, b: SearchTask): boolean {
  return (
    a.field === b.field &&
    a.limit === b.limit &&
    a.filter === b.filter &&
    a.silent === b.silent &&
    a.metric === b.metric &&
    a.keyField === b.keyField &&
    a.keyKind === b.keyKind &&
    a.bounds?.min === b.bounds?.min &&
    a.bounds?.max === b.bounds?.max &&
    sameEffort(a.effort, b.effort) &&
    sameShape(a.queries, b.queries) &&
    sameReads(a.reads, b.reads)
  );
}

function sameEffort(a: SearchEffort, b: SearchEffort): boolean {
  return (
    a.exact === b.exact &&
    a.recall === b.recall &&
    a.ef === b.ef &&
    a.nprobe === b.nprobe &&
    a.refine === b.refine &&
    a.dropRatio === b.dropRatio
  );
}

function sameShape(a: Queries, b: Queries): boolean {
  return a.kind === 'vector' && b.kind === 'vector' && a.type === b.type && a.dim === b.dim;
}

function sameReads(a: readonly SegmentRead[], b: readonly SegmentRead[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((read, i) => {
    const other = b[i];
    return (
      read.view === other?.view &&
      read.visibleRows === other.visibleRows &&
      read.deleted === other.deleted &&
      read.passing === other.passing
    );
  });
}

/** Dense vectors as the bytes that a search takes along. */
export function bytesOfQueries(queries: Queries): Uint8Array | undefined {
  if (queries.kind !== 'vector') return undefined;
  const { buffer, byteOffset, byteLength } = queries.values;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The vectors again; the bytes begin where their buffer does. */
export function queriesOfBytes(
  { type, dim }: RepeatedSearch,
  { buffer, byteLength }: Uint8Array,
): { readonly queries: Queries; readonly nq: number } {
  const length = byteLength / denseArray(type, 0).BYTES_PER_ELEMENT;
  const values = denseArray(type, { buffer, offset: 0, length });
  const queries = { kind: 'vector' as const, type, dim, values };
  return { queries, nq: length / denseWidth(type, dim) };
}
