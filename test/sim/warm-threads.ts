/** Thread code, loaded before a seed runs: loading it later would take real time. */
import { indexThreads } from '../../packages/index/src/index.ts';
import { segmentThreads } from '../../packages/segment/src/index.ts';
import { dataThreads } from '../../packages/data-node/src/threads.ts';

/** Loads every thread entry into this thread, where the simulator runs their tasks. */
export async function warmThreads(): Promise<void> {
  const entries = [indexThreads, segmentThreads, dataThreads].flatMap((all) => Object.values(all));
  for (const entry of entries) await import(String(entry));
  await import('../../packages/data-node/src/build-job.ts');
}
