// Goal: commits are fenced and monotone (E1, E2, E3), ids and timestamps are never given twice,
// plans keep time order, garbage goes and what is named stays (S6). Method: the coordinator's rooms
// over memory stores, with the shards' side of the bus answered by stand-ins.
import {
  collectionId,
  ElanusError,
  indexBuildKey,
  LIMITS,
  type SchemaDefinition,
} from '@elanus/core';
import { dropShards, openShards, serveCall, type SegmentRecord } from '@elanus/protocol';
import { memoryBus, memoryWorld, type OpenWorld } from '@elanus/runtime';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nextFold, planBuild, RUN_MIN } from './build-plan.ts';
import { Catalog } from './catalog.ts';
import { readWindow, saveWindow, takeNumbers } from './counters.ts';
import { differences, newSchema } from './definition.ts';
import { MetaAccess } from './meta-access.ts';
import { Segments } from './segments.ts';

const definition: SchemaDefinition = {
  fields: [
    { name: 'id', type: 'int64', primary: true },
    { name: 'title', type: 'varchar' },
    { name: 'vec', type: 'vector', dim: 4 },
  ],
};

let world: OpenWorld;
let meta: MetaAccess;
let catalog: Catalog;
let segments: Segments;

beforeEach(async () => {
  world = await memoryWorld();
  meta = new MetaAccess(world.meta);
  catalog = new Catalog(meta, world.bus, () => 1_000);
  segments = new Segments(meta, catalog, () => 1_000);
  const owned = { pchannel: 'p0', term: 1 };
  serveCall(world.bus, openShards, () => ({ header: owned }));
  serveCall(world.bus, dropShards, () => ({ header: owned }));
});
afterEach(() => world.close());

const record = (id: number, more: Partial<SegmentRecord> = {}): SegmentRecord => ({
  segmentId: id,
  collectionId: 1,
  shard: 0,
  state: 'flushed',
  manifest: `c1/s${id}/a/manifest.json`,
  deltaSequence: 0,
  rowCount: 10,
  minTimestamp: String(id),
  bytes: 100,
  indexed: false,
  ...more,
});

const flush = (term: number, segment: SegmentRecord, seq: number) => ({
  pchannel: 'p0',
  term,
  collectionId: 1,
  shard: 0,
  segment,
  deltas: [],
  checkpoint: { seq, timestamp: '1' },
});

