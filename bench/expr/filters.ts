import { fuzz } from '../../test/expr/fuzz.ts';

/**
 * `node --conditions=elanus:source bench/expr/filters.ts [filters] [seed]`: random filters against
 * the naive row interpreter; prints counts, and fails when there is one difference.
 */
const filters = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? 1);
const started = performance.now();
const outcome = fuzz({ filters, seed });
const seconds = (performance.now() - started) / 1000;
const { rows, matches, differences } = outcome;
console.log(
  `${filters} random filters (seed ${seed}), ${rows} rows judged, ${matches} matches, ` +
    `${differences.length} differences, ${seconds.toFixed(1)} s`,
);
for (const difference of differences) console.log(difference);
process.exitCode = differences.length === 0 ? 0 : 1;
