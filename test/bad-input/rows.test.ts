// Goal: every bad row and every bad request of the list is refused whole, with its own code, a text
// that says what to do, and nothing stored changes. Method: one table; after each refusal
// everything stored is compared with what was stored before.
import { collection, elanus, expr, t, type Db } from 'elanus';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  everything,
  goodRow,
  expectRefused,
  threeDocs,
  type OpenDocs,
  type Refusal,
} from './kit.ts';

let db: Db;
let docs: OpenDocs;
beforeAll(async () => {
  db = await elanus(':memory:');
  docs = await threeDocs(db);
});
afterAll(() => db.close());

/** Runs the work and checks the refusal, and that everything stored is as it was. */
async function expectRefusedWhole(work: () => unknown, refusal: Refusal): Promise<void> {
  const before = await everything(docs);
  await expectRefused(work, refusal);
  expect(await everything(docs)).toBe(before);
}

const invalid = (
  code: Refusal['code'],
  says: string | RegExp,
  details?: Refusal['details'],
): Refusal => ({ code, kind: 'invalid', says, details });

const badCells: readonly [string, object, Refusal][] = [
  [
    'wrong dimension',
    { vec: [1, 2] },
    invalid('dimension_mismatch', 'wrong dimension', { field: 'vec', expected: '4', got: '2' }),
  ],
  ['NaN', { vec: [1, Number.NaN, 0, 0] }, invalid('vector_not_finite', 'NaN or infinity')],
  ['Inf', { vec: [1, 0, -Infinity, 0] }, invalid('vector_not_finite', 'NaN or infinity')],
  [
    'too large for a float32',
    { vec: [1e39, 0, 0, 0] },
    invalid('vector_not_finite', 'NaN or infinity'),
  ],
  ['wrong type', { title: 5 }, invalid('wrong_type', 'expected=', { field: 'title' })],
  ['text as a number', { year: '2020' }, invalid('wrong_type', 'expected=', { field: 'year' })],
  ['an unknown field', { titel: 'x' }, invalid('unknown_field', 'title', { field: 'titel' })],
  ['a missing field', { title: undefined }, invalid('missing_field', 'missing')],
  [
    'an over-long varchar',
    { title: 'x'.repeat(33) },
    invalid('value_too_long', /32/, { field: 'title' }),
  ],
  [
    'int64 out of range',
    { id: 2n ** 63n },
    invalid('value_out_of_range', 'out of range', { field: 'id' }),
  ],
  [
    'int64 below its range',
    { id: -(2n ** 63n) - 1n },
    invalid('value_out_of_range', 'out of range', { field: 'id' }),
  ],
  [
    'int64 in JSON above 2^53',
    { meta: { n: 2n ** 60n } },
    invalid('value_out_of_range', 'out of range', { field: 'meta' }),
  ],
  [
    'JSON too large',
    { meta: { s: 'x'.repeat(70_000) } },
    invalid('value_too_long', 'too long', { field: 'meta' }),
  ],
];

