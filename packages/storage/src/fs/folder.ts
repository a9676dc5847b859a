import type { Fs } from '@elanus/core';

/**
 * Makes a folder and those above it so that their names survive power loss: each new name is synced
 * in the folder that holds it. Costs one sync per new level, nothing when the folder is there.
 */
export async function makeFolder(fs: Fs, path: string): Promise<void> {
  if ((await fs.stat(path)) !== undefined) return;
  const cut = path.lastIndexOf('/');
  const parent = cut < 0 ? '' : path.slice(0, cut);
  if (parent !== '') await makeFolder(fs, parent);
  await fs.mkdir(path);
  await fs.syncFolder(parent);
}

/** Names in a folder, sorted; an absent folder has none. */
export async function listFolder(fs: Fs, path: string): Promise<readonly string[]> {
  return (await fs.stat(path)) === undefined ? [] : fs.list(path);
}
