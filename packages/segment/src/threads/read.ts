// Thread entry of reads. Each exported function is one task of a pool: it loads the kernels its
// caller uses and runs the same code as the inline way, so both give the same answers.
import { assert, bytesOfHits, ownHits, type Bitset } from '@elanus/core';
import {
  buildScalarIndex,
  loadIndexKinds,
  type ScalarColumn,
  type ScalarIndex,
} from '@elanus/index';
import type { KernelChoice } from '@elanus/kernels';
import { loadKernels } from '@elanus/kernels';
import { ViewKeeper, type SentReads } from '../kept-views.ts';
import { rowsPassing } from '../read-set.ts';
import { queriesOfBytes, type RepeatedInput } from '../repeated-search.ts';
import { searchSegments, type SearchOutput, type SearchTask } from '../search.ts';
import { countRows, selectRows, type Selection, type SelectTask } from '../select.ts';

/** A task with the kernels to run it on. */
export interface WithKernels<T> {
  readonly kernels: KernelChoice;
  readonly task: T;
}

/** A search whose reads may name what the thread has. */
export interface SentSearch extends Omit<SearchTask, 'reads'> {
  readonly reads: SentReads;
}

await loadIndexKinds();
const views = new ViewKeeper();

/** `searchSegments` on a thread; undefined: the thread lacks a view, and needs them all. */
export function search(input: WithKernels<SentSearch>): SearchOutput | undefined {
  const { task } = input;
  const reads = views.receive(task.reads);
  if (reads === undefined) return undefined;
  const { hits, plans } = searchSegments(loadKernels(input.kernels), { ...task, reads });
  return { hits: ownHits(hits), plans };
}

/** The same for vectors and hits as bytes. */
export function searchAgain(input: RepeatedInput, body: Uint8Array): Uint8Array | undefined {
  const { task } = input;
  const reads = views.receive({ sent: task.reads, dropped: [] });
  if (reads === undefined) return undefined;
  const asked = { ...task, reads, ...queriesOfBytes(task, body) };
  return bytesOfHits(searchSegments(loadKernels(input.kernels), asked).hits);
}

/** `selectRows` on a thread. */
export function select(input: WithKernels<SelectTask>): Selection {
  return selectRows(input.task);
}

/** `countRows` on a thread. */
export function count(input: WithKernels<Pick<SelectTask, 'reads' | 'filter'>>): number {
  loadKernels(input.kernels);
  return countRows(input.task);
}

/** `rowsPassing` of one segment on a thread; the bitset lies in shared memory. */
export function passing(input: WithKernels<Pick<SelectTask, 'reads' | 'filter'>>): Bitset {
  const { reads, filter } = input.task;
  const [read] = reads;
  assert(read !== undefined && filter !== undefined, 'one segment and a filter');
  return rowsPassing(read.view, filter);
}

/** `buildScalarIndex` on a thread; the index lies in shared memory. */
export function indexScalar(input: WithKernels<ScalarColumn>): ScalarIndex | undefined {
  return buildScalarIndex(input.task);
}
