/** A machine with a disk: processes come and go on it, power fails, what was synced stays. */
import { memoryBus, inlinePool, type OpenWorld } from '@elanus/runtime';
import {
  memoryFs,
  memoryMetaContent,
  memoryMetaStore,
  type FsCall,
  type FsFault,
  type MemoryFs,
  type MetaFault,
} from '@elanus/storage';
import { fileObjectStore, localLogStore } from '@elanus/storage/local';
import type { Clock, MetaStore } from '@elanus/core';
import type { EventLoop } from './event-loop.ts';
import { simFs } from './sim-fs.ts';
import { never, SimProcess } from './sim-process.ts';
import { SeededRng } from './seeded-rng.ts';

/** What goes wrong on a machine, and how often: probabilities of a call. */
export interface MachineFaults {
  /** A write or sync fails, or stores a part. */
  readonly disk: number;
  /** A metadata transaction is not answered; half of them are carried out all the same. */
  readonly meta: number;
  /** The calendar is set forward or back when a process starts, by at most so much. */
  readonly clockMs: number;
  /** Milliseconds of a call and of a sync. */
  readonly pace: { readonly callMs: number; readonly syncMs: number };
}

const MEMORY_BYTES = 2 ** 30;
const FAULTY: ReadonlySet<FsCall['kind']> = new Set(['write', 'sync']);
const FAULTS = ['io_error', 'disk_full', 'short'] as const;

/** See the file's header. */
export class SimMachine {
  readonly #loop: EventLoop;
  readonly #seed: number;
  readonly #faults: MachineFaults;
  readonly #rng: SeededRng;
  readonly #meta = memoryMetaContent();
  #disk: MemoryFs = memoryFs();
  #process: SimProcess | undefined;
  #starts = 0;
  #calm = false;
  /** Faults that happened. */
  injected = 0;

  constructor(options: { loop: EventLoop; seed: number; faults: MachineFaults }) {
    this.#loop = options.loop;
    this.#seed = options.seed;
    this.#faults = options.faults;
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

  /** Starts a process and gives it its world. */
  async boot(): Promise<OpenWorld> {
    // One process holds the folder: whoever failed to open it has ended.
    this.#process?.kill();
    const rng = new SeededRng(this.#seed, 100 + this.#starts++);
    const { clockMs, pace } = this.#faults;
    const skewMs = Math.round((rng.share() * 2 - 1) * (this.#calm ? 0 : clockMs));
    const process = new SimProcess({ loop: this.#loop, rng, skewMs });
    this.#process = process;
    this.#disk.setFault((call) => this.#diskFault(call));
    const clock = process.clock();
    const fs = simFs(this.#disk, process, pace);
    const objects = await fileObjectStore({ fs, durability: 'power' });
    const logs = localLogStore({ fs, durability: 'power' });
    const meta = this.#metaStore(process, clock);
    await fs.syncFolder('');
    const pool = () => inlinePool({ clock });
    return {
      clock,
      rng,
      bus: memoryBus(clock),
      logs,
      meta,
      objects,
      fs,
      pools: { search: [pool(), pool()], build: pool() },
      proc: {
        pid: this.#starts,
        residentBytes: () => 0,
        memoryBytes: () => MEMORY_BYTES,
        cores: 2,
        setting: () => undefined,
      },
      close: async () => {
        await logs.close();
        await objects.close();
        await meta.close();
      },
    };
  }

  #diskFault({ kind }: FsCall): FsFault {
    if (this.#calm || !FAULTY.has(kind) || !this.#rng.chance(this.#faults.disk)) return undefined;
    this.injected++;
    return this.#rng.pick(FAULTS);
  }

  #metaFault(): MetaFault {
    if (this.#calm || !this.#rng.chance(this.#faults.meta)) return undefined;
    this.injected++;
    return this.#rng.chance(0.5) ? 'applied' : 'lost';
  }

  /** The metadata of the machine, as one process sees it: calls take time, and die with it. */
  #metaStore(process: SimProcess, clock: Clock): MetaStore {
    const store = memoryMetaStore({ clock, data: this.#meta, fault: () => this.#metaFault() });
    const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
      await process.pause(process.rng.share(), `meta ${what}`);
      const value = await work();
      await process.pause(process.rng.share(), `meta ${what} done`);
      return process.alive ? value : never();
    };
    return {
      get: (key) => timed('get', () => store.get(key)),
      range: (prefix) => timed('range', () => store.range(prefix)),
      txn: (txn) => timed('txn', () => store.txn(txn)),
      watch: (prefix, options) => store.watch(prefix, options),
      grant: (ttlMs) => timed('grant', () => store.grant(ttlMs)),
      compact: (revision) => timed('compact', () => store.compact(revision)),
      close: () => timed('close', () => store.close()),
    };
  }
}
