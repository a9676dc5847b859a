/**
 * Kinds of index beside each other, on the first rows of the digits: seconds to build, bytes a row
 * besides the rows, and for recall targets what was found and how many searches a second. One
 * thread, by processor time, medians of passes in which the kinds take turns.
 *
 *     node --conditions=elanus:source bench/index/kinds.ts [--rows 10000] [--data digits]
 *         [--kinds HNSW,HNSW_FLAT] [--passes 5]
 */
import { parseArgs } from 'node:util';

import { buildSteps, flatIndex, openIndex } from '../../packages/index/src/index.ts';
import type { IndexKind, VectorIndex } from '../../packages/index/src/index.ts';
import { createTopK, loadKernels, sortTopK } from '../../packages/kernels/src/index.ts';
import { median } from '../bench.ts';
import { recallOf } from '../engine/sweep.ts';
import { loadData, QUERIES } from './data.ts';
import type { DataName } from './data.ts';

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000' },
    data: { type: 'string', default: 'digits' },
    kinds: { type: 'string', default: 'HNSW,HNSW_FLAT,HNSW_BF16,IVF_SQ8,IVF_RABITQ' },
    passes: { type: 'string', default: '5' },
  },
});
const TARGETS = [0.8, 0.9, 0.95, 0.99];
const kernels = loadKernels();
const rows = Number(flags.rows);
const { metric, column, queries } = loadData({ kernels, name: flags.data as DataName, rows });
const { dim } = column;

/** Milliseconds of this process's processors. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const print = (...cells: readonly (string | number)[]): void => {
  process.stdout.write(`${cells.map((cell) => String(cell).padEnd(13)).join('')}\n`);
};

function build(kind: IndexKind): VectorIndex {
  const started = cpu();
  let longest = 0;
  const steps = buildSteps({ kernels, kind, metric, column });
  for (;;) {
    const before = cpu();
    const step = steps.next();
    longest = Math.max(longest, cpu() - before);
    if (step.done !== true) continue;
    const index = openIndex({ kernels, column, image: { ...step.value, path: kind } });
    const seconds = ((cpu() - started) / 1000).toFixed(1);
    print(kind, seconds, (index.bytes / column.rowCount).toFixed(0), longest.toFixed(1));
    return index;
  }
}

function pass(index: VectorIndex, recall: number) {
  const tops = Array.from({ length: QUERIES }, () => createTopK(1, 10));
  const plans = new Set<string>();
  const started = cpu();
  for (const [q, top] of tops.entries()) {
    const one = queries.subarray(q * dim, (q + 1) * dim);
    plans.add(index.search({ queries: one, recall, top }).plan);
  }
  const ms = cpu() - started;
  return { ms, found: tops.flatMap((top) => [...top.rows]), plans: [...plans].join('+') };
}

const truth = createTopK(QUERIES, 10);
flatIndex({ kernels, metric, column }).search({ queries, top: truth });
sortTopK(truth, metric);
print('kind', 'build s', 'bytes/row', 'longest step');
const indexes = flags.kinds.split(',').map((kind) => build(kind as IndexKind));
print('');
print('recall', 'kind', 'found', 'QPS', 'way');
for (const target of TARGETS) {
  const times = indexes.map((): number[] => []);
  const last = indexes.map((index) => pass(index, target));
  for (let n = 0; n < Number(flags.passes); n++) {
    for (const [i, index] of indexes.entries()) times[i]?.push(pass(index, target).ms);
  }
  for (const [i, index] of indexes.entries()) {
    const found = recallOf(last[i]?.found ?? [], truth).toFixed(4);
    const perSecond = Math.round((QUERIES * 1000) / median(times[i] ?? []));
    print(target, index.kind, found, perSecond, last[i]?.plans ?? '');
  }
}