describe('bad rows', () => {
  test.each(badCells)('%s, in rows', async (_name, change, refusal) => {
    const rows = [goodRow(10), goodRow(11), { ...goodRow(12), ...change }] as never[];
    await expectRefusedWhole(() => docs.insert(rows), {
      ...refusal,
      details: { row: 2, ...refusal.details },
    });
    await expectRefusedWhole(() => docs.upsert(rows), refusal);
  });

  test.each(badCells)('%s, in an iterable', async (_name, change, refusal) => {
    const rows = [goodRow(10), { ...goodRow(12), ...change }];
    const given = {
      async *[Symbol.asyncIterator]() {
        for (const row of rows) yield row as never;
      },
    };
    await expectRefusedWhole(() => docs.insert(given), refusal);
  });

  test('wrong dimension, NaN and ragged columns, in columns', async () => {
    const Plain = collection('plain', { id: t.int64({ primary: true }), v: t.vector(2) });
    const plain = await db.collection(Plain);
    const id = BigInt64Array.of(1n, 2n);
    await expectRefused(() => plain.insert({ id, v: new Float32Array(5) }), {
      ...invalid('columns_ragged', 'differ in length'),
    });
    const v = Float32Array.of(0, 0, 0, Number.NaN);
    await expectRefused(
      () => plain.insert({ id, v }),
      invalid('vector_not_finite', 'NaN', { field: 'v', row: 1 }),
    );
    await expectRefused(
      () => plain.insert({ id, v: new Float32Array(4), w: id } as never),
      invalid('unknown_field', 'no such field', { field: 'w' }),
    );
    await expectRefused(() => plain.insert({ id } as never), invalid('missing_field', 'missing'));
    expect(await plain.count()).toBe(0);
  });

  test('a row too large', async () => {
    const texts = Array.from({ length: 14 }, (_, i) => [`s${i}`, t.varchar()] as const);
    const fields = { id: t.int64({ primary: true }), v: t.vector(1), ...Object.fromEntries(texts) };
    const wide = await db.collection('wide', fields);
    const row = (id: bigint, bytes: number) => ({
      ...Object.fromEntries(texts.map(([name]) => [name, 'x'.repeat(bytes)])),
      id,
      v: [1],
    });
    await expectRefused(
      () => wide.insert([row(1n, 10), row(2n, 65_000)] as never[]),
      invalid('row_too_large', '768 KiB', { row: 1 }),
    );
    expect(await wide.count()).toBe(0);
  });

  test('duplicate keys in one batch', async () => {
    const rows = [goodRow(10), goodRow(11), goodRow(10)];
    const refusal = invalid('duplicate_key', 'twice in one write', { key: '10', row: 2 });
    await expectRefusedWhole(() => docs.insert(rows), refusal);
    await expectRefusedWhole(() => docs.upsert(rows), refusal);
  });

  test('an existing key', async () => {
    await expectRefusedWhole(() => docs.insert([goodRow(10), goodRow(1)]), {
      code: 'key_exists',
      kind: 'already_exists',
      says: /upsert.*onConflict/,
      details: { key: '1', row: 1 },
    });
  });

  test('no rows at all', async () => {
    await expectRefusedWhole(() => docs.insert([]), invalid('empty_write', 'at least one row'));
  });

  test('an idempotency key that is none', async () => {
    for (const idempotencyKey of ['', 'x'.repeat(129)]) {
      await expectRefusedWhole(
        () => docs.insert([goodRow(10)], { idempotencyKey }),
        invalid('invalid_argument', '1 to 128 bytes', { argument: 'idempotencyKey' }),
      );
    }
  });
});

function deep(levels: number): object {
  let filter: object = { year: 1 };
  for (let level = 0; level < levels; level++) filter = { not: filter };
  return filter;
}

function circle(): object {
  const list: object[] = [{ year: 1 }];
  const filter = { and: list };
  list.push(filter, filter);
  return filter;
}

const badFilters: readonly [string, unknown, Refusal][] = [
  ['undefined', { year: undefined }, invalid('filter_invalid', 'undefined')],
  ['undefined below an operator', { year: { gt: undefined } }, invalid('filter_invalid', 'undef')],
  [
    'an ambiguous JSON filter',
    { meta: { eq: 1, n: 2 } },
    invalid('filter_ambiguous', /operators and keys.*builder/),
  ],
  ['bad filter text', expr`year >`, invalid('filter_invalid', /position=`\d+`/)],
  ['text with trash behind it', expr`year > 1 )`, invalid('filter_invalid', /position=`\d+`/)],
  ['a plain string', 'year > 1', invalid('filter_invalid', 'expr')],
  ['a misspelt field', { yaer: 1 }, invalid('unknown_field', /year/)],
  ['another type', { year: 'x' }, invalid('filter_invalid', 'filter cannot be used')],
  ['too deep an object', deep(100_000), invalid('filter_invalid', 'filter cannot be used')],
  ['an object in itself', circle(), invalid('filter_invalid', 'filter cannot be used')],
  [
    'too deep a text',
    expr(`${'('.repeat(5_000)}year > 1${')'.repeat(5_000)}`, {}),
    invalid('filter_invalid', 'filter cannot be used'),
  ],
];

describe('bad filters', () => {
  test.each(badFilters)('%s, in reads', async (_name, given, refusal) => {
    const filter = given as never;
    await expectRefused(() => docs.query({ filter }), refusal);
    await expectRefused(() => docs.count({ filter }), refusal);
    await expectRefused(() => docs.search({ vector: [0, 0, 0, 0], filter }), refusal);
    await expectRefused(async () => {
      for await (const page of docs.scan({ filter })) expect(page).toEqual([]);
    }, refusal);
  });
  test.each(badFilters)('%s, in deletes', async (_name, filter, refusal) => {
    await expectRefusedWhole(() => docs.delete({ filter: filter as never }), refusal);
  });
});

