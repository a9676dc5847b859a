import type { FileHandle, Fs } from '@elanus/core';
import type { MemoryFs } from '@elanus/storage';
import { never, type SimProcess } from './sim-process.ts';

/** How slow a disk is: milliseconds, drawn between nothing and twice that. */
export interface DiskPace {
  readonly callMs: number;
  readonly syncMs: number;
}

/**
 * A disk as one process sees it: every call takes its time, and none answers a process that died
 * meanwhile. What it had asked for by then may still happen, as in a kernel.
 */
export function simFs(disk: MemoryFs, process: SimProcess, pace: DiskPace): Fs {
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const { rng, loop } = process;
    const wholeMs = (what === 'sync' ? pace.syncMs : pace.callMs) * 2 * rng.share();
    const firstMs = wholeMs * rng.share();
    const finishes = rng.chance(0.5);
    await loop.sleep(firstMs, `fs ${what}`);
    if (!process.alive && !finishes) return never();
    const outcome = await work().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    await loop.sleep(wholeMs - firstMs, `fs ${what} done`);
    if (!process.alive) return never();
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  };
  const handleOf = (handle: FileHandle): FileHandle => ({
    read: (target, offset) => timed('read', () => handle.read(target, offset)),
    write: (bytes, offset) => timed('write', () => handle.write(bytes, offset)),
    writev: (parts, offset) => timed('writev', () => handle.writev(parts, offset)),
    sync: () => timed('sync', () => handle.sync()),
    truncate: (size) => timed('truncate', () => handle.truncate(size)),
    size: () => timed('size', () => handle.size()),
    close: () => timed('close', () => handle.close()),
  });
  return {
    root: disk.root,
    open: async (path, mode) => handleOf(await timed('open', () => disk.open(path, mode))),
    stat: (path) => timed('stat', () => disk.stat(path)),
    list: (path) => timed('list', () => disk.list(path)),
    mkdir: (path) => timed('mkdir', () => disk.mkdir(path)),
    rename: (from, to) => timed('rename', () => disk.rename(from, to)),
    remove: (path) => timed('remove', () => disk.remove(path)),
    syncFolder: (path) => timed('sync', () => disk.syncFolder(path)),
    freeBytes: () => timed('statfs', () => disk.freeBytes()),
  };
}
