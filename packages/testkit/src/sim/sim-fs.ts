import type { FileHandle, Fs } from '@elanus/core';
import type { MemoryFs } from '@elanus/storage';
import type { PortTap } from './port-tap.ts';
import { never } from './sim-process.ts';

/** How slow a disk is: milliseconds, drawn between nothing and twice that. */
export interface DiskPace {
  readonly callMs: number;
  readonly syncMs: number;
}

/**
 * A disk as one process sees it: every call takes its time, and none answers a process that died
 * meanwhile. What it had asked for by then may still happen, as in a kernel.
 */
export function simFs(disk: MemoryFs, tap: PortTap, pace: DiskPace): Fs {
  const { process } = tap;
  const slow = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
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
  const timed = <T>(what: string, path: string, work: () => Promise<T>): Promise<T> =>
    tap.run({ port: 'fs', call: what, at: path }, () => slow(what, work));
  const handleOf = (handle: FileHandle, path: string): FileHandle => ({
    read: (target, offset) => timed('read', path, () => handle.read(target, offset)),
    write: (bytes, offset) => timed('write', path, () => handle.write(bytes, offset)),
    writev: (parts, offset) => timed('writev', path, () => handle.writev(parts, offset)),
    sync: () => timed('sync', path, () => handle.sync()),
    truncate: (size) => timed('truncate', path, () => handle.truncate(size)),
    size: () => timed('size', path, () => handle.size()),
    close: () => timed('close', path, () => handle.close()),
  });
  return {
    root: disk.root,
    open: async (path, mode) => {
      return handleOf(await timed('open', path, () => disk.open(path, mode)), path);
    },
    stat: (path) => timed('stat', path, () => disk.stat(path)),
    list: (path) => timed('list', path, () => disk.list(path)),
    mkdir: (path) => timed('mkdir', path, () => disk.mkdir(path)),
    rename: (from, to) => timed('rename', to, () => disk.rename(from, to)),
    remove: (path) => timed('remove', path, () => disk.remove(path)),
    syncFolder: (path) => timed('sync', path, () => disk.syncFolder(path)),
    freeBytes: () => timed('statfs', '', () => disk.freeBytes()),
  };
}
