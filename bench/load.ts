import { join } from 'node:path';
import { burst } from '../test/load/burst.ts';
import { note, quantile, type Bench } from './bench.ts';
import { compileNative } from './native.ts';

const SEARCHES = 10_000;
const MB = 1e6;

/** Ten thousand searches at once; see `test/load/burst.ts` for how the loop is watched. */
export const bench: Bench = {
  what: '10,000 searches at once, half of them aborted',
  seconds: 20,
  run: async () => {
    const clock = compileNative<{ ms(): number }>(join(import.meta.dirname, 'thread-clock.cc'));
    if (clock === undefined) note('no compiler: processor time moves in ticks of the scheduler');
    const threadMs = clock && (() => clock.ms());
    const report = await burst({ searches: SEARCHES, rows: 20_000, dim: 64, seed: 1, threadMs });
    const { rounds } = report;
    const cpu = rounds.map((round) => round.cpuMs);
    const wall = rounds.map((round) => round.wallMs);
    const without = rounds.map(({ cpuMs, gcMs }) => Math.max(0, cpuMs - gcMs));
    note(`refused otherwise: ${[...new Set(report.others)].join(', ') || 'none'}`);
    const longest = (list: readonly number[]): number => list.reduce((a, b) => Math.max(a, b), 0);
    return [
      { what: 'answered', measured: report.answered, unit: '', atLeast: SEARCHES / 2 },
      { what: 'cancelled', measured: report.cancelled, unit: '' },
      { what: 'refused otherwise', measured: report.others.length, unit: '', atMost: 0 },
      { what: 'unhandled rejections', measured: report.unhandled, unit: '', atMost: 0 },
      { what: "the caller's turn: all begun", measured: report.launchMs, unit: 'ms' },
      { what: 'rounds of the loop with work', measured: cpu.length, unit: '' },
      {
        what: 'own work of a round, p99',
        measured: quantile(without, 0.99),
        unit: 'ms',
        atMost: 5,
      },
      { what: 'own work of a round, longest', measured: longest(without), unit: 'ms' },
      { what: "with V8's garbage collection, p99", measured: quantile(cpu, 0.99), unit: 'ms' },
      { what: "with V8's garbage collection, longest", measured: longest(cpu), unit: 'ms' },
      { what: 'round, p99, wall', measured: quantile(wall, 0.99), unit: 'ms' },
      { what: 'all settled after', measured: report.totalMs, unit: 'ms' },
      { what: 'memory before any burst', measured: report.fresh.rss / MB, unit: 'MB' },
      { what: 'memory before', measured: report.before.rss / MB, unit: 'MB' },
      { what: 'memory at the most', measured: report.peak.rss / MB, unit: 'MB' },
      { what: 'memory after', measured: report.after.rss / MB, unit: 'MB' },
      { what: 'memory back after', measured: report.backMs, unit: 'ms', atMost: 5_000 },
    ];
  },
};
