// Thread entry of reads. Each exported function is one task of a pool: it loads the kernels its
// caller uses and runs the same code as the inline way, so both give the same answers.
import { assert, ownHits, type Bitset } from '@elanus/core';
import { buildScalarIndex, type ScalarColumn, type ScalarIndex } from '@elanus/index';
import type { KernelChoice } from '@elanus/kernels';
import { loadKernels } from '@elanus/kernels';
import { rowsPassing } from '../read-set.ts';
import { searchSegments, type SearchOutput, type SearchTask } from '../search.ts';
import { countRows, selectRows, type Selection, type SelectTask } from '../select.ts';

/** A task with the kernels to run it on. */
export interface WithKernels<T> {
  readonly kernels: KernelChoice;
  readonly task: T;
}

/** `searchSegments` on a thread. */
export function search(input: WithKernels<SearchTask>): SearchOutput {
  const { hits, plans } = searchSegments(loadKernels(input.kernels), input.task);
  return { hits: ownHits(hits), plans };
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
