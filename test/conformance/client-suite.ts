import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Db } from '../../packages/client/src/index.ts';
import { collection, expr, t } from '../../packages/client/src/index.ts';
import type { ClientSubject, OpenSubject } from './client-kit.ts';
import { codeOf, detailsOf, docsOf, freshName, tenRows } from './client-kit.ts';

/** What every way of running the database has to do for a client. Uses the public client only. */
export function clientSuite(name: string, open: OpenSubject): void {
  describe(`client on ${name}`, () => {
    let subject: ClientSubject;
    let db: Db;
    beforeEach(async () => {
      subject = await open();
      db = subject.db;
    });
    afterEach(() => subject.close());
    const ctx: Ctx = {
      db: () => db,
      subject: () => subject,
      filled: async () => {
        const docs = await db.collection(docsOf(freshName()));
        await docs.insert(tenRows());
        return docs;
      },
    };
    collectionCases(ctx);
    writeCases(ctx);
    readCases(ctx);
    filterCases(ctx);
    searchCases(ctx);
    sessionCases(ctx);
  });
}

type Docs = Awaited<ReturnType<typeof openDocs>>;
const openDocs = (db: Db) => db.collection(docsOf('x'));

interface Ctx {
  db(): Db;
  subject(): ClientSubject;
  filled(): Promise<Docs>;
}

const ids = (rows: readonly { id: bigint }[]): number[] => rows.map((row) => Number(row.id));

function collectionCases(ctx: Ctx): void {
  describe('collections', () => {
    test('is created once and opened again by the same definition', async () => {
      const definition = docsOf(freshName());
      const first = await ctx.db().collection(definition);
      await first.insert(tenRows());
      const second = await ctx.db().collection(definition);
      expect(await second.count()).toBe(10);
    });
    test('another schema is refused with the difference', async () => {
      const name = freshName();
      await ctx.db().collection(docsOf(name));
      const other = ctx.db().collection(name, { id: t.int64({ primary: true }), v: t.vector(3) });
      const details = await detailsOf(other);
      expect(details['code']).toBe('schema_mismatch');
      expect(details['differences']).not.toEqual([]);
    });
    test('opens untyped by name', async () => {
      const docs = await ctx.filled();
      const again = await ctx.db().collection(docs.name);
      expect(await again.count()).toBe(10);
      expect((await again.get(3n))?.['title']).toBe('item-3');
    });
    test('an unknown collection is not found', async () => {
      expect(await codeOf(ctx.db().collection('nowhere'))).toBe('collection_not_found');
    });
    test('lists what there is', async () => {
      const docs = await ctx.filled();
      const names = (await ctx.db().collections()).map((info) => info.schema.name);
      expect(names).toContain(docs.name);
    });
    test('describes rows and fields', async () => {
      const docs = await ctx.filled();
      const details = await ctx.db().describe(docs.name);
      expect(details.rowCount).toBe(10);
      expect(details.schema.fields.map((field) => field.name)).toContain('vec');
    });
    test('drops', async () => {
      const docs = await ctx.filled();
      await ctx.db().drop(docs.name);
      expect(await codeOf(ctx.db().collection(docs.name))).toBe('collection_not_found');
    });
    test('a dropped name can be used again, empty', async () => {
      const docs = await ctx.filled();
      await ctx.db().drop(docs.name);
      const again = await ctx.db().collection(docsOf(docs.name));
      expect(await again.count()).toBe(0);
    });
    test('renames', async () => {
      const docs = await ctx.filled();
      const to = freshName('moved');
      await ctx.db().rename(docs.name, to);
      expect(await (await ctx.db().collection(to)).count()).toBe(10);
      expect(await codeOf(ctx.db().collection(docs.name))).toBe('collection_not_found');
    });
    test('an alias reaches the collection until it is removed', async () => {
      const docs = await ctx.filled();
      const alias = freshName('alias');
      await ctx.db().alias(alias, docs.name);
      expect(await (await ctx.db().collection(alias)).count()).toBe(10);
      await ctx.db().alias(alias);
      expect(await codeOf(ctx.db().collection(alias))).toBe('collection_not_found');
    });
    test('a new nullable field is null in old rows, and can be written', async () => {
      const docs = await ctx.filled();
      await ctx.db().alter(docs.name, { add: { extra: t.int32({ nullable: true }) } });
      const again = await ctx.db().collection(docs.name);
      expect((await again.get(1n))?.['extra']).toBe(null);
      await again.upsert([{ ...tenRows()[1], extra: 7 }] as never);
      expect((await again.get(1n))?.['extra']).toBe(7);
    });
    test('a handle from before the change goes on writing and reading', async () => {
      const docs = await ctx.filled();
      const change = { add: { extra: t.int32({ default: 5 }) }, drop: ['raw'] };
      await ctx.db().alter(docs.name, change);
      await docs.upsert(tenRows().map((row) => ({ ...row, title: 'new' })));
      expect(await docs.get(1n)).toMatchObject({ title: 'new', extra: 5 });
      expect(await docs.count({ filter: { title: 'new' } })).toBe(10);
    });
    test('a new field with a default has it in old rows, also in filters', async () => {
      const docs = await ctx.filled();
      await ctx.db().alter(docs.name, { add: { extra: t.int32({ default: 5 }) } });
      const again = await ctx.db().collection(docs.name);
      expect((await again.get(1n))?.['extra']).toBe(5);
      expect(await again.count({ filter: { extra: 5 } })).toBe(10);
    });
    test('bad names are refused', async () => {
      const fields = { id: t.int64({ primary: true }), v: t.vector(2) };
      expect(await codeOf(ctx.db().collection('no spaces', fields))).toBe('invalid_argument');
      expect(await codeOf(ctx.db().rename('a', '1a'))).toBe('invalid_argument');
    });
  });
}

