import type { Receive, Transport } from '@elanus/runtime';
import type { EventLoop } from './event-loop.ts';
import type { SeededRng } from './seeded-rng.ts';
import type { SimProcess } from './sim-process.ts';

/** What goes wrong between processes, as shares of messages. */
export interface NetworkFaults {
  /** Lost on its way. */
  readonly lose: number;
  /** Arrives twice. */
  readonly twice: number;
  /** Takes up to a second longer than those behind it. */
  readonly late: number;
}

/** Which way a process is cut off. */
export type Way = 'in' | 'out' | 'both';

/** Between a process and the broker. */
interface Leg {
  readonly process: SimProcess;
  readonly way: 'in' | 'out';
  readonly what: string;
}

interface Listener {
  readonly process: SimProcess;
  readonly receive: Receive;
}

/** A way that is cut: what comes meanwhile waits, and is lost or arrives when it is mended. */
interface Cut {
  readonly way: Way;
  readonly held: (() => void)[];
}

const LATE_MS = 1_000;
const BYTES_MAX = 64 * 1024 * 1024;

/**
 * What is between processes: each message takes its own time, so that they come in any order. The
 * broker in the middle knows who lives, but not who is frozen.
 */
export class SimNetwork {
  readonly #loop: EventLoop;
  readonly #rng: SeededRng;
  readonly #faults: NetworkFaults;
  /** Of one way, drawn between nothing and twice that. */
  readonly #latencyMs: number;
  readonly #listeners = new Map<string, Listener[]>();
  readonly #cuts = new Map<SimProcess, Cut>();
  #calm = false;
  /** Faults that happened. */
  injected = 0;

  constructor(options: {
    readonly loop: EventLoop;
    readonly rng: SeededRng;
    readonly faults: NetworkFaults;
    readonly latencyMs: number;
  }) {
    this.#loop = options.loop;
    this.#rng = options.rng;
    this.#faults = options.faults;
    this.#latencyMs = options.latencyMs;
  }

  /** The network as a process reaches it. */
  transport(process: SimProcess): Transport {
    return {
      messageBytesMax: BYTES_MAX,
      send: (subject, bytes, nobody) => {
        if (!process.alive) return;
        const taken = bytes.slice();
        const back = (): void => {
          const leg = { process, way: 'in', what: 'nobody listens' } as const;
          this.#carry(leg, () => process.enter(nobody));
        };
        const arrive = (): void => this.#deliver(subject, taken, back);
        this.#carry({ process, way: 'out', what: `sent ${subject}` }, arrive);
      },
      listen: (subject, receive) => {
        const listener = { process, receive };
        this.#listeners.set(subject, [...(this.#listeners.get(subject) ?? []), listener]);
        return () => {
          const left = (this.#listeners.get(subject) ?? []).filter((one) => one !== listener);
          this.#listeners.set(subject, left);
        };
      },
    };
  }

  /** Cuts a process off, until the returned function is called. */
  cut(process: SimProcess, way: Way): () => void {
    this.injected++;
    const cut: Cut = { way, held: [] };
    this.#cuts.set(process, cut);
    return () => {
      if (this.#cuts.get(process) === cut) this.#cuts.delete(process);
      const isKept = this.#calm || this.#rng.chance(0.5);
      for (const go of cut.held.splice(0)) if (isKept) go();
    };
  }

  /** From here on nothing fails by itself, and nobody is cut off. */
  heal(): void {
    this.#calm = true;
    const cuts = [...this.#cuts.values()];
    this.#cuts.clear();
    for (const { held } of cuts) for (const go of held.splice(0)) go();
  }

  /** The broker has a message. */
  #deliver(subject: string, bytes: Uint8Array, nobody: () => void): void {
    const alive = (this.#listeners.get(subject) ?? []).filter(({ process }) => process.alive);
    this.#listeners.set(subject, alive);
    if (alive.length === 0) {
      nobody();
      return;
    }
    const { process, receive } = this.#rng.pick(alive);
    const copies = this.#strikes(this.#faults.twice) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      // Whoever receives bytes may keep them.
      const arrive = (): void => process.enter(() => receive(bytes.slice()));
      this.#carry({ process, way: 'in', what: `comes ${subject}` }, arrive);
    }
  }

  #carry({ process, way, what }: Leg, arrive: () => void): void {
    const cut = this.#cuts.get(process);
    if (cut !== undefined && (cut.way === 'both' || cut.way === way)) {
      cut.held.push(() => this.#loop.after(this.#delayMs(), what, arrive));
      return;
    }
    if (this.#strikes(this.#faults.lose)) return;
    this.#loop.after(this.#delayMs(), what, arrive);
  }

  #delayMs(): number {
    const lateMs = this.#strikes(this.#faults.late) ? LATE_MS * this.#rng.share() : 0;
    return this.#latencyMs * 2 * this.#rng.share() + lateMs;
  }

  #strikes(share: number): boolean {
    if (this.#calm || !this.#rng.chance(share)) return false;
    this.injected++;
    return true;
  }
}
