// Goal: writes that the caller changes, cancels, times out, repeats or overdoes have the defined
// result: one effect or none, and an error that says which. Method: on memory, and on a folder with
// a restart in between where the result has to survive one.
import { connect } from '@elanus/client';
import { flushShard, invoke } from '@elanus/protocol';
import { localWorld } from '@elanus/runtime/local';
import { collection, elanus, ElanusError, isElanusError, t, type Db } from 'elanus';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startEmbedded } from '../../packages/elanus/src/embedded.ts';
import { openDatabase } from '../../packages/elanus/src/open.ts';
import { Docs, everything, expectRefused, failure, goodRow, tempFolder } from './kit.ts';
import { threeDocs, withFolder, type OpenDocs } from './kit.ts';

let db: Db;
let docs: OpenDocs;
beforeEach(async () => {
  db = await elanus(':memory:');
  docs = await threeDocs(db);
});
afterEach(() => db.close());

const Plain = collection('plain', {
  id: t.int64({ primary: true }),
  n: t.int64(),
  v: t.vector(2, { metric: 'l2' }),
});

describe('arrays changed right after the call', () => {
  test('a row: vector, list, JSON and bytes keep what they held', async () => {
    const row = { ...goodRow(10), raw: Uint8Array.of(1, 2), meta: { deep: { n: 1 } }, tags: ['x'] };
    const write = docs.insert([row]);
    row.vec.fill(9);
    row.raw.fill(9);
    row.meta.deep.n = 9;
    row.tags.push('later');
    row.title = 'later';
    await write;
    expect(await docs.get(10n, { select: ['vec', 'raw', 'meta', 'tags', 'title'] })).toEqual({
      id: 10n,
      vec: Float32Array.of(10, 0, 0, 0),
      raw: Uint8Array.of(1, 2),
      meta: { deep: { n: 1 } },
      tags: ['x'],
      title: 'item-10',
    });
  });

  test('one Float32Array used for every write, at once', async () => {
    const plain = await db.collection(Plain);
    const vec = new Float32Array(2);
    const id = new BigInt64Array(1);
    const writes: Promise<unknown>[] = [];
    for (let i = 0; i < 200; i++) {
      vec.fill(i);
      id[0] = BigInt(i);
      writes.push(plain.insert({ id, n: id, v: vec }));
    }
    vec.fill(-1);
    await Promise.all(writes);
    for (let i = 0; i < 200; i++) {
      const row = await plain.get(BigInt(i), { select: ['n', 'v'] });
      expect(row).toEqual({ id: BigInt(i), n: BigInt(i), v: Float32Array.of(i, i) });
    }
  });

  test('keys of a delete, and the vector of a search', async () => {
    const ids = [0n];
    const write = docs.delete({ ids });
    ids[0] = 1n;
    ids.push(2n);
    expect((await write).count).toBe(1);
    expect(await docs.get([0n, 1n])).toMatchObject([undefined, { id: 1n }]);
    const vector = Float32Array.of(2, 0, 0, 0);
    const search = docs.search({ vector, limit: 1, select: [] });
    vector.fill(0);
    expect(await search).toEqual([{ id: 2n, score: 0 }]);
  });

  test('a filter object', async () => {
    const list = [0n];
    const filter = { id: { in: list } };
    const write = docs.delete({ filter });
    list[0] = 1n;
    filter.id = { in: [2n] };
    expect((await write).count).toBe(1);
    expect(await docs.get([0n, 1n, 2n])).toMatchObject([undefined, { id: 1n }, { id: 2n }]);
  });

  test('an answer changed by the caller changes nothing stored', async () => {
    const row = await docs.get(1n, { select: ['vec', 'tags'] });
    row?.vec.fill(7);
    row?.tags.push('mine');
    const again = await docs.get(1n, { select: ['vec', 'tags'] });
    expect(again).toEqual({ id: 1n, vec: Float32Array.of(1, 0, 0, 0), tags: ['a'] });
  });
});

