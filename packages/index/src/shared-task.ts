import { loadKernels } from '@elanus/kernels';

import { reserveFile } from './build.ts';
import { createCrew } from './crew.ts';
import { graphDegree } from './hnsw-build.ts';
import { isGraphKind } from './index-file.ts';
import type { BuildTask } from './threads/build.ts';

/**
 * Makes a task that several threads may share: `build` in one of them, `help` with the same task in
 * as many as there are idle. Reserves all memory that the build needs.
 *
 * @throws RangeError for parameters out of range, or without that much memory
 */
export function sharedTask(task: BuildTask): BuildTask {
  const { kind, metric, column, params } = task;
  if (!isGraphKind(kind)) return task;
  const file = reserveFile({ kernels: loadKernels(task.kernels), kind, metric, column, params });
  return { ...task, file, crew: createCrew(column.rowCount, graphDegree(params)) };
}
