import type { Pool } from '@elanus/core';
import type { KernelChoice } from '@elanus/kernels';
import { ReadRunner } from '@elanus/segment';

/**
 * Starts a thread of reads, so that the first long one does not wait for it. Before it is done that
 * thread counts as busy, and reads would start another one. Cost: 0.1 s of processor time.
 */
export function warmReads(kernels: KernelChoice, pools: readonly Pool[]): Promise<void> {
  return new ReadRunner(kernels, pools).warm();
}
