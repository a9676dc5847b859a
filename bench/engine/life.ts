/** What a database finds after its rows have lived: reopened, deleted, replaced, half indexed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collection, elanus, t, type Db } from 'elanus';
import { flatIndex } from '../../packages/index/src/index.ts';
import {
  createTopK,
  floatsOf,
  sortTopK,
  type Kernels,
  type TopK,
} from '../../packages/kernels/src/index.ts';
import type { Figure } from '../bench.ts';
import { indexed } from '../digits.ts';
import { QUERIES, type BenchData } from '../index/data.ts';
import { BUCKETS, bucketOf } from '../peers/databases.ts';
import { recallOf } from './sweep.ts';

const BATCH = 1_000;
/** As near as a life has to come to a fresh build. */
const WITHIN = 0.005;
const DELETED = 0.3;
const REPLACED = 0.5;
/** Share of the rows that is indexed before the rest comes in. */
const SEALED = 0.8;

/** Rows of a state, by number. */
type Rows = (row: number) => boolean;

const below =
  (share: number): Rows =>
  (row) =>
    bucketOf(row) < share * BUCKETS;

function schemaOf({ column, metric }: BenchData) {
  return collection('rows', {
    id: t.int64({ primary: true, as: 'number' }),
    vec: t.vector(column.dim, { metric }),
  });
}

/** One database of the bench, in a folder of its own. */
class Life {
  readonly #data: BenchData;
  readonly #folder = mkdtempSync(join(tmpdir(), 'elanus-life-'));
  #db: Promise<Db> = elanus(this.#folder);

  constructor(data: BenchData) {
    this.#data = data;
  }

  async #rows() {
    return (await this.#db).collection(schemaOf(this.#data));
  }

  /** Writes rows; `from` says whose vector each gets. */
  async write(which: Rows, from: (row: number) => number = (row) => row): Promise<void> {
    const { dim, rowCount, rows: memory } = this.#data.column;
    const values = floatsOf(memory, rowCount * dim);
    const rows = await this.#rows();
    const ids = Array.from({ length: rowCount }, (_, row) => row).filter(which);
    for (let at = 0; at < ids.length; at += BATCH) {
      const part = ids.slice(at, at + BATCH);
      const vec = new Float32Array(part.length * dim);
      for (const [i, id] of part.entries()) {
        vec.set(values.subarray(from(id) * dim, (from(id) + 1) * dim), i * dim);
      }
      await rows.upsert({ id: Float64Array.from(part) as never, vec });
    }
  }

  async remove(which: Rows): Promise<void> {
    const rows = await this.#rows();
    const ids = Array.from({ length: this.#data.column.rowCount }, (_, row) => row).filter(which);
    for (let at = 0; at < ids.length; at += BATCH)
      await rows.delete({ ids: ids.slice(at, at + BATCH) });
  }

  async settled(): Promise<this> {
    await indexed(await this.#rows());
    return this;
  }

  async reopen(): Promise<void> {
    await (await this.#db).close();
    this.#db = elanus(this.#folder);
  }

  async recall(truth: TopK): Promise<number> {
    const { queries, column } = this.#data;
    const rows = await this.#rows();
    const found = new Float64Array(QUERIES * 10).fill(-1);
    for (let q = 0; q < QUERIES; q++) {
      const vector = queries.subarray(q * column.dim, (q + 1) * column.dim);
      const hits = await rows.search({ vector, limit: 10, select: [] });
      found.set(
        hits.map(({ id }) => id),
        q * 10,
      );
    }
    return recallOf(found, truth);
  }

  async end(): Promise<void> {
    await (await this.#db).close();
    rmSync(this.#folder, { recursive: true });
  }
}

function truthOf(kernels: Kernels, { metric, column, queries }: BenchData, which: Rows): TopK {
  const allowed = new Uint32Array(Math.ceil(column.rowCount / 32));
  for (let row = 0; row < column.rowCount; row++) {
    if (which(row)) allowed[row >>> 5] = (allowed[row >>> 5] ?? 0) | (1 << (row & 31));
  }
  const top = createTopK(QUERIES, 10);
  flatIndex({ kernels, metric, column }).search({ queries, top, allowed });
  sortTopK(top, metric);
  return top;
}

/** Recall of databases by their lives, each against a fresh build of the rows that it ends with. */
export async function lifeFigures(kernels: Kernels, data: BenchData): Promise<readonly Figure[]> {
  const { name, column } = data;
  const every: Rows = () => true;
  const kept: Rows = (row) => !below(DELETED)(row);
  const lives: Life[] = [];
  const born = async (which: Rows, from?: (row: number) => number): Promise<Life> => {
    const life = new Life(data);
    lives.push(life);
    await life.write(which, from);
    return life.settled();
  };
  const truth = truthOf(kernels, data, every);
  const left = truthOf(kernels, data, kept);
  const whole = await born(every);
  const fresh = await whole.recall(truth);
  await whole.reopen();
  const reopened = await whole.recall(truth);
  await whole.remove(below(DELETED));
  const deleted = await whole.recall(left);
  const freshLeft = await (await born(kept)).recall(left);
  const wrong = await born(every, (row) => (below(REPLACED)(row) ? 0 : row));
  await wrong.write(below(REPLACED));
  const replaced = await (await wrong.settled()).recall(truth);
  const mixed = await born((row) => row < column.rowCount * SEALED);
  await mixed.write((row) => row >= column.rowCount * SEALED);
  const both = await mixed.recall(truth);
  for (const life of lives) await life.end();
  const what = `${name}: recall@10`;
  const near = (to: number): Pick<Figure, 'unit' | 'atLeast'> => ({
    unit: '',
    atLeast: to - WITHIN,
  });
  return [
    { what: `${what} of a fresh build`, measured: fresh, unit: '' },
    { what: `${what}, saved and opened`, measured: reopened, ...near(fresh) },
    { what: `${what} of a fresh build of the 70 %`, measured: freshLeft, unit: '' },
    { what: `${what}, 30 % deleted`, measured: deleted, ...near(freshLeft) },
    { what: `${what}, 50 % replaced`, measured: replaced, ...near(fresh) },
    { what: `${what}, 80 % sealed, 20 % growing`, measured: both, ...near(fresh) },
  ];
}
