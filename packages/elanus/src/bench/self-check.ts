/**
 * A short check of the database on the machine it runs on: made rows go in, get an index, are
 * searched. Every figure is of the public client; nothing is kept.
 */
import { cpus } from 'node:os';
import { collection, t, type Collection, type CollectionDetails } from '@elanus/client';
import { availableIsas } from '@elanus/kernels';
import { searchFor, type Rate } from '../demo/measure.ts';
import { elanus } from '../open.ts';
import { clusteredRows, type ClusteredRows } from './clustered.ts';

/** How to check. */
export interface SelfCheckOptions {
  readonly rows: number;
  readonly dim: number;
  readonly seed: number;
  /** How long each way of searching is measured. */
  readonly seconds: number;
  /** Told how far a step is. */
  readonly onProgress?: ((step: string, done: number, total: number) => void) | undefined;
}

/** What was found. Plain JSON; times in milliseconds. */
export interface SelfCheck {
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly node: string;
    /** The instruction set that the kernels use. */
    readonly kernels: string;
  };
  readonly data: { readonly rows: number; readonly dim: number; readonly seed: number };
  readonly insert: { readonly ms: number; readonly rowsPerSecond: number };
  readonly index: {
    /** Of most rows; 'none': they are scanned. */
    readonly kind: string;
    readonly rows: number;
    readonly bytes: number;
    /** From the last row's acknowledgement until the index served it. */
    readonly ms: number;
  };
  /** Share of the ten nearest rows that a search as it comes finds. */
  readonly recallAt10: number;
  readonly oneClient: Rate;
  readonly eightInFlight: Rate;
  readonly memory: { readonly rowBytes: number; readonly processBytes: number };
}

const QUERIES = 1_000;
const RECALL_QUERIES = 200;
const BATCH_ROWS = 5_000;
const POLL_MS = 50;
/** An index that is not there by then is not waited for. */
const INDEX_MS_MAX = 20_000;

const pointsOf = (dim: number) =>
  collection('self_check', {
    id: t.int64({ primary: true, as: 'number' }),
    vec: t.vector(dim, { metric: 'cosine' }),
  });
type Points = Collection<ReturnType<typeof pointsOf>['fields'], false>;

/** Checks; takes about fifteen seconds with 30,000 rows of 256 numbers on two cores. */
export async function selfCheck(options: SelfCheckOptions): Promise<SelfCheck> {
  const { rows, dim, seed, seconds, onProgress = () => undefined } = options;
  onProgress('making', 0, rows);
  const data = clusteredRows({ rows, dim, seed, queries: QUERIES });
  const db = await elanus(':memory:');
  try {
    const points = await db.collection(pointsOf(dim));
    const insert = await insertAll(points, data.rows, options);
    const index = await waitForIndex(points, options);
    // It would run beside the searches otherwise: nobody writes any more.
    await points.compact();
    const queryAt = (i: number): Float32Array => {
      const from = (i % QUERIES) * dim;
      return data.queries.subarray(from, from + dim);
    };
    const recallAt10 = await measureRecall(points, queryAt, options);
    const forMs = seconds * 1000;
    onProgress('searching', 0, 2);
    const oneClient = await searchFor(points, queryAt, { forMs, atOnce: 1 });
    onProgress('searching', 1, 2);
    const eightInFlight = await searchFor(points, queryAt, { forMs, atOnce: 8 });
    const { memoryBytes } = await points.describe();
    const memory = { rowBytes: memoryBytes, processBytes: process.memoryUsage.rss() };
    const of = { machine: machine(), data: { rows, dim, seed } };
    return { ...of, insert, index, recallAt10, oneClient, eightInFlight, memory };
  } finally {
    await db.close();
  }
}

function machine(): SelfCheck['machine'] {
  const all = cpus();
  const forced = process.env['ELANUS_KERNELS'];
  const kernels = forced === undefined || forced === 'auto' ? availableIsas()[0] : forced;
  const cpu = all[0]?.model.trim() ?? 'unknown';
  return { cpu, cores: all.length, node: process.version, kernels: kernels ?? 'none' };
}

async function insertAll(
  points: Points,
  rows: ClusteredRows['rows'],
  { dim, onProgress }: SelfCheckOptions,
): Promise<SelfCheck['insert']> {
  const total = rows.length / dim;
  const startMs = performance.now();
  for (let from = 0; from < total; from += BATCH_ROWS) {
    const to = Math.min(total, from + BATCH_ROWS);
    const id = BigInt64Array.from({ length: to - from }, (_, i) => BigInt(from + i));
    await points.insert({ id, vec: rows.subarray(from * dim, to * dim) });
    onProgress?.('inserting', to, total);
  }
  const ms = performance.now() - startMs;
  return { ms, rowsPerSecond: total / (ms / 1000) };
}

async function waitForIndex(
  points: Points,
  { onProgress }: SelfCheckOptions,
): Promise<SelfCheck['index']> {
  const startMs = performance.now();
  let details = await points.describe();
  while (details.indexingRows > 0 && performance.now() - startMs < INDEX_MS_MAX) {
    onProgress?.('indexing', details.indexedRows, details.rowCount);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    details = await points.describe();
  }
  return { ...standing(details), ms: performance.now() - startMs };
}

/** The index over most rows. */
function standing({ indexes }: CollectionDetails): Omit<SelfCheck['index'], 'ms'> {
  const parts = indexes[0]?.parts ?? [];
  const [most] = parts.toSorted((a, b) => b.rows - a.rows);
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  return { kind: most?.kind ?? 'none', rows: most?.rows ?? 0, bytes };
}

async function measureRecall(
  points: Points,
  queryAt: (i: number) => Float32Array,
  { onProgress }: SelfCheckOptions,
): Promise<number> {
  let same = 0;
  let all = 0;
  for (let i = 0; i < RECALL_QUERIES; i++) {
    const options = { vector: queryAt(i), limit: 10, select: [] } as const;
    const exact = await points.search({ ...options, recall: 1 });
    const found = new Set((await points.search(options)).map(({ id }) => id));
    same += exact.filter(({ id }) => found.has(id)).length;
    all += exact.length;
    onProgress?.('recall', i + 1, RECALL_QUERIES);
  }
  return all === 0 ? 1 : same / all;
}
