/**
 * Power cuts on a real file system: ext4 on a loop device, whose image is copied behind the kill
 * and mounted in its place. What the writer did not sync is in the page cache of the mount alone:
 * the copy does not have it, as after a power cut. (What a disk holds in a cache of its own and
 * loses besides is the simulator's affair.) As a command, as root:
 *
 *     node --conditions=elanus:source test/crash/power-loop.ts [cuts] [seed] [power | process]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killLoop, type KillReport } from './kill-loop.ts';

const IMAGE_MIB = 192;

const run = (command: string, args: readonly string[]): void => {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
};

/** A disk whose power can be cut. */
interface LoopDisk {
  readonly folder: string;
  /** Everything that is not on the disk is gone. */
  cut(): void;
  remove(): void;
}

/** Mounts an empty one. Undefined: mounting is not allowed here. */
export function loopDisk(): LoopDisk | undefined {
  const home = mkdtempSync(join(tmpdir(), 'elanus-power-'));
  const [image, folder] = [join(home, 'disk.img'), join(home, 'mount')];
  mkdirSync(folder);
  const mount = (): void => {
    // The journal is written when it is asked for, not every 5 s.
    run('mount', ['-o', 'loop,commit=600', image, folder]);
  };
  try {
    run('truncate', ['-s', `${IMAGE_MIB}M`, image]);
    run('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
    mount();
  } catch {
    rmSync(home, { recursive: true });
    return undefined;
  }
  return {
    folder,
    cut: () => {
      const copy = `${image}.copy`;
      run('cp', ['--sparse=always', image, copy]);
      // Unmounting writes what was not synced: to the image that nobody looks at any more.
      run('umount', [folder]);
      renameSync(copy, image);
      mount();
    },
    remove: () => {
      run('umount', [folder]);
      rmSync(home, { recursive: true });
    },
  };
}

/** Cuts the power `cuts` times over one folder, checking after each. Undefined: not allowed. */
export async function powerLoop(
  cuts: number,
  seed: number,
  durability: 'power' | 'process' = 'power',
): Promise<KillReport | undefined> {
  const disk = loopDisk();
  if (disk === undefined) return undefined;
  try {
    const folder = join(disk.folder, 'data');
    return await killLoop(cuts, seed, { folder, durability, afterKill: () => disk.cut() });
  } finally {
    disk.remove();
  }
}

if (process.argv[1] === import.meta.filename) {
  const [cuts = '50', seed = '1', durability = 'power'] = process.argv.slice(2);
  const how = durability === 'process' ? 'process' : 'power';
  const report = await powerLoop(Number(cuts), Number(seed), how);
  if (report === undefined) {
    console.error('a loop device cannot be mounted here: run it as root');
    process.exitCode = 2;
  } else {
    const { acknowledged, keptInFlight, lost, ghosts } = report;
    console.log(
      `${report.kills} power cuts in class ${how}, ${acknowledged} writes acknowledged, ` +
        `${keptInFlight} in flight kept whole: ${lost} rows lost, ${ghosts} ghosts`,
    );
    process.exitCode = lost + ghosts === 0 ? 0 : 1;
  }
}
