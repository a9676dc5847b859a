/** Whole embedded searches, `select: []`, beside the databases that people would pick instead. */
import { flatIndex, type VectorIndex } from '../../packages/index/src/index.ts';
import { createTopK, sortTopK, type Kernels, type TopK } from '../../packages/kernels/src/index.ts';
import { note, type Figure } from '../bench.ts';
import { QUERIES, type BenchData, type DataName } from '../index/data.ts';
import {
  BUCKETS,
  bucketOf,
  lancedb,
  ours,
  qdrant,
  zvec,
  type DatabasePeer,
} from '../peers/databases.ts';
import { sweep, timeAt, type Contender } from './sweep.ts';

type Targets = Readonly<Record<DataName, number>>;

const all = (atLeast: number): Targets => ({ digits: atLeast, made: atLeast, words: atLeast });

/** Ours to theirs, at least: one client; eight searches in flight; with a filter. */
const ONE: Readonly<Record<string, Targets>> = {
  zvec: { digits: 3, made: 2, words: 2 },
  'qdrant-edge': { digits: 2.5, made: 2, words: 2 },
};
const EIGHT: Readonly<Record<string, Targets>> = { zvec: all(2), lancedb: all(8) };
const FILTERED: Readonly<Record<string, Targets>> = { zvec: all(2.5), 'qdrant-edge': all(1.2) };

const RECALL = 0.95;
const PASSES = 3;
/** Shares of the rows that filters let pass, in buckets, and our index : whole qdrant-edge. */
const SHARES = [
  { buckets: 1, native: 5 },
  { buckets: 10, native: 3 },
  { buckets: 100, native: 1.5 },
  { buckets: 500, native: 2.5 },
] as const;
const NATIVE_PEER = 'qdrant-edge';

/** The rows whose bucket is below a bound, as bits. */
function allowedRows({ column }: BenchData, buckets: number): Uint32Array {
  const allowed = new Uint32Array(Math.ceil(column.rowCount / 32));
  for (let row = 0; row < column.rowCount; row++) {
    if (bucketOf(row) < buckets) allowed[row >>> 5] = (allowed[row >>> 5] ?? 0) | (1 << (row & 31));
  }
  return allowed;
}

/** The ten nearest rows of each query among those whose bucket is below a bound. */
export function truthOf(kernels: Kernels, data: BenchData, buckets: number = BUCKETS): TopK {
  const { metric, column, queries } = data;
  const allowed = allowedRows(data, buckets);
  const top = createTopK(QUERIES, 10);
  flatIndex({ kernels, metric, column }).search({ queries, top, allowed });
  sortTopK(top, metric);
  return top;
}

async function opened(data: BenchData): Promise<readonly DatabasePeer[]> {
  const peers: DatabasePeer[] = [];
  for (const make of [ours, zvec, qdrant, lancedb]) {
    try {
      const peer = await make(data);
      if (peer !== undefined) peers.push(peer);
    } catch (error) {
      note(`${make.name} is left out: ${String(error).split('\n')[0]}`);
    }
  }
  return peers;
}

interface Round {
  readonly what: string;
  readonly buckets: number;
  readonly lanes: number;
  readonly truth: TopK;
  readonly targets: Readonly<Record<string, Targets>>;
  /** Our index by itself, which gets the rows of a filter as bits; and what it has to reach. */
  readonly native?: { readonly index: Contender; readonly atLeast: number } | undefined;
}

/** The index called from Node, with the rows that a filter lets pass. */
function filtered(index: VectorIndex, data: BenchData, buckets: number): Contender {
  const allowed = allowedRows(data, buckets);
  const { dim } = data.column;
  return {
    name: 'native',
    search: async (ef) => {
      const tops = Array.from({ length: QUERIES }, () => createTopK(1, 10));
      const started = performance.now();
      for (const [q, top] of tops.entries()) {
        const queries = data.queries.subarray(q * dim, (q + 1) * dim);
        index.search({ ef, queries, top, allowed });
      }
      const ms = performance.now() - started;
      return { ms, rows: tops.flatMap((top) => [...top.rows]) };
    },
  };
}

async function compared(
  opened: readonly DatabasePeer[],
  name: DataName,
  round: Round,
): Promise<readonly Figure[]> {
  const { what, buckets, lanes, truth, targets, native } = round;
  // A peer that a round has no target for would only make it long: lancedb takes 8 ms a search.
  const peers = opened.filter((peer, i) => i === 0 || targets[peer.name] !== undefined);
  const contenders: Contender[] = peers.map((peer) => ({
    name: peer.name,
    search: (ef: number) => peer.search({ ef, buckets, lanes }),
  }));
  if (native !== undefined) contenders.push(native.index);
  const lines = await sweep(contenders, truth, { passes: PASSES, enough: RECALL });
  const own = timeAt(lines[0] ?? [], RECALL) ?? Number.NaN;
  const speed = { what: `${name}: ${what}`, measured: (QUERIES * 1000) / own, unit: '/s' };
  const peer = peers.findIndex(({ name: one }) => one === NATIVE_PEER);
  const byIndex: Figure[] = [];
  if (native !== undefined && peer > 0) {
    const alone = timeAt(lines.at(-1) ?? [], RECALL) ?? Number.NaN;
    byIndex.push({
      what: `${name}: ${what}, our index given its bits : ${NATIVE_PEER}`,
      measured: (timeAt(lines[peer] ?? [], RECALL) ?? Number.NaN) / alone,
      unit: 'x',
      atLeast: name === 'digits' ? native.atLeast : undefined,
    });
  }
  return [
    speed,
    ...byIndex,
    ...peers.slice(1).map((peer, i) => {
      const theirs = timeAt(lines[i + 1] ?? [], RECALL) ?? Number.NaN;
      return {
        what: `${name}: ${what}, ours : ${peer.name}`,
        measured: theirs / own,
        unit: 'x',
        atLeast: targets[peer.name]?.[name],
      };
    }),
  ];
}

/** Whole searches of one set of data, with the ratios that they have to reach. */
export async function databaseFigures(
  kernels: Kernels,
  data: BenchData,
  { truth, index }: { readonly truth: TopK; readonly index: VectorIndex },
): Promise<readonly Figure[]> {
  const peers = await opened(data);
  const bare = { buckets: BUCKETS, truth };
  const rounds: Round[] = [
    { ...bare, what: 'whole searches, one client', lanes: 1, targets: ONE },
    { ...bare, what: 'whole searches, 8 in flight', lanes: 8, targets: EIGHT },
    ...SHARES.map(({ buckets, native }) => ({
      what: `whole searches, a filter passes ${buckets / 10} %`,
      buckets,
      lanes: 1,
      truth: truthOf(kernels, data, buckets),
      targets: FILTERED,
      native: { index: filtered(index, data, buckets), atLeast: native },
    })),
  ];
  const figures: Figure[] = [];
  for (const round of rounds) figures.push(...(await compared(peers, data.name, round)));
  for (const peer of peers) await peer.close();
  return figures;
}