describe('cancellation', () => {
  const refusal = { code: 'cancelled', kind: 'cancelled', says: 'by the caller' } as const;

  test('before the call: nothing happens', async () => {
    const signal = AbortSignal.abort();
    const before = await everything(docs);
    await expectRefused(() => docs.insert([goodRow(10)], { signal }), refusal);
    await expectRefused(() => docs.delete({ all: true }, { signal }), refusal);
    await expectRefused(() => docs.search({ vector: [0, 0, 0, 0], signal }), refusal);
    await expectRefused(() => docs.query({ signal }), refusal);
    await expectRefused(() => docs.count({ signal }), refusal);
    await expectRefused(() => db.drop('docs', { signal }), refusal);
    expect(await everything(docs)).toBe(before);
  });

  test('during a write: refused with its key, and the key tells whether it happened', async () => {
    for (let round = 0; round < 20; round++) {
      const controller = new AbortController();
      const rows = Array.from({ length: 50 }, (_, i) => goodRow(100 + round * 50 + i));
      const write = docs.insert(rows, { signal: controller.signal });
      setTimeout(() => controller.abort(), round / 4);
      const outcome = await write.then(
        () => undefined,
        (error: unknown) => error,
      );
      const wrong = outcome !== undefined && !isElanusError(outcome, 'cancelled');
      if (wrong) throw outcome as Error;
      const idempotencyKey = isElanusError(outcome, 'cancelled')
        ? outcome.details.idempotencyKey
        : undefined;
      // The same write again with its key: one effect, whatever happened to the first.
      if (outcome !== undefined) {
        expect(idempotencyKey).toEqual(expect.any(String));
        await docs.insert(rows, { idempotencyKey });
      }
      expect(await docs.count()).toBe(3 + (round + 1) * 50);
    }
  });

  test('during an iterable: what was acknowledged stays, the rest is not read', async () => {
    const controller = new AbortController();
    let read = 0;
    const rows = {
      *[Symbol.iterator]() {
        for (; read < 1_000_000; read++) yield goodRow(1_000 + read);
      },
    };
    let progress = 0;
    const error = await failure(() =>
      docs.insert(rows, {
        signal: controller.signal,
        onProgress: (now) => {
          progress = now.rows;
          controller.abort();
        },
      }),
    );
    expect(error.code).toBe('cancelled');
    expect(read).toBeLessThan(100_000);
    expect(await docs.count()).toBeGreaterThanOrEqual(3 + progress);
  });

  test('during searches: a short one may be answered in its turn, none waits on', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const searches = Array.from({ length: 2_000 }, () =>
      docs.search({ vector: [0, 0, 0, 0], limit: 3, signal }),
    );
    controller.abort();
    const settled = await Promise.allSettled(searches);
    const answered = settled.filter((one) => one.status === 'fulfilled');
    const refused = settled.filter((one) => one.status === 'rejected');
    expect(answered.every(({ value }) => value.length === 3)).toBe(true);
    const { code, kind } = refusal;
    for (const { reason } of refused) expect(reason).toMatchObject({ code, kind });
    expect(refused.length).toBeGreaterThan(0);
    expect((await docs.search({ vector: [0, 0, 0, 0], limit: 3 })).length).toBe(3);
  });
});

