import { powerLoop } from '../test/crash/power-loop.ts';
import type { Bench } from './bench.ts';

/** Power cuts while writing, again and again; see `test/crash/power-loop.ts`. */
export const bench: Bench = {
  what: 'power cuts on ext4 during inserts, upserts, deletes and flushes, 50 times; as root',
  seconds: 150,
  run: async () => {
    const report = await powerLoop(50, 1);
    if (report === undefined) throw new Error('a loop device cannot be mounted here');
    return [
      { what: 'power cuts', measured: report.kills, unit: '', atLeast: 50 },
      { what: 'writes acknowledged', measured: report.acknowledged, unit: '', atLeast: 1 },
      { what: 'writes in flight, kept whole', measured: report.keptInFlight, unit: '' },
      { what: 'rows lost', measured: report.lost, unit: '', atMost: 0 },
      { what: 'ghosts', measured: report.ghosts, unit: '', atMost: 0 },
    ];
  },
};
