import { join } from 'node:path';
import type { Fs } from '@elanus/core';
import {
  fileObjectStore,
  localLogStore,
  localMetaStore,
  lockFolder,
  makeRootFolder,
  nodeFs,
} from '@elanus/storage/local';
import type { Durability } from '@elanus/storage/local';
import { memoryBus } from './bus/memory.ts';
import { systemClock } from './clock/system.ts';
import { Ends } from './ends.ts';
import { systemProc } from './proc/system.ts';
import { systemRng } from './rng/system.ts';
import { closePools, openPools, type ThreadOptions } from './world-pools.ts';
import type { OpenWorld, WorldPools } from './world.ts';

/** A world on a folder. */
export interface LocalWorldOptions extends ThreadOptions {
  /** What acknowledged data survives. Default `power`. */
  readonly durability?: Durability;
  /** Called once threads can be had, before the metadata is opened: time to warm them. */
  readonly onPools?: (pools: WorldPools) => void;
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
    options.onPools?.(pools);
    const expected = await holdsData(fs);
    const path = join(folder, 'meta.db');
    const meta = await localMetaStore({ path, clock, durability, expected });
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

/** Whether something was written here: then a missing `meta.db` is damage, not a beginning. */
async function holdsData(fs: Fs): Promise<boolean> {
  for (const folder of ['log', 'objects']) {
    if ((await fs.stat(folder)) === undefined) continue;
    if ((await fs.list(folder)).some((name) => !name.startsWith('.'))) return true;
  }
  return false;
}