describe('deadlines', () => {
  const refusal = { code: 'deadline_exceeded', kind: 'deadline' } as const;

  test('no time at all', async () => {
    const before = await everything(docs);
    const error = await expectRefused(() => docs.insert([goodRow(10)], { timeoutMs: 0 }), {
      ...refusal,
      says: /may or may not have happened: retry it with its idempotency key/,
    });
    expect(error.details).toMatchObject({ idempotencyKey: expect.any(String) });
    await expectRefused(() => docs.query({ timeoutMs: 0 }), refusal);
    await expectRefused(() => docs.search({ vector: [0, 0, 0, 0], timeoutMs: 0 }), refusal);
    await expectRefused(() => docs.count({ timeoutMs: -5 }), refusal);
    expect(await everything(docs)).toBe(before);
  });

  test('one millisecond: done, or refused with a key to ask again', async () => {
    for (let round = 0; round < 20; round++) {
      const rows = Array.from({ length: 400 }, (_, i) => goodRow(1_000 + round * 400 + i));
      const idempotencyKey = `round-${round}`;
      try {
        await docs.insert(rows, { timeoutMs: 1, idempotencyKey });
      } catch (error) {
        // A busy machine may keep it in line for longer than that: refused, and nothing written.
        if (!isElanusError(error, 'exhausted')) {
          if (!isElanusError(error, 'deadline_exceeded')) throw error;
          expect(error.details.idempotencyKey).toBe(idempotencyKey);
        }
        await docs.insert(rows, { idempotencyKey });
      }
      expect(await docs.count()).toBe(3 + (round + 1) * 400);
    }
  });

  test('a write refused, sent again, and late: nobody knows, and the key tells', async () => {
    const database = await openDatabase(':memory:');
    let attempts = 0;
    const slow = connect({
      ...database,
      write: async (request, call) => {
        if (attempts++ === 0) throw new ElanusError('exhausted', { what: 'x', retryAfterMs: 1 });
        await database.write(request, undefined);
        throw new ElanusError('deadline_exceeded', { timeoutMs: call?.timeoutMs });
      },
    });
    const there = await slow.collection(Docs);
    const options = { idempotencyKey: 'late' };
    const error = await expectRefused(() => there.insert([goodRow(1)], options), refusal);
    expect(error.details).toMatchObject(options);
    expect(await there.count()).toBe(1);
    await slow.close();
  });

  test.each([Number.NaN, 'soon'])('a deadline that is none: %s', async (timeoutMs) => {
    const given = { timeoutMs: timeoutMs as number };
    await expectRefused(() => docs.count(given), {
      code: 'invalid_argument',
      kind: 'invalid',
      says: 'timeoutMs',
    });
  });
});

describe('idempotency', () => {
  const mismatch = {
    code: 'idempotency_mismatch',
    kind: 'invalid',
    says: /another write/,
    details: { idempotencyKey: 'k1' },
  } as const;
  const options = { idempotencyKey: 'k1' };

  test('the same write twice has one effect and one answer', async () => {
    const first = await docs.insert([goodRow(10)], options);
    const second = await docs.insert([goodRow(10)], options);
    expect(second).toEqual(first);
    const both = await Promise.all([
      docs.upsert([goodRow(11)], { idempotencyKey: 'k2' }),
      docs.upsert([goodRow(11)], { idempotencyKey: 'k2' }),
    ]);
    expect(both[0]).toEqual(both[1]);
    expect(await docs.count()).toBe(5);
  });

  test('a delete twice, with an insert in between', async () => {
    const first = await docs.delete({ ids: [0n] }, options);
    await docs.insert([goodRow(0)]);
    expect(await docs.delete({ ids: [0n] }, options)).toEqual(first);
    expect(await docs.count()).toBe(3);
  });

  test('another payload with the same key is refused', async () => {
    await docs.insert([goodRow(10)], options);
    const before = await everything(docs);
    await expectRefused(() => docs.insert([goodRow(11)], options), mismatch);
    await expectRefused(() => docs.upsert([goodRow(10)], options), mismatch);
    await expectRefused(() => docs.delete({ ids: [10n] }, options), mismatch);
    const changed = [{ ...goodRow(10), title: 'other' }];
    await expectRefused(() => docs.insert(changed, options), mismatch);
    expect(await everything(docs)).toBe(before);
  });

  test('a refused write does not use its key up', async () => {
    await expectRefused(() => docs.insert([goodRow(1)], options), {
      code: 'key_exists',
      kind: 'already_exists',
    });
    await docs.delete({ ids: [1n] });
    await docs.insert([goodRow(1)], options);
    expect(await docs.count()).toBe(3);
  });

  test.each(['from the log', 'from the recovery snapshot'])('after a restart, %s', async (way) => {
    const folder = tempFolder();
    try {
      const world = await localWorld(folder.path, { durability: 'process' });
      const database = await startEmbedded({ world, durability: 'process', kernels: 'auto' });
      const first = connect(database);
      const there = await first.collection(Docs);
      const written = await there.insert([goodRow(10)], options);
      if (way === 'from the recovery snapshot') {
        await invoke(world.bus, flushShard, { header: { collectionId: 1, shard: 0 } });
      }
      await first.close();
      await withFolder(folder.path, async (again) => {
        const opened = await again.collection(Docs);
        expect(await opened.insert([goodRow(10)], options)).toEqual(written);
        await expectRefused(() => opened.insert([goodRow(11)], options), mismatch);
        expect(await opened.count()).toBe(1);
      });
    } finally {
      folder.remove();
    }
  });
});

