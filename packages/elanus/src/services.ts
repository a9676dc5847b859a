/**
 * The roles in processes of their own, over one bus, log, metadata and object store. Each process
 * plays one: coordinators and streaming nodes have others that stand by; of proxies and data nodes
 * any number works side by side. A streaming node has its query node with it.
 */
import type { Database } from '@elanus/api';
import { startCoordinator } from '@elanus/coordinator';
import { startDataNode } from '@elanus/data-node';
import { loadKernels, type KernelChoice, type RowMemory } from '@elanus/kernels';
import { createProxy } from '@elanus/proxy';
import { startQueryNode } from '@elanus/query-node';
import { localFirst, memoryBus, Resident, type OpenWorld } from '@elanus/runtime';
import { startStreamingNode } from '@elanus/streaming-node';
import { memoryShares } from './memory-shares.ts';
import { startStandBy, type Reign, type StandBy, type StandByState } from './stand-by.ts';
import { PCHANNEL } from './embedded.ts';
import { VERSION } from './version.ts';

/** How to run a role. */
export interface ServiceOptions {
  /** Its bus reaches the other processes. */
  readonly world: OpenWorld;
  readonly kernels: KernelChoice;
  /** Bytes that rows may take in memory; a share of the machine's when not given. */
  readonly memoryBytes?: number | undefined;
}

/** How to run a role that others stand by for. */
export interface StandByServiceOptions extends ServiceOptions {
  /** A leader that is not heard of for so long is none. */
  readonly leaseMs?: number | undefined;
  /** Told when it opens, has opened, could not, or closes. */
  readonly onChange?: ((what: StandByState, why?: unknown) => void) | undefined;
}

/** Key of the lease of who coordinates. */
export const COORDINATOR_KEY = 'elanus/service/coordinator';
/** Key of the lease of who owns the channel. */
export const CHANNEL_KEY = `elanus/service/channel/${PCHANNEL}`;

/** Subjects that a streaming node and its query node have for themselves. */
const isOwn = (subject: string): boolean => subject.startsWith('elanus.local.query.');

/** Coordinates, or stands by. */
export function startCoordinatorService(options: StandByServiceOptions): StandBy {
  const { world, leaseMs, onChange } = options;
  const start = async ({ fence }: Reign): Promise<() => Promise<void>> => {
    const coordinator = await startCoordinator({ world, fence });
    return () => coordinator.stop();
  };
  return startStandBy({ world, key: COORDINATOR_KEY, leaseMs, onChange, start });
}

/** Owns the channel, or stands by. */
export function startStreamingService(options: StandByServiceOptions): StandBy {
  const { world, leaseMs, onChange } = options;
  return startStandBy({
    world,
    key: CHANNEL_KEY,
    leaseMs,
    onChange,
    start: (reign) => openChannel(options, reign),
  });
}

async function openChannel(
  { world, kernels, memoryBytes }: StandByServiceOptions,
  { lost, onStop }: Reign,
): Promise<() => Promise<void>> {
  const bus = localFirst(memoryBus(world.clock), world.bus, isOwn);
  const { search, build } = world.pools;
  const shares = memoryShares(world.proc, memoryBytes);
  const queryNode = startQueryNode({
    world: { ...world, bus },
    kernels,
    pools: search,
    resident: new Resident<RowMemory>((rows) => loadKernels(kernels).discard(rows)),
    scalarIndexBytes: shares.scalarIndexes,
    filterResultBytes: shares.filterResults,
  });
  try {
    const streamingNode = await startStreamingNode({
      world: { ...world, bus },
      pchannel: PCHANNEL,
      kernels,
      searchPools: search,
      buildPool: build,
      memoryBytes: shares.rows,
      shared: { lost, onStop },
    });
    return async () => {
      await streamingNode.stop();
      queryNode.stop();
    };
  } catch (error) {
    queryNode.stop();
    throw error;
  }
}

/** Runs jobs; returns what stops it. */
export function startDataService({ world, kernels, memoryBytes }: ServiceOptions): () => void {
  const dataNode = startDataNode({
    world,
    kernels,
    pool: world.pools.build,
    resident: new Resident<RowMemory>((rows) => loadKernels(kernels).discard(rows)),
    memoryBytes: memoryShares(world.proc, memoryBytes).builds,
  });
  return () => dataNode.stop();
}

/** Answers clients. Closing it closes the world. */
export function startProxyService({ world }: ServiceOptions): Database {
  return createProxy({
    world,
    version: VERSION,
    durability: 'power',
    onClose: () => world.close(),
  });
}
