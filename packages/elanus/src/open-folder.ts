import { readdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Database } from '@elanus/api';
import { ElanusError } from '@elanus/core';
import type { KernelChoice } from '@elanus/kernels';
import { warmReads } from '@elanus/query-node';
import { type WorldPools } from '@elanus/runtime';
import { localWorld } from '@elanus/runtime/local';
import { startEmbedded, type EmbeddedOptions } from './embedded.ts';

/** What a folder is opened with. */
export type FolderOptions = Omit<EmbeddedOptions, 'world'>;

/** A database open in this process, and how many handles stand on it. */
interface Shared {
  readonly database: Promise<Database>;
  handles: number;
}

/** Open folders by real path: opening one twice gives the same database. */
const openFolders = new Map<string, Shared>();

/** The database of a folder, shared by all who open it here; the last to close closes it. */
export async function openFolder(folder: string, options: FolderOptions): Promise<Database> {
  const path = resolve(folder);
  const key = realPath(path);
  let shared = openFolders.get(key);
  if (shared === undefined) {
    shared = { database: startFolder(path, options), handles: 0 };
    openFolders.set(key, shared);
  }
  const own = shared;
  own.handles++;
  try {
    return closedOnce(await own.database, () => release(key, own));
  } catch (error) {
    if (openFolders.get(key) === own) openFolders.delete(key);
    throw error;
  }
}

async function startFolder(path: string, options: FolderOptions): Promise<Database> {
  const stored = hasObjects(path);
  const world = await localWorld(path, { durability: options.durability });
  const database = await startEmbedded({ ...options, world });
  // Closing waits for it, as for every task of a pool.
  if (stored) void warm(options.kernels, world.pools.search);
  return database;
}

/**
 * Long reads over what is there will need a thread. It takes a tenth of a second of processor time,
 * so it starts when all is open: short reads, and the opening, need none.
 */
async function warm(kernels: KernelChoice, pools: WorldPools['search']): Promise<void> {
  try {
    await warmReads(kernels, pools);
  } catch {
    // What is wrong with it is told by the first read that needs it.
  }
}

/** Whether a folder holds segments, by a look at it. */
function hasObjects(path: string): boolean {
  try {
    return readdirSync(join(path, 'objects')).some((name) => !name.startsWith('.'));
  } catch {
    return false;
  }
}

async function release(key: string, shared: Shared): Promise<void> {
  shared.handles--;
  if (shared.handles > 0) return;
  if (openFolders.get(key) === shared) openFolders.delete(key);
  await (await shared.database).close();
}

/**
 * The database as one handle sees it: closing it twice counts once, and it is then closed for it.
 */
function closedOnce(database: Database, onClose: () => Promise<void>): Database {
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= onClose();
    return closing;
  };
  return new Proxy(database, {
    get: (target, name) => {
      if (name === 'close') return close;
      if (closing === undefined) return Reflect.get(target, name) as unknown;
      return () => Promise.reject(new ElanusError('handle_closed', {}));
    },
  });
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