function writeCases(ctx: Ctx): void {
  describe('writes', () => {
    test('every type comes back as it went in', async () => {
      const docs = await ctx.filled();
      const row = await docs.get(4n, {
        select: ['id', 'title', 'year', 'price', 'ok', 'tags', 'meta', 'at', 'raw', 'vec'],
      });
      expect(row).toEqual(tenRows()[4]);
    });
    test('nulls and defaults', async () => {
      const docs = await ctx.db().collection(docsOf(freshName()));
      await docs.insert([{ id: 1n, title: 'a', tags: [], vec: [1, 2, 3, 4] }]);
      const row = await docs.get(1n);
      expect(row).toEqual({
        id: 1n,
        title: 'a',
        year: null,
        price: 1.5,
        ok: null,
        tags: [],
        meta: null,
        at: null,
        raw: null,
      });
    });
    test('answers count and a timestamp', async () => {
      const docs = await ctx.db().collection(docsOf(freshName()));
      const result = await docs.insert(tenRows());
      expect(result.count).toBe(10);
      expect(result.timestamp > 0n).toBe(true);
    });
    test('columns', async () => {
      const docs = await ctx.db().collection(freshName(), {
        id: t.int64({ primary: true }),
        n: t.int32({ nullable: true }),
        s: t.varchar(),
        vec: t.vector(2),
      });
      await docs.insert({
        id: BigInt64Array.of(1n, 2n),
        n: { values: Int32Array.of(5, 6), valid: Uint8Array.of(0b01) },
        s: ['a', 'b'],
        vec: Float32Array.of(1, 2, 3, 4),
      });
      expect(await docs.get([1n, 2n], { select: ['id', 'n', 's', 'vec'] })).toEqual([
        { id: 1n, n: 5, s: 'a', vec: Float32Array.of(1, 2) },
        { id: 2n, n: null, s: 'b', vec: Float32Array.of(3, 4) },
      ]);
    });
    test('an iterable, with progress', async () => {
      const docs = await ctx.db().collection(docsOf(freshName()));
      const seen: number[] = [];
      async function* rows() {
        yield* tenRows();
      }
      const result = await docs.insert(rows(), { onProgress: ({ rows: n }) => seen.push(n) });
      expect(result.count).toBe(10);
      expect(seen.at(-1)).toBe(10);
      expect(await docs.count()).toBe(10);
    });
    test('values are captured when the call is made', async () => {
      const docs = await ctx.db().collection(docsOf(freshName()));
      const [row] = tenRows();
      if (row === undefined) throw new Error('no row');
      const write = docs.insert([row]);
      row.vec.fill(9);
      row.tags.push('later');
      await write;
      const stored = await docs.get(0n, { select: ['vec', 'tags'] });
      expect(stored?.vec).toEqual(Float32Array.of(0, 0, 0, 0));
      expect(stored?.tags).toEqual(['even', 't0']);
    });
    test('an existing key refuses the whole batch', async () => {
      const docs = await ctx.filled();
      const [row] = tenRows();
      const rows = [{ ...row, id: 77n }, row] as ReturnType<typeof tenRows>;
      expect(await codeOf(docs.insert(rows))).toBe('key_exists');
      expect(await docs.get(77n)).toBe(undefined);
    });
    test('an existing key refuses the batch whole over several shards too', async () => {
      const definition = collection(
        freshName(),
        { id: t.int64({ primary: true, as: 'number' }), v: t.vector(1) },
        { shards: 4 },
      );
      const docs = await ctx.db().collection(definition);
      const rows = Array.from({ length: 100 }, (_, id) => ({ id, v: [1] }));
      await docs.insert(rows.slice(71));
      const options = { idempotencyKey: freshName() };
      const details = await detailsOf(docs.insert(rows, options));
      expect(details).toMatchObject({ code: 'key_exists', key: '71', row: 71 });
      expect(await docs.count()).toBe(29);
      expect((await docs.insert(rows, { onConflict: 'skip' })).count).toBe(71);
      await docs.delete({ all: true });
      expect((await docs.insert(rows, options)).count).toBe(100);
      expect((await docs.insert(rows, options)).count).toBe(100);
      expect(await docs.count()).toBe(100);
    });
    test('onConflict skip and replace', async () => {
      const docs = await ctx.filled();
      const rows = tenRows().map((row) => ({ ...row, title: 'new' }));
      await docs.insert(rows.slice(0, 1), { onConflict: 'skip' });
      expect((await docs.get(0n))?.title).toBe('item-0');
      await docs.insert(rows.slice(0, 1), { onConflict: 'replace' });
      expect((await docs.get(0n))?.title).toBe('new');
      expect(await docs.count()).toBe(10);
    });
    test('upsert replaces and adds', async () => {
      const docs = await ctx.filled();
      const [row] = tenRows();
      await docs.upsert([
        { ...row, title: 'other' },
        { ...row, id: 99n },
      ] as ReturnType<typeof tenRows>);
      expect(await docs.count()).toBe(11);
      expect((await docs.get(0n))?.title).toBe('other');
    });
    test('generated int64 ids', async () => {
      const docs = await ctx.db().collection(freshName(), {
        id: t.int64({ primary: true, autoId: true }),
        v: t.vector(2),
      });
      const { ids: made } = await docs.insert([{ v: [1, 2] }, { v: [3, 4] }]);
      expect(new Set(made).size).toBe(2);
      expect(await docs.get(made)).toEqual(made.map((id) => ({ id })));
    });
    test('generated text ids sort by time', async () => {
      const docs = await ctx.db().collection(freshName(), { id: t.id(), v: t.vector(2) });
      const first = await docs.insert([{ v: [1, 2] }, { v: [3, 4] }]);
      const second = await docs.insert([{ v: [5, 6] }]);
      const made = [...first.ids, ...second.ids];
      expect(made).toEqual(made.toSorted());
      expect(await docs.get(made[2] ?? '')).toEqual({ id: made[2] });
    });
    test('int64 as number and as string', async () => {
      const docs = await ctx.db().collection(freshName(), {
        id: t.int64({ primary: true, as: 'string' }),
        n: t.int64({ as: 'number' }),
        v: t.vector(1),
      });
      await docs.insert([{ id: '9007199254740993', n: 5, v: [1] }]);
      expect(await docs.get('9007199254740993')).toEqual({ id: '9007199254740993', n: 5 });
    });
    test('int64 as each definition that opens the collection says', async () => {
      const name = freshName();
      const v = t.vector(1);
      const numbers = await ctx.db().collection(name, {
        id: t.int64({ primary: true, as: 'number' }),
        n: t.int64({ as: 'number', nullable: true }),
        list: t.array(t.int64({ as: 'number' })),
        v,
      });
      const fields = { n: t.int64({ nullable: true }), list: t.array(t.int64()), v };
      const wide = await ctx.db().collection(name, { id: t.int64({ primary: true }), ...fields });
      const texts = await ctx.db().collection(name, {
        id: t.int64({ primary: true, as: 'string' }),
        ...fields,
        list: t.array(t.int64({ as: 'string' })),
      });
      await wide.insert([{ id: 1n, n: 2n, list: [3n], v: [1] }]);
      expect(await numbers.get(1)).toEqual({ id: 1, n: 2, list: [3] });
      expect(await wide.search({ vector: [1], select: ['n'] })).toMatchObject([{ id: 1n, n: 2n }]);
      expect(await texts.query({ filter: { id: '1' } })).toEqual([{ id: '1', n: 2n, list: ['3'] }]);
      expect(await texts.count({ filter: { list: { contains: '3' } } })).toBe(1);
      const untyped = await ctx.db().collection(name);
      expect(await untyped.get(1n)).toEqual({ id: 1, n: 2, list: [3] });
      for (const change of [{ id: 2n ** 53n }, { n: 2n ** 60n }, { list: [-(2n ** 60n)] }]) {
        const late = wide.upsert([{ id: 9n, n: 2n, list: [3n], v: [1], ...change }]);
        expect(await codeOf(late)).toBe('value_out_of_range');
      }
      await ctx.db().alter(name, { add: { x: t.int32({ default: 7 }) }, rename: { n: 'm' } });
      expect(await wide.get(1n)).toEqual({ id: 1n, m: 2n, list: [3n], x: 7 });
      expect(await wide.get(1n)).toEqual({ id: 1n, m: 2n, list: [3n], x: 7 });
    });
    test('dynamic fields', async () => {
      const docs = await ctx
        .db()
        .collection(
          freshName(),
          { id: t.int64({ primary: true }), v: t.vector(1) },
          { dynamic: true },
        );
      await docs.insert([
        { id: 1n, v: [1], colour: 'red', size: 3 },
        { id: 2n, v: [2] },
      ]);
      expect(await docs.get(1n)).toEqual({ id: 1n, colour: 'red', size: 3 });
      expect(await docs.get(1n, { select: ['colour'] })).toMatchObject({ colour: 'red' });
      expect(ids(await docs.query({ filter: { colour: 'red' } }))).toEqual([1]);
      expect(ids(await docs.query({ filter: { size: { gte: 3 } } }))).toEqual([1]);
    });
    test('a retried write with its key has one effect', async () => {
      const docs = await ctx.db().collection(docsOf(freshName()));
      const options = { idempotencyKey: `key-${freshName()}` };
      const first = await docs.insert(tenRows(), options);
      const second = await docs.insert(tenRows(), options);
      expect(second.count).toBe(first.count);
      expect(await docs.count()).toBe(10);
    });
    test('deletes by keys', async () => {
      const docs = await ctx.filled();
      const result = await docs.delete({ ids: [1n, 2n, 55n] });
      expect(result.count).toBe(2);
      expect(await docs.get([1n, 3n])).toMatchObject([undefined, { id: 3n }]);
    });
    test('deletes by filter', async () => {
      const docs = await ctx.filled();
      expect((await docs.delete({ filter: { price: { gte: 2 } } })).count).toBe(6);
      expect(ids(await docs.query())).toEqual([0, 1, 2, 3]);
    });
    test('deletes everything only when told so', async () => {
      const docs = await ctx.filled();
      expect(await codeOf(docs.delete({ filter: {} }))).toBe('empty_delete');
      expect(await codeOf(docs.delete({ ids: [] }))).toBe('empty_delete');
      expect(await codeOf(docs.delete({ filter: { title: { in: [] } } }))).toBe('empty_delete');
      expect(await codeOf(docs.delete({ filter: expr`` }))).toBe('empty_delete');
      await docs.delete({ all: true });
      expect(await docs.count()).toBe(0);
    });
    test('a deleted key can be inserted again', async () => {
      const docs = await ctx.filled();
      await docs.delete({ ids: [3n] });
      await docs.insert(tenRows().slice(3, 4));
      expect((await docs.get(3n))?.title).toBe('item-3');
    });
  });
}

