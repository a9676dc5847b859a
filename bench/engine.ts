import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadKernels } from '../packages/kernels/src/index.ts';
import { machine, note, type Bench, type Figure } from './bench.ts';
import { databaseFigures, truthOf } from './engine/databases.ts';
import { indexFigures } from './engine/indexes.ts';
import { overheadFigures } from './engine/overhead.ts';
import type { Curve } from './engine/sweep.ts';
import { DATA_NAMES, loadData, QUERIES, type DataName } from './index/data.ts';

/** Sets of data, by `ELANUS_BENCH_DATA=digits,made,words`; rows of each by `ELANUS_BENCH_ROWS`. */
function wanted(): readonly DataName[] {
  const names = (process.env['ELANUS_BENCH_DATA'] ?? 'digits').split(',');
  return DATA_NAMES.filter((name) => names.includes(name));
}

/** What `bench/plots.ts` draws. */
function keepCurves(name: DataName, curves: readonly Curve[]): void {
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const result = { data: name, machine: machine(), queries: QUERIES, curves };
  writeFileSync(join(folder, `curves-${name}.json`), `${JSON.stringify(result, null, 1)}\n`);
}

/** Our engine beside its peers, in turns: indexes called from Node, and whole databases. */
export const bench: Bench = {
  what: 'the engine beside its peers (node bench/peers/install.mjs), at recall@10 of 0.95',
  seconds: 600,
  run: async () => {
    const kernels = loadKernels();
    const given = process.env['ELANUS_BENCH_ROWS'];
    const rows = given === undefined ? undefined : Number(given);
    const parts = (process.env['ELANUS_BENCH_PARTS'] ?? 'indexes,databases,overhead').split(',');
    const figures: Figure[] = [];
    if (parts.includes('overhead')) figures.push(...(await overheadFigures(kernels)));
    const sets = parts.some((part) => part !== 'overhead') ? wanted() : [];
    for (const name of sets) {
      note(`${name}: rows and truth`);
      const data = loadData({ kernels, name, rows });
      const truth = truthOf(kernels, data);
      if (parts.includes('indexes')) {
        note(`${name}: indexes`);
        const found = await indexFigures(kernels, data, truth);
        figures.push(...found.figures);
        keepCurves(name, found.curves);
      }
      if (parts.includes('databases')) {
        note(`${name}: databases`);
        figures.push(...(await databaseFigures(kernels, data, truth)));
      }
    }
    return figures;
  },
};
