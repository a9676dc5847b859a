import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { bytesOf, floatsOf } from '../../packages/kernels/src/index.ts';
import { QUERIES } from './data.ts';
import type { BenchData } from './data.ts';

/**
 * Another engine over the same rows, with the same M and efConstruction; times are of processors.
 */
export interface Peer {
  readonly name: string;
  /** Milliseconds; 0 when the index was read from a file instead. */
  build(): Promise<number>;
  /** Compiled ones: milliseconds for so many more rows, of an index that is not kept. */
  add?(rows: number): Promise<number>;
  /** One pass, a query at a time: milliseconds and the ten rows of each query. */
  search(ef: number): Promise<{ readonly ms: number; readonly rows: ArrayLike<number> }>;
  close(): void;
}

/** Where a peer is and what it works on. */
export interface PeerOptions {
  readonly data: BenchData;
  /** hnswlib, faiss: the folder of the headers; others: the folder of the package. */
  readonly folder: string;
  /** Folder in which compiled engines keep their index from run to run. */
  readonly keep?: string | undefined;
}

const M = 16;
const EF_CONSTRUCTION = 200;

function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function keptFile({ name, column }: BenchData, folder: string, ends: string): string {
  return join(folder, `${name}-${column.rowCount}.${ends}`);
}

/** A C++ engine, compiled with -O3 -march=native, in a process of its own that answers passes. */
function compiled(
  { data, folder, keep }: PeerOptions,
  engine: { readonly name: string; readonly ends: string; readonly flags: readonly string[] },
): Peer {
  const { column, queries, metric } = data;
  const place = mkdtempSync(join(tmpdir(), `elanus-${engine.name}-`));
  const file = (part: string): string => join(place, part);
  writeFileSync(file('rows'), bytesOf(column.rows, column.rowCount * column.dim * 4));
  writeFileSync(file('queries'), new Uint8Array(queries.buffer));
  const source = fileURLToPath(new URL(`${engine.name}.cc`, import.meta.url));
  const flags = ['-O3', '-march=native', '-std=c++17', '-I', folder];
  const made = spawnSync('g++', [...flags, source, '-o', file('peer'), ...engine.flags], {
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(made.stderr);
  const kept = keep === undefined ? file('index') : keptFile(data, keep, engine.ends);
  const args = [file('rows'), file('queries'), String(column.dim), metric, kept];
  const child: ChildProcessWithoutNullStreams = spawn(file('peer'), args);
  const lines: AsyncIterator<string> = createInterface({ input: child.stdout })[
    Symbol.asyncIterator
  ]();
  const ask = async (command: string): Promise<readonly number[]> => {
    child.stdin.write(`${command}\n`);
    const { value } = await lines.next();
    return String(value).split(' ').map(Number);
  };
  return {
    name: engine.name,
    build: async () => (await ask('build'))[0] ?? 0,
    add: async (rows) => (await ask(`add ${rows}`))[0] ?? 0,
    search: async (ef) => {
      const [ms = 0, ...rows] = await ask(`search ${ef}`);
      return { ms, rows };
    },
    close: () => {
      child.stdin.end();
      rmSync(place, { recursive: true });
    },
  };
}

/** hnswlib from its headers. */
export function hnswlib(options: PeerOptions): Peer {
  return compiled(options, { name: 'hnswlib', ends: 'hnsw', flags: [] });
}

/** faiss as Debian's libfaiss-dev has it. */
export function faiss(options: PeerOptions): Peer {
  return compiled(options, {
    name: 'faiss',
    ends: 'faiss',
    flags: ['-fopenmp', '-lfaiss', '-lopenblas'],
  });
}

/** What is used of hnswlib-node. */
interface HnswlibNode {
  readonly HierarchicalNSW: new (
    space: string,
    dim: number,
  ) => {
    initIndex(rows: number, m: number, efConstruction: number): void;
    addPoint(point: readonly number[], label: number): void;
    readIndexSync(path: string): void;
    setEf(ef: number): void;
    searchKnn(query: readonly number[], k: number): { readonly neighbors: readonly number[] };
  };
}

/** hnswlib-node as it is shipped, in this process; reads the index that hnswlib kept. */
export function hnswlibNode({ data, folder, keep }: PeerOptions): Peer {
  const { column, metric } = data;
  const { dim, rowCount } = column;
  const load = createRequire(import.meta.url);
  const { HierarchicalNSW } = load(folder) as HnswlibNode;
  const index = new HierarchicalNSW(metric === 'l2' ? 'l2' : 'ip', dim);
  const values = floatsOf(column.rows, rowCount * dim);
  // Made before the clock runs: it takes nothing but arrays of numbers.
  const queries = Array.from({ length: QUERIES }, (_, q) =>
    Array.from(data.queries.subarray(q * dim, (q + 1) * dim)),
  );
  const kept = keep === undefined ? '' : keptFile(data, keep, 'hnsw');
  return {
    name: 'hnswlib-node',
    build: async () => {
      if (kept !== '' && existsSync(kept)) {
        index.readIndexSync(kept);
        return 0;
      }
      const started = cpu();
      index.initIndex(rowCount, M, EF_CONSTRUCTION);
      for (let row = 0; row < rowCount; row++) {
        index.addPoint(Array.from(values.subarray(row * dim, (row + 1) * dim)), row);
      }
      return cpu() - started;
    },
    search: async (ef) => {
      index.setEf(ef);
      const rows = new Float64Array(QUERIES * 10);
      const started = cpu();
      for (const [q, query] of queries.entries()) {
        rows.set(index.searchKnn(query, 10).neighbors, q * 10);
      }
      return { ms: cpu() - started, rows };
    },
    close: () => undefined,
  };
}

/** What is used of usearch. */
interface Usearch {
  readonly Index: new (
    options: object,
  ) => {
    add(keys: BigUint64Array, vectors: readonly Float32Array[], threads: number): void;
    search(query: Float32Array, k: number, threads: number): { readonly keys: BigUint64Array };
    save(path: string): void;
    load(path: string): void;
  };
}

/** usearch over bfloat16; its width of search belongs to the index, so each has one of its own. */
export function usearch({ data, folder, keep }: PeerOptions): Peer {
  const { column, metric } = data;
  const { dim, rowCount } = column;
  const { Index } = createRequire(import.meta.url)(folder) as Usearch;
  const place = mkdtempSync(join(tmpdir(), 'elanus-usearch-'));
  const path = keep === undefined ? join(place, 'index') : keptFile(data, keep, 'usearch');
  const open = (ef: number) =>
    new Index({
      dimensions: dim,
      metric: metric === 'l2' ? 'l2sq' : 'cos',
      quantization: 'bf16',
      connectivity: M,
      expansion_add: EF_CONSTRUCTION,
      expansion_search: ef,
      multi: false,
    });
  const opened = new Map<number, ReturnType<typeof open>>();
  const values = floatsOf(column.rows, rowCount * dim);
  return {
    name: 'usearch bf16',
    build: async () => {
      if (keep !== undefined && existsSync(path)) return 0;
      const index = open(EF_CONSTRUCTION);
      const started = cpu();
      for (let from = 0; from < rowCount; from += 1_000) {
        const rows = Array.from({ length: Math.min(1_000, rowCount - from) }, (_, i) => from + i);
        const vectors = rows.map((row) => values.slice(row * dim, (row + 1) * dim));
        index.add(BigUint64Array.from(rows, BigInt), vectors, 1);
      }
      const ms = cpu() - started;
      index.save(path);
      return ms;
    },
    search: async (ef) => {
      let index = opened.get(ef);
      if (index === undefined) {
        opened.clear();
        index = open(ef);
        index.load(path);
        opened.set(ef, index);
      }
      const rows = new Float64Array(QUERIES * 10).fill(-1);
      const started = cpu();
      for (let q = 0; q < QUERIES; q++) {
        const { keys } = index.search(data.queries.subarray(q * dim, (q + 1) * dim), 10, 1);
        rows.set(Array.from(keys, Number), q * 10);
      }
      return { ms: cpu() - started, rows };
    },
    close: () => rmSync(place, { recursive: true }),
  };
}