function readCases(ctx: Ctx): void {
  describe('reads', () => {
    test('get answers undefined for what is missing, in order', async () => {
      const docs = await ctx.filled();
      const rows = await docs.get([7n, 70n, 2n], { select: ['id'] });
      expect(rows).toEqual([{ id: 7n }, undefined, { id: 2n }]);
      expect(await docs.get(70n)).toBe(undefined);
      expect(await docs.get([])).toEqual([]);
    });
    test('select, omit, and no vectors by default', async () => {
      const docs = await ctx.filled();
      const plain = await docs.get(1n);
      expect(Object.keys(plain ?? {})).not.toContain('vec');
      const omitted = await docs.get(1n, { omit: ['meta', 'raw'] });
      expect(Object.keys(omitted ?? {})).toEqual([
        'id',
        'title',
        'year',
        'price',
        'ok',
        'tags',
        'at',
      ]);
      const selected = await docs.query({ select: ['title', 'vec'], limit: 1 });
      expect(selected[0]?.vec).toEqual(Float32Array.of(0, 0, 0, 0));
    });
    test('$ts can be selected and filtered', async () => {
      const docs = await ctx.filled();
      const { timestamp } = await docs.upsert(tenRows().slice(0, 1));
      const [row] = await docs.query({ select: ['$ts'], filter: { $ts: { gte: timestamp } } });
      expect(row?.$ts).toBe(timestamp);
    });
    test('query pages in the order of keys', async () => {
      const docs = await ctx.filled();
      expect(ids(await docs.query({ limit: 3 }))).toEqual([0, 1, 2]);
      expect(ids(await docs.query({ limit: 3, offset: 8 }))).toEqual([8, 9]);
    });
    test('counts', async () => {
      const docs = await ctx.filled();
      expect(await docs.count()).toBe(10);
      expect(await docs.count({ filter: { ok: true } })).toBe(5);
    });
    test('vectors are copies', async () => {
      const docs = await ctx.filled();
      const row = await docs.get(1n, { select: ['vec'] });
      row?.vec.fill(7);
      expect((await docs.get(1n, { select: ['vec'] }))?.vec).toEqual(Float32Array.of(1, 0, 0, 0));
    });
    test('scans everything in batches, one by one, and by pages', async () => {
      const docs = await ctx.filled();
      const sizes: number[] = [];
      for await (const batch of docs.scan({ pageRows: 4 })) sizes.push(batch.length);
      expect(sizes.reduce((a, b) => a + b, 0)).toBe(10);
      const seen: number[] = [];
      for await (const row of docs.scan({ filter: { ok: true }, pageRows: 2 }).rows()) {
        seen.push(Number(row.id));
      }
      expect(seen.toSorted((a, b) => a - b)).toEqual([0, 2, 4, 6, 8]);
      const first = await docs.scan({ pageRows: 6 }).page();
      const second = await docs.scan({ pageRows: 6, page: first.next }).page();
      expect([...ids(first.rows), ...ids(second.rows)].toSorted((a, b) => a - b)).toEqual(
        tenRows().map((row) => Number(row.id)),
      );
      expect(second.next).toBe(undefined);
    });
    test('limits are refused, not bent', async () => {
      const docs = await ctx.filled();
      const vector = [0, 0, 0, 0];
      expect(await codeOf(docs.search({ vector, limit: 0 }))).toBe('limit_out_of_range');
      expect(await codeOf(docs.search({ vector, limit: 16_385 }))).toBe('limit_out_of_range');
      expect(await codeOf(docs.query({ limit: 10, offset: 16_384 }))).toBe('limit_out_of_range');
    });
  });
}

