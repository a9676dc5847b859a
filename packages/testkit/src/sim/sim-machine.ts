/** A machine with a disk: processes come and go on it, power fails, what was synced stays. */
import type { Pool } from '@elanus/core';
import { memoryBus, inlinePool, type OpenWorld } from '@elanus/runtime';
import {
  memoryFs,
  memoryMetaContent,
  memoryMetaStore,
  type FsCall,
  type FsFault,
  type MemoryFs,
} from '@elanus/storage';
import { fileObjectStore, localLogStore } from '@elanus/storage/local';
import type { EventLoop } from './event-loop.ts';
import { PortTap, type PortCall, type PortHooks, type Strike } from './port-tap.ts';
import { SeededRng } from './seeded-rng.ts';
import { simFs } from './sim-fs.ts';
import { SimProcess } from './sim-process.ts';
import { simLogs, simMeta, simObjects, simPool } from './sim-stores.ts';

/** What goes wrong on a machine, and how often: probabilities of a call. */
export interface MachineFaults {
  /** A write or sync fails, or stores a part. */
  readonly disk: number;
  /** A metadata transaction is not answered; half of them are carried out all the same. */
  readonly meta: number;
  /** An append to the log is not answered; half of them are stored all the same. */
  readonly log: number;
  /** An object is not put, read or removed; or it is, and the answer is a failure. */
  readonly objects: number;
  /** A thread is lost with its task. */
  readonly pool: number;
  /** The calendar is set forward or back when a process starts, by at most so much. */
  readonly clockMs: number;
  /** Milliseconds of a call of the disk, of a sync, and of a call of the metadata. */
  readonly pace: { readonly callMs: number; readonly syncMs: number; readonly metaMs: number };
}

/** A machine on which nothing goes wrong. */
export const NO_FAULTS: MachineFaults = {
  disk: 0,
  meta: 0,
  log: 0,
  objects: 0,
  pool: 0,
  clockMs: 0,
  pace: { callMs: 0.05, syncMs: 0.5, metaMs: 1 },
};

const MEMORY_BYTES = 2 ** 30;
const FAULTY: ReadonlySet<FsCall['kind']> = new Set(['write', 'sync']);
const FAULTS = ['io_error', 'disk_full', 'short'] as const;
/** Calls that fail by themselves, by port; `fs` has faults of its own. */
const STRUCK: Partial<Record<PortCall['port'], ReadonlySet<string>>> = {
  meta: new Set(['txn']),
  log: new Set(['append']),
  objects: new Set(['put', 'get', 'read', 'remove']),
  pool: new Set(['run']),
};

/** See the file's header. */
export class SimMachine {
  readonly #loop: EventLoop;
  readonly #seed: number;
  readonly #faults: MachineFaults;
  readonly #hooks: PortHooks;
  readonly #logFileBytes: number | undefined;
  readonly #rng: SeededRng;
  readonly #meta = memoryMetaContent();
  #disk: MemoryFs = memoryFs();
  #process: SimProcess | undefined;
  #starts = 0;
  #calm = false;
  /** Faults that happened. */
  injected = 0;

  constructor(options: {
    loop: EventLoop;
    seed: number;
    faults: MachineFaults;
    hooks?: PortHooks;
    /** A file of the log is closed and the next begun at this size. */
    logFileBytes?: number;
  }) {
    this.#loop = options.loop;
    this.#seed = options.seed;
    this.#faults = options.faults;
    this.#hooks = options.hooks ?? {};
    this.#logFileBytes = options.logFileBytes;
    this.#rng = new SeededRng(options.seed, 1);
  }

  /** From here on nothing fails by itself. */
  heal(): void {
    this.#calm = true;
  }

  /** Ends the process at once; what it wrote stays in the page cache. */
  kill(): void {
    this.#process?.kill();
    this.injected++;
  }

  /** Power is gone: the disk keeps what was synced, and some of the rest, torn at sectors. */
  powerLoss(): void {
    this.#process?.kill();
    this.#disk = this.#disk.crash(this.#rng);
    this.injected++;
  }

  /** Starts a process and gives it its world; `booting` hears how far its calendar is ahead. */
  async boot(booting?: (aheadMs: number) => void): Promise<OpenWorld> {
    // One process holds the folder: whoever failed to open it has ended.
    this.#process?.kill();
    const rng = new SeededRng(this.#seed, 100 + this.#starts++);
    const { clockMs, pace } = this.#faults;
    const skewMs = Math.round((rng.share() * 2 - 1) * (this.#calm ? 0 : clockMs));
    const process = new SimProcess({ loop: this.#loop, rng, skewMs });
    this.#process = process;
    booting?.(skewMs);
    const { answered } = this.#hooks;
    const strike = (call: PortCall): Strike => this.#strike(call);
    const tap = new PortTap(process, answered === undefined ? { strike } : { strike, answered });
    this.#disk.setFault((call) => this.#diskFault(call));
    const clock = process.clock((delayMs) => this.#late(tap, delayMs));
    const fs = simFs(this.#disk, tap, pace);
    const files = await fileObjectStore({ fs, durability: 'power' });
    const objects = simObjects(files, tap);
    const segmentBytes = this.#logFileBytes;
    const logs = simLogs(
      localLogStore({
        fs,
        durability: 'power',
        ...(segmentBytes === undefined ? {} : { segmentBytes }),
      }),
      tap,
    );
    const meta = simMeta(memoryMetaStore({ clock, data: this.#meta }), tap, pace.metaMs);
    await fs.syncFolder('');
    const pool = (): Pool => simPool(inlinePool({ clock }), tap);
    const close = async (): Promise<void> => {
      await logs.close();
      await objects.close();
      await meta.close();
    };
    const bus = memoryBus(clock);
    const pools = { search: [pool(), pool()], build: pool() };
    return { clock, rng, bus, logs, meta, objects, fs, pools, proc: procOf(this.#starts), close };
  }

  /** A timer that is struck comes seconds later. */
  #late(tap: PortTap, delayMs: number): number {
    const strike = tap.strike({ port: 'timer', call: 'after', at: '' });
    return strike === undefined ? delayMs : delayMs + 5_000;
  }

  #strike(call: PortCall): Strike {
    const aimed = this.#hooks.strike?.(call);
    if (aimed !== undefined) return this.#injected(aimed);
    if (this.#calm || call.port === 'fs' || call.port === 'timer') return undefined;
    const share = this.#faults[call.port];
    if (share === 0 || STRUCK[call.port]?.has(call.call) !== true) return undefined;
    if (!this.#rng.chance(share)) return undefined;
    return this.#injected(this.#rng.chance(0.5) ? 'applied' : 'fails');
  }

  #injected(strike: Strike): Strike {
    this.injected++;
    return strike;
  }

  #diskFault({ kind }: FsCall): FsFault {
    if (this.#calm || !FAULTY.has(kind) || !this.#rng.chance(this.#faults.disk)) return undefined;
    this.injected++;
    return this.#rng.pick(FAULTS);
  }
}

const procOf = (pid: number): OpenWorld['proc'] => ({
  pid,
  residentBytes: () => 0,
  memoryBytes: () => MEMORY_BYTES,
  cores: 2,
  setting: () => undefined,
});
