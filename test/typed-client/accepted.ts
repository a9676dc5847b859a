import type { Db, Insert, Row, SparseVector } from '../../packages/client/src/index.ts';
import { collection, expr, t } from '../../packages/client/src/index.ts';

/**
 * What has to compile, and what must not: checked by `tsc -p test/typed-client`. Each
 * `@ts-expect-error` fails the check when the line below it starts to compile.
 */
declare const db: Db;

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function is<A, B>(_same: Equal<A, B>): void {}

const Docs = collection('docs', {
  id: t.int64({ primary: true }),
  title: t.varchar({ maxLength: 512 }),
  colour: t.varchar({ oneOf: ['red', 'blue'] }),
  year: t.int32({ nullable: true }),
  price: t.double({ default: 1 }),
  tags: t.array(t.varchar()),
  meta: t.json<{ n: { v: number; lt?: number }; s: string[] }>(),
  free: t.json({ nullable: true }),
  at: t.timestamp({ nullable: true }),
  raw: t.bytes({ nullable: true }),
  vec: t.vector(768, { metric: 'cosine' }),
});

const Two = collection('two', { id: t.id(), a: t.vector(2), b: t.vector(3) });
const Auto = collection('auto', {
  id: t.int64({ primary: true, autoId: true, as: 'number' }),
  v: t.vector(2),
});
const Dynamic = collection(
  'dyn',
  { id: t.int64({ primary: true }), v: t.vector(2) },
  { dynamic: true },
);

const Typed = collection('typed', {
  id: t.id(),
  half: t.vector(8, { type: 'float16', metric: 'l2' }),
  brain: t.vector(8, { type: 'bfloat16' }),
  small: t.vector(8, { type: 'int8' }),
  bits: t.vector(64, { type: 'binary', metric: 'jaccard' }),
  words: t.sparse(),
});

interface DocsRow {
  id: bigint;
  title: string;
  colour: 'red' | 'blue';
  year: number | null;
  price: number;
  tags: string[];
  meta: { n: { v: number; lt?: number }; s: string[] };
  free: unknown;
  at: Date | null;
  raw: Uint8Array | null;
  vec: Float32Array;
}
const row = null as unknown as Row<typeof Docs>;
const sameRow: DocsRow = row;
const sameBack: Row<typeof Docs> = sameRow;
void sameBack;

const insert: Insert<typeof Docs> = {
  id: 1n,
  title: 'a',
  colour: 'red',
  tags: ['x'],
  meta: { n: { v: 1 }, s: [] },
  vec: [1, 2],
};
void insert;
// @ts-expect-error a field without default or null is missing
const missing: Insert<typeof Docs> = {
  id: 1n,
  colour: 'red',
  tags: [],
  meta: insert.meta,
  vec: [],
};
void missing;
// @ts-expect-error not one of the values
const green: Insert<typeof Docs> = { ...insert, colour: 'green' };
void green;
// @ts-expect-error an unknown field
const unknownField: Insert<typeof Docs> = { ...insert, titel: 'a' };
void unknownField;

/** What comes back follows from what was selected. Never called: compiled only. */
export async function results(): Promise<void> {
  const docs = await db.collection(Docs);
  const hits = await docs.search({ vector: [1], select: ['title', 'year', '$ts'] });
  const first = hits[0];
  if (first !== undefined) {
    is<typeof first.id, bigint>(true);
    is<typeof first.score, number>(true);
    is<typeof first.title, string>(true);
    is<typeof first.year, number | null>(true);
    is<typeof first.$ts, bigint>(true);
    // @ts-expect-error not selected
    void first.price;
  }
  const plain = await docs.search({ vector: new Float32Array(768) });
  // @ts-expect-error vectors come only when selected
  void plain[0]?.vec;
  const withVector = await docs.query({ select: ['vec'] });
  is<(typeof withVector)[0]['vec'], Float32Array>(true);
  const omitted = await docs.query({ omit: ['meta'] });
  void omitted[0]?.title;
  // @ts-expect-error left out
  void omitted[0]?.meta;
  const lists = await docs.search({ vectors: [[1], [2]], select: [] });
  is<(typeof lists)[0][0], { id: bigint; score: number }>(true);
  const byIds = await docs.search({ ids: [1n], select: ['title'] });
  void byIds[0]?.[0]?.title;
  const one = await docs.get(1n);
  void one?.title;
  const several = await docs.get([1n, 2n], { select: ['title'] });
  void several[0]?.title;
  for await (const batch of docs.scan({ select: ['title'] })) void batch[0]?.title;
  for await (const each of docs.scan().rows()) void each.year;
}

