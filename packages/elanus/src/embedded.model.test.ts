// Goal: whatever is written, flushed, merged, reopened and read at any instant, the embedded
// database answers as a map of keys to rows would. Method: random operations by seed over few keys,
// so that they collide; every answer is compared; the database is reopened on the same stores in
// between.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collection, connect, t, type Collection, type Db } from '@elanus/client';
import { describeShards, flushShard, invoke } from '@elanus/protocol';
import { type OpenWorld } from '@elanus/runtime';
import { localWorld } from '@elanus/runtime/local';
import { afterAll, describe, expect, test } from 'vitest';
import { startEmbedded } from './embedded.ts';

const KEYS = 60;
const DIM = 4;
const Rows = collection(
  'rows',
  {
    id: t.int64({ primary: true, as: 'number' }),
    group: t.int32({ nullable: true }),
    name: t.varchar({ maxLength: 64 }),
    tags: t.array(t.varchar({ maxLength: 16 })),
    vec: t.vector(DIM, { metric: 'l2' }),
  },
  { shards: 2 },
);
type Fields = typeof Rows extends { readonly fields: infer S } ? S : never;

interface Row {
  readonly id: number;
  readonly group: number | null;
  readonly name: string;
  readonly tags: string[];
  readonly vec: number[];
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
  /** The model as it was at some timestamps. */
  readonly #past: { readonly at: bigint; readonly rows: ReadonlyMap<number, Row> }[] = [];
  #world: OpenWorld | undefined;
  #db: Db | undefined;
  #rows: Collection<never, false> | undefined;
  #made = 0;

  constructor(seed: number) {
    this.#random = random(seed);
    this.#folder = mkdtempSync(join(tmpdir(), 'elanus-model-'));
    folders.push(this.#folder);
  }

  async open(): Promise<void> {
    this.#world = await localWorld(this.#folder, { durability: 'process' });
    const database = await startEmbedded({
      world: this.#world,
      durability: 'process',
      kernels: 'auto',
    });
    this.#db = connect(database);
    this.#rows = (await this.#db.collection(Rows)) as unknown as Collection<never, false>;
  }

  async close(): Promise<void> {
    await this.#db?.close();
  }

  async step(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.25) await this.#insert();
    else if (dice < 0.5) await this.#upsert();
    else if (dice < 0.6) await this.#deleteKeys();
    else if (dice < 0.66) await this.#deleteFilter();
    else if (dice < 0.75) await this.#flush();
    else if (dice < 0.78) await this.#reopen();
    else if (dice < 0.86) await this.#search();
    else if (dice < 0.94) await this.#readAll();
    else await this.#readPast();
  }

  async finish(): Promise<number> {
    await this.#flush();
    await this.#readAll();
    await this.#search();
    await this.#readPast();
    const { header } = await invoke(this.#bus(), describeShards, { header: { collectionId: 1 } });
    return header.shards.reduce((sum, shard) => sum + shard.segments.length, 0);
  }

  #bus() {
    if (this.#world === undefined) throw new Error('not open');
    return this.#world.bus;
  }

  get #c(): Collection<Fields, false> {
    if (this.#rows === undefined) throw new Error('not open');
    return this.#rows as never;
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below);
  }

