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
import type { OpenWorld } from './world.ts';

/** A world on a folder. */
export interface LocalWorldOptions extends ThreadOptions {
  /** What acknowledged data survives. Default `power`. */
  readonly durability?: Durability;
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
    // Where something was written a missing `meta.db` is damage, not a beginning.
    const expected = (await holdsFiles(fs, 'log')) || (await holdsFiles(fs, 'objects'));
    const path = join(folder, 'meta.db');
    const opening = localMetaStore({ path, clock, durability, expected });
    // What all the rest waits for is that thread: meanwhile what needs no metadata is done.
    const prepared = fileObjectStore({ fs, durability });
    ends.add(() => prepared.then((objects) => objects.close()).catch(() => undefined));
    const meta = await opening;
    ends.add(() => meta.close());
    const objects = await prepared;
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

/** Whether something was written to a folder of the world. */
async function holdsFiles(fs: Fs, folder: string): Promise<boolean> {
  if ((await fs.stat(folder)) === undefined) return false;
  return (await fs.list(folder)).some((name) => !name.startsWith('.'));
}
