// Thread entry of index builds: the file is built in shared memory, which the caller then writes.
import type { Metric } from '@elanus/core';
import { loadKernels, type KernelChoice } from '@elanus/kernels';
import { buildSteps, type IndexParams, type IndexPlan } from '../build.ts';
import type { IndexColumn } from '../column.ts';
import { dismiss, help as helpCrew, type Crew } from '../crew.ts';
import { helperWork } from '../help-build.ts';
import type { IndexFile } from '../index-file.ts';
import type { IndexKind } from '../vector-index.ts';

/** One index to build. */
export interface BuildTask {
  readonly kernels: KernelChoice;
  readonly kind: IndexKind;
  readonly metric: Metric;
  readonly column: IndexColumn;
  /** Word 0 counts steps; the caller sets word 1 to cancel. */
  readonly control: Int32Array;
  /** HNSW and IVF only. */
  readonly params?: IndexParams | undefined;
  /** Memory that was reserved before; without it the build allocates it. */
  readonly file?: IndexFile | undefined;
  /** Lets other threads help; needs `file`. */
  readonly crew?: Crew | undefined;
}

/** Builds to the end; undefined when it was cancelled. */
export function build(task: BuildTask): IndexFile | undefined {
  const { kernels, control, ...plan } = task;
  const steps = buildSteps({ ...plan, kernels: loadKernels(kernels) } satisfies IndexPlan);
  try {
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      Atomics.add(control, 0, 1);
      if (Atomics.load(control, 1) !== 0) return undefined;
    }
  } finally {
    if (task.crew !== undefined) dismiss(task.crew);
  }
}

/** Helps with a task of `sharedTask` until it is built or cancelled; links do not depend on it. */
export function help(task: BuildTask): void {
  const { crew, control } = task;
  if (crew === undefined) return;
  const cancelled = (): boolean => Atomics.load(control, 1) !== 0;
  helpCrew(crew, helperWork({ ...task, kernels: loadKernels(task.kernels) }), cancelled);
}
