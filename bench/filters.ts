import { fuzz } from '../test/expr/fuzz.ts';
import { note, type Bench } from './bench.ts';

/** Random filters against a naive interpreter of rows; see `test/expr/fuzz.ts`. */
export const bench: Bench = {
  what: '100,000 random filters against a naive row interpreter',
  seconds: 60,
  run: async () => {
    const { filters, rows, matches, differences } = fuzz({ filters: 100_000, seed: 1 });
    for (const difference of differences) note(difference);
    return Promise.resolve([
      { what: 'filters', measured: filters, unit: '', atLeast: 100_000 },
      { what: 'rows judged', measured: rows, unit: '' },
      { what: 'of them passed', measured: matches, unit: '', atLeast: 1 },
      { what: 'differences', measured: differences.length, unit: '', atMost: 0 },
    ]);
  },
};