describe('bad requests', () => {
  const empties: readonly [string, unknown][] = [
    ['no target', {}],
    ['no ids', { ids: [] }],
    ['a filter that says nothing', { filter: {} }],
    ['an empty list in a filter', { filter: { year: { in: [] } } }],
    ['an empty text', { filter: expr`` }],
    ['all: false', { all: false }],
  ];
  test.each(empties)('an empty delete: %s', async (_name, target) => {
    await expectRefusedWhole(() => docs.delete(target as never), {
      ...invalid('empty_delete', 'delete({ all: true })'),
    });
  });

  test.each([[[1n]], [1n], ['1'], [null]])('a delete of %s, which is no target', async (target) => {
    const refusal = invalid('invalid_argument', '{ ids: [...] }');
    await expectRefusedWhole(() => docs.delete(target as never), refusal);
  });

  test('a delete that says two things', async () => {
    const target = { ids: [1n], all: true } as never;
    await expectRefusedWhole(() => docs.delete(target), invalid('invalid_argument', 'exactly one'));
  });

  test.each([0, -1, 1.5, 16_385, Number.NaN])('limit %d', async (limit) => {
    const refusal = invalid('limit_out_of_range', /1 to 16384.*scan\(\)|scan\(\).*1 to 16384/);
    await expectRefused(() => docs.search({ vector: [0, 0, 0, 0], limit }), refusal);
    await expectRefused(() => docs.query({ limit }), refusal);
  });

  test('a window that ends behind 16,384', async () => {
    const refusal = invalid('limit_out_of_range', 'scan()', { field: 'offset' });
    await expectRefused(() => docs.query({ limit: 10, offset: 16_384 }), refusal);
    await expectRefused(() => docs.query({ limit: 10, offset: -1 }), refusal);
    await expectRefused(
      () => docs.search({ vector: [0, 0, 0, 0], limit: 10, offset: 16_384 }),
      refusal,
    );
  });

  test('a query vector of the wrong dimension, or with NaN', async () => {
    await expectRefused(
      () => docs.search({ vector: [1, 2] }),
      invalid('dimension_mismatch', 'dimension', { field: 'vec', expected: '4' }),
    );
    await expectRefused(
      () => docs.search({ vector: [1, 2, 3, Number.NaN] }),
      invalid('vector_not_finite', 'NaN', { field: 'vec' }),
    );
    await expectRefused(() => docs.search({} as never), invalid('invalid_argument', 'vector'));
  });

  test('a field to select that is not there', async () => {
    await expectRefused(
      () => docs.query({ select: ['titel'] as never }),
      invalid('unknown_field', /title/, { field: 'titel' }),
    );
  });

  test('an instant that cannot be read', async () => {
    await expectRefused(
      () => docs.count({ consistency: { at: -1n } }),
      invalid('timestamp_out_of_range', 'cannot be read'),
    );
    await expectRefused(
      () => docs.count({ consistency: 'firm' as never }),
      invalid('invalid_argument', 'strong, session, bounded, eventual'),
    );
  });

  test('an unknown collection', async () => {
    await expectRefused(() => db.collection('dosc'), {
      code: 'collection_not_found',
      kind: 'not_found',
      says: 'docs',
      details: { name: 'dosc' },
    });
    expect((await db.collections()).map((one) => one.schema.name)).not.toContain('dosc');
  });

  test('schema mismatch on open', async () => {
    const other = { id: t.int64({ primary: true }), vec: t.vector(5) };
    await expectRefused(() => db.collection('docs', other), {
      code: 'schema_mismatch',
      kind: 'conflict',
      says: /alter.*another name/,
      details: { name: 'docs' },
    });
    expect((await db.describe('docs')).schema.fields.find((f) => f.name === 'vec')?.dim).toBe(4);
  });

  test('a collection that was dropped', async () => {
    const gone = await db.collection('gone', { id: t.int64({ primary: true }), v: t.vector(1) });
    await db.drop('gone');
    await expectRefused(() => gone.insert([{ id: 1n, v: [1] }]), {
      code: 'collection_not_found',
      kind: 'not_found',
    });
  });

  test('a write larger than one request', async () => {
    const Big = collection('big', { id: t.int64({ primary: true }), v: t.vector(1024) });
    const big = await db.collection(Big);
    const rows = 16_384;
    const id = BigInt64Array.from({ length: rows }, (_, i) => BigInt(i));
    await expectRefused(
      () => big.insert({ id, v: new Float32Array(rows * 1024) }),
      invalid('request_too_large', 'several writes'),
    );
    expect(await big.count()).toBe(0);
  });

  test('a database that is closed', async () => {
    const other = await elanus(':memory:');
    const open = await threeDocs(other);
    await other.close();
    await expectRefused(() => open.count(), invalid('handle_closed', 'open it again'));
    await expectRefused(() => open.insert([goodRow(9)]), invalid('handle_closed', 'open it again'));
  });

  test('a place that is none', async () => {
    await expectRefused(() => elanus(''), invalid('invalid_argument', ':memory:'));
    await expectRefused(() => elanus('ftp://x'), invalid('invalid_argument', 'http'));
    await expectRefused(
      () => elanus(':memory:', { memory: -1 }),
      invalid('invalid_argument', 'number of bytes'),
    );
  });
});
