/**
 * One seed of the embedded database: clients write and read while its process is killed, power
 * fails, the disk refuses, metadata, log and objects do not answer, and schemas change; then all is
 * healed, and what is found is held against the history.
 */
import { flushShard, invoke } from '../../packages/protocol/src/index.ts';
import { EventLoop, SeededRng, SimMachine } from '../../packages/testkit/src/index.ts';
import type { LoopEnd, PortCall } from '../../packages/testkit/src/index.ts';
import { check, type Violation } from './checker.ts';
import { Client, type ClientContext, type OpenLife } from './clients.ts';
import { History } from './history.ts';
import { isDamage, isTyped, nameOf, openLife, TIMEOUT_MS, type Life } from './life.ts';
import { Operators } from './operators.ts';
import { planOf, type Plan } from './plan.ts';
import { Sightings, type Rare } from './rare.ts';
import { lastLook } from './last-look.ts';
import { openRows } from './rows.ts';

/** A healed database answers within so long. */
const HEALED_MS = 40_000;
/** A process that starts takes about so long to open its database. */
const STARTING_MS = 100;

type EmbeddedLife = OpenLife & Life;

/** What came of a seed. */
export interface SeedResult extends LoopEnd {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly reached: ReadonlySet<Rare>;
  readonly injected: number;
  readonly acknowledged: number;
  readonly reads: number;
  readonly starts: number;
}

class Run {
  readonly #seed: number;
  readonly #rng: SeededRng;
  readonly #loop: EventLoop;
  readonly #machine: SimMachine;
  readonly #plan: Plan;
  readonly #history = new History();
  readonly #sightings = new Sightings();
  readonly #operators: Operators<EmbeddedLife>;
  readonly #found: Violation[] = [];
  #life: Promise<EmbeddedLife> | undefined;
  #lives = 0;
  #ending = false;