/** What may be asked follows from the schema. Never called: compiled only. */
export async function questions(): Promise<void> {
  const docs = await db.collection(Docs);

  await docs.query({ filter: { year: { gte: 2020 }, tags: { contains: 'bird' }, at: null } });
  await docs.query({ filter: { or: [{ title: 'a' }, { not: { year: 2020 } }] } });
  await docs.query({
    filter: { meta: { n: { v: { between: [1, 2] } }, s: { containsAll: ['a'] } } },
  });
  await docs.query({ filter: { free: { anything: [1, { goes: true }] } } });
  await docs.query({ filter: expr`year >= ${2020}` });
  await docs.query({ filter: (d) => d.meta.at('n', 'lt').eq(5).and(d.year.gte(2020)) });
  await docs.query({ filter: { $ts: { gt: 1n } } });

  // @ts-expect-error a wrong field
  await docs.query({ filter: { yaer: 2020 } });
  // @ts-expect-error a wrong operator
  await docs.query({ filter: { year: { contains: 1 } } });
  // @ts-expect-error a wrong type
  await docs.query({ filter: { year: '2020' } });
  // @ts-expect-error text has no such value
  await docs.query({ filter: { colour: 'green' } });
  // @ts-expect-error vectors cannot be filtered
  await docs.query({ filter: { vec: [1] } });
  // @ts-expect-error a field that is never null
  await docs.query({ filter: { title: null } });
  // @ts-expect-error a wrong path inside typed JSON
  await docs.query({ filter: { meta: { n: { w: 1 } } } });
  const flags = await db.collection('x', { id: t.id(), b: t.bool(), v: t.vector(1) });
  // @ts-expect-error bool has no order
  await flags.query({ filter: { b: { gt: true } } });
  // @ts-expect-error a plain string is no filter
  await docs.query({ filter: 'year > 2020' });
  // @ts-expect-error a wrong field to select
  await docs.query({ select: ['titel'] });
  // @ts-expect-error the builder knows the fields
  await docs.query({ filter: (d) => d.yaer.eq(1) });
}

/** Vectors of every type. Never called: compiled only. */
export async function vectors(): Promise<void> {
  const typed = await db.collection(Typed);
  const given: Insert<typeof Typed> = {
    half: new Uint16Array(8),
    brain: [1, 2],
    small: new Int8Array(8),
    bits: new Uint8Array(8),
    words: { 1: 0.5, 7: 2 },
  };
  await typed.insert([given, { ...given, half: new Float32Array(8), words: [[1, 2]] }]);
  await typed.insert([{ ...given, words: { indices: [1], values: Float32Array.of(2) } }]);
  await typed.insert([{ ...given, bits: [1, 255], words: [{ index: 1, value: 2 }] }]);
  // @ts-expect-error bits are bytes
  await typed.insert([{ ...given, bits: new Float32Array(8) }]);
  // @ts-expect-error sparse vectors have values
  await typed.insert([{ ...given, words: { indices: [1] } }]);
  // @ts-expect-error numbers are not compared by hamming
  t.vector(8, { metric: 'hamming' });
  // @ts-expect-error bits are not compared by cosine
  t.vector(8, { type: 'binary', metric: 'cosine' });
  // @ts-expect-error sparse vectors are compared by inner product
  t.sparse({ metric: 'l2' });

  const found = await typed.get('a', { select: ['half', 'brain', 'small', 'bits', 'words'] });
  if (found !== undefined) {
    is<typeof found.half, Uint16Array>(true);
    is<typeof found.brain, Uint16Array>(true);
    is<typeof found.small, Int8Array>(true);
    is<typeof found.bits, Uint8Array>(true);
    is<typeof found.words, SparseVector>(true);
  }
  await typed.search({ field: 'bits', vector: new Uint8Array(8) });
  await typed.search({ field: 'words', vector: { 7: 1 } });
  const columns = { offsets: [0, 1], indices: [7], values: [1] };
  await typed.insert({
    half: new Uint16Array(8),
    brain: new Float32Array(8),
    small: new Int8Array(8),
    bits: new Uint8Array(8),
    words: columns,
  });
}

/** Several vector fields, keys, writes, handles without a type. Never called: compiled only. */
export async function others(): Promise<void> {
  const docs = await db.collection(Docs);
  const two = await db.collection(Two);
  const auto = await db.collection(Auto);
  const dynamic = await db.collection(Dynamic);
  const untyped = await db.collection('docs');
  const inline = await db.collection('inline', { id: t.int64({ primary: true }), v: t.vector(2) });

  // @ts-expect-error two vector fields: field is demanded
  await two.search({ vector: [1, 2] });
  await two.search({ vector: [1, 2], field: 'a' });
  // @ts-expect-error id is no vector field
  await two.search({ vector: [1, 2], field: 'id' });
  // @ts-expect-error keys are bigint
  await docs.get('1');
  // @ts-expect-error delete says what
  await docs.delete({});
  // @ts-expect-error arrays hold no vectors
  t.array(t.vector(2), { nullable: 'x' });
  // @ts-expect-error elements are never null
  t.array(t.int32({ nullable: true }));

  const made = await auto.insert([{ v: [1, 2] }]);
  is<typeof made.ids, number[]>(true);
  const wide = await db.collection('auto', {
    id: t.int64({ primary: true, autoId: true }),
    list: t.array(t.int64({ as: 'number' })),
    v: t.vector(2),
  });
  const wider = await wide.insert([{ list: [1], v: [1, 2] }]);
  is<typeof wider.ids, bigint[]>(true);
  is<Exclude<Awaited<ReturnType<typeof wide.get>>, undefined | unknown[]>['list'], number[]>(true);
  const texts = await two.insert([{ a: [1, 2], b: [1, 2, 3] }]);
  is<typeof texts.ids, string[]>(true);
  const none = await docs.insert([insert]);
  // @ts-expect-error ids are the caller's own
  void none.ids;

  await dynamic.insert([{ id: 1n, v: [1, 2], anything: 'goes' }]);
  await dynamic.query({ filter: { anything: { gt: 1 } }, select: ['anything'] });
  await untyped.insert([{ whatever: 1 }]);
  void (await untyped.get(1n))?.['whatever'];
  await untyped.search({ vector: [1], filter: { a: 1 }, select: ['a'] });
  await inline.insert({ id: BigInt64Array.of(1n), v: Float32Array.of(1, 2) });
  await inline.insert({ id: [1n], v: { values: Float32Array.of(1, 2) } });
}
