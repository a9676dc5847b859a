// Goal: an index of another engine answers as ours do: scores of the same bits, filters, bounds and
// parts without a lost row, whatever the engine leaves out; and only its own file is given to it.
// Method: stand-ins for both engines, good and bad ones; hnswlib and faiss themselves where
// scripts/build-engines.mjs has built them.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

import { countBits, createBitset, hasBit, setBit } from '@elanus/core';
import { createTopK, floatsOf, loadKernels, sortTopK } from '@elanus/kernels';
import type { TopK } from '@elanus/kernels';
import { afterAll, describe, expect, test } from 'vitest';

import { flatIndex } from '../open.ts';
import type { IndexSearch } from '../vector-index.ts';
import { buildForeign, openForeign } from './foreign-index.ts';
import type { ForeignIndex, ForeignPlan } from './foreign-index.ts';

const ROWS = 2000;
const DIM = 24;
const QUERIES = 20;
const METRICS = ['l2', 'ip', 'cosine'] as const;
const control = { pause: async () => undefined };
const kernels = loadKernels();
const folder = mkdtempSync(join(tmpdir(), 'elanus-foreign-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Both engines in a few lines; `worth` is the share of the rows that they find. */
const standIn = (worth: number): string => {
  const source = `
import { readFileSync, writeFileSync } from 'node:fs';
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const unit = (a) => a.map((x) => x / (Math.sqrt(dot(a, a)) || 1));
const near = (metric) => (a, b) =>
  metric === 'l2' ? dot(a, a) + dot(b, b) - 2 * dot(a, b)
  : metric === 'ip' ? -dot(a, b) : -dot(unit(a), unit(b));
class Rows {
  constructor(metric, dim) { this.metric = metric; this.dim = dim; this.rows = []; }
  find(query, count, passes = () => true) {
    const score = near(this.metric);
    return this.rows.map((row, i) => [score(query, row), i])
      .filter(([, i]) => passes(i) && (i * 7919) % 100 < ${worth} * 100)
      .sort((a, b) => a[0] - b[0]).slice(0, count).map(([, i]) => i);
  }
  write(path) { writeFileSync(path, JSON.stringify(this)); }
}
const load = (rows, path) => Object.assign(rows, JSON.parse(readFileSync(path, 'utf8')));
export default {
  manyThreads: ${worth >= 0},
  HierarchicalNSW: class extends Rows {
    initIndex() {}
    addPoint(row, label) { this.rows[label] = row; }
    searchKnn(query, count, filter) { return { neighbors: this.find(query, count, filter) }; }
    setEf() {}
    getCurrentCount() { return this.rows.length; }
    writeIndexSync(path) { this.write(path); }
    readIndexSync(path) { load(this, path); }
  },
  Index: class Index extends Rows {
    static fromFactory(dim, factory, metric) {
      if (factory === 'Nope') throw new Error('could not parse');
      return new Index(metric === 1 ? 'l2' : 'ip', dim);
    }
    static read(path) { return load(new Index('', 0), path); }
    ntotal() { return this.rows.length; }
    getDimension() { return this.dim; }
    isTrained() { return true; }
    add(rows) {
      for (let i = 0; i < rows.length; i += this.dim) this.rows.push(rows.slice(i, i + this.dim));
    }
    search(query, count) {
      const labels = this.find(query, count);
      while (labels.length < count) labels.push(-1);
      return { labels };
    }
    toBuffer() { return Buffer.from(JSON.stringify(this)); }
  },
};`;
  const file = join(folder, `stand-in-${worth}.mjs`);
  writeFileSync(file, source);
  return pathToFileURL(file).href;
};

const ADDONS = { hnswlib: 'addon.node', faiss: 'faiss-node.node' } as const;

/** The engine itself, where it was built. */
function builtEngine(kind: ForeignPlan['kind']): readonly string[] {
  const engines = fileURLToPath(new URL('../../engines/package.json', import.meta.url));
  try {
    const entry = createRequire(engines).resolve(`${kind}-node`);
    const addon = join(dirname(dirname(entry)), 'build', 'Release', ADDONS[kind]);
    return existsSync(addon) ? [pathToFileURL(entry).href] : [];
  } catch {
    return [];
  }
}

const ENGINES = (['hnswlib', 'faiss'] as const).flatMap((kind) => [
  { name: `a stand-in for ${kind}`, kind, module: standIn(1) },
  ...builtEngine(kind).map((module) => ({ name: `${kind} itself`, kind, module })),
]);

function world() {
  const rows = kernels.allocate(ROWS * DIM * 4);
  const values = floatsOf(rows, ROWS * DIM);
  for (let i = 0; i < values.length; i++) values[i] = Math.sin(i * 1.7) * 2 + Math.cos(i * 0.013);
  const queries = Float32Array.from({ length: QUERIES * DIM }, (_, i) => Math.sin(i * 2.3));
  return { column: { rows, rowCount: ROWS, dim: DIM }, queries };
}
const { column, queries } = world();

async function build(plan: Omit<ForeignPlan, 'kernels' | 'column'>): Promise<ForeignIndex> {
  const index = await buildForeign({ kernels, column, ...plan }, control);
  if (index === undefined) throw new Error('the engine is there');
  return index;
}

type Asked = Omit<IndexSearch, 'top' | 'queries'> & { readonly queries: Float32Array };
type Searched = Pick<ForeignIndex, 'metric' | 'search'>;

function topOf(index: Searched, args: Asked, limit: number): TopK {
  const top = createTopK(args.queries.length / DIM, limit);
  index.search({ ...args, top });
  sortTopK(top, index.metric);
  return top;
}

function recallOf(got: TopK, truth: TopK): number {
  let found = 0;
  for (let q = 0; q < truth.nq; q++) {
    const span = [q * truth.limit, q * truth.limit + (truth.counts[q] ?? 0)] as const;
    const rows = new Set(got.rows.subarray(...span));
    found += truth.rows.subarray(...span).filter((row) => rows.has(row)).length;
  }
  return found / truth.counts.reduce((sum, count) => sum + count, 0);
}

describe.each(ENGINES)('$name', ({ kind, module }) => {
  test.each(METRICS)('finds rows, and scores them as we do: %s', async (metric) => {
    const index = await build({ kind, metric, module });
    const exact = flatIndex({ kernels, metric, column });
    const truth = topOf(exact, { queries }, 10);
    const got = topOf(index, { queries, ef: 200 }, 10);
    expect(recallOf(got, truth)).toBeGreaterThan(0.9);
    for (const [i, row] of got.rows.entries()) {
      const at = truth.rows.indexOf(row, i - (i % 10));
      if (at >= 0 && at < i - (i % 10) + 10) expect(got.scores[i]).toBe(truth.scores[at]);
    }
    expect(topOf(index, { queries, exact: true, rowBase: 7 }, 10)).toEqual(
      topOf(exact, { queries, rowBase: 7 }, 10),
    );
    expect(topOf(index, { queries, recall: 1 }, 10)).toEqual(truth);
    expect(index).toMatchObject({ kind: kind.toUpperCase(), dim: DIM, rowCount: ROWS, metric });
    expect(index.bytes).toBeGreaterThan(ROWS * DIM * 4);
  });

  test.each(METRICS)('filters, bounds and parts lose no rows: %s', async (metric) => {
    const index = await build({ kind, metric, module });
    const exact = flatIndex({ kernels, metric, column });
    for (const step of [2, 20, 200, 1000]) {
      const allowed = createBitset(ROWS);
      for (let row = 1; row < ROWS; row += step) setBit(allowed, row);
      const top = topOf(index, { queries, allowed, rowBase: 5 }, 12);
      const least = Math.min(12, countBits(allowed));
      expect([...top.counts]).toEqual(Array.from({ length: QUERIES }, () => least));
      const known = topOf(exact, { queries, allowed, rowBase: 5 }, 12);
      expect(recallOf(top, known)).toBeGreaterThan(0.8);
      for (let q = 0; q < QUERIES; q++) {
        const rows = top.rows.subarray(q * 12, q * 12 + least);
        expect(rows.every((row) => hasBit(allowed, row - 5))).toBe(true);
      }
    }
    const span = { queries, from: 100, to: 300 };
    expect(topOf(index, span, 10)).toEqual(topOf(exact, span, 10));
    const best = topOf(exact, { queries }, 10).scores[0] ?? 0;
    const beyond =
      metric === 'l2' ? { min: best + 1, max: Infinity } : { min: -Infinity, max: best };
    const cut = { queries, bounds: beyond };
    expect(topOf(index, cut, 10)).toEqual(topOf(exact, cut, 10));
  });

  test('is saved, and opened here and in another thread', async () => {
    const index = await build({ kind, metric: 'cosine', module });
    const path = join(folder, `${ENGINES.findIndex((one) => one.module === module)}-${kind}.saved`);
    const handle = await index.save(path, readFile);
    expect(handle.bytes).toBe(readFileSync(path).length);
    const again = await openForeign(kernels, structuredClone(handle), readFile);
    if (again === undefined) throw new Error('the engine is there');
    const asked = { queries, ef: 100 };
    const got = topOf(index, asked, 10);
    expect(topOf(again, asked, 10)).toEqual(got);
    const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(THREAD)}`), {
      workerData: { handle, queries, entry: ENTRY, kernels: KERNELS },
      execArgv: ['--conditions=elanus:source'],
    });
    const rows = await new Promise((resolve, reject) => {
      thread.on('message', resolve);
      thread.on('error', reject);
    });
    await thread.terminate();
    const sorted = Array.from({ length: QUERIES }, (_, q) =>
      [...got.rows.subarray(q * 10, q * 10 + 10)].sort((a, b) => a - b),
    );
    expect(rows).toEqual(sorted.flat());
  });

  test('other bytes than were saved are refused, and never given to the engine', async () => {
    const index = await build({ kind, metric: 'l2', module });
    const path = join(folder, `${kind}.damaged`);
    const handle = await index.save(path, readFile);
    const sound = readFileSync(path);
    for (let i = 0; i < 40; i++) {
      const bytes = Buffer.from(sound);
      const at = Math.floor((i * bytes.length) / 40);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      writeFileSync(path, i % 2 === 0 ? bytes : sound.subarray(0, at));
      await expect(openForeign(kernels, handle, readFile)).rejects.toMatchObject({
        code: 'file_corrupt',
      });
    }
  });

  test('parameters and queries that do not fit are refused', async () => {
    const wrong = [{ M: 1 }, { M: 2.5 }, { efConstruction: 0 }, { seed: -1 }];
    const strange = [{ factory: 'Nope' }, { factory: '' }, { factory: 'x;y' }];
    for (const params of kind === 'hnswlib' ? wrong : strange) {
      await expect(build({ kind, metric: 'l2', module, params })).rejects.toThrow(RangeError);
    }
    await expect(build({ kind, metric: 'hamming', module })).rejects.toThrow(RangeError);
    const index = await build({ kind, metric: 'l2', module });
    for (const args of [{ ef: 0 }, { ef: 1.5 }, { recall: 0 }, { recall: 2 }]) {
      expect(() => topOf(index, { queries, ...args }, 3)).toThrow(RangeError);
    }
    const top = createTopK(QUERIES, 3);
    expect(() => index.search({ queries: queries.subarray(1), top })).toThrow(RangeError);
    expect(() => index.search({ queries: new Uint8Array(8), top })).toThrow(TypeError);
  });
});

const ENTRY = new URL('foreign-index.ts', import.meta.url).href;
const KERNELS = new URL('../../../kernels/src/index.ts', import.meta.url).href;
const THREAD = `
import { parentPort, workerData } from 'node:worker_threads';
import { readFile } from 'node:fs/promises';
const { openForeign } = await import(workerData.entry);
const { createTopK, loadKernels } = await import(workerData.kernels);
const { handle, queries } = workerData;
const index = await openForeign(loadKernels(), handle, readFile);
const out = [];
for (let q = 0; q < ${QUERIES}; q++) {
  const top = createTopK(1, 10);
  index.search({ queries: queries.subarray(q * ${DIM}, (q + 1) * ${DIM}), top, ef: 100 });
  out.push(...[...top.rows].sort((a, b) => a - b));
}
parentPort.postMessage(out);
`;

test('an engine that finds little is made up for by scans', async () => {
  for (const kind of ['hnswlib', 'faiss'] as const) {
    const index = await build({ kind, metric: 'l2', module: standIn(0) });
    const truth = topOf(flatIndex({ kernels, metric: 'l2', column }), { queries }, 10);
    expect(topOf(index, { queries }, 10)).toEqual(truth);
    const top = createTopK(QUERIES, 10);
    expect(index.search({ queries, top })).toMatchObject({ plan: 'exact', fallbacks: QUERIES });
  }
});

test('where the engine is not installed there is no index', async () => {
  for (const kind of ['hnswlib', 'faiss'] as const) {
    const plan = { kernels, column, kind, metric: 'l2', module: 'elanus-nowhere' } as const;
    expect(await buildForeign(plan, control)).toBeUndefined();
    const fixed = { kind, metric: 'l2', column, path: 'x', bytes: 0, crc32: 0 } as const;
    const handle = { ...fixed, module: 'elanus-nowhere' };
    expect(await openForeign(kernels, handle, readFile)).toBeUndefined();
  }
});

test('a faiss that a second thread would break counts as not installed', async () => {
  const plan = { kernels, column, kind: 'faiss', metric: 'l2', module: standIn(-1) } as const;
  expect(await buildForeign(plan, control)).toBeUndefined();
});

test('a build is cancelled', async () => {
  const plan = { kernels, column, kind: 'hnswlib', metric: 'l2', module: standIn(1) } as const;
  const signal = AbortSignal.abort();
  await expect(buildForeign(plan, { ...control, signal })).rejects.toMatchObject({
    code: 'cancelled',
  });
});