function filterCases(ctx: Ctx): void {
  const cases: readonly [string, Parameters<Docs['query']>[0] & object, number[]][] = [
    ['equality', { filter: { title: 'item-3' } }, [3]],
    ['null test', { filter: { year: null } }, [0, 3, 6, 9]],
    ['isNull false', { filter: { year: { isNull: false } } }, [1, 2, 4, 5, 7, 8]],
    ['ne leaves nulls out', { filter: { year: { ne: 2016 } } }, [2, 4, 5, 7, 8]],
    ['range', { filter: { price: { gt: 1, lte: 2 } } }, [3, 4]],
    ['between', { filter: { year: { between: [2017, 2020] } } }, [2, 4, 5]],
    ['in and notIn', { filter: { id: { in: [1n, 5n, 50n] } } }, [1, 5]],
    ['notIn leaves nulls out', { filter: { year: { notIn: [2016, 2017] } } }, [4, 5, 7, 8]],
    ['like', { filter: { title: { like: 'item-_' } } }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['bool', { filter: { ok: false } }, [1, 3, 5, 7, 9]],
    ['contains', { filter: { tags: { contains: 't4' } } }, [4]],
    ['containsAny', { filter: { tags: { containsAny: ['t0', 't2', 'x'] } } }, [0, 2]],
    ['containsAll', { filter: { tags: { containsAll: ['even', 't6'] } } }, [6]],
    ['whole array', { filter: { tags: [] } }, [1, 3, 5, 7, 9]],
    ['JSON path', { filter: { meta: { n: { v: { gte: 7 } } } } }, [7, 8]],
    ['JSON equality', { filter: { meta: { kind: 'low' } } }, [0, 1, 2, 3, 4]],
    ['JSON list', { filter: { meta: { list: { contains: 3 } } } }, [2, 3]],
    ['timestamp', { filter: { at: { lt: new Date(Date.UTC(2020, 0, 3)) } } }, [0, 1]],
    ['bytes', { filter: { raw: Uint8Array.of(2, 255) } }, [2]],
    ['and, or, not', { filter: { or: [{ id: 1n }, { not: { price: { lt: 4 } } }] } }, [1, 8, 9]],
    ['not keeps unknown out', { filter: { not: { year: { gt: 0 } } } }, []],
    ['text', { filter: expr`year >= ${2020} and title like "item%"` }, [5, 7, 8]],
    ['text with names', { filter: expr('id in {list}', { list: [2n, 4n] }) }, [2, 4]],
    ['builder', { filter: (d) => d.meta.at('n', 'v').eq(6).or(d.id.lt(1n)) }, [0, 6]],
    ['empty object', { filter: {} }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['empty list', { filter: { id: { in: [] } } }, []],
  ];
  describe('filters', () => {
    test.each(cases)('%s', async (_name, options, expected) => {
      const docs = await ctx.filled();
      expect(ids(await docs.query({ ...options, select: ['id'] }))).toEqual(expected);
    });
    const bad: readonly [string, unknown, string][] = [
      ['undefined', { year: undefined }, 'filter_invalid'],
      ['undefined in an operator', { year: { gt: undefined } }, 'filter_invalid'],
      ['a misspelt field', { yaer: 1 }, 'unknown_field'],
      ['a misspelt operator', { year: { gtt: 1 } }, 'filter_invalid'],
      ['a mix of operators and keys', { meta: { eq: 1, n: 2 } }, 'filter_ambiguous'],
      ['a plain string', 'year > 1', 'filter_invalid'],
      ['another type', { year: 'x' }, 'filter_invalid'],
      ['bad text', expr`year >`, 'filter_invalid'],
      ['a missing parameter', expr('year > {y}', {}), 'filter_invalid'],
      ['NaN', { year: Number.NaN }, 'filter_invalid'],
      ['a vector', { vec: [1] }, 'filter_invalid'],
    ];
    test.each(bad)('refuses %s', async (_name, filter, code) => {
      const docs = await ctx.filled();
      expect(await codeOf(docs.query({ filter: filter as never }))).toBe(code);
    });
  });
}

function searchCases(ctx: Ctx): void {
  const origin = [0, 0, 0, 0];
  describe('search', () => {
    test('nearest first, with squared distances', async () => {
      const docs = await ctx.filled();
      const hits = await docs.search({ vector: origin, limit: 3, select: [] });
      expect(hits).toEqual([
        { id: 0n, score: 0 },
        { id: 1n, score: 1 },
        { id: 2n, score: 4 },
      ]);
    });
    test('ten hits when no limit is given, all scalar fields, no vectors', async () => {
      const docs = await ctx.filled();
      const hits = await docs.search({ vector: origin });
      expect(hits.length).toBe(10);
      expect(hits[1]).toMatchObject({ id: 1n, title: 'item-1', score: 1 });
      expect(Object.keys(hits[1] ?? {})).not.toContain('vec');
    });
    test('offset', async () => {
      const docs = await ctx.filled();
      expect(ids(await docs.search({ vector: origin, limit: 2, offset: 4 }))).toEqual([4, 5]);
    });
    test('filtered: never fewer than there are', async () => {
      const docs = await ctx.filled();
      const hits = await docs.search({ vector: origin, limit: 3, filter: { ok: false } });
      expect(ids(hits)).toEqual([1, 3, 5]);
    });
    test('a filter that nothing passes', async () => {
      const docs = await ctx.filled();
      expect(await docs.search({ vector: origin, filter: { id: 1000n } })).toEqual([]);
    });
    test('several vectors', async () => {
      const docs = await ctx.filled();
      const vectors = [origin, Float32Array.of(9, 0, 0, 0)];
      const lists = await docs.search({ vectors, limit: 2, select: [] });
      expect(lists.map(ids)).toEqual([
        [0, 1],
        [9, 8],
      ]);
    });
    test('by stored rows', async () => {
      const docs = await ctx.filled();
      const lists = await docs.search({ ids: [5n], limit: 1, select: ['title'] });
      expect(lists[0]?.[0]).toMatchObject({ id: 5n, score: 0, title: 'item-5' });
      expect(await codeOf(docs.search({ ids: [500n] }))).toBe('key_not_found');
    });
    test('within a distance', async () => {
      const docs = await ctx.filled();
      expect(ids(await docs.search({ vector: origin, within: { max: 4 } }))).toEqual([0, 1, 2]);
      expect(ids(await docs.search({ vector: origin, within: { min: 60, max: 70 } }))).toEqual([8]);
    });
    test('cosine and inner product: larger is nearer', async () => {
      const docs = await ctx.db().collection(freshName(), {
        id: t.int64({ primary: true }),
        c: t.vector(2, { metric: 'cosine' }),
        i: t.vector(2, { metric: 'ip' }),
      });
      await docs.insert([
        { id: 1n, c: [2, 0], i: [2, 0] },
        { id: 2n, c: [1, 1], i: [9, 9] },
      ]);
      const cosine = await docs.search({ field: 'c', vector: [1, 0] });
      expect(cosine.map((hit) => [hit.id, Math.round(hit.score * 1000) / 1000])).toEqual([
        [1n, 1],
        [2n, 0.707],
      ]);
      const inner = await docs.search({ field: 'i', vector: [1, 0] });
      expect(inner.map((hit) => [hit.id, hit.score])).toEqual([
        [2n, 9],
        [1n, 2],
      ]);
      const unnamed = docs.search({ vector: [1, 0] } as never);
      expect(await codeOf(unnamed as Promise<unknown>)).toBe('invalid_argument');
    });
    test('an empty collection answers nothing', async () => {
      const docs = await ctx.db().collection(docsOf(freshName()));
      expect(await docs.search({ vector: origin })).toEqual([]);
    });
    test('bad vectors are refused', async () => {
      const docs = await ctx.filled();
      expect(await codeOf(docs.search({ vector: [1, 2] }))).toBe('dimension_mismatch');
      expect(await codeOf(docs.search({ vector: [Number.NaN, 0, 0, 0] }))).toBe(
        'vector_not_finite',
      );
      expect(await codeOf(docs.search({ vector: 'x!' as never }))).toBe('wrong_type');
    });
    test('sees upserts and deletes', async () => {
      const docs = await ctx.filled();
      await docs.delete({ ids: [0n] });
      await docs.upsert([{ ...tenRows()[9], vec: [0.5, 0, 0, 0] }] as never);
      expect(ids(await docs.search({ vector: origin, limit: 2 }))).toEqual([9, 1]);
    });
    test('explains', async () => {
      const docs = await ctx.filled();
      const plan = await docs.explain({ vector: origin, filter: { ok: true } });
      expect(plan.expectedRecall).toBeGreaterThan(0);
      expect(['inline', 'pool']).toContain(plan.way);
    });
  });
}

function sessionCases(ctx: Ctx): void {
  describe('sessions, levels, calls', () => {
    test('a second client that takes the session sees the write', async () => {
      const docs = await ctx.filled();
      const other = await ctx.subject().again({ session: ctx.db().session });
      const same = await other.collection(docs.name);
      expect(await same.count()).toBe(10);
      await other.close();
    });
    test.each(['strong', 'session', 'bounded'] as const)(
      '%s reads its own write',
      async (level) => {
        const docs = await ctx.filled();
        expect(await docs.count({ consistency: level })).toBe(10);
      },
    );
    test('eventual reads are a consistent prefix', async () => {
      const docs = await ctx.filled();
      expect(await docs.count({ consistency: 'eventual' })).toBeLessThanOrEqual(10);
    });
    test('a bad session token is refused', async () => {
      expect(await codeOf(ctx.subject().again({ session: 'nonsense' }))).toBe('invalid_argument');
    });
    test('an aborted call ends as cancelled', async () => {
      const docs = await ctx.filled();
      const signal = AbortSignal.abort();
      expect(await codeOf(docs.count({ signal }))).toBe('cancelled');
      expect(await codeOf(docs.insert(tenRows(), { signal }))).toBe('cancelled');
    });
  });
}
