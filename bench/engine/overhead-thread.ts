/** A bare thread beside the pool: makes the native call for each message, and sends rows back. */
import { parentPort, workerData } from 'node:worker_threads';
import { loadIndexKinds, type IndexHandle } from '../../packages/index/src/index.ts';
import { createTopK, loadKernels, sortTopK } from '../../packages/kernels/src/index.ts';

/** What the thread is started with. */
export interface ThreadData {
  readonly handle: IndexHandle;
  readonly ef: number;
}

const { handle, ef } = workerData as ThreadData;
const index = (await loadIndexKinds()).openHandle(loadKernels(), handle);

parentPort?.on('message', (queries: Float32Array) => {
  const top = createTopK(queries.length / index.dim, 10);
  index.search({ queries, top, ef });
  sortTopK(top, 'l2');
  parentPort?.postMessage({ rows: top.rows, scores: top.scores });
});
