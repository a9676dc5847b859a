/**
 * All roles in one process: the embedded database. The same role code as in a cluster; only the
 * ports differ. Opening is start-up of the coordinator, then of the nodes, then of the channel's
 * owner, which recovers what was left; closing goes back in the other order.
 */
import type { Database } from '@elanus/api';
import type { ElanusError } from '@elanus/core';
import { loadKernels, type KernelChoice, type RowMemory } from '@elanus/kernels';
import { startCoordinator } from '@elanus/coordinator';
import { startDataNode } from '@elanus/data-node';
import { createProxy } from '@elanus/proxy';
import { startQueryNode } from '@elanus/query-node';
import { Resident, type Fence, type OpenWorld } from '@elanus/runtime';
import { startStreamingNode } from '@elanus/streaming-node';
import { memoryShares } from './memory-shares.ts';
import { VERSION } from './version.ts';

/** The one physical log of an embedded database. */
export const PCHANNEL = 'p0';

/** How to compose the roles. */
export interface EmbeddedOptions {
  readonly world: OpenWorld;
  readonly durability: 'process' | 'power';
  readonly kernels: KernelChoice;
  /** Bytes that rows may take in memory; three quarters of the machine's when not given. */
  readonly memoryBytes?: number | undefined;
  /** Undefined: the world's stores are ours alone. */
  readonly shared?: SharedStores | undefined;
}

/** Stores that other processes have, too: one of them leads, and writes. */
export interface SharedStores {
  /** Holds in the metadata while we lead. */
  readonly fence: Fence;
  /** Fires when we may not lead any more. */
  readonly lost: AbortSignal;
  /** Told once, when the log takes nothing from us any more. */
  readonly onStop: (why: ElanusError) => void;
}

/**
 * Starts all roles over a world; closing the database closes the world.
 * @throws what recovery finds: log_corrupt, file_corrupt, format_too_new, log_regressed
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Database> {
  const { world, kernels, durability, shared } = options;
  const ends: (() => Promise<void> | void)[] = [() => world.close()];
  const close = (): Promise<void> => runAll(ends.splice(0).reverse());
  try {
    const coordinator = await startCoordinator({ world, fence: shared?.fence });
    ends.push(() => coordinator.stop());
    const { search, build } = world.pools;
    const resident = new Resident<RowMemory>((rows) => loadKernels(kernels).discard(rows));
    const shares = memoryShares(world.proc, options.memoryBytes);
    const queryNode = startQueryNode({
      world,
      kernels,
      pools: search,
      resident,
      scalarIndexBytes: shares.scalarIndexes,
      filterResultBytes: shares.filterResults,
    });
    ends.push(() => queryNode.stop());
    const dataNode = startDataNode({
      world,
      kernels,
      pool: world.pools.build,
      resident,
      memoryBytes: shares.builds,
    });
    ends.push(() => dataNode.stop());
    const streamingNode = await startStreamingNode({
      world,
      pchannel: PCHANNEL,
      kernels,
      searchPools: search,
      buildPool: build,
      memoryBytes: shares.rows,
      shared,
    });
    ends.push(() => streamingNode.stop());
    return createProxy({ world, version: VERSION, durability, onClose: close });
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

/** Runs every end, the last one too when one before it fails: a folder that is kept is locked. */
async function runAll(ends: readonly (() => Promise<void> | void)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const end of ends) {
    try {
      await end();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
