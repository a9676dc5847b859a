import { killLoop } from '../test/crash/kill-loop.ts';
import type { Bench } from './bench.ts';

/** kill -9 while writing, again and again; see `test/crash/kill-loop.ts`. */
export const bench: Bench = {
  what: 'kill -9 during inserts, upserts, deletes and flushes, 200 times',
  seconds: 200,
  run: async () => {
    const report = await killLoop(Number(process.env['ELANUS_BENCH_KILLS'] ?? 200), 1);
    return [
      { what: 'kills', measured: report.kills, unit: '', atLeast: 200 },
      { what: 'writes acknowledged', measured: report.acknowledged, unit: '', atLeast: 1 },
      { what: 'writes in flight, kept whole', measured: report.keptInFlight, unit: '' },
      { what: 'rows lost', measured: report.lost, unit: '', atMost: 0 },
      { what: 'ghosts', measured: report.ghosts, unit: '', atMost: 0 },
    ];
  },
};
