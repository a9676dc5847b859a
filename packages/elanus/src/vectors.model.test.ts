// Goal: vectors of every type answer as plain lists would: after inserts, upserts, deletes,
// flushes, merges and reopenings, with and without filter, by vector, by stored row and by range.
// Method: random operations by seed against a map; numbers are small and whole, so that scores are
// exact and ties abound.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collection, connect, t, type Collection, type Db } from '@elanus/client';
import { halfToNumber } from '@elanus/core';
import { describeShards, flushShard, invoke } from '@elanus/protocol';
import { type OpenWorld } from '@elanus/runtime';
import { localWorld } from '@elanus/runtime/local';
import { afterAll, describe, expect, test } from 'vitest';
import { startEmbedded } from './embedded.ts';

const KEYS = 400;
const Rows = collection(
  'rows',
  {
    id: t.int64({ primary: true, as: 'number' }),
    group: t.int32(),
    float32: t.vector(4, { metric: 'ip' }),
    float16: t.vector(5, { type: 'float16', metric: 'l2' }),
    bfloat16: t.vector(3, { type: 'bfloat16', metric: 'ip' }),
    int8: t.vector(7, { type: 'int8', metric: 'l2' }),
    hamming: t.vector(24, { type: 'binary' }),
    jaccard: t.vector(16, { type: 'binary', metric: 'jaccard' }),
    sparse: t.sparse(),
  },
  { shards: 2 },
);
type Name = 'float32' | 'float16' | 'bfloat16' | 'int8' | 'hamming' | 'jaccard' | 'sparse';
type Fields = (typeof Rows)['fields'];

/** A vector as numbers: bits as 0 and 1, sparse ones by index. */
type Plain = readonly number[] | ReadonlyMap<number, number>;

interface Row {
  readonly id: number;
  readonly group: number;
  readonly vectors: Readonly<Record<Name, Plain>>;
}

const DIMS: Readonly<Record<Exclude<Name, 'sparse'>, number>> = {
  float32: 4,
  float16: 5,
  bfloat16: 3,
  int8: 7,
  hamming: 24,
  jaccard: 16,
};
const NAMES = [...Object.keys(DIMS), 'sparse'] as readonly Name[];
const BITS: ReadonlySet<Name> = new Set<Name>(['hamming', 'jaccard']);
const SMALLER: ReadonlySet<Name> = new Set<Name>(['float16', 'int8', 'hamming', 'jaccard']);

const pairs = (a: Plain, b: Plain): [number, number][] =>
  (a as readonly number[]).map((x, i) => [x, (b as readonly number[])[i] ?? 0]);
const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0);

/** The score as its metric is defined, rounded to a float32 as scores are. */
function score(name: Name, a: Plain, b: Plain): number {
  if (name === 'sparse') {
    const [x, y] = [a as ReadonlyMap<number, number>, b as ReadonlyMap<number, number>];
    return Math.fround(sum([...x].map(([index, value]) => value * (y.get(index) ?? 0))));
  }
  const both = pairs(a, b);
  if (name === 'hamming') return both.filter(([x, y]) => x !== y).length;
  if (name === 'jaccard') {
    const union = both.filter(([x, y]) => x + y > 0).length;
    const differ = both.filter(([x, y]) => x !== y).length;
    return union === 0 ? 1 : Math.fround(differ / union);
  }
  if (SMALLER.has(name)) return sum(both.map(([x, y]) => (x - y) ** 2));
  return sum(both.map(([x, y]) => x * y));
}

