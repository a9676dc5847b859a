import { readdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Database } from '@elanus/api';
import { connect, httpTransport, type ConnectOptions, type Db } from '@elanus/client';
import { ElanusError } from '@elanus/core';
import type { KernelChoice } from '@elanus/kernels';
import { warmReads } from '@elanus/query-node';
import { localWorld, memoryWorld, type OpenWorld } from '@elanus/runtime';
import { startEmbedded } from './embedded.ts';

/** How to open a database; options of no use for the way chosen are refused. */
export interface ElanusOptions extends ConnectOptions {
  /** What an acknowledged write survives: power loss (default), or the end of the process only. */
  readonly durability?: 'power' | 'process' | undefined;
  /**
   * Memory that rows may take, in bytes; writes beyond it are refused with memory_budget. Default:
   * three quarters of the machine's.
   */
  readonly memory?: number | undefined;
  /** Bearer token of a server. */
  readonly token?: string | undefined;
}

/** A database open in this process, and how many handles stand on it. */
interface Shared {
  readonly database: Promise<Database>;
  handles: number;
}

/** Open folders by real path: opening one twice gives the same database. */
const openFolders = new Map<string, Shared>();

/**
 * Opens a database. `':memory:'` lives and dies with the process; a path is a folder of files, made
 * when absent; `http(s)://` is a server. The same object in all three.
 *
 * @throws ElanusError folder_locked (with the holder's pid), read_only, disk_full, format_too_new,
 * log_corrupt, file_corrupt; invalid_argument
 */
export async function elanus(where: string, options: ElanusOptions = {}): Promise<Db> {
  return connect(await openDatabase(where, options), options);
}

/** The database behind a client: what a server serves, too. @throws as `elanus` */
export async function openDatabase(where: string, options: ElanusOptions = {}): Promise<Database> {
  if (typeof where !== 'string' || where === '') {
    throw new ElanusError('invalid_argument', {
      argument: 'where',
      hint: "Give a folder, ':memory:' or the URL of a server.",
    });
  }
  if (/^https?:\/\//.test(where)) return httpTransport(where, { token: options.token });
  if (where === ':memory:') {
    const world = await memoryWorld();
    const kernels = kernelChoice(world.proc.setting('ELANUS_KERNELS'));
    const memoryBytes = memoryBudget(options.memory);
    return startEmbedded({ world, durability: 'process', kernels, memoryBytes });
  }
  if (/^[a-z]+:\/\//.test(where)) {
    throw new ElanusError('invalid_argument', {
      argument: 'where',
      got: where,
      hint: 'Servers are reached by http:// or https://.',
    });
  }
  return openFolder(resolve(where), options);
}

/** The database of a folder, shared by all who open it here; the last to close closes it. */
async function openFolder(path: string, options: ElanusOptions): Promise<Database> {
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

async function startFolder(path: string, options: ElanusOptions): Promise<Database> {
  const memoryBytes = memoryBudget(options.memory);
  const { durability = 'power' } = options;
  let warming: Promise<void> | undefined;
  const world = await localWorld(path, {
    durability,
    onPools: ({ pools, proc }) => {
      if (hasObjects(path)) warming = warm(proc, pools.search);
    },
  });
  const kernels = kernelChoice(world.proc.setting('ELANUS_KERNELS'));
  const database = await startEmbedded({ world, durability, kernels, memoryBytes });
  await warming;
  return database;
}

/** Reads over what is there will need a thread: it starts while all the rest is opened. */
async function warm(proc: OpenWorld['proc'], pools: OpenWorld['pools']['search']): Promise<void> {
  try {
    await warmReads(kernelChoice(proc.setting('ELANUS_KERNELS')), pools);
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

function memoryBudget(memory: number | undefined): number | undefined {
  if (memory === undefined || (Number.isFinite(memory) && memory > 0)) return memory;
  throw new ElanusError('invalid_argument', {
    argument: 'memory',
    got: String(memory),
    hint: 'It is a number of bytes.',
  });
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

const KERNELS: ReadonlySet<string> = new Set<KernelChoice>([
  'auto',
  'avx512',
  'avx2',
  'sse2',
  'neon',
  'wasm',
]);

function kernelChoice(setting: string | undefined): KernelChoice {
  if (setting === undefined) return 'auto';
  if (KERNELS.has(setting)) return setting as KernelChoice;
  throw new ElanusError('invalid_argument', {
    argument: 'ELANUS_KERNELS',
    got: setting,
    hint: `It is one of ${[...KERNELS].join(', ')}.`,
  });
}
