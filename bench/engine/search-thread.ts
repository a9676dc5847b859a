// A thread of bench/engine/threads.ts: searches an index that another thread opened, or helps to
// build one.
import { parentPort, workerData } from 'node:worker_threads';
import { loadIndexKinds, type IndexHandle } from '../../packages/index/src/index.ts';
import { build, help, type BuildTask } from '../../packages/index/src/threads/build.ts';
import { createTopK, loadKernels } from '../../packages/kernels/src/index.ts';

/** What a thread is asked. */
export type Ask =
  | { readonly kind: 'search'; readonly passes: number }
  | { readonly kind: 'build' | 'help'; readonly task: BuildTask };

/** What it searches. */
export interface Given {
  readonly handle: IndexHandle;
  readonly queries: Float32Array;
}

const { handle, queries } = workerData as Given;
const { dim } = handle.column as { readonly dim: number };
const index = (await loadIndexKinds()).openHandle(loadKernels(), handle);
const top = createTopK(1, 10);

function searches(passes: number): void {
  for (let n = 0; n < passes; n++) {
    for (let at = 0; at < queries.length; at += dim) {
      top.counts.fill(0);
      top.tied.fill(0);
      index.search({ queries: queries.subarray(at, at + dim), top });
    }
  }
}

parentPort?.on('message', (ask: Ask) => {
  if (ask.kind === 'search') searches(ask.passes);
  else if (ask.kind === 'build') build(ask.task);
  else help(ask.task);
  parentPort?.postMessage('done');
});
