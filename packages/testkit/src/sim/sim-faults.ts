import type { PortCall, PortHooks, Strike } from './port-tap.ts';
import type { SeededRng } from './seeded-rng.ts';

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

/** Calls that fail by themselves, by port; `fs` has faults of its own. */
const STRUCK: Partial<Record<PortCall['port'], ReadonlySet<string>>> = {
  meta: new Set(['txn']),
  log: new Set(['append']),
  objects: new Set(['put', 'get', 'read', 'remove']),
  pool: new Set(['run']),
};

/** Draws what becomes of each call. */
export class FaultDraw {
  readonly #faults: MachineFaults;
  readonly #hooks: PortHooks;
  readonly rng: SeededRng;
  /** From here on nothing fails by itself. */
  calm = false;
  /** Faults that happened. */
  injected = 0;

  constructor(options: { faults: MachineFaults; hooks: PortHooks; rng: SeededRng }) {
    this.#faults = options.faults;
    this.#hooks = options.hooks;
    this.rng = options.rng;
  }

  /** What is to become of a call: what the hooks say, or what is drawn. */
  strike(call: PortCall): Strike {
    const aimed = this.#hooks.strike?.(call);
    if (aimed !== undefined) return this.#injected(aimed);
    if (this.calm || call.port === 'fs' || call.port === 'timer') return undefined;
    const share = this.#faults[call.port];
    if (share === 0 || STRUCK[call.port]?.has(call.call) !== true) return undefined;
    if (!this.rng.chance(share)) return undefined;
    return this.#injected(this.rng.chance(0.5) ? 'applied' : 'fails');
  }

  /** How far the calendar of a process that starts is ahead. */
  skewMs(rng: SeededRng): number {
    return Math.round((rng.share() * 2 - 1) * (this.calm ? 0 : this.#faults.clockMs));
  }

  #injected(strike: Strike): Strike {
    this.injected++;
    return strike;
  }
}
