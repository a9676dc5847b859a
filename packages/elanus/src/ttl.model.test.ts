// Goal: a row that has outlived its time is seen by no read and holds no key, whatever is written,
// flushed, compacted or reopened meanwhile, and reads of the past see what was there. Method:
// random operations by seed against a map, on a calendar that the test sets on.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collection, connect, t, type Collection, type Db } from '@elanus/client';
import { LIMITS, timestampMs } from '@elanus/core';
import { localWorld } from '@elanus/runtime/local';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startEmbedded } from './embedded.ts';

const fields = {
  id: t.int64({ primary: true, as: 'number' }),
  turn: t.int32(),
  vec: t.vector(2, { metric: 'l2' }),
};
type Rows = Collection<typeof fields, false>;

const KEYS = 30;
/**
 * Half a second off the steps that time makes: what expires is never a matter of one millisecond.
 */
const TTLS = [2_500, 10_500, 600_500, null] as const;
const STEPS_MS = [1_000, 2_000, 5_000, 60_000, 240_000] as const;

interface Version {
  readonly turn: number;
  readonly writtenMs: number;
}

/** What is there, and what was at some instants. */
class Model {
  readonly rows = new Map<number, Version>();
  readonly past: { readonly at: bigint; readonly turns: ReadonlyMap<number, number> }[] = [];
  ttlMs: number | null = 10_500;

  /** Time went on: what is too old is gone for good. */
  age(): void {
    const { ttlMs } = this;
    if (ttlMs === null) return;
    for (const [id, { writtenMs }] of this.rows) {
      if (writtenMs + ttlMs <= Date.now()) this.rows.delete(id);
    }
  }

  get turns(): ReadonlyMap<number, number> {
    return new Map([...this.rows].sort(([a], [b]) => a - b).map(([id, { turn }]) => [id, turn]));
  }

  remember(at: bigint): void {
    this.past.push({ at, turns: this.turns });
  }
}

let folder: string;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
  folder = mkdtempSync(join(tmpdir(), 'elanus-ttl-'));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

class Run {
  readonly #model = new Model();
  #state: number;
  #db: Db | undefined;
  #rows: Rows | undefined;
  #turn = 0;

  constructor(seed: number) {
    this.#state = seed;
  }

  async open(): Promise<void> {
    const world = await localWorld(folder, { durability: 'process' });
    this.#db = connect(await startEmbedded({ world, durability: 'process', kernels: 'auto' }));
    const ttlMs = this.#turn === 0 ? { ttlMs: 10_500 } : {};
    this.#rows = await this.#db.collection(collection('rows', fields, { shards: 2, ...ttlMs }));
  }

  async close(): Promise<void> {
    await this.#db?.close();
  }

  async step(): Promise<void> {
    const dice = this.#int(100);
    if (dice < 20) await this.#insert();
    else if (dice < 32) await this.#upsert();
    else if (dice < 38) await this.#deleteKeys();
    else if (dice < 42) await this.#deleteFilter();
    else if (dice < 62) await this.#wait(STEPS_MS[this.#int(STEPS_MS.length)] ?? 1_000);
    else if (dice < 64) await this.#passRetention();
    else if (dice < 70) await this.#choose();
    else if (dice < 75) await this.#c.compact();
    else if (dice < 78) await this.#reopen();
    else if (dice < 92) await this.#read();
    else await this.#readPast();
  }

