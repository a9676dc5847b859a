import type {
  Bus,
  Clock,
  Fs,
  LogStore,
  MetaStore,
  ObjectStore,
  Pool,
  Proc,
  Rng,
} from '@elanus/core';

/** The threads of a process. They start when they are first used. */
export interface WorldPools {
  /** Pools of one thread each: what is sticky to a pool is sticky to its thread. */
  readonly search: readonly Pool[];
  /** Index builds and compaction. */
  readonly build: Pool;
}

/**
 * Everything a role may touch outside itself. Roles take it as an argument, so that the same code
 * runs embedded, in a cluster and in the simulator.
 */
export interface World {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly bus: Bus;
  readonly logs: LogStore;
  readonly meta: MetaStore;
  readonly objects: ObjectStore;
  /** Scratch space: what lies there may be deleted when nobody runs. */
  readonly fs: Fs;
  readonly pools: WorldPools;
  readonly proc: Proc;
}

/** A world with its end. */
export interface OpenWorld extends World {
  /** Waits for what runs, closes the stores, gives the folder free last. Twice is fine. */
  close(): Promise<void>;
}
