/**
 * Several machines around one log, one metadata store and one object store, which never fail by
 * themselves: what goes wrong is on the way there. Processes die, freeze, and are cut off.
 */
import type { LogStore, MetaStore, ObjectStore, Pool } from '@elanus/core';
import { inlinePool, memoryBus, networkBus, type OpenWorld } from '@elanus/runtime';
import { memoryFs, memoryLogStore, memoryMetaStore, memoryObjectStore } from '@elanus/storage';
import type { EventLoop } from './event-loop.ts';
import { PortTap, type PortCall, type PortHooks, type Strike } from './port-tap.ts';
import { SeededRng } from './seeded-rng.ts';
import { FaultDraw, type MachineFaults } from './sim-faults.ts';
import { SimLink, type Server } from './sim-link.ts';
import { SimNetwork, type NetworkFaults, type Way } from './sim-network.ts';
import { linkedLogs, linkedMeta, linkedObjects } from './sim-servers.ts';
import { procOf, SimProcess } from './sim-process.ts';
import { simLogs, simMeta, simObjects, simPool } from './sim-stores.ts';

/** What a cluster is made of. */
export interface ClusterOptions {
  readonly loop: EventLoop;
  readonly seed: number;
  readonly nodes: number;
  /** `disk` is of no use here; `pace.metaMs`: of one way to any server. */
  readonly faults: MachineFaults;
  readonly hooks?: (node: number) => PortHooks;
  /** What goes wrong between processes; undefined: they know nothing of each other. */
  readonly network?: NetworkFaults | undefined;
}

/** See the file's header. */
export class SimCluster {
  readonly nodes: readonly SimNode[];
  /** The servers as they are: for whoever looks at them from outside. */
  readonly logs: LogStore;
  readonly meta: MetaStore;
  readonly objects: ObjectStore;
  /** Between processes. */
  readonly network: SimNetwork | undefined;

  constructor(options: ClusterOptions) {
    const { loop, seed } = options;
    // Its calendar is right, and it never dies.
    const clock = new SimProcess({ loop, rng: new SeededRng(seed, 50) }).clock();
    this.logs = memoryLogStore();
    this.meta = memoryMetaStore({ clock });
    this.objects = memoryObjectStore({ clock });
    const { network } = options;
    const between = { loop, rng: new SeededRng(seed, 55), latencyMs: options.faults.pace.metaMs };
    this.network = network && new SimNetwork({ ...between, faults: network });
    const nodes = Array.from({ length: options.nodes }, (_, i) => i);
    this.nodes = nodes.map((i) => new SimNode(options, this, i));
  }

  /** From here on nothing fails by itself. */
  heal(): void {
    this.network?.heal();
    for (const node of this.nodes) node.heal();
  }

  /** Faults that happened. */
  get injected(): number {
    const between = this.network?.injected ?? 0;
    return this.nodes.reduce((sum, node) => sum + node.injected, between);
  }
}

type Servers = Pick<SimCluster, 'logs' | 'meta' | 'objects' | 'network'>;

/** One machine: the process on it, and its links to the servers. */
export class SimNode {
  readonly #options: ClusterOptions;
  readonly #servers: Servers;
  readonly #number: number;
  readonly #draw: FaultDraw;
  readonly #hooks: PortHooks;
  #process: SimProcess | undefined;
  #link: SimLink | undefined;
  #starts = 0;

  constructor(options: ClusterOptions, servers: Servers, number: number) {
    this.#options = options;
    this.#servers = servers;
    this.#number = number;
    this.#hooks = options.hooks?.(number) ?? {};
    const rng = new SeededRng(options.seed, 60 + number);
    this.#draw = new FaultDraw({ faults: options.faults, hooks: this.#hooks, rng });
  }

  get injected(): number {
    return this.#draw.injected;
  }

  /** The process that runs, or ran last. */
  get process(): SimProcess | undefined {
    return this.#process;
  }

  heal(): void {
    this.#draw.calm = true;
  }

  /** Ends the process; what it had sent arrives all the same. */
  kill(): void {
    this.#process?.kill();
    this.#draw.injected++;
  }

  /** Stops the process for so long; it does not know. */
  freeze(forMs: number): void {
    const process = this.#process;
    process?.freeze();
    this.#draw.injected++;
    this.#options.loop.after(forMs, `node ${this.#number} thaws`, () => process?.thaw());
  }

  /** Cuts the process off from a server, until the returned function is called. */
  stick(server: Server): () => void {
    this.#draw.injected++;
    return this.#link?.stick(server) ?? (() => undefined);
  }

  /** Cuts the process off from the others, until the returned function is called. */
  part(way: Way): () => void {
    const { network } = this.#servers;
    if (network === undefined || this.#process === undefined) return () => undefined;
    return network.cut(this.#process, way);
  }

  /** Starts a process and gives it its world. */
  boot(): OpenWorld {
    this.#process?.kill();
    const { loop, seed, faults } = this.#options;
    const rng = new SeededRng(seed, 1_000 * (this.#number + 1) + this.#starts++);
    const process = new SimProcess({ loop, rng, skewMs: this.#draw.skewMs(rng) });
    const link = new SimLink(process, faults.pace.metaMs);
    this.#process = process;
    this.#link = link;
    const { answered } = this.#hooks;
    const strike = (call: PortCall): Strike => this.#draw.strike(call);
    const tap = new PortTap(process, answered === undefined ? { strike } : { strike, answered });
    const clock = process.clock();
    const pool = (): Pool => simPool(inlinePool({ clock }), tap);
    const { logs, meta, objects, network } = this.#servers;
    const bus =
      network === undefined
        ? memoryBus(clock)
        : networkBus({ transport: network.transport(process), clock, rng });
    return {
      clock,
      rng,
      bus,
      logs: simLogs(linkedLogs(logs, link), tap),
      meta: simMeta(linkedMeta(meta, link, process), tap, 0),
      objects: simObjects(linkedObjects(objects, link), tap),
      fs: memoryFs({ clock }),
      pools: { search: [pool(), pool()], build: pool() },
      proc: procOf(this.#starts),
      close: () => Promise.resolve(),
    };
  }
}
