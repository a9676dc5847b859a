/** The data node: runs jobs. It serves no reads and commits nothing. */
import type { Pool } from '@elanus/core';
import type { KernelChoice, RowMemory } from '@elanus/kernels';
import { runBuild, serveCall } from '@elanus/protocol';
import type { Resident, World } from '@elanus/runtime';
import { MemoryBudget } from './memory-budget.ts';

/** What a data node is made of. */
export interface DataNodeOptions {
  readonly world: Pick<World, 'bus' | 'objects' | 'clock'>;
  readonly kernels: KernelChoice;
  readonly pool: Pool;
  /** Rows that a query node of this process holds: built over where they lie. */
  readonly resident: Resident<RowMemory>;
  /** Bytes that builds may take together: a build that needs more is refused. */
  readonly memoryBytes: number;
}

/** A running data node. */
export interface DataNode {
  /** Cancels jobs and takes no more. */
  stop(): void;
}

/** Starts taking jobs. */
export function startDataNode(options: DataNodeOptions): DataNode {
  const { world, kernels, pool, resident } = options;
  const ended = new AbortController();
  const memory = new MemoryBudget(options.memoryBytes);
  const end = serveCall(world.bus, runBuild, async ({ header }, { signal }) => {
    // Loaded with the first job: an opened database answers before it builds.
    const { buildJob } = await import('./build-job.ts');
    const either = AbortSignal.any([signal, ended.signal]);
    const { objects, clock } = world;
    const ports = { objects, clock, pool, kernels, resident, memory };
    return { header: await buildJob(ports, header, either) };
  });
  return {
    stop: () => {
      end();
      ended.abort();
    },
  };
}
