import { median, type Bench } from './bench.ts';
import { inChild } from './child.ts';

const RUNS = 9;

/** How long a script waits for its first answer. */
export const bench: Bench = {
  what: 'import of elanus to the first hit on :memory:, files warm',
  seconds: 5,
  run: async () => {
    inChild('first-hit-child.ts');
    const runs = Array.from({ length: RUNS }, () => inChild<number[]>('first-hit-child.ts'));
    const part = (at: number): number => median(runs.map((run) => run[at] ?? Number.NaN));
    return Promise.resolve([
      { what: 'import', measured: part(0), unit: 'ms' },
      { what: 'open', measured: part(1), unit: 'ms' },
      { what: 'create, insert, search', measured: part(2), unit: 'ms' },
      {
        what: `import to first hit, median of ${RUNS}`,
        measured: part(3),
        unit: 'ms',
        atMost: 100,
      },
      {
        what: 'the fastest of them',
        measured: Math.min(...runs.map((run) => run[3] ?? Infinity)),
        unit: 'ms',
      },
    ]);
  },
};