  async #read(): Promise<void> {
    const want = this.#model.turns;
    expect(await this.#scan()).toEqual(want);
    expect(await this.#c.count()).toBe(want.size);
    expect((await this.#c.describe()).rowCount).toBe(want.size);
    const id = this.#int(KEYS);
    expect((await this.#c.get(id))?.turn).toBe(want.get(id));
    const hits = await this.#c.search({ vector: [id, 0], limit: KEYS, recall: 1 });
    const found = hits.map((hit) => [hit.id, hit.turn] as const);
    expect(new Map(found)).toEqual(want);
    const filter = { turn: { gte: this.#turn - 10 } };
    const late = [...want].filter(([, turn]) => turn >= this.#turn - 10);
    expect((await this.#c.query({ filter })).map((row) => [row.id, row.turn])).toEqual(late);
  }

  async #readPast(): Promise<void> {
    // The owner's clock may be ahead of the calendar, by what it has given.
    const oldestMs = Date.now() - LIMITS.retentionMs + 100;
    const { past } = this.#model;
    const there = past.filter(({ at }) => timestampMs(at) >= oldestMs);
    const one = there[this.#int(Math.max(1, there.length))];
    if (one === undefined) return;
    const consistency = { at: one.at };
    expect(await this.#scan(one.at)).toEqual(one.turns);
    expect(await this.#c.count({ consistency })).toBe(one.turns.size);
  }

  async #scan(at?: bigint): Promise<ReadonlyMap<number, number>> {
    const seen = new Map<number, number>();
    const options = at === undefined ? {} : { consistency: { at } };
    for await (const row of this.#c.scan(options).rows()) seen.set(row.id, row.turn);
    return seen;
  }

  async #insert(): Promise<void> {
    const { rows } = this.#model;
    const list = this.#list();
    const [first] = list;
    if (first !== undefined && rows.has(first.id)) {
      await expect(this.#c.insert([first])).rejects.toMatchObject({ code: 'key_exists' });
    }
    const free = list.filter(({ id }) => !rows.has(id));
    const { count, timestamp } = await this.#c.insert(list, { onConflict: 'skip' });
    expect(count).toBe(free.length);
    this.#wrote(free, timestamp);
  }

  async #upsert(): Promise<void> {
    const list = this.#list();
    this.#wrote(list, (await this.#c.upsert(list)).timestamp);
  }

  #wrote(list: readonly { readonly id: number; readonly turn: number }[], at: bigint): void {
    const writtenMs = timestampMs(at);
    for (const { id, turn } of list) this.#model.rows.set(id, { turn, writtenMs });
    this.#model.remember(at);
  }

  async #deleteKeys(): Promise<void> {
    const { rows } = this.#model;
    const ids = this.#list().map(({ id }) => id);
    const there = ids.filter((id) => rows.has(id)).length;
    const { count, timestamp } = await this.#c.delete({ ids });
    expect(count).toBe(there);
    for (const id of ids) rows.delete(id);
    this.#model.remember(timestamp);
  }

  async #deleteFilter(): Promise<void> {
    const { rows } = this.#model;
    const gone = [...rows].filter(([, { turn }]) => turn >= this.#turn - 5);
    const filter = { turn: { gte: this.#turn - 5 } };
    const { count, timestamp } = await this.#c.delete({ filter });
    expect(count).toBe(gone.length);
    for (const [id] of gone) rows.delete(id);
    this.#model.remember(timestamp);
  }

  async #wait(ms: number): Promise<void> {
    vi.setSystemTime(Date.now() + ms);
    this.#model.age();
    // The owner's clock goes along.
    expect(await this.#c.count()).toBe(this.#model.rows.size);
  }

  async #passRetention(): Promise<void> {
    for (let ms = 0; ms <= LIMITS.retentionMs; ms += 240_000) await this.#wait(240_000);
  }

  async #choose(): Promise<void> {
    const ttlMs = TTLS[this.#int(TTLS.length)] ?? null;
    // Both hold in the millisecond of the change: reads of it see less than was there.
    vi.setSystemTime(Date.now() + 10);
    await this.#db?.alter('rows', { ttlMs });
    this.#model.ttlMs = ttlMs;
    this.#model.age();
  }

  async #reopen(): Promise<void> {
    await this.close();
    await this.open();
  }

  #list() {
    const ids = new Set(Array.from({ length: 1 + this.#int(6) }, () => this.#int(KEYS)));
    return [...ids].map((id) => ({ id, turn: ++this.#turn, vec: [id, 0] }));
  }

  get #c(): Rows {
    if (this.#rows === undefined) throw new Error('not open');
    return this.#rows;
  }

  #int(below: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * below);
  }
}

test.each([1, 2, 3])('random operations, seed %i', { timeout: 120_000 }, async (seed) => {
  const run = new Run(seed);
  await run.open();
  for (let step = 0; step < 200; step++) {
    try {
      await run.step();
    } catch (error) {
      throw new Error(`seed ${seed}, step ${step}: ${String(error)}`, { cause: error });
    }
  }
  await run.close();
});
