/**
 * Seeds of the simulator:
 *
 *     node --conditions=elanus:source test/sim/run.ts [--seed N] [--seeds COUNT] [--minutes M]
 *         [--mutant mNN] [--twice] [--rare] [--shrink] [--plan JSON]
 *     ... --scenario take-over, and the same
 *     ... --scenario fault-at-n [--port fs] [--mode kill] [--n 17] [--part 1/2] [--mutant mNN]
 *
 * `--seed` runs one, or is the first of many. Says on its last line what it has seen; a violation
 * says the command that replays it.
 */
import { registerHooks } from 'node:module';
import { parseArgs } from 'node:util';
import { mutate } from './mutants.ts';
import { plantSwitches } from './rare-paths.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    mutant: { type: 'string' },
    twice: { type: 'boolean', default: false },
    rare: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    plan: { type: 'string' },
    scenario: { type: 'string', default: 'embedded' },
    port: { type: 'string' },
    mode: { type: 'string' },
    n: { type: 'string' },
    part: { type: 'string' },
  },
});

const { mutant, twice, rare, scenario, plan, minutes } = values;
if (mutant !== undefined) registerHooks(mutate(mutant));
registerHooks(plantSwitches());
const { warmThreads } = await import('./warm-threads.ts');
await warmThreads();

async function run(): Promise<number> {
  if (scenario === 'fault-at-n') {
    const { runAims } = await import('./run-aims.ts');
    const { port, mode, n, part } = values;
    return runAims({ port, mode, n, part });
  }
  const { runSeeds } = await import('./run-seeds.ts');
  return runSeeds({
    scenario,
    first: Number(values.seed),
    count: minutes === undefined ? Number(values.seeds) : Number.MAX_SAFE_INTEGER,
    untilMs: minutes === undefined ? undefined : performance.now() + Number(minutes) * 6e4,
    mutant,
    twice,
    rare,
    shrink: values.shrink,
    plan: plan === undefined ? undefined : (JSON.parse(plan) as object),
  });
}

process.exitCode = (await run()) > 0 ? 1 : 0;
