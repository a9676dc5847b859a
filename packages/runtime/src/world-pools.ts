import type { Clock } from '@elanus/core';
import { inlinePool } from './pool/inline.ts';
import { piscinaPool } from './pool/piscina.ts';
import { systemProc } from './proc/system.ts';
import type { WorldPools } from './world.ts';

/** Threads of a world. */
export interface ThreadOptions {
  /** Search threads, each a pool of its own. Default: all cores but one, both of two. */
  readonly searchThreads?: number;
  /** Threads of the build pool. Default 1. */
  readonly buildThreads?: number;
  /** `inline` runs tasks on the caller's thread. Default `threads`. */
  readonly pools?: 'threads' | 'inline';
}

const SEARCH_QUEUE_MAX = 16_384;
const BUILD_QUEUE_MAX = 1024;
/** A build thread holds some 60 MB of code and heap: it ends when nothing is to be built. */
const BUILD_IDLE_MS = 1_000;

/** One core is left to the event loop, but not half of a small machine. */
function defaultSearchThreads(cores: number): number {
  return Math.min(cores, Math.max(2, cores - 1));
}

/** The pools of a world; no thread starts before it is used. */
export function openPools(options: ThreadOptions, clock: Clock): WorldPools {
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

/** Ends all threads. */
export async function closePools(pools: WorldPools): Promise<void> {
  await Promise.all([...pools.search, pools.build].map((pool) => pool.close()));
}
