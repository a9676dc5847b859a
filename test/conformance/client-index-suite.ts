import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collection, t } from '../../packages/client/src/index.ts';
import type { IndexChoice } from '../../packages/client/src/index.ts';
import type { ClientSubject, OpenSubject } from './client-kit.ts';
import { codeOf, detailsOf, docsOf, freshName } from './client-kit.ts';

const WAIT = { timeout: 60_000, interval: 50 };
const ROWS = 10_000;

/** Enough rows to be flushed and indexed without another word. */
const pointsOf = (name: string, index?: IndexChoice) =>
  collection(name, {
    id: t.int64({ primary: true, as: 'number' }),
    vec: t.vector(8, index === undefined ? { metric: 'l2' } : { metric: 'l2', index }),
  });

function columns(): { id: BigInt64Array; vec: Float32Array } {
  const id = BigInt64Array.from({ length: ROWS }, (_, i) => BigInt(i));
  const vec = Float32Array.from({ length: ROWS * 8 }, (_, i) => ((i * 7_919) % 10_007) / 100);
  return { id, vec };
}

/** Index choices: from the definition to the segments, changed while the rows are served. */
export function clientIndexSuite(name: string, open: OpenSubject): void {
  describe(`indexes on ${name}`, () => {
    let subject: ClientSubject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    test('a chosen index is built, another one replaces it, and answers stay', async () => {
      const points = await subject.db.collection(
        pointsOf(freshName(), { kind: 'hnsw', m: 8, efConstruction: 64, recall: 0.9 }),
      );
      const { id, vec } = columns();
      await points.insert({ id, vec });
      const index = async () => (await points.describe()).indexes[0];
      await expect.poll(async () => (await index())?.indexedRows, WAIT).toBe(ROWS);
      const first = await index();
      expect(first).toMatchObject({ field: 'vec', pendingRows: 0, choice: { recall: 0.9 } });
      expect(first?.parts).toMatchObject([
        { kind: 'HNSW', params: { m: 8, efConstruction: 64 }, rows: ROWS },
      ]);
      expect(first?.bytes).toBeGreaterThan(ROWS * 64);
      const vector = vec.slice(80, 88);
      expect((await points.search({ vector, limit: 1 }))[0]).toMatchObject({ id: 10, score: 0 });

      await points.index('vec', { kind: 'flat_sq8' });
      await points.index('vec', { kind: 'flat_sq8' });
      // Until the new one is there the old one answers.
      expect((await points.search({ vector, limit: 1 }))[0]).toMatchObject({ id: 10, score: 0 });
      const chosen = await index();
      expect(chosen?.choice).toEqual({ kind: 'flat_sq8' });
      expect((chosen?.indexedRows ?? 0) + (chosen?.pendingRows ?? 0)).toBe(ROWS);
      await expect.poll(async () => (await index())?.indexedRows, WAIT).toBe(ROWS);
      const parts = (await index())?.parts;
      expect(parts).toMatchObject([{ kind: 'FLAT_SQ8', params: {}, rows: ROWS }]);
      expect((await index())?.pendingRows).toBe(0);
      expect((await points.search({ vector, limit: 1 }))[0]).toMatchObject({ id: 10, score: 0 });
      const plan = await points.explain({ vector, limit: 1 });
      expect(plan.segments.map((segment) => segment.index)).toEqual(['FLAT_SQ8']);

      // Opening by the old definition leaves what was chosen since.
      const again = await subject.db.collection(pointsOf(points.name, { kind: 'hnsw' }));
      expect((await again.describe()).indexes[0]?.choice).toEqual({ kind: 'flat_sq8' });
    });

    test.each(['hnsw_flat', 'hnsw_bf16'] as const)('%s: a graph over numbers', async (kind) => {
      const made = pointsOf(freshName(), { kind, m: 8, efConstruction: 64 });
      const points = await subject.db.collection(made);
      const { id, vec } = columns();
      await points.insert({ id, vec });
      const index = async () => (await points.describe()).indexes[0];
      await expect.poll(async () => (await index())?.indexedRows, WAIT).toBe(ROWS);
      expect((await index())?.choice).toEqual({ kind, m: 8, efConstruction: 64 });
      const name = kind.toUpperCase();
      const params = { m: 8, efConstruction: 64 };
      expect((await index())?.parts).toMatchObject([{ kind: name, params, rows: ROWS }]);
      const search = { vector: vec.slice(80, 88), limit: 10 };
      const exact = await points.search({ ...search, recall: 1 });
      expect(exact[0]).toMatchObject({ id: 10, score: 0 });
      expect(await points.search({ ...search, params: { ef: 400 } })).toEqual(exact);
      const plan = await points.explain({ ...search, params: { ef: 40 } });
      expect(plan.segments).toMatchObject([{ index: name, strategy: 'graph' }]);
    });

    test.each(['ivf_flat', 'ivf_sq8'] as const)('%s: lists, as many as asked', async (kind) => {
      const made = pointsOf(freshName(), { kind, nlist: 32 });
      const points = await subject.db.collection(made);
      const { id, vec } = columns();
      await points.insert({ id, vec });
      const index = async () => (await points.describe()).indexes[0];
      await expect.poll(async () => (await index())?.indexedRows, WAIT).toBe(ROWS);
      expect((await index())?.choice).toEqual({ kind, nlist: 32 });
      const part = { kind: kind.toUpperCase(), params: { nlist: 32 }, rows: ROWS };
      expect((await index())?.parts).toMatchObject([part]);

      const vector = vec.slice(80, 88);
      const search = { vector, limit: 10 };
      const exact = await points.search({ ...search, recall: 1 });
      expect(await points.search({ ...search, params: { nprobe: 32 } })).toEqual(exact);
      const few = await points.search({ ...search, params: { nprobe: 1 } });
      expect(few).toHaveLength(10);
      expect(few[0]).toEqual(exact[0]);

      const plan = (params: { nprobe: number }) => points.explain({ ...search, params });
      const [one, all] = [await plan({ nprobe: 1 }), await plan({ nprobe: 32 })];
      const looked = { index: kind.toUpperCase(), strategy: 'lists' };
      expect(one.segments).toMatchObject([looked]);
      expect(all.segments).toMatchObject([looked]);
      const work = ({ segments }: typeof one) =>
        segments.reduce((sum, { candidates, distances }) => sum + candidates + distances, 0);
      expect(work(one)).toBeLessThan(work(all) / 4);
      expect(one).toMatchObject({ recallIs: 'measured' });
      expect(one.expectedRecall).toBeLessThan(all.expectedRecall);

      // Without a number the lists follow from the rows; other kinds do not mind `nprobe`.
      await points.index('vec', { kind });
      await expect
        .poll(async () => (await index())?.parts[0]?.params, WAIT)
        .toEqual({ nlist: 200 });
      await points.index('vec', { kind: 'flat_sq8' });
      await expect.poll(async () => (await index())?.parts[0]?.kind, WAIT).toBe('FLAT_SQ8');
      expect(await points.search({ ...search, params: { nprobe: 1 } })).toEqual(exact);
    });

    test('ivf_rabitq: 1-bit codes, lists and candidates as many as asked', async () => {
      const made = pointsOf(freshName(), { kind: 'ivf_rabitq', nlist: 32 });
      const points = await subject.db.collection(made);
      const { id, vec } = columns();
      await points.insert({ id, vec });
      const index = async () => (await points.describe()).indexes[0];
      await expect.poll(async () => (await index())?.indexedRows, WAIT).toBe(ROWS);
      expect((await index())?.choice).toEqual({ kind: 'ivf_rabitq', nlist: 32 });
      const part = { kind: 'IVF_RABITQ', params: { nlist: 32 }, rows: ROWS };
      expect((await index())?.parts).toMatchObject([part]);

      const search = { vector: vec.slice(80, 88), limit: 10 };
      const exact = await points.search({ ...search, recall: 1 });
      const wide = { nprobe: 32, refine: 1_000 };
      expect(await points.search({ ...search, params: wide })).toEqual(exact);
      const few = await points.search({ ...search, params: { nprobe: 1, refine: 4 } });
      expect(few).toHaveLength(10);
      expect(few[0]).toEqual(exact[0]);
      const plan = await points.explain({ ...search, params: { nprobe: 8, refine: 4 } });
      expect(plan.segments).toMatchObject([{ index: 'IVF_RABITQ', strategy: 'lists' }]);
    });

    test.each([0, 0.5, -1, 1_025, Number.NaN])('refuses %s candidates a result', async (refine) => {
      const docs = await subject.db.collection(docsOf(freshName()));
      const search = docs.search({ vector: [1, 0, 0, 0], params: { refine } } as never);
      expect(await detailsOf(search)).toMatchObject({
        code: 'invalid_argument',
        argument: 'params.refine',
      });
    });

    test.each([0, -1, 1.5, 65_537, 1e9])('refuses to look at %s lists', async (nprobe) => {
      const docs = await subject.db.collection(docsOf(freshName()));
      const search = docs.search({ vector: [1, 0, 0, 0], params: { nprobe } } as never);
      expect(await detailsOf(search)).toMatchObject({
        code: 'invalid_argument',
        argument: 'params.nprobe',
      });
    });

    test('without a choice the rows decide', async () => {
      const docs = await subject.db.collection(docsOf(freshName()));
      const [index] = (await docs.describe()).indexes;
      expect(index).toEqual({
        field: 'vec',
        choice: { kind: 'auto' },
        parts: [],
        indexedRows: 0,
        pendingRows: 0,
        bytes: 0,
      });
    });

    const bad: readonly [string, object, Record<string, unknown>][] = [
      ['an unknown kind', { kind: 'hsnw' }, { code: 'invalid_argument', argument: 'index.kind' }],
      ['no kind', {}, { code: 'invalid_argument' }],
      ['too many links', { kind: 'hnsw', m: 65 }, { code: 'limit_out_of_range' }],
      ['too few links', { kind: 'hnsw', m: 1 }, { code: 'limit_out_of_range' }],
      ['a fraction', { kind: 'hnsw', m: 8.5 }, { code: 'limit_out_of_range' }],
      [
        'm above efConstruction',
        { kind: 'hnsw', m: 32, efConstruction: 16 },
        { code: 'limit_out_of_range' },
      ],
      ['no lists', { kind: 'ivf_flat', nlist: 0 }, { code: 'limit_out_of_range' }],
      ['too many lists', { kind: 'ivf_sq8', nlist: 65_537 }, { code: 'limit_out_of_range' }],
      ['lists of bits over numbers', { kind: 'bin_ivf_flat' }, { argument: 'index.kind' }],
      ['half a list', { kind: 'ivf_sq8', nlist: 2.5 }, { code: 'limit_out_of_range' }],
      [
        'too many lists of bits',
        { kind: 'ivf_rabitq', nlist: 1e6 },
        { code: 'limit_out_of_range' },
      ],
      ['candidates of an index', { kind: 'ivf_rabitq', refine: 2 }, { argument: 'index.refine' }],
      ['lists of a graph', { kind: 'hnsw', nlist: 8 }, { argument: 'index.nlist' }],
      ['too many links of rows', { kind: 'hnsw_flat', m: 65 }, { code: 'limit_out_of_range' }],
      [
        'm above efConstruction over bfloat16',
        { kind: 'hnsw_bf16', m: 32, efConstruction: 16 },
        { code: 'limit_out_of_range' },
      ],
      ['a search parameter', { kind: 'ivf_flat', nprobe: 8 }, { argument: 'index.nprobe' }],
      ['a parameter of another kind', { kind: 'flat', m: 8 }, { argument: 'index.m' }],
      ['no recall', { kind: 'auto', recall: 0 }, { argument: 'index.recall' }],
      ['too much recall', { kind: 'auto', recall: 1.5 }, { argument: 'index.recall' }],
    ];
    test('bits: lists by themselves once there are many, found by nprobe and recall', async () => {
      const bits = collection(freshName(), {
        id: t.int64({ primary: true }),
        vec: t.vector(1024, { type: 'binary', metric: 'hamming' }),
      });
      const rows = await subject.db.collection(bits);
      const count = 36_000;
      const id = BigInt64Array.from({ length: count }, (_, i) => BigInt(i));
      // Rows of a hundred kinds, with noise of their own.
      const vec = Uint8Array.from({ length: count * 128 }, (_, i) => {
        const [row, byte] = [Math.floor(i / 128), i % 128];
        const noise = byte % 8 === row % 8 ? Math.imul(i + 1, 2_654_435_761) >>> 24 : 0;
        return (Math.imul(((row % 100) + 1) * 128 + byte, 2_246_822_519) >>> 24) ^ noise;
      });
      await rows.insert({ id, vec });
      const index = async () => (await rows.describe()).indexes[0];
      const counts = async () => ((await index())?.parts ?? []).map((part) => part.kind);
      await expect.poll(counts, WAIT).toContain('BIN_IVF_FLAT');
      const search = { vector: vec.slice(0, 128), limit: 5 };
      const exact = await rows.search({ ...search, recall: 1 });
      expect(exact[0]).toMatchObject({ id: 0n, score: 0 });
      expect((await rows.search(search))[0]).toEqual(exact[0]);
      expect((await rows.search({ ...search, params: { nprobe: 300 } }))[0]).toEqual(exact[0]);
      const { segments } = await rows.explain(search);
      expect(segments.map(({ strategy }) => strategy)).toContain('lists');
    });

    test.each(bad)('refuses %s', async (_name, choice, expected) => {
      const docs = await subject.db.collection(docsOf(freshName()));
      const refused = docs.index('vec', choice as never);
      expect(await detailsOf(refused)).toMatchObject(expected);
      const index = choice as IndexChoice;
      expect(() => pointsOf(freshName(), index)).toThrow();
      expect((await docs.describe()).indexes[0]?.choice).toEqual({ kind: 'auto' });
    });

    test('refuses fields that have none', async () => {
      const docs = await subject.db.collection(docsOf(freshName()));
      expect(await detailsOf(docs.index('vex' as never, { kind: 'flat' }))).toMatchObject({
        code: 'unknown_field',
        hint: 'Did you mean `vec`?',
      });
      expect(await codeOf(docs.index('title' as never, { kind: 'flat' }))).toBe('invalid_argument');
      const named = subject.db.collection('nowhere');
      expect(await codeOf(named)).toBe('collection_not_found');
    });
  });
}
