import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collection, t } from '../../packages/client/src/index.ts';
import type { ClientSubject, OpenSubject } from './client-kit.ts';
import { codeOf, detailsOf, freshName } from './client-kit.ts';

/** A collection with a vector field of every type. */
const typedOf = (name: string) =>
  collection(name, {
    id: t.int64({ primary: true, as: 'number' }),
    even: t.bool(),
    float16: t.vector(3, { type: 'float16', metric: 'l2' }),
    bfloat16: t.vector(3, { type: 'bfloat16', metric: 'ip' }),
    int8: t.vector(3, { type: 'int8', metric: 'cosine' }),
    hamming: t.vector(16, { type: 'binary' }),
    jaccard: t.vector(16, { type: 'binary', metric: 'jaccard' }),
    sparse: t.sparse(),
  });

/** Row i of six: bit i is set in its bits, index i and 100 in its sparse vector. */
const typedRow = (i: number) => ({
  id: i,
  even: i % 2 === 0,
  float16: [i, 0.5, -1],
  bfloat16: Float32Array.of(i, 1, 0),
  int8: Int8Array.of(i, 1, 0),
  hamming: Uint8Array.of(1 << i, 0),
  jaccard: [(1 << i) | 128, 3],
  sparse: { [i]: 0.5, 100: i + 1 },
});
const typedRows = () => Array.from({ length: 6 }, (_, i) => typedRow(i));

const ids = (hits: readonly { readonly id: number }[]): number[] => hits.map(({ id }) => id);

