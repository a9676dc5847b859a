import { memoryFs, memoryLogStore, memoryMetaStore, memoryObjectStore } from '@elanus/storage';
import type { Clock } from '@elanus/core';
import { memoryBus } from './bus/memory.ts';
import { systemClock } from './clock/system.ts';
import { Ends } from './ends.ts';
import { systemProc } from './proc/system.ts';
import { systemRng } from './rng/system.ts';
import { closePools, openPools, type ThreadOptions } from './world-pools.ts';
import type { OpenWorld } from './world.ts';

/** A world without a folder. */
export interface MemoryWorldOptions extends ThreadOptions {
  readonly clock?: Clock;
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
