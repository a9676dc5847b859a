import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Db } from '../../packages/client/src/index.ts';
import { expr, t } from '../../packages/client/src/index.ts';
import type { ClientCase, ClientSubject, Docs, OpenSubject } from './client-kit.ts';
import { writeCases } from './client-write-cases.ts';
import { codeOf, detailsOf, docsOf, freshName, ids, tenRows } from './client-kit.ts';

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
    const ctx: ClientCase = {
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

function collectionCases(ctx: ClientCase): void {
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

function readCases(ctx: ClientCase): void {
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

function filterCases(ctx: ClientCase): void {
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

function searchCases(ctx: ClientCase): void {
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

function sessionCases(ctx: ClientCase): void {
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