  #row(id: number): Row {
    const group = this.#int(5);
    return {
      id,
      group: group === 4 ? null : group,
      name: `n${this.#made++}`,
      tags: Array.from({ length: this.#int(3) }, (_, i) => `t${(group + i) % 4}`),
      vec: Array.from({ length: DIM }, () => this.#int(8)),
    };
  }

  #keys(): number[] {
    const keys = new Set<number>();
    const count = 1 + this.#int(8);
    while (keys.size < count) keys.add(this.#int(KEYS));
    return [...keys];
  }

  #remember(at: bigint): void {
    this.#past.push({ at, rows: new Map(this.#model) });
    if (this.#past.length > 40) this.#past.shift();
  }

  async #insert(): Promise<void> {
    const rows = this.#keys().map((id) => this.#row(id));
    const [first] = rows;
    if (first !== undefined && this.#model.has(first.id)) {
      await expect(this.#c.insert([first] as never)).rejects.toMatchObject({ code: 'key_exists' });
    }
    const free = rows.filter((row) => !this.#model.has(row.id));
    const { timestamp, count } = await this.#c.insert(rows as never, { onConflict: 'skip' });
    expect(count).toBe(free.length);
    for (const row of free) this.#model.set(row.id, row);
    this.#remember(timestamp);
  }

  async #upsert(): Promise<void> {
    const rows = this.#keys().map((id) => this.#row(id));
    const { timestamp, count } = await this.#c.upsert(rows as never);
    expect(count).toBe(rows.length);
    for (const row of rows) this.#model.set(row.id, row);
    this.#remember(timestamp);
  }

  async #deleteKeys(): Promise<void> {
    const ids = this.#keys();
    const there = ids.filter((id) => this.#model.has(id)).length;
    const { count, timestamp } = await this.#c.delete({ ids } as never);
    expect(count).toBe(there);
    for (const id of ids) this.#model.delete(id);
    this.#remember(timestamp);
  }

  async #deleteFilter(): Promise<void> {
    const group = this.#int(4);
    const gone = [...this.#model.values()].filter((row) => row.group === group);
    const { count, timestamp } = await this.#c.delete({ filter: { group } } as never);
    expect(count).toBe(gone.length);
    for (const row of gone) this.#model.delete(row.id);
    this.#remember(timestamp);
  }

  async #flush(): Promise<void> {
    for (const shard of [0, 1]) {
      await invoke(this.#bus(), flushShard, { header: { collectionId: 1, shard } });
    }
  }

  async #reopen(): Promise<void> {
    await this.close();
    await this.open();
  }

  async #readAll(): Promise<void> {
    const seen: Row[] = [];
    const select = ['id', 'group', 'name', 'tags', 'vec'] as const;
    for await (const page of this.#c.scan({ select } as never)) {
      for (const row of page as unknown as Row[]) seen.push({ ...row, vec: [...row.vec] });
    }
    const want = [...this.#model.values()].sort((a, b) => a.id - b.id);
    expect(seen).toEqual(want);
    expect(await this.#c.count()).toBe(want.length);
    const tagged = want.filter((row) => row.tags.includes('t1')).length;
    expect(await this.#c.count({ filter: { tags: { contains: 't1' } } } as never)).toBe(tagged);
    const id = this.#int(KEYS);
    const found = (await this.#c.get(id as never)) as unknown as Row | undefined;
    expect(found?.name).toBe(this.#model.get(id)?.name);
  }

  async #search(): Promise<void> {
    const vector = Array.from({ length: DIM }, () => this.#int(8));
    const group = this.#int(4);
    const limit = 1 + this.#int(10);
    const hits = (await this.#c.search({
      vector,
      limit,
      filter: { group },
      recall: 1,
    } as never)) as unknown as { id: number; score: number }[];
    const distance = (row: Row) =>
      row.vec.reduce((sum, value, i) => sum + (value - (vector[i] ?? 0)) ** 2, 0);
    const want = [...this.#model.values()]
      .filter((row) => row.group === group)
      .map((row) => ({ id: row.id, score: distance(row) }))
      .sort((a, b) => a.score - b.score || a.id - b.id)
      .slice(0, limit);
    expect(hits.map(({ id, score }) => ({ id, score }))).toEqual(want);
  }

  async #readPast(): Promise<void> {
    const past = this.#past[this.#int(Math.max(1, this.#past.length))];
    if (past === undefined) return;
    const consistency = { at: past.at };
    expect(await this.#c.count({ consistency } as never)).toBe(past.rows.size);
    const ids: number[] = [];
    for await (const page of this.#c.scan({ select: ['name'], consistency } as never)) {
      for (const row of page as unknown as Row[]) {
        ids.push(row.id);
        expect(row.name).toBe(past.rows.get(row.id)?.name);
      }
    }
    expect(ids).toEqual([...past.rows.keys()].sort((a, b) => a - b));
  }
}

describe('random operations against a map', () => {
  test.each([1, 2, 3])('seed %i', { timeout: 240_000 }, async (seed) => {
    const run = new Run(seed);
    await run.open();
    for (let step = 0; step < 150; step++) {
      try {
        await run.step();
      } catch (error) {
        throw new Error(`seed ${seed}, step ${step}`, { cause: error });
      }
    }
    const segments = await run.finish();
    await run.close();
    // Merges keep the number of segments small: dozens were flushed.
    expect(segments).toBeLessThan(20);
  });
});
