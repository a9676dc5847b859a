import { describe, expect, test } from 'vitest';
import { collection, expr, t } from '../../packages/client/src/index.ts';
import type { ClientCase } from './client-kit.ts';
import { codeOf, detailsOf, docsOf, freshName, ids, tenRows } from './client-kit.ts';

/** What writes do on every way of running the database. */
export function writeCases(ctx: ClientCase): void {
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