/** Vectors of every type but float32, which the other suites use. */
export function clientVectorsSuite(name: string, open: OpenSubject): void {
  describe(`vectors on ${name}`, () => {
    let subject: ClientSubject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    async function filled() {
      const docs = await subject.db.collection(typedOf(freshName()));
      await docs.insert(typedRows());
      return docs;
    }

    test('come back in the array of their type, as copies', async () => {
      const docs = await filled();
      const select = ['float16', 'bfloat16', 'int8', 'hamming', 'jaccard', 'sparse'] as const;
      const want = {
        id: 2,
        float16: Uint16Array.of(0x4000, 0x3800, 0xbc00),
        bfloat16: Uint16Array.of(0x4000, 0x3f80, 0),
        int8: Int8Array.of(2, 1, 0),
        hamming: Uint8Array.of(4, 0),
        jaccard: Uint8Array.of(132, 3),
        sparse: { indices: Uint32Array.of(2, 100), values: Float32Array.of(0.5, 3) },
      };
      const row = await docs.get(2, { select });
      expect(row).toEqual(want);
      row?.hamming.fill(0);
      expect(await docs.get(2, { select })).toEqual(want);
      expect((await docs.query({ select, filter: { even: true } }))[1]).toEqual(want);
      const [hit] = await docs.search({ field: 'hamming', vector: [4, 0], limit: 1, select });
      expect(hit).toEqual({ score: 0, ...want });
    });

    test('are found by their metric', async () => {
      const docs = await filled();
      const near = async (options: object) =>
        ids(await docs.search({ limit: 3, select: [], ...options } as never));
      expect(await near({ field: 'float16', vector: [4, 0.5, -1] })).toEqual([4, 3, 5]);
      expect(await near({ field: 'bfloat16', vector: [1, 0, 0] })).toEqual([5, 4, 3]);
      expect(await near({ field: 'int8', vector: [0, 5, 0] })).toEqual([0, 1, 2]);
      expect(await near({ field: 'hamming', vector: [0b11000, 0] })).toEqual([3, 4, 0]);
      expect(await near({ field: 'jaccard', vector: [0b10010000, 3] })).toEqual([4, 0, 1]);
      expect(await near({ field: 'sparse', vector: { 100: 1, 1: 100 } })).toEqual([1, 5, 4]);
    });

    test('scores are those of the metric', async () => {
      const docs = await filled();
      const scores = async (field: string, vector: unknown) =>
        (await docs.search({ field, vector, limit: 2, select: [] } as never)).map((h) => h.score);
      expect(await scores('float16', [0, 0.5, 0])).toEqual([1, 2]);
      expect(await scores('bfloat16', [2, 0.5, 0])).toEqual([10.5, 8.5]);
      expect(await scores('hamming', [1, 1])).toEqual([1, 3]);
      expect(await scores('jaccard', [129, 1])).toEqual([0.25, Math.fround(3 / 5)]);
      expect(await scores('sparse', { 100: 0.5 })).toEqual([3, 2.5]);
      const [cosine] = await scores('int8', [1, 1, 0]);
      expect(cosine).toBeCloseTo(1, 6);
    });

    test('are found with filters, ranges, offsets, by several and by stored rows', async () => {
      const docs = await filled();
      const base = { field: 'hamming', limit: 10, select: [] } as const;
      const even = await docs.search({ ...base, vector: [1, 0], filter: { even: true } });
      expect(ids(even)).toEqual([0, 2, 4]);
      expect(ids(await docs.search({ ...base, vector: [1, 0], within: { min: 1 } }))).toEqual([
        1, 2, 3, 4, 5,
      ]);
      expect(ids(await docs.search({ ...base, vector: [1, 0], offset: 4 }))).toEqual([4, 5]);
      const lists = await docs.search({
        ...base,
        vectors: [[8, 0], Uint8Array.of(16, 0)],
        limit: 1,
      });
      expect(lists.map(ids)).toEqual([[3], [4]]);
      for (const field of ['float16', 'int8', 'hamming', 'jaccard'] as const) {
        const stored = await docs.search({ field, ids: [3, 1], limit: 1, select: [] });
        expect(stored.map(ids), field).toEqual([[3], [1]]);
      }
      const products = await docs.search({ field: 'sparse', ids: [0, 2], limit: 2, select: [] });
      expect(products.map(ids)).toEqual([
        [5, 4],
        [5, 4],
      ]);
      expect(await codeOf(docs.search({ ...base, ids: [77] }))).toBe('key_not_found');
    });

    test('sparse: as many rows as there are, those without a common index at score 0', async () => {
      const docs = await filled();
      const found = await docs.search({ field: 'sparse', vector: { 3: 2 }, limit: 6, select: [] });
      expect(found.map(({ id, score }) => [id, score])).toEqual([
        [3, 1],
        [0, 0],
        [1, 0],
        [2, 0],
        [4, 0],
        [5, 0],
      ]);
      const none = await docs.search({ field: 'sparse', vector: {}, limit: 2, select: [] });
      expect(none.map(({ id, score }) => [id, score])).toEqual([
        [0, 0],
        [1, 0],
      ]);
    });

    test('are replaced and deleted', async () => {
      const docs = await filled();
      await docs.upsert([{ ...typedRow(5), hamming: [255, 255], sparse: [] }]);
      await docs.delete({ ids: [0] });
      const bits = await docs.search({
        field: 'hamming',
        vector: [255, 255],
        limit: 9,
        select: [],
      });
      expect(ids(bits)).toEqual([5, 1, 2, 3, 4]);
      const words = await docs.search({
        field: 'sparse',
        vector: { 100: 1 },
        limit: 9,
        select: [],
      });
      expect(ids(words)).toEqual([4, 3, 2, 1, 5]);
    });

    test('are taken as columns', async () => {
      const docs = await subject.db.collection(typedOf(freshName()));
      await docs.insert({
        id: BigInt64Array.of(1n, 2n),
        even: Uint8Array.of(0, 1),
        float16: Uint16Array.of(0x3c00, 0, 0, 0x4000, 0, 0),
        bfloat16: Float32Array.of(1, 0, 0, 2, 0, 0),
        int8: Int8Array.of(1, 0, 0, 2, 0, 0),
        hamming: Uint8Array.of(1, 2, 3, 4),
        jaccard: [Uint8Array.of(1, 2), [3, 4]],
        sparse: {
          offsets: Uint32Array.of(0, 2, 3),
          indices: Uint32Array.of(9, 4, 1),
          values: Float32Array.of(1, 2, 3),
        },
      });
      const select = ['float16', 'hamming', 'jaccard', 'sparse'] as const;
      expect(await docs.get([1, 2], { select })).toEqual([
        {
          id: 1,
          float16: Uint16Array.of(0x3c00, 0, 0),
          hamming: Uint8Array.of(1, 2),
          jaccard: Uint8Array.of(1, 2),
          sparse: { indices: Uint32Array.of(4, 9), values: Float32Array.of(2, 1) },
        },
        {
          id: 2,
          float16: Uint16Array.of(0x4000, 0, 0),
          hamming: Uint8Array.of(3, 4),
          jaccard: Uint8Array.of(3, 4),
          sparse: { indices: Uint32Array.of(1), values: Float32Array.of(3) },
        },
      ]);
    });

    const bad: readonly [string, object, Record<string, unknown>][] = [
      ['a float16 too large', { float16: [65_520, 0, 0] }, { code: 'value_out_of_range' }],
      ['NaN as float16', { float16: [Number.NaN, 0, 0] }, { code: 'vector_not_finite' }],
      [
        'bits of infinity',
        { float16: Uint16Array.of(0x7c00, 0, 0) },
        { code: 'vector_not_finite', field: 'float16' },
      ],
      ['a bfloat16 too large', { bfloat16: [3.4e38, 0, 0] }, { code: 'value_out_of_range' }],
      ['int8 out of range', { int8: [128, 0, 0] }, { code: 'value_out_of_range', field: 'int8' }],
      ['a fraction as int8', { int8: [0.5, 0, 0] }, { code: 'value_out_of_range' }],
      ['infinity as int8', { int8: [Infinity, 0, 0] }, { code: 'vector_not_finite' }],
      ['too few numbers', { int8: [1, 2] }, { code: 'dimension_mismatch', expected: '3' }],
      ['bits as list of bits', { hamming: Array(16).fill(1) }, { code: 'dimension_mismatch' }],
      ['a byte too large', { hamming: [256, 0] }, { code: 'value_out_of_range' }],
      ['text as bits', { hamming: 'bits' }, { code: 'dimension_mismatch' }],
      ['text that is no base64', { hamming: '???' }, { code: 'wrong_type', field: 'hamming' }],
      ['a list as sparse', { sparse: [1, 2] }, { code: 'wrong_type', field: 'sparse' }],
      ['a dense array as sparse', { sparse: new Float32Array(3) }, { code: 'wrong_type' }],
      ['ragged sparse', { sparse: { indices: [1], values: [] } }, { code: 'wrong_type' }],
      ['names as indices', { sparse: { a: 1 } }, { code: 'wrong_type', field: 'sparse' }],
      ['text as value', { sparse: { 1: '2' } }, { code: 'wrong_type', field: 'sparse' }],
      ['a negative value', { sparse: { 1: -1 } }, { code: 'value_out_of_range', got: '-1 at 1' }],
      ['NaN as value', { sparse: { 1: Number.NaN } }, { code: 'vector_not_finite' }],
      ['infinity as value', { sparse: [[1, Infinity]] }, { code: 'vector_not_finite' }],
      ['a value too large', { sparse: [[1, 1e39]] }, { code: 'value_out_of_range' }],
      ['an index too large', { sparse: [[2 ** 32 - 1, 1]] }, { code: 'value_out_of_range' }],
      ['a negative index', { sparse: [[-1, 1]] }, { code: 'value_out_of_range' }],
      ['a fraction as index', { sparse: [[0.5, 1]] }, { code: 'value_out_of_range' }],
      [
        'an index twice',
        {
          sparse: [
            [7, 1],
            [3, 1],
            [7, 2],
          ],
        },
        { code: 'value_not_allowed', got: 'index 7 twice' },
      ],
      ['no vector', { sparse: undefined }, { code: 'missing_field', field: 'sparse' }],
    ];
    test.each(bad)('refused as row and as query: %s', async (_name, change, expected) => {
      const docs = await subject.db.collection(typedOf(freshName()));
      const rows = [typedRow(0), { ...typedRow(1), ...change }] as never[];
      expect(await detailsOf(docs.insert(rows))).toMatchObject({ ...expected, row: 1 });
      expect(await docs.count()).toBe(0);
      const [[field, vector] = []] = Object.entries(change);
      if (vector === undefined) return;
      const { code } = expected;
      expect(await codeOf(docs.search({ field, vector } as never))).toBe(code);
    });

    test('sparse rows: unsorted is sorted, zero is left out, the most is bounded', async () => {
      const docs = await subject.db.collection(freshName(), {
        id: t.int64({ primary: true }),
        s: t.sparse(),
      });
      const indices = [9, 2, 5];
      await docs.insert([{ id: 1n, s: { indices, values: [1, 0, 1e-50] } }]);
      const s = { indices: Uint32Array.of(9), values: Float32Array.of(1) };
      expect(await docs.get(1n, { select: ['s'] })).toEqual({ id: 1n, s });
      const many = {
        indices: Array.from({ length: 65_537 }, (_, i) => i),
        values: Array(65_537).fill(1),
      };
      expect(await codeOf(docs.insert([{ id: 2n, s: many }]))).toBe('value_too_long');
    });

    const noFields: readonly [string, () => object, string][] = [
      [
        'bits by cosine',
        () => t.vector(16, { type: 'binary', metric: 'cosine' } as never),
        'invalid_argument',
      ],
      ['numbers by hamming', () => t.vector(3, { metric: 'hamming' } as never), 'invalid_argument'],
      ['sparse by l2', () => t.sparse({ metric: 'l2' } as never), 'invalid_argument'],
      ['nine bits', () => t.vector(9, { type: 'binary' }), 'limit_out_of_range'],
      ['no bits', () => t.vector(0, { type: 'binary' }), 'limit_out_of_range'],
      ['too many bits', () => t.vector(262_152, { type: 'binary' }), 'limit_out_of_range'],
      ['too many numbers', () => t.vector(32_769, { type: 'int8' }), 'limit_out_of_range'],
      ['a type there is not', () => t.vector(3, { type: 'float8' } as never), 'invalid_argument'],
      [
        'a graph over bits',
        () => t.vector(16, { type: 'binary', index: { kind: 'hnsw' } }),
        'invalid_argument',
      ],
      [
        'bfloat16 of float16',
        () => t.vector(16, { type: 'float16', index: { kind: 'hnsw_bf16' } }),
        'invalid_argument',
      ],
    ];
    test.each(noFields)('no field: %s', async (_name, field, code) => {
      const make = async () =>
        subject.db.collection(freshName(), { id: t.id(), v: field() } as never);
      expect(await codeOf(make())).toBe(code);
    });

    test('another type is another collection', async () => {
      const name = freshName();
      await subject.db.collection(name, { id: t.id(), v: t.vector(8) });
      const other = { id: t.id(), v: t.vector(8, { type: 'int8' }) };
      const details = await detailsOf(subject.db.collection(name, other));
      expect(details['code']).toBe('schema_mismatch');
    });
  });
}
