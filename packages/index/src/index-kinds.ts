import { assert } from '@elanus/core';
import type { Kernels } from '@elanus/kernels';

import type { IndexHandle } from './handle.ts';
import type * as Kinds from './open.ts';
import type { VectorIndex } from './vector-index.ts';

/** What knows the kinds of index files. */
export type IndexKinds = typeof Kinds;

let kinds: IndexKinds | undefined;

/**
 * Loads the code of all kinds, once: it comes with the first index, so that a program without any
 * does not read it. Cost: 3 ms the first time.
 */
export async function loadIndexKinds(): Promise<IndexKinds> {
  kinds ??= await import('./open.ts');
  return kinds;
}

/**
 * `openHandle` of what `loadIndexKinds` has loaded: whoever brings the first handle into a thread
 * loads it there.
 */
export function openHandle(kernels: Kernels, handle: IndexHandle): VectorIndex {
  assert(kinds !== undefined, 'a handle came before loadIndexKinds');
  return kinds.openHandle(kernels, handle);
}