describe('the catalog', () => {
  test('creates once, opens what agrees, names the differences of what does not', async () => {
    const first = await catalog.create('docs', definition);
    expect(first.created).toBe(true);
    const again = await catalog.create('docs', definition);
    expect(again).toEqual({ schema: first.schema, created: false });
    const other = { ...definition, dynamic: true };
    await expect(catalog.create('docs', other)).rejects.toMatchObject({
      code: 'schema_mismatch',
      details: { differences: ['dynamic is false, not true'] },
    });
  });

  test('what is made and cannot be opened is opened when it is asked for again', async () => {
    const asked: number[] = [];
    const bus = memoryBus(world.clock);
    serveCall(bus, openShards, ({ header }) => {
      asked.push(header.schema.collectionId);
      const failure = new ElanusError('unavailable', { what: 'the log' });
      if (asked.length < 3) throw failure;
      return { header: { pchannel: 'p0', term: 1 } };
    });
    const late = new Catalog(meta, bus, () => 1_000);
    await expect(late.create('docs', definition)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(late.resolve('docs')).rejects.toMatchObject({ code: 'unavailable' });
    const { schema, created } = await late.create('docs', definition);
    expect(created).toBe(false);
    expect(await late.resolve('docs')).toEqual(schema);
    expect(asked).toEqual([1, 1, 1]);
  });

  test('a coordinator that did not make a collection has it opened by its owner', async () => {
    await catalog.create('docs', definition);
    const { term } = await segments.own('p0', 'a');
    const asked: number[] = [];
    const bus = memoryBus(world.clock);
    serveCall(bus, openShards, () => {
      // The former owner answers first.
      const of = term - 1 + asked.length;
      asked.push(of);
      return { header: { pchannel: 'p0', term: of } };
    });
    const next = new Catalog(meta, bus, () => 1_000);
    await expect(next.resolve('docs')).rejects.toMatchObject({ code: 'channel_moved' });
    expect((await next.resolve('docs')).name).toBe('docs');
    await next.resolve('docs');
    expect(asked).toEqual([term - 1, term]);
  });

  test('another index is one idempotent commit, without a new schema version', async () => {
    const { schema } = await catalog.create('docs', definition);
    const chosen = await catalog.setIndex('docs', 'vec', { kind: 'hnsw', m: 32 });
    expect(chosen.version).toBe(schema.version);
    expect(chosen.fields[2]?.index).toEqual({ kind: 'hnsw', m: 32 });
    const { revision } = await world.meta.range('');
    await catalog.setIndex('docs', 'vec', { kind: 'hnsw', m: 32 });
    expect((await world.meta.range('')).revision).toBe(revision);
    expect((await catalog.resolve('docs')).fields[2]?.index).toEqual({ kind: 'hnsw', m: 32 });
    // A definition does not say when its index is from: it opens whatever was chosen since.
    expect((await catalog.create('docs', definition)).created).toBe(false);
    const unknown = catalog.setIndex('docs', 'vex', { kind: 'flat' });
    await expect(unknown).rejects.toMatchObject({ code: 'unknown_field' });
  });

  test.each([0, 1])('two changes at once: both are there, or one is told (%i)', async (later) => {
    await catalog.create('docs', definition);
    const changes = [
      () => catalog.setIndex('docs', 'vec', { kind: 'flat' }),
      () => catalog.alter('docs', { add: [{ name: 'a', type: 'bool', nullable: true }] }),
    ];
    if (later === 0) changes.reverse();
    const ends = await Promise.allSettled(changes.map((change) => change()));
    if (later === 0) ends.reverse();
    const { fields } = await catalog.resolve('docs');
    const [index, alter] = ends.map(({ status }) => status === 'fulfilled');
    expect(fields.some((field) => field.index !== undefined)).toBe(index);
    expect(fields.some(({ name }) => name === 'a')).toBe(alter);
  });

  test('aliases follow renames and go with the collection', async () => {
    await catalog.create('docs', definition);
    await catalog.alias('latest', 'docs');
    await catalog.rename('docs', 'papers');
    expect((await catalog.resolve('latest')).name).toBe('papers');
    await expect(catalog.resolve('docs')).rejects.toMatchObject({ code: 'collection_not_found' });
    await catalog.drop('papers');
    await expect(catalog.resolve('latest')).rejects.toMatchObject({ code: 'collection_not_found' });
    expect(await catalog.list()).toEqual([]);
  });

  test('added fields get ids that were never used, also after a drop', async () => {
    await catalog.create('docs', definition);
    const added = await catalog.alter('docs', {
      add: [{ name: 'a', type: 'bool', nullable: true }],
    });
    const id = added.fields.find((field) => field.name === 'a')?.id;
    await catalog.alter('docs', { drop: ['a'] });
    const later = await catalog.alter('docs', {
      add: [{ name: 'a', type: 'bool', nullable: true }],
    });
    expect(later.version).toBe(4);
    expect(later.fields.find((field) => field.name === 'a')?.id).toBeGreaterThan(id ?? 0);
    const bare = { add: [{ name: 'b', type: 'bool' as const }] };
    await expect(catalog.alter('docs', bare)).rejects.toMatchObject({ code: 'schema_invalid' });
    await expect(catalog.alter('docs', { drop: ['vec'] })).rejects.toMatchObject({
      code: 'schema_invalid',
    });
  });

  test('a definition equals the schema made from it, whatever it leaves out', () => {
    const schema = newSchema('docs', definition, collectionId(1));
    expect(differences(schema, definition)).toEqual([]);
    const [id, , vec] = definition.fields;
    if (id === undefined || vec === undefined) throw new Error('fixture');
    const short = { fields: [id, { name: 'title', type: 'varchar' as const, maxLength: 9 }, vec] };
    expect(differences(schema, short)).toEqual(['title.maxLength is 65535, not 9']);
  });
});

describe('commits', () => {
  test('a former owner is refused', async () => {
    await catalog.create('docs', definition);
    const old = await segments.own('p0', 'a');
    const next = await segments.own('p0', 'b');
    expect(next.term).toBe(old.term + 1);
    await expect(segments.commitFlush(flush(old.term, record(1), 5))).rejects.toMatchObject({
      code: 'channel_moved',
    });
    await segments.commitFlush(flush(next.term, record(1), 5));
    expect(await segments.flushed(1)).toEqual([record(1)]);
  });

  test('a checkpoint never goes back, and the same flush twice is one', async () => {
    await catalog.create('docs', definition);
    const { term } = await segments.own('p0', 'a');
    await segments.commitFlush(flush(term, record(1), 9));
    await segments.commitFlush(flush(term, record(1), 9));
    await expect(segments.commitFlush(flush(term, record(2), 5))).rejects.toMatchObject({
      code: 'catalog_conflict',
    });
    expect((await segments.flushed(1)).length).toBe(1);
  });

  test('a build whose input changed meanwhile is refused whole', async () => {
    await catalog.create('docs', definition);
    const { term } = await segments.own('p0', 'a');
    await segments.commitFlush(flush(term, record(1), 2));
    await segments.commitFlush(flush(term, record(2), 3));
    const inputs = [record(1), record(2)].map(({ segmentId, manifest }) => ({
      segmentId,
      manifest,
    }));
    const base = { pchannel: 'p0', term, collectionId: 1, shard: 0 };
    const stale = inputs.map((input, i) => (i === 1 ? { ...input, manifest: 'older' } : input));
    const output = record(3, { minTimestamp: '1' });
    await expect(segments.commitBuild({ ...base, inputs: stale, output })).rejects.toMatchObject({
      code: 'catalog_conflict',
    });
    expect((await segments.flushed(1)).map((one) => one.segmentId)).toEqual([1, 2]);
    await segments.commitBuild({ ...base, inputs, output });
    expect((await segments.flushed(1)).map((one) => one.segmentId)).toEqual([3]);
    // Of rows that are all gone nothing is left.
    const last = [{ segmentId: output.segmentId, manifest: output.manifest }];
    await segments.commitBuild({ ...base, inputs: last, output: record(4, { rowCount: 0 }) });
    expect(await segments.flushed(1)).toEqual([]);
  });
});

describe('numbers', () => {
  test('two takers never share one', async () => {
    const taken = await Promise.all(Array.from({ length: 8 }, () => takeNumbers(meta, 'id', 3)));
    expect(new Set(taken).size).toBe(8);
    expect([...taken].sort((a, b) => a - b)).toEqual([1, 4, 7, 10, 13, 16, 19, 22]);
  });

  test("the timestamp window goes back at an owner's end only", async () => {
    await saveWindow(meta, { untilMs: 500, final: false });
    expect(await saveWindow(meta, { untilMs: 400, final: false })).toBe(500);
    await saveWindow(meta, { untilMs: 300, final: true });
    expect(await readWindow(meta)).toBe(300);
  });
});

test('plans join neighbours only, stay below the size, and end', () => {
  const sizes = fc.array(
    fc.record({ bytes: fc.integer({ min: 1, max: 160 * 2 ** 20 }), indexed: fc.boolean() }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(sizes, fc.integer({ min: 2 ** 20, max: 512 * 2 ** 20 }), (given, bytesMax) => {
      let next = given.length + 1;
      let all = given.map((one, i) => record(i + 1, { ...one, rowCount: LIMITS.indexRowsMin }));
      for (let round = 0; round < 200; round++) {
        const plan = planBuild(all, { bytesMax });
        if (plan === undefined) return;
        const at = plan.inputs[0] === undefined ? -1 : all.indexOf(plan.inputs[0]);
        expect(all.slice(at, at + plan.inputs.length)).toEqual(plan.inputs);
        const bytes = plan.inputs.reduce((sum, one) => sum + one.bytes, 0);
        if (plan.inputs.length > 1) {
          expect(plan.inputs.length).toBeGreaterThanOrEqual(plan.idle ? 2 : RUN_MIN);
          expect(bytes).toBeLessThanOrEqual(bytesMax);
        }
        const output = record(next++, { bytes, indexed: true, rowCount: LIMITS.indexRowsMin });
        all = all.toSpliced(at, plan.inputs.length, output);
      }
      throw new Error('the plans did not end');
    }),
  );
});

test('indexes of another choice are built again, after those that have none', () => {
  const rowCount = LIMITS.indexRowsMin;
  const built = (choice: string) => [{ field: 102, choice, kind: 'HNSW', params: {}, bytes: 1 }];
  const bytes = 200 * 2 ** 20;
  const [auto, hnsw] = [indexBuildKey(), indexBuildKey({ kind: 'hnsw', m: 8 })];
  const segmentsOf = [
    record(1, { rowCount, bytes, indexed: true, indexes: built(hnsw) }),
    record(2, { rowCount, bytes, indexed: true }),
    record(3, { rowCount, bytes }),
    record(4, { rowCount: 10, bytes }),
  ];
  const next = (key: string, all: readonly SegmentRecord[]) => {
    const plan = planBuild(all, { bytesMax: 2 ** 30, choices: new Map([[102, key]]) });
    return plan?.inputs.map(({ segmentId }) => segmentId);
  };
  expect(next(hnsw, segmentsOf)).toEqual([3]);
  const rest = segmentsOf.filter(({ segmentId }) => segmentId !== 3);
  // Records of before the first choice were built for 'auto'.
  expect(next(hnsw, rest)).toEqual([2]);
  expect(next(auto, rest)).toEqual([1]);
  expect(next(hnsw, rest.slice(0, 1))).toBeUndefined();
});

test('segments of deleted rows are written again once nobody may read those', () => {
  const rowCount = LIMITS.indexRowsMin;
  const bytes = 300 * 2 ** 20;
  const all = [
    record(1, { rowCount, bytes, indexed: true }),
    record(2, { rowCount, bytes, indexed: true, foldableAt: '900' }),
    record(3, { rowCount, bytes, indexed: true, foldableAt: '700' }),
  ];
  const next = (horizon: bigint, bytesMax = 2 ** 29) => planBuild(all, { bytesMax, horizon });
  expect(next(699n)).toBeUndefined();
  const fold = { moves: true, idle: false };
  expect(next(700n)).toEqual({ inputs: [all[2]], ...fold });
  expect(next(900n)).toEqual({ inputs: [all[1]], ...fold });
  // Rows are not to be moved: there was no memory for it.
  expect(next(900n, 0)).toBeUndefined();
  // Folders of before may hold one without rows.
  const empty = record(4, { rowCount: 0, bytes: 0, indexed: true });
  const more = [...all.slice(0, 1), empty];
  expect(planBuild(more, { bytesMax: 2 ** 29 })).toEqual({ inputs: [empty], ...fold });
  expect(planBuild(more, { bytesMax: -1 })).toBeUndefined();
  expect(nextFold(all)).toBe(700n);
  expect(nextFold(all.slice(0, 1))).toBeUndefined();
});

test('another choice is another build by its parameters, not by the recall of searches', () => {
  expect(indexBuildKey({ kind: 'hnsw' })).toBe(indexBuildKey({ kind: 'hnsw', m: 16, recall: 0.9 }));
  expect(indexBuildKey({ kind: 'hnsw' })).not.toBe(indexBuildKey({ kind: 'hnsw', m: 17 }));
  expect(indexBuildKey()).toBe(indexBuildKey({ kind: 'auto' }));
  expect(indexBuildKey({ kind: 'auto', recall: 0.99 })).not.toBe(indexBuildKey());
});
