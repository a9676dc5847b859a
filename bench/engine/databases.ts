/** Whole embedded searches, `select: []`, beside the databases that people would pick instead. */
import { flatIndex } from '../../packages/index/src/index.ts';
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
import { sweep, timeAt } from './sweep.ts';

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
/** Shares of the rows that filters let pass, in buckets. */
const SHARES = [1, 10, 100, 500] as const;

/** The ten nearest rows of each query among those whose bucket is below a bound. */
export function truthOf(kernels: Kernels, data: BenchData, buckets: number = BUCKETS): TopK {
  const { metric, column, queries } = data;
  const allowed = new Uint32Array(Math.ceil(column.rowCount / 32));
  for (let row = 0; row < column.rowCount; row++) {
    if (bucketOf(row) < buckets) allowed[row >>> 5] = (allowed[row >>> 5] ?? 0) | (1 << (row & 31));
  }
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
}

async function compared(
  peers: readonly DatabasePeer[],
  name: DataName,
  round: Round,
): Promise<readonly Figure[]> {
  const { what, buckets, lanes, truth, targets } = round;
  const contenders = peers.map((peer) => ({
    name: peer.name,
    search: (ef: number) => peer.search({ ef, buckets, lanes }),
  }));
  const lines = await sweep(contenders, truth, { passes: PASSES, enough: RECALL });
  const own = timeAt(lines[0] ?? [], RECALL) ?? Number.NaN;
  const speed = { what: `${name}: ${what}`, measured: (QUERIES * 1000) / own, unit: '/s' };
  return [
    speed,
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
  truth: TopK,
): Promise<readonly Figure[]> {
  const peers = await opened(data);
  const bare = { buckets: BUCKETS, truth };
  const rounds: Round[] = [
    { ...bare, what: 'whole searches, one client', lanes: 1, targets: ONE },
    { ...bare, what: 'whole searches, 8 in flight', lanes: 8, targets: EIGHT },
    ...SHARES.map((buckets) => ({
      what: `whole searches, a filter passes ${buckets / 10} %`,
      buckets,
      lanes: 1,
      truth: truthOf(kernels, data, buckets),
      targets: FILTERED,
    })),
  ];
  const figures: Figure[] = [];
  for (const round of rounds) figures.push(...(await compared(peers, data.name, round)));
  for (const peer of peers) await peer.close();
  return figures;
}
