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
import { FaultDraw, type MachineFaults } from './sim-faults.ts';
import { simFs } from './sim-fs.ts';
import { procOf, SimProcess } from './sim-process.ts';
import { simLogs, simMeta, simObjects, simPool } from './sim-stores.ts';

const FAULTY: ReadonlySet<FsCall['kind']> = new Set(['write', 'sync']);
const FAULTS = ['io_error', 'disk_full', 'short'] as const;
/** See the file's header. */
export class SimMachine {
  readonly #loop: EventLoop;
  readonly #seed: number;
  readonly #faults: MachineFaults;
  readonly #hooks: PortHooks;
  readonly #draw: FaultDraw;
  readonly #logFileBytes: number | undefined;
  readonly #meta = memoryMetaContent();
  #disk: MemoryFs = memoryFs();
  #process: SimProcess | undefined;
  #starts = 0;

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
    const rng = new SeededRng(options.seed, 1);
    this.#draw = new FaultDraw({ faults: options.faults, hooks: this.#hooks, rng });
  }

  /** Faults that happened. */
  get injected(): number {
    return this.#draw.injected;
  }

  /** From here on nothing fails by itself. */
  heal(): void {
    this.#draw.calm = true;
  }

  /** Ends the process at once; what it wrote stays in the page cache. */
  kill(): void {
    this.#process?.kill();
    this.#draw.injected++;
  }

  /** Power is gone: the disk keeps what was synced, and some of the rest, torn at sectors. */
  powerLoss(): void {
    this.#process?.kill();
    this.#disk = this.#disk.crash(this.#draw.rng);
    this.#draw.injected++;
  }

  /** Starts a process and gives it its world; `booting` hears how far its calendar is ahead. */
  async boot(booting?: (aheadMs: number) => void): Promise<OpenWorld> {
    // One process holds the folder: whoever failed to open it has ended.
    this.#process?.kill();
    const rng = new SeededRng(this.#seed, 100 + this.#starts++);
    const { pace } = this.#faults;
    const skewMs = this.#draw.skewMs(rng);
    const process = new SimProcess({ loop: this.#loop, rng, skewMs });
    this.#process = process;
    booting?.(skewMs);
    const { answered } = this.#hooks;
    const strike = (call: PortCall): Strike => this.#draw.strike(call);
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

  #diskFault({ kind }: FsCall): FsFault {
    const draw = this.#draw;
    if (draw.calm || !FAULTY.has(kind) || !draw.rng.chance(this.#faults.disk)) return undefined;
    draw.injected++;
    return draw.rng.pick(FAULTS);
  }
}
