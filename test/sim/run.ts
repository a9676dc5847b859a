/**
 * Seeds of the simulator:
 *
 *     node --conditions=elanus:source test/sim/run.ts [--seed N] [--seeds COUNT] [--minutes M]
 *         [--mutant mNN]
 *
 * `--seed` runs one, or is the first of many. Says on its last line what it has seen; a violation
 * says the command that replays it.
 */
import { registerHooks } from 'node:module';
import { parseArgs } from 'node:util';
import { mutate } from './mutants.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    mutant: { type: 'string' },
    twice: { type: 'boolean', default: false },
  },
});

const { mutant } = values;
if (mutant !== undefined) registerHooks(mutate(mutant));
const { forbidRealTime } = await import('./real-time.ts');
const { runSeed } = await import('./embedded-run.ts');
const { warmThreads } = await import('./warm-threads.ts');
await warmThreads();

const first = Number(values.seed);
const until = values.minutes === undefined ? undefined : Date.now() + Number(values.minutes) * 6e4;
const count = until === undefined ? Number(values.seeds) : Number.MAX_SAFE_INTEGER;
const now = Date.now;
const began = now();
const sum = {
  seeds: 0,
  events: 0,
  virtualMs: 0,
  injected: 0,
  acknowledged: 0,
  reads: 0,
  starts: 0,
};
const traces: string[] = [];
let bad = 0;

for (let seed = first; seed < first + count && bad === 0; seed++) {
  if (until !== undefined && now() > until) break;
  const allow = forbidRealTime();
  const result = await runSeed(seed).finally(allow);
  sum.seeds++;
  sum.events += result.events;
  sum.virtualMs += result.virtualMs;
  sum.injected += result.injected;
  sum.acknowledged += result.acknowledged;
  sum.reads += result.reads;
  sum.starts += result.starts;
  traces.push(result.trace);
  const flag = mutant === undefined ? '' : ` --mutant ${mutant}`;
  for (const { invariant, what } of result.violations.slice(0, 5)) {
    console.log(`seed=${seed} scenario=embedded invariant="${invariant}" ${what}`);
    console.log(`replay: pnpm sim --seed ${seed}${flag}`);
    bad++;
  }
  if (!values.twice) continue;
  const allowAgain = forbidRealTime();
  const again = await runSeed(seed).finally(allowAgain);
  if (again.trace !== result.trace) {
    console.log(`seed=${seed} invariant="one seed, one trace" ${result.trace} ${again.trace}`);
    bad++;
  }
}

const seconds = (now() - began) / 1e3;
console.log(
  `${sum.seeds} seeds, ${(sum.virtualMs / 3.6e6).toFixed(2)} virtual hours, ${sum.events} events ` +
    `(${(sum.events / seconds).toFixed(0)}/s), ${sum.injected} faults, ${sum.starts} starts, ` +
    `${sum.acknowledged} writes acknowledged, ${sum.reads} reads, ${bad} violations`,
);
process.exitCode = bad > 0 ? 1 : 0;
