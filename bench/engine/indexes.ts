/** Our index called from Node beside other indexes: searches at the same recall, and builds. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildSteps,
  openIndex,
  type IndexFile,
  type VectorIndex,
} from '../../packages/index/src/index.ts';
import { createTopK, type Kernels, type TopK } from '../../packages/kernels/src/index.ts';
import { note, type Figure } from '../bench.ts';
import { QUERIES, type BenchData, type DataName } from '../index/data.ts';
import {
  faiss,
  hnswlib,
  hnswlibNode,
  usearch,
  type Peer,
  type PeerOptions,
} from '../index/peers.ts';
import { sweep, timeAt, type Contender, type Curve } from './sweep.ts';

type Targets = Readonly<Record<DataName, number>>;

/** Our searches a second to theirs, at least. */
const SEARCH: Readonly<Record<string, Targets>> = {
  hnswlib: { digits: 2.4, made: 2.6, words: 2.4 },
  'hnswlib-node': { digits: 6, made: 5, words: 2.6 },
  'usearch bf16': { digits: 2.5, made: 2.5, words: 2.5 },
};
const RECALL = 0.95;
const PASSES = 3;
/** Wider searches than one that finds this much are left out. */
const ENOUGH = 0.99;
const peersFolder = join(import.meta.dirname, '..', 'peers');
const modules = join(peersFolder, 'node_modules');

function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** An index over the rows of a set, built by one thread. */
export interface Built {
  readonly index: VectorIndex;
  readonly file: IndexFile;
  /** Processor time. */
  readonly ms: number;
}

/** Builds what a database would. */
export function built(kernels: Kernels, data: BenchData): Built {
  const { metric, column } = data;
  const started = cpu();
  const steps = buildSteps({ kernels, kind: 'HNSW', metric, column });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const ms = cpu() - started;
  const file = step.value;
  return { index: openIndex({ kernels, column, image: { ...file, path: 'bench' } }), file, ms };
}

function ours(index: VectorIndex, { column, queries }: BenchData): Contender {
  const { dim } = column;
  return {
    name: 'elanus',
    search: async (ef) => {
      const tops = Array.from({ length: QUERIES }, () => createTopK(1, 10));
      const started = cpu();
      for (const [q, top] of tops.entries()) {
        index.search({ ef, queries: queries.subarray(q * dim, (q + 1) * dim), top });
      }
      return { ms: cpu() - started, rows: tops.flatMap((top) => [...top.rows]) };
    },
  };
}

function peersOf(data: BenchData): readonly Peer[] {
  const keep = join(peersFolder, 'kept');
  mkdirSync(keep, { recursive: true });
  const makers: readonly [string, (options: PeerOptions) => Peer][] = [
    [join(modules, 'hnswlib-node', 'src'), hnswlib],
    [join(modules, 'hnswlib-node'), hnswlibNode],
    [join(modules, 'usearch'), usearch],
    // Debian's libfaiss-dev: `node scripts/bootstrap.mjs engines` installs it.
    ['/usr/include/faiss', faiss],
  ];
  const there = makers.filter(([folder]) => existsSync(folder));
  if (there.length < makers.length) note('peers are missing: see bench/peers/README.md');
  return there.map(([folder, make]) => make({ data, folder, keep }));
}

/** Searches and builds of one set of data, with the ratios that they have to reach; and curves. */
export async function indexFigures(
  data: BenchData,
  truth: TopK,
  { index, ms: ownMs }: Built,
): Promise<{ readonly figures: readonly Figure[]; readonly curves: readonly Curve[] }> {
  const { name, column } = data;
  const figures: Figure[] = [
    { what: `${name}: build, one thread`, measured: ownMs / 1000, unit: 's' },
    {
      what: `${name}: bytes of index a vector`,
      measured: index.bytes / column.rowCount,
      unit: 'B',
      atMost: Math.ceil(column.dim / 64) * 64 + 140,
    },
  ];
  const peers = peersOf(data);
  for (const peer of peers) {
    const ms = await peer.build();
    if (ms === 0) continue;
    const what = `${name}: build of ${peer.name} : ours`;
    figures.push({ what, measured: ms / ownMs, unit: 'x' });
  }
  const contenders = [ours(index, data), ...peers];
  const lines = await sweep(contenders, truth, { passes: PASSES, enough: ENOUGH });
  const own = timeAt(lines[0] ?? [], RECALL) ?? Number.NaN;
  const what = `${name}: searches a second from Node at recall ${RECALL}, one thread`;
  figures.push({ what, measured: (QUERIES * 1000) / own, unit: '/s' });
  for (const [i, peer] of peers.entries()) {
    const theirs = timeAt(lines[i + 1] ?? [], RECALL) ?? Number.NaN;
    figures.push({
      what: `${name}: ours : ${peer.name}`,
      measured: theirs / own,
      unit: 'x',
      atLeast: SEARCH[peer.name]?.[name],
    });
    peer.close();
  }
  const curves = contenders.map((one, i) => ({ name: one.name, points: lines[i] ?? [] }));
  return { figures, curves };
}
