/** Runs seeds one after the other, until one is bad; tells what came of them. */
import type { SeedResult } from './embedded-run.ts';
import { pathsTaken, SWITCHES } from './rare-paths.ts';
import type { Rare } from './rare.ts';
import { violating } from './real-time.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';
import { shrink } from './shrink.ts';

/** Which seeds, and what to do with each. */
export interface SeedChoice {
  readonly scenario: string;
  readonly first: number;
  readonly count: number;
  /** Real milliseconds after which no other seed begins. */
  readonly untilMs: number | undefined;
  readonly mutant: string | undefined;
  readonly twice: boolean;
  readonly shrink: boolean;
  /** Instead of the one that the seed draws. */
  readonly plan: object | undefined;
  /** Whether each situation is told with the number of seeds that reached it. */
  readonly rare: boolean;
}

/** A sweep of so many seeds reaches every rare situation. */
const SWEEP = 1_000;
/** Of the seeds of a sweep that come by a switch. */
const SWITCHED_SHARE = 0.05;

class Sweep {
  readonly #choice: SeedChoice;
  readonly #scenario: Scenario;
  readonly #reached = new Map<Rare, number>();
  readonly #taken = new Map<string, number>();
  /** `seconds`: of the processor, which other programs of the machine hardly change. */
  readonly #sum = { seeds: 0, seconds: 0, events: 0, virtualMs: 0, injected: 0, starts: 0 };
  #acknowledged = 0;
  #reads = 0;
  #bad = 0;

  constructor(choice: SeedChoice) {
    this.#choice = choice;
    const scenario = SCENARIOS[choice.scenario];
    if (scenario === undefined) throw new Error(`no scenario ${choice.scenario}`);
    this.#scenario = scenario;
  }

  async run(): Promise<number> {
    const { first, count, untilMs = Infinity } = this.#choice;
    for (let seed = first; seed < first + count && this.#bad === 0; seed++) {
      if (performance.now() > untilMs) break;
      await this.#seed(seed);
    }
    this.#tellRare();
    this.#tell();
    return this.#bad;
  }

  async #seed(seed: number): Promise<void> {
    const plan = this.#choice.plan ?? this.#scenario.planOf(seed);
    const began = process.cpuUsage();
    const result = await violating(() => this.#scenario.run(seed, plan));
    const { user, system } = process.cpuUsage(began);
    this.#sum.seconds += (user + system) / 1e6;
    for (const id of pathsTaken()) this.#taken.set(id, (this.#taken.get(id) ?? 0) + 1);
    this.#add(result);
    const [worst] = result.violations;
    for (const { invariant, what } of result.violations.slice(0, 5)) {
      console.log(
        `seed=${seed} scenario=${this.#choice.scenario} invariant="${invariant}" ${what}`,
      );
      this.#bad++;
    }
    if (worst !== undefined) await this.#replay(seed, plan, worst.invariant);
    if (!this.#choice.twice) return;
    const again = await violating(() => this.#scenario.run(seed, plan));
    if (again.trace === result.trace) return;
    console.log(`seed=${seed} invariant="one seed, one trace" ${result.trace} ${again.trace}`);
    this.#bad++;
  }

  async #replay(seed: number, plan: object, invariant: string): Promise<void> {
    const { mutant, scenario } = this.#choice;
    const which = scenario === 'embedded' ? '' : ` --scenario ${scenario}`;
    const bug = mutant === undefined ? '' : ` --mutant ${mutant}`;
    const command = `pnpm sim${which} --seed ${seed}${bug}`;
    console.log(`replay: ${command}`);
    if (!this.#choice.shrink) return;
    const shrunk = await shrink(this.#scenario, { seed, plan, invariant });
    console.log(`after ${shrunk.tries} tries without ${shrunk.without.join(', ')}:`);
    console.log(`replay: ${command} --plan '${JSON.stringify(shrunk.plan)}'`);
  }

  #add(result: SeedResult): void {
    const sum = this.#sum;
    sum.seeds++;
    sum.events += result.events;
    sum.virtualMs += result.virtualMs;
    sum.injected += result.injected;
    sum.starts += result.starts;
    this.#acknowledged += result.acknowledged;
    this.#reads += result.reads;
    for (const name of result.reached) this.#reached.set(name, (this.#reached.get(name) ?? 0) + 1);
  }

  #tellRare(): void {
    const names = Object.keys(this.#scenario.rare) as Rare[];
    const missed = names.filter((name) => !this.#reached.has(name));
    if (this.#choice.rare) {
      for (const name of names) console.log(`${this.#reached.get(name) ?? 0} seeds: ${name}`);
    }
    console.log(`rare situations reached: ${names.length - missed.length} of ${names.length}`);
    if (missed.length > 0) console.log(`not reached: ${missed.join(', ')}`);
    const often = [...SWITCHES.keys()].filter((id) => {
      return (this.#taken.get(id) ?? 0) >= this.#sum.seeds * SWITCHED_SHARE;
    });
    console.log(`switches in 5 % of the seeds: ${often.length} of ${SWITCHES.size}`);
    if (this.#choice.rare) {
      for (const id of SWITCHES.keys()) console.log(`${this.#taken.get(id) ?? 0} seeds: ${id}`);
    }
    const isSweep = this.#sum.seeds >= SWEEP && this.#choice.mutant === undefined;
    if (isSweep) this.#bad += missed.length;
  }

  #tell(): void {
    const { seconds, seeds, events, virtualMs, injected, starts } = this.#sum;
    console.log(
      `${seeds} seeds, ${(virtualMs / 3.6e6).toFixed(2)} virtual hours, ${injected} faults, ` +
        `${starts} starts, ${this.#acknowledged} writes acknowledged, ${this.#reads} reads, ` +
        `${this.#bad} violations`,
    );
    console.log(
      `${events} events in ${seconds.toFixed(1)} s of the processor: ` +
        `${(events / seconds).toFixed(0)}/s, ${(seconds / seeds).toFixed(2)} s a seed`,
    );
  }
}

/** Runs seeds; returns how many violations there were. */
export function runSeeds(choice: SeedChoice): Promise<number> {
  return new Sweep(choice).run();
}