/** A plain vector in the form a field takes; which of its forms is left to chance. */
function given(name: Name, vector: Plain, dice: () => number): unknown {
  if (name === 'sparse') {
    const entries = [...(vector as ReadonlyMap<number, number>)];
    const form = Math.floor(dice() * 4);
    if (form === 0) return Object.fromEntries(entries);
    if (form === 1) return entries;
    if (form === 2) return entries.map(([index, value]) => ({ index, value }));
    const indices = Uint32Array.from(entries, ([index]) => index);
    return { indices, values: entries.map(([, value]) => value) };
  }
  const list = vector as readonly number[];
  if (!BITS.has(name)) return dice() < 0.5 ? list : Float32Array.from(list);
  const bytes = new Uint8Array(list.length / 8);
  list.forEach((bit, i) => {
    bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (bit << (i & 7));
  });
  return dice() < 0.5 ? bytes : [...bytes];
}

/** What came back, as a plain vector. */
function plain(name: Name, value: unknown): Plain {
  if (name === 'sparse') {
    const { indices, values } = value as { indices: Uint32Array; values: Float32Array };
    return new Map([...indices].map((index, i) => [index, values[i] ?? 0]));
  }
  const list = [...(value as Uint8Array)];
  if (BITS.has(name))
    return list.flatMap((byte) => [0, 1, 2, 3, 4, 5, 6, 7].map((i) => (byte >> i) & 1));
  if (name !== 'float16' && name !== 'bfloat16') return list;
  return list.map((bits) => halfToNumber(name, bits));
}

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

class Run {
  readonly #random: () => number;
  readonly #folder: string;
  readonly #model = new Map<number, Row>();
  #world: OpenWorld | undefined;
  #db: Db | undefined;
  #rows: Collection<Fields, false> | undefined;

  readonly #kernels: 'auto' | 'wasm';

