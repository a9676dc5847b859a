import type { Fs } from '@elanus/core';

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/**
 * Makes a folder and those above it, so that their names survive power loss. Those that are there
 * are made safe too: whoever made them may have been killed before they were. `safe` holds paths
 * that are known to be, and gains these.
 */
export async function makeFolder(fs: Fs, path: string, safe = new Set<string>()): Promise<void> {
  if (safe.has(path)) return;
  const parent = parentOf(path);
  if (parent !== '') await makeFolder(fs, parent, safe);
  if ((await fs.stat(path)) === undefined) await fs.mkdir(path);
  await fs.syncFolder(parent);
  safe.add(path);
}

/** Makes a folder that everything else lies in. Folders above it may be others': they are left. */
export async function makeRoot(fs: Fs, path: string): Promise<void> {
  const parent = parentOf(path);
  if ((await fs.stat(path)) !== undefined) {
    // It may be as young as those inside of it; where nobody may read above it, it is not.
    await fs.syncFolder(parent).catch(() => undefined);
    return;
  }
  if (parent !== '') await makeRoot(fs, parent);
  await fs.mkdir(path);
  await fs.syncFolder(parent);
}

/** Names in a folder, sorted; an absent folder has none. */
export async function listFolder(fs: Fs, path: string): Promise<readonly string[]> {
  return (await fs.stat(path)) === undefined ? [] : fs.list(path);
}
