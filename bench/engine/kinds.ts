/** Our kinds of index beside each other: what each takes, and how fast it finds how much. */
import { buildSteps, openIndex, type VectorIndex } from '../../packages/index/src/index.ts';
import { createTopK, type Kernels, type TopK } from '../../packages/kernels/src/index.ts';
import { median, type Figure } from '../bench.ts';
import { QUERIES, type BenchData } from '../index/data.ts';
import { recallOf, type Curve, type Passed, type Point } from './sweep.ts';

const KINDS = [
  'FLAT_SQ8',
  'HNSW',
  'HNSW_FLAT',
  'HNSW_BF16',
  'IVF_FLAT',
  'IVF_SQ8',
  'IVF_RABITQ',
] as const;
/** What searches ask for. */
const TARGETS = [0.7, 0.8, 0.9, 0.95, 0.98, 0.99] as const;
const PASSES = 3;

/** Milliseconds of this process's processors. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface BuiltKind {
  readonly index: VectorIndex;
  readonly figures: readonly Figure[];
}

function build(kernels: Kernels, data: BenchData, kind: (typeof KINDS)[number]): BuiltKind {
  const { name, metric, column } = data;
  const started = cpu();
  const steps = buildSteps({ kernels, kind, metric, column });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const seconds = (cpu() - started) / 1000;
  const index = openIndex({ kernels, column, image: { ...step.value, path: kind } });
  const bytes = index.bytes / column.rowCount;
  return {
    index,
    figures: [
      { what: `${name}: ${kind}, build, one thread`, measured: seconds, unit: 's' },
      { what: `${name}: ${kind}, memory a row besides the rows`, measured: bytes, unit: 'B' },
    ],
  };
}

function pass(index: VectorIndex, { column, queries }: BenchData, recall: number): Passed {
  const tops = Array.from({ length: QUERIES }, () => createTopK(1, 10));
  const started = cpu();
  for (const [q, top] of tops.entries()) {
    const one = queries.subarray(q * column.dim, (q + 1) * column.dim);
    index.search({ queries: one, recall, top });
  }
  return { ms: cpu() - started, rows: tops.flatMap((top) => [...top.rows]) };
}

/** Builds each kind over a set, searches them in turns for more and more recall. */
export function kindFigures(
  kernels: Kernels,
  data: BenchData,
  truth: TopK,
): { readonly figures: readonly Figure[]; readonly curves: readonly Curve[] } {
  const all = KINDS.map((kind) => build(kernels, data, kind));
  const points = all.map((): Point[] => []);
  for (const [at, target] of TARGETS.entries()) {
    const times = all.map((): number[] => []);
    const found = all.map(({ index }) => recallOf(pass(index, data, target).rows, truth));
    for (let n = 0; n < PASSES; n++) {
      for (const [i, { index }] of all.entries()) times[i]?.push(pass(index, data, target).ms);
    }
    for (const [i, line] of points.entries()) {
      const recall = found[i] ?? 0;
      // The same width again: a kind cannot find less.
      if (line.at(-1)?.recall === recall) continue;
      line.push({ ef: at, recall, ms: median(times[i] ?? []) });
    }
  }
  const curves = all.map(({ index }, i) => {
    const bytes = Math.round(index.bytes / data.column.rowCount);
    return { name: `${index.kind.toLowerCase()}, ${bytes} B`, points: points[i] ?? [] };
  });
  return { figures: all.flatMap(({ figures }) => figures), curves };
}