  constructor(seed: number, plan: Plan) {
    this.#seed = seed;
    this.#plan = plan;
    this.#rng = new SeededRng(seed, 3);
    this.#loop = new EventLoop(new SeededRng(seed, 2));
    const { faults, logFileBytes } = plan;
    const hooks = {
      strike: (call: PortCall): undefined => {
        this.#sightings.asked(call);
      },
      answered: (call: PortCall, outcome: string) => this.#sightings.answered(call, outcome),
    };
    this.#machine = new SimMachine({ loop: this.#loop, seed, faults, hooks, logFileBytes });
    this.#operators = new Operators({
      ...this.#context(),
      seed,
      isEnding: () => this.#ending,
      isLed: () => true,
      lives: () => this.#lives,
      // Clients of this life go on with what the collection is now.
      reopened: (life, rows) => {
        if (life.number === this.#lives) this.#life = Promise.resolve({ ...life, rows });
      },
    });
  }

  async result(): Promise<SeedResult> {
    let last: ReadonlyMap<number, number | undefined> = new Map();
    const end = await this.#loop.run(async () => {
      this.#start();
      const lanes = Array.from({ length: this.#plan.clients }, (_, i) => this.#client(i));
      await Promise.all([...lanes, this.#flusher(), ...this.#operators.run(), this.#trouble()]);
      this.#machine.heal();
      this.#stop(false);
      this.#start();
      last = await this.#healed();
    });
    const { writes, reads } = this.#history;
    const { shards, keys } = this.#plan;
    if (writes.some(({ seenMs, outcome }) => outcome === 'unknown' && seenMs < Infinity)) {
      this.#sightings.see('unknown write seen');
    }
    return {
      ...end,
      seed: this.#seed,
      violations: [...this.#found, ...check(this.#history, { last, shards, keys })],
      reached: this.#sightings.reached,
      injected: this.#machine.injected,
      acknowledged: writes.filter(({ outcome }) => outcome === 'ok').length,
      reads: reads.length,
      starts: this.#lives,
    };
  }

  #opened(): Promise<EmbeddedLife | undefined> {
    return this.#life?.catch(() => undefined) ?? Promise.resolve(undefined);
  }

  #start(): void {
    const number = ++this.#lives;
    this.#loop.note(`start ${number}`);
    this.#life = this.#open(number);
    this.#life.catch(() => undefined);
  }

  async #open(number: number): Promise<EmbeddedLife> {
    for (;;) {
      try {
        const life = await openLife(this.#machine, this.#loop, (aheadMs) => {
          this.#sightings.opening(aheadMs);
        });
        const rows = await openRows(life.db, this.#plan.shards);
        this.#sightings.opened();
        this.#loop.note(`opened ${number}`);
        const wallMs = (): number => life.world.clock.wallMs();
        return { ...life, rows, number, startedMs: this.#loop.nowMs, wallMs };
      } catch (error) {
        // A port that fails while it opens: whoever runs the database starts it again.
        this.#loop.note(`not opened: ${nameOf(error)}`);
        this.#sightings.notOpened();
        if (isDamage(error) || !isTyped(error)) {
          this.#say({ invariant: 'S1 readable', what: `opening: ${String(error)}` });
          throw error;
        }
        await this.#loop.sleep(500, 'started again');
        // Another has been started meanwhile: one process holds the folder.
        if (number !== this.#lives) throw error;
      }
    }
  }

  /** Ends the process: killed, or without power. */
  #stop(power: boolean): void {
    this.#loop.note(power ? 'power loss' : 'kill');
    this.#sightings.stopped(power, this.#loop.nowMs);
    if (power) this.#machine.powerLoss();
    else this.#machine.kill();
    this.#history.crashed(this.#loop.nowMs);
  }

  async #trouble(): Promise<void> {
    const { stopsEveryMs, powerShare, againShare, chaosMs } = this.#plan;
    while (this.#loop.nowMs < chaosMs) {
      const again = this.#rng.chance(againShare);
      const waitMs = (again ? STARTING_MS : stopsEveryMs * 2) * this.#rng.share();
      await this.#loop.sleep(Math.min(waitMs, chaosMs), 'trouble');
      if (this.#loop.nowMs >= chaosMs) break;
      this.#stop(this.#rng.chance(powerShare));
      await this.#loop.sleep(this.#rng.below(1_000), 'restart');
      this.#start();
    }
    this.#ending = true;
  }

  #flusher(): Promise<void> {
    return this.#operators.often(this.#plan.flushEveryMs, 'flusher', async ({ world, rows }) => {
      const { collectionId } = rows.schema;
      const shard = this.#rng.below(this.#plan.shards);
      await invoke(world.bus, flushShard, { header: { collectionId, shard } });
    });
  }

  #context(): ClientContext & { readonly opened: () => Promise<EmbeddedLife | undefined> } {
    return {
      plan: this.#plan,
      loop: this.#loop,
      history: this.#history,
      sightings: this.#sightings,
      opened: () => this.#opened(),
      extras: () => this.#operators.extras,
      droppedMs: () => this.#operators.droppedMs,
      say: (violation) => this.#say(violation),
    };
  }

  async #client(lane: number): Promise<void> {
    const rng = new SeededRng(this.#seed, 1_000 + lane);
    const client = new Client(this.#context(), rng, lane);
    while (!this.#ending) {
      await this.#loop.sleep(this.#plan.thinkMs * 2 * rng.share(), 'client');
      // A life may end while something is asked of it: then nobody ever answers.
      const patience = this.#loop.sleep(TIMEOUT_MS * 4, 'client gives up');
      await Promise.race([client.act(), patience]);
    }
  }

  #healed(): Promise<ReadonlyMap<number, number | undefined>> {
    return lastLook(this.#context(), this.#rng, HEALED_MS);
  }

  #say(violation: Violation): void {
    this.#found.push(violation);
  }
}

/** Runs one seed from beginning to end; with a plan of its own, or another. */
export function runSeed(seed: number, plan: Plan = planOf(seed)): Promise<SeedResult> {
  return new Run(seed, plan).result();
}
