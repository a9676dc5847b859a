import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { t } from '../../packages/client/src/index.ts';
import type { ClientSubject, OpenSubject } from './client-kit.ts';
import { codeOf, detailsOf, docsOf, freshName, tenRows } from './client-kit.ts';

/** Bad rows: each its own code, with field and row, and the batch refused whole. */
export function clientRowsSuite(name: string, open: OpenSubject): void {
  describe(`bad rows on ${name}`, () => {
    let subject: ClientSubject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    const good = tenRows()[0];
    const bad: readonly [string, object, Record<string, unknown>][] = [
      ['wrong dimension', { vec: [1, 2] }, { code: 'dimension_mismatch', field: 'vec' }],
      [
        'NaN in a vector',
        { vec: [1, Number.NaN, 0, 0] },
        { code: 'vector_not_finite', field: 'vec' },
      ],
      ['infinity in a vector', { vec: [Infinity, 0, 0, 0] }, { code: 'vector_not_finite' }],
      ['no vector', { vec: undefined }, { code: 'missing_field', field: 'vec' }],
      ['text in a vector', { vec: [1, '2', 3, 4] }, { code: 'wrong_type', field: 'vec' }],
      ['a number as text', { title: 5 }, { code: 'wrong_type', field: 'title' }],
      ['text as a number', { year: '2020' }, { code: 'wrong_type', field: 'year' }],
      ['a fraction as int32', { year: 1.5 }, { code: 'wrong_type', field: 'year' }],
      ['int32 out of range', { year: 2 ** 31 }, { code: 'value_out_of_range', field: 'year' }],
      ['int64 out of range', { id: 2n ** 63n }, { code: 'value_out_of_range', field: 'id' }],
      ['an unsafe number as int64', { id: 2 ** 53 }, { code: 'value_out_of_range', field: 'id' }],
      ['NaN as double', { price: Number.NaN }, { code: 'value_out_of_range', field: 'price' }],
      ['text as bool', { ok: 'yes' }, { code: 'wrong_type', field: 'ok' }],
      ['no date', { at: new Date(Number.NaN) }, { code: 'wrong_type', field: 'at' }],
      ['null where none may be', { title: null }, { code: 'wrong_type', field: 'title' }],
      ['a missing field', { title: undefined }, { code: 'missing_field', field: 'title' }],
      [
        'text too long in UTF-8',
        { title: 'é'.repeat(17) },
        { code: 'value_too_long', field: 'title' },
      ],
      ['bytes too long', { raw: new Uint8Array(9) }, { code: 'value_too_long', field: 'raw' }],
      ['an array too long', { tags: ['a', 'b', 'c', 'd', 'e'] }, { code: 'value_too_long' }],
      [
        'an element too long',
        { tags: ['x'.repeat(17)] },
        { code: 'value_too_long', field: 'tags' },
      ],
      ['null in an array', { tags: [null] }, { code: 'wrong_type', field: 'tags' }],
      ['no array', { tags: 'a' }, { code: 'wrong_type', field: 'tags' }],
      ['a function in JSON', { meta: { f: () => 1 } }, { code: 'wrong_type', field: 'meta' }],
      ['a large bigint in JSON', { meta: { n: 2n ** 60n } }, { code: 'value_out_of_range' }],
      ['NaN in JSON', { meta: { n: Number.NaN } }, { code: 'value_out_of_range', field: 'meta' }],
      ['JSON too long', { meta: { s: 'x'.repeat(70_000) } }, { code: 'value_too_long' }],
      ['an unknown field', { titel: 'a' }, { code: 'unknown_field', field: 'titel' }],
    ];
    test.each(bad)('%s', async (_name, change, expected) => {
      const docs = await subject.db.collection(docsOf(freshName()));
      const rows = [good, { ...good, id: 1n, ...change }] as never[];
      expect(await detailsOf(docs.insert(rows))).toMatchObject({ ...expected, row: 1 });
      expect(await docs.count()).toBe(0);
    });

    test('a misspelt field comes with a hint', async () => {
      const docs = await subject.db.collection(docsOf(freshName()));
      const details = await detailsOf(docs.insert([{ ...good, titel: 'a' }] as never[]));
      expect(details['hint']).toContain('title');
    });
    test('the same key twice in one batch', async () => {
      const docs = await subject.db.collection(docsOf(freshName()));
      const details = await detailsOf(docs.insert([good, good] as never[]));
      expect(details).toMatchObject({ code: 'duplicate_key', key: '0', row: 1 });
    });
    test('nothing to write', async () => {
      const docs = await subject.db.collection(docsOf(freshName()));
      expect(await codeOf(docs.insert([]))).toBe('empty_write');
      async function* none(): AsyncGenerator<never> {}
      expect(await codeOf(docs.insert(none()))).toBe('empty_write');
    });
    test('ragged columns', async () => {
      const docs = await subject.db.collection(freshName(), {
        id: t.int64({ primary: true }),
        v: t.vector(2),
      });
      const columns = { id: BigInt64Array.of(1n, 2n), v: new Float32Array(6) };
      expect(await codeOf(docs.insert(columns))).toBe('columns_ragged');
    });
    test('a value that is not one of those allowed', async () => {
      const docs = await subject.db.collection(freshName(), {
        id: t.int64({ primary: true }),
        colour: t.varchar({ oneOf: ['red', 'blue'] }),
        v: t.vector(1),
      });
      const rows = [{ id: 1n, colour: 'green', v: [1] }] as never[];
      expect(await detailsOf(docs.insert(rows))).toMatchObject({
        code: 'value_not_allowed',
        field: 'colour',
      });
    });
    test('a given id where ids are made', async () => {
      const docs = await subject.db.collection(freshName(), { id: t.id(), v: t.vector(1) });
      const rows = [{ id: 'mine', v: [1] }];
      expect(await codeOf(docs.insert(rows))).toBe('value_not_allowed');
    });
    test('a row larger than any message', async () => {
      const fields = Object.fromEntries(
        Array.from({ length: 14 }, (_, i) => [`s${i}`, t.varchar()] as const),
      );
      const docs = await subject.db.collection(freshName(), {
        id: t.int64({ primary: true }),
        v: t.vector(1),
        ...fields,
      });
      const texts = Object.fromEntries(Object.keys(fields).map((key) => [key, 'x'.repeat(65_000)]));
      const rows = [{ id: 1n, v: [1], ...texts }] as never[];
      expect(await codeOf(docs.insert(rows))).toBe('row_too_large');
    });
    test('keys of the wrong type', async () => {
      const docs = await subject.db.collection(docsOf(freshName()));
      expect(await codeOf(docs.get('x' as never))).toBe('wrong_type');
      expect(await codeOf(docs.delete({ ids: [1.5 as never] }))).toBe('wrong_type');
    });
  });
}
