// Thread entry of index builds: the file is built in shared memory, which the caller then writes.
import type { Metric } from '@elanus/core';
import { loadKernels, type KernelChoice } from '@elanus/kernels';
import { buildSteps } from '../build.ts';
import type { VectorColumn } from '../column.ts';
import type { IndexFile } from '../index-file.ts';
import type { IndexKind } from '../vector-index.ts';

/** One index to build. */
export interface BuildTask {
  readonly kernels: KernelChoice;
  readonly kind: IndexKind;
  readonly metric: Metric;
  readonly column: VectorColumn;
  /** Word 0 counts steps; the caller sets word 1 to cancel. */
  readonly control: Int32Array;
}

/** Builds to the end; undefined when it was cancelled. */
export function build(task: BuildTask): IndexFile | undefined {
  const { kind, metric, column, control } = task;
  const steps = buildSteps({ kernels: loadKernels(task.kernels), kind, metric, column });
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    Atomics.add(control, 0, 1);
    if (Atomics.load(control, 1) !== 0) return undefined;
  }
}