  constructor(seed: number, kernels: 'auto' | 'wasm') {
    this.#random = random(seed);
    this.#kernels = kernels;
    this.#folder = mkdtempSync(join(tmpdir(), 'elanus-vectors-'));
    folders.push(this.#folder);
  }

  async open(): Promise<void> {
    this.#world = await localWorld(this.#folder, { durability: 'process' });
    const options = { durability: 'process', kernels: this.#kernels } as const;
    this.#db = connect(await startEmbedded({ ...options, world: this.#world }));
    this.#rows = await this.#db.collection(Rows);
  }

  async close(): Promise<void> {
    await this.#db?.close();
  }

  async step(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.5) await this.#upsert();
    else if (dice < 0.6) await this.#delete();
    else if (dice < 0.72) await this.flush();
    else if (dice < 0.75) await this.#reopen();
    else if (dice < 0.95) await this.search();
    else await this.readAll();
  }

  async flush(): Promise<void> {
    for (const shard of [0, 1]) {
      await invoke(this.#bus(), flushShard, { header: { collectionId: 1, shard } });
    }
  }

  /** Flushes until there is something to merge, and waits for it. */
  async merge(): Promise<void> {
    for (let part = 0; part < 4; part++) {
      await this.#upsert();
      await this.flush();
    }
    const segments = async () => {
      const { header } = await invoke(this.#bus(), describeShards, { header: { collectionId: 1 } });
      return Math.max(...header.shards.map((shard) => shard.segments.length));
    };
    await expect.poll(segments, { timeout: 60_000 }).toBeLessThan(4);
  }

  async readAll(): Promise<void> {
    const seen = new Map<number, Readonly<Record<Name, Plain>>>();
    for await (const page of this.#c.scan({ select: NAMES })) {
      for (const row of page) {
        const vectors = NAMES.map((name) => [name, plain(name, row[name])] as const);
        seen.set(row.id, Object.fromEntries(vectors) as Record<Name, Plain>);
      }
    }
    const want = [...this.#model].sort(([a], [b]) => a - b);
    expect([...seen]).toEqual(want.map(([id, { vectors }]) => [id, vectors]));
  }

  /** One search of each field, each of another kind. */
  async search(): Promise<void> {
    for (const name of NAMES) {
      const group = this.#int(3);
      const filtered = this.#random() < 0.5;
      const rows = [...this.#model.values()].filter((row) => !filtered || row.group === group);
      const stored = this.#random() < 0.3 ? [...this.#model.keys()][0] : undefined;
      const query =
        stored === undefined ? this.#vector(name) : this.#model.get(stored)?.vectors[name];
      if (query === undefined) continue;
      const border = this.#random() < 0.3 ? score(name, query, this.#vector(name)) : undefined;
      const near = SMALLER.has(name);
      const within = border === undefined ? {} : near ? { max: border } : { min: border };
      const limit = 1 + this.#int(12);
      const options = {
        field: name,
        limit,
        within,
        recall: 1,
        select: [],
        ...(filtered ? { filter: { group } } : {}),
      } as const;
      const found =
        stored === undefined
          ? await this.#c.search({ ...options, vector: given(name, query, this.#random) as never })
          : ((await this.#c.search({ ...options, ids: [stored] }))[0] ?? []);
      const want = rows
        .map((row) => ({ id: row.id, score: score(name, query, row.vectors[name]) }))
        .filter((hit) => border === undefined || (near ? hit.score <= border : hit.score >= border))
        .sort((a, b) => (near ? a.score - b.score : b.score - a.score) || a.id - b.id)
        .slice(0, limit);
      expect(
        found.map(({ id, score: got }) => ({ id, score: got })),
        name,
      ).toEqual(want);
    }
  }

  #bus() {
    if (this.#world === undefined) throw new Error('not open');
    return this.#world.bus;
  }

  get #c(): Collection<Fields, false> {
    if (this.#rows === undefined) throw new Error('not open');
    return this.#rows;
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below);
  }

  #vector(name: Name): Plain {
    if (name === 'sparse') {
      const entries = Array.from({ length: this.#int(5) }, (): [number, number] => [
        this.#random() < 0.1 ? 2 ** 32 - 2 - this.#int(2) : this.#int(9),
        1 + this.#int(3),
      ]);
      // As they come back: by rising index.
      return new Map([...new Map(entries)].sort(([a], [b]) => a - b));
    }
    const bits = BITS.has(name);
    return Array.from({ length: DIMS[name] }, () => (bits ? this.#int(2) : this.#int(7) - 3));
  }

  #row(id: number): Row {
    const vectors = NAMES.map((name) => [name, this.#vector(name)] as const);
    return {
      id,
      group: this.#int(3),
      vectors: Object.fromEntries(vectors) as Record<Name, Plain>,
    };
  }

  async #upsert(): Promise<void> {
    // Now and then more than one chunk of a growing segment holds.
    const count = this.#random() < 0.2 ? 300 : 1 + this.#int(8);
    const ids = new Set(Array.from({ length: count }, () => this.#int(KEYS)));
    const rows = [...ids].map((id) => this.#row(id));
    const inputs = rows.map(({ id, group, vectors }) => {
      const fields = NAMES.map((name) => [name, given(name, vectors[name], this.#random)]);
      return { id, group, ...Object.fromEntries(fields) };
    });
    await this.#c.upsert(inputs as never);
    for (const row of rows) this.#model.set(row.id, row);
  }

  async #delete(): Promise<void> {
    const id = this.#int(KEYS);
    const { count } = await this.#c.delete({ ids: [id] });
    expect(count).toBe(this.#model.delete(id) ? 1 : 0);
  }

  async #reopen(): Promise<void> {
    await this.close();
    await this.open();
  }
}

describe('vectors of every type against a map', () => {
  const runs = [
    [1, 'auto'],
    [2, 'auto'],
    [3, 'wasm'],
  ] as const;
  test.each(runs)('seed %i, kernels %s', { timeout: 240_000 }, async (seed, kernels) => {
    const run = new Run(seed, kernels);
    await run.open();
    for (let step = 0; step < 100; step++) {
      try {
        await run.step();
      } catch (error) {
        throw new Error(`seed ${seed}, step ${step}`, { cause: error });
      }
    }
    await run.merge();
    await run.readAll();
    for (let i = 0; i < 5; i++) await run.search();
    await run.close();
  });
});