describe('too much', () => {
  test('beyond the memory budget: refused, nothing lost, room again after deletes', async () => {
    const small = await elanus(':memory:', { memory: 4 * 1024 * 1024 });
    const Wide = collection('wide', { id: t.int64({ primary: true }), v: t.vector(256) });
    const wide = await small.collection(Wide);
    const batch = (n: number) => ({
      id: BigInt64Array.from({ length: 500 }, (_, i) => BigInt(n * 500 + i)),
      v: new Float32Array(500 * 256).fill(n + 1),
    });
    let written = 0;
    const error = await failure(async () => {
      for (; written < 100; written++) await wide.insert(batch(written), { timeoutMs: 500 });
    });
    expect(error).toMatchObject({ code: 'memory_budget', kind: 'exhausted', retryable: true });
    expect(error.message).toMatch(/larger \{ memory \}.*budgetBytes=`4194304`/);
    expect(error.details).toMatchObject({ retryAfterMs: expect.any(Number) });
    expect(written).toBeGreaterThan(3);
    expect(await wide.count()).toBe(written * 500);
    const hits = await wide.search({ vector: new Float32Array(256).fill(1), limit: 5 });
    expect(hits.length).toBe(5);
    // Deletes always pass.
    expect((await wide.delete({ all: true })).count).toBe(written * 500);
    expect(await wide.count()).toBe(0);
    await small.close();
  });

  test('too many writes at once: told to wait, and every row is there once or not', async () => {
    const Wide = collection('wide', { id: t.int64({ primary: true }), v: t.vector(1024) });
    const wide = await db.collection(Wide);
    const v = new Float32Array(1_000 * 1024);
    const writes = Array.from({ length: 60 }, (_, n) => {
      const id = BigInt64Array.from({ length: 1_000 }, (_id, i) => BigInt(n * 1_000 + i));
      return wide.insert({ id, v }, { timeoutMs: 60 });
    });
    const outcomes = await Promise.allSettled(writes);
    const codes = new Set<string>();
    let acknowledged = 0;
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') acknowledged++;
      else codes.add((outcome.reason as { code: string }).code);
    }
    expect(codes).toContain('exhausted');
    for (const code of codes) expect(['exhausted', 'deadline_exceeded']).toContain(code);
    const held = await wide.count();
    expect(held % 1_000).toBe(0);
    expect(held).toBeGreaterThanOrEqual(acknowledged * 1_000);
  });

  test('too many writes at once, with time to wait: all of them succeed', async () => {
    const Wide = collection('wide', { id: t.int64({ primary: true }), v: t.vector(1024) });
    const wide = await db.collection(Wide);
    const v = new Float32Array(1_000 * 1024);
    await Promise.all(
      Array.from({ length: 40 }, (_, n) => {
        const id = BigInt64Array.from({ length: 1_000 }, (_id, i) => BigInt(n * 1_000 + i));
        return wide.insert({ id, v });
      }),
    );
    expect(await wide.count()).toBe(40_000);
  });
});
