import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadKernels, type Kernels, type TopK } from '../packages/kernels/src/index.ts';
import { machine, note, type Bench, type Figure } from './bench.ts';
import { databaseFigures, truthOf } from './engine/databases.ts';
import { buildFigures } from './engine/builds.ts';
import { built, indexFigures, type Built } from './engine/indexes.ts';
import { kindFigures } from './engine/kinds.ts';
import { lifeFigures } from './engine/life.ts';
import { nativeFigures } from './engine/native.ts';
import { overheadFigures } from './engine/overhead.ts';
import type { Curve } from './engine/sweep.ts';
import { targetFigures } from './engine/targets.ts';
import { threadFigures } from './engine/threads.ts';
import { DATA_NAMES, loadData, QUERIES, type BenchData, type DataName } from './index/data.ts';

/** Sets of data, by `ELANUS_BENCH_DATA=digits,made,words`; rows of each by `ELANUS_BENCH_ROWS`. */
function wanted(): readonly DataName[] {
  const names = (process.env['ELANUS_BENCH_DATA'] ?? 'digits').split(',');
  return DATA_NAMES.filter((name) => names.includes(name));
}

/** What is measured, by `ELANUS_BENCH_PARTS`; `overhead` needs no set of data. */
const PARTS = [
  'builds',
  'indexes',
  'kinds',
  'native',
  'threads',
  'targets',
  'databases',
  'life',
  'overhead',
] as const;
type Part = (typeof PARTS)[number];
const OF_AN_INDEX: readonly Part[] = ['indexes', 'kinds', 'native', 'threads', 'targets'];

/** Sets are cut to so many rows where databases live through several builds. */
const LIFE_ROWS = 20_000;

/** What `bench/plots.ts` draws. */
function keepCurves(name: DataName, what: 'kinds' | 'peers', curves: readonly Curve[]): void {
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const result = { data: name, what, machine: machine(), queries: QUERIES, curves };
  const file = join(folder, `curves-${name}-${what}.json`);
  writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
}

async function indexPart(
  part: Part,
  of: { kernels: Kernels; data: BenchData; truth: TopK; own: Built },
): Promise<readonly Figure[]> {
  const { kernels, data, truth, own } = of;
  note(`${data.name}: ${part}`);
  if (part === 'native') return nativeFigures(kernels, data, own.file);
  if (part === 'threads') return threadFigures(data, own.index);
  if (part === 'targets') return targetFigures(data, own.index, truth);
  const isKinds = part === 'kinds';
  const found = isKinds ? kindFigures(kernels, data, truth) : await indexFigures(data, truth, own);
  keepCurves(data.name, isKinds ? 'kinds' : 'peers', found.curves);
  return found.figures;
}

/** Everything of one set of data. */
async function setFigures(
  kernels: Kernels,
  name: DataName,
  options: { readonly rows: number | undefined; readonly parts: readonly Part[] },
): Promise<readonly Figure[]> {
  const { rows, parts } = options;
  const figures: Figure[] = [];
  const ofAnIndex = OF_AN_INDEX.filter((part) => parts.includes(part));
  const databases = parts.includes('databases');
  if (parts.includes('builds')) {
    note(`${name}: builds`);
    figures.push(...(await buildFigures(kernels, loadData({ kernels, name, rows }))));
  }
  if (ofAnIndex.length > 0 || databases) {
    note(`${name}: rows and truth`);
    const data = loadData({ kernels, name, rows });
    const truth = truthOf(kernels, data);
    const own = built(kernels, data);
    for (const part of ofAnIndex) {
      figures.push(...(await indexPart(part, { kernels, data, truth, own })));
    }
    if (databases) note(`${name}: databases`);
    const asked = { truth, index: own.index };
    if (databases) figures.push(...(await databaseFigures(kernels, data, asked)));
  }
  if (parts.includes('life')) {
    note(`${name}: lives of databases`);
    const few = Math.min(LIFE_ROWS, rows ?? LIFE_ROWS);
    figures.push(...(await lifeFigures(kernels, loadData({ kernels, name, rows: few }))));
  }
  return figures;
}

/** Our engine beside its peers, in turns: indexes called from Node, and whole databases. */
export const bench: Bench = {
  what: 'the engine beside its peers (node bench/peers/install.mjs), at recall@10 of 0.95',
  seconds: 600,
  run: async () => {
    const kernels = loadKernels();
    const given = process.env['ELANUS_BENCH_ROWS'];
    const rows = given === undefined ? undefined : Number(given);
    const asked = process.env['ELANUS_BENCH_PARTS']?.split(',') ?? PARTS;
    const parts = PARTS.filter((part) => asked.includes(part));
    const figures: Figure[] = [];
    if (parts.includes('overhead')) figures.push(...(await overheadFigures(kernels)));
    const sets = parts.some((part) => part !== 'overhead') ? wanted() : [];
    for (const name of sets) figures.push(...(await setFigures(kernels, name, { rows, parts })));
    return figures;
  },
};
