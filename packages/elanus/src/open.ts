import type { Database } from '@elanus/api';
import { connect, defaultPlatform, type ConnectOptions, type Db } from '@elanus/client';
import { ElanusError } from '@elanus/core';
import type { KernelChoice } from '@elanus/kernels';
import { memoryWorld, systemProc, systemRng } from '@elanus/runtime';
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

/** Keys of writes are made of it: the platform's own takes 3 ms to load. */
const RNG = systemRng();

/**
 * Opens a database. `':memory:'` lives and dies with the process; a path is a folder of files, made
 * when absent; `http(s)://` is a server. The same object in all three.
 *
 * @throws ElanusError folder_locked (with the holder's pid), read_only, disk_full, format_too_new,
 * log_corrupt, file_corrupt; invalid_argument
 */
export async function elanus(where: string, options: ElanusOptions = {}): Promise<Db> {
  const platform = { ...defaultPlatform(), random: RNG.bytes };
  return connect(await openDatabase(where, options), { platform, ...options });
}

/** The database behind a client: what a server serves, too. @throws as `elanus` */
export async function openDatabase(where: string, options: ElanusOptions = {}): Promise<Database> {
  if (typeof where !== 'string' || where === '') {
    throw new ElanusError('invalid_argument', {
      argument: 'where',
      hint: "Give a folder, ':memory:' or the URL of a server.",
    });
  }
  if (/^https?:\/\//.test(where)) {
    const { httpTransport } = await import('@elanus/client/http');
    return httpTransport(where, { token: options.token });
  }
  const memoryBytes = memoryBudget(options.memory);
  const kernels = kernelChoice(systemProc.setting('ELANUS_KERNELS'));
  if (where === ':memory:') {
    const world = await memoryWorld();
    return startEmbedded({ world, durability: 'process', kernels, memoryBytes });
  }
  if (/^[a-z]+:\/\//.test(where)) {
    throw new ElanusError('invalid_argument', {
      argument: 'where',
      got: where,
      hint: 'Servers are reached by http:// or https://.',
    });
  }
  const { openFolder } = await import('./open-folder.ts');
  const { durability = 'power' } = options;
  return openFolder(where, { durability, memoryBytes, kernels });
}

function memoryBudget(memory: number | undefined): number | undefined {
  if (memory === undefined || (Number.isFinite(memory) && memory > 0)) return memory;
  throw new ElanusError('invalid_argument', {
    argument: 'memory',
    got: String(memory),
    hint: 'It is a number of bytes.',
  });
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
