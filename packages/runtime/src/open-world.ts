import { join } from 'node:path';
import {
  fileObjectStore,
  localLogStore,
  localMetaStore,
  lockFolder,
  makeRootFolder,
  memoryFs,
  memoryLogStore,
  memoryMetaStore,
  memoryObjectStore,
  nodeFs,
} from '@elanus/storage';
import type { Durability } from '@elanus/storage';
import type { Clock } from '@elanus/core';
import { memoryBus } from './bus/memory.ts';
import { systemClock } from './clock/system.ts';
import { inlinePool } from './pool/inline.ts';
import { piscinaPool } from './pool/piscina.ts';
import { systemProc } from './proc/system.ts';
import { systemRng } from './rng/system.ts';
import type { OpenWorld, WorldPools } from './world.ts';

/** Threads of a world. */
export interface ThreadOptions {
  /** Search threads, each a pool of its own. Default: all cores but one, both of two. */
  readonly searchThreads?: number;
  /** Threads of the build pool. Default 1. */
  readonly buildThreads?: number;
  /** `inline` runs tasks on the caller's thread. Default `threads`. */
  readonly pools?: 'threads' | 'inline';
}

/** A world without a folder. */
export interface MemoryWorldOptions extends ThreadOptions {
  readonly clock?: Clock;
}

/** A world on a folder. */
export interface LocalWorldOptions extends ThreadOptions {
  /** What acknowledged data survives. Default `power`. */
  readonly durability?: Durability;
  /** Called once threads can be had, before the metadata is opened: time to warm them. */
  readonly onPools?: (early: Pick<OpenWorld, 'pools' | 'proc'>) => void;
}

const SEARCH_QUEUE_MAX = 16_384;
const BUILD_QUEUE_MAX = 1024;
/** A build thread holds some 60 MB of code and heap: it ends when nothing is to be built. */
const BUILD_IDLE_MS = 1_000;

/** One core is left to the event loop, but not half of a small machine. */
function defaultSearchThreads(cores: number): number {
  return Math.min(cores, Math.max(2, cores - 1));
}

function openPools(options: ThreadOptions, clock: Clock): WorldPools {
  const { searchThreads = defaultSearchThreads(systemProc.cores), buildThreads = 1 } = options;
  const names = Array.from({ length: searchThreads }, (_, i) => `search thread ${i}`);
  if (options.pools === 'inline') {
    const search = names.map(() => inlinePool({ clock, queueMax: SEARCH_QUEUE_MAX }));
    return { search, build: inlinePool({ clock, queueMax: BUILD_QUEUE_MAX }) };
  }
  const queueMax = SEARCH_QUEUE_MAX;
  return {
    search: names.map((what) => piscinaPool({ threads: 1, queueMax, what })),
    build: piscinaPool({
      threads: buildThreads,
      queueMax: BUILD_QUEUE_MAX,
      what: 'build threads',
      idleMs: BUILD_IDLE_MS,
    }),
  };
}

async function closePools(pools: WorldPools): Promise<void> {
  await Promise.all([...pools.search, pools.build].map((pool) => pool.close()));
}

/** Runs the ends in reverse order, all of them, and throws the first failure. */
class Ends {
  readonly #ends: (() => Promise<void> | void)[] = [];
  #closing: Promise<void> | undefined;

  add(end: () => Promise<void> | void): void {
    this.#ends.push(end);
  }

  close(): Promise<void> {
    this.#closing ??= this.#run();
    return this.#closing;
  }

  async #run(): Promise<void> {
    const failures: unknown[] = [];
    for (const end of this.#ends.reverse()) {
      try {
        await end();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** Everything in memory; what is written is gone when it closes. */
export async function memoryWorld(options: MemoryWorldOptions = {}): Promise<OpenWorld> {
  const clock = options.clock ?? systemClock;
  const ends = new Ends();
  const logs = memoryLogStore();
  const meta = memoryMetaStore({ clock });
  const objects = memoryObjectStore({ clock });
  const pools = openPools(options, clock);
  ends.add(() => objects.close());
  ends.add(() => meta.close());
  ends.add(() => logs.close());
  ends.add(() => closePools(pools));
  return {
    clock,
    rng: systemRng(),
    bus: memoryBus(clock),
    logs,
    meta,
    objects,
    fs: memoryFs({ clock }),
    pools,
    proc: systemProc,
    close: () => ends.close(),
  };
}

/**
 * Everything in a folder, made when absent: `meta.db`, `log/`, `objects/`, and the lock.
 *
 * @throws ElanusError folder_locked, format_too_new, read_only, disk_full, log_corrupt
 */
export async function localWorld(
  folder: string,
  options: LocalWorldOptions = {},
): Promise<OpenWorld> {
  const { durability = 'power' } = options;
  const clock = systemClock;
  const ends = new Ends();
  try {
    await makeRootFolder(folder);
    const lock = lockFolder(folder, systemProc.pid);
    ends.add(() => lock.release());
    const fs = nodeFs(folder);
    const pools = openPools(options, clock);
    ends.add(() => closePools(pools));
    options.onPools?.({ pools, proc: systemProc });
    const meta = await localMetaStore({ path: join(folder, 'meta.db'), clock, durability });
    ends.add(() => meta.close());
    const objects = await fileObjectStore({ fs, durability });
    ends.add(() => objects.close());
    const logs = localLogStore({ fs, durability });
    ends.add(() => logs.close());
    await fs.syncFolder('');
    const bus = memoryBus(clock);
    const close = (): Promise<void> => ends.close();
    return {
      clock,
      rng: systemRng(),
      bus,
      logs,
      meta,
      objects,
      fs,
      pools,
      proc: systemProc,
      close,
    };
  } catch (error) {
    await ends.close().catch(() => undefined);
    throw error;
  }
}
