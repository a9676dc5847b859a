import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../packages/api/src/index.ts';
import type { Db } from '../../packages/client/src/index.ts';
import { httpTransport } from '../../packages/client/src/http.ts';
import { connect, t } from '../../packages/client/src/index.ts';
import { ElanusError } from '../../packages/core/src/index.ts';
import { openDatabase } from '../../packages/elanus/src/open.ts';
import { serve } from '../../packages/elanus/src/serve.ts';
import { codeOf, detailsOf } from './client-kit.ts';

/** A way to a database, and its end. */
interface Way {
  readonly database: Database;
  close(): Promise<void>;
}

async function openMemory(): Promise<Way> {
  const database = await openDatabase(':memory:');
  return { database, close: () => database.close() };
}

async function openServer(): Promise<Way> {
  const server = await serve(':memory:', { port: 0 });
  return { database: httpTransport(server.url), close: () => server.stop() };
}

/** What a promise failed with; undefined: it did not. */
async function failure(promise: Promise<unknown>): Promise<Record<string, unknown> | undefined> {
  return (await codeOf(promise)) === 'none' ? undefined : detailsOf(promise);
}

type Lost = 'deadline_exceeded' | 'cancelled';

/** The database behind a line that loses answers: those of the keys in `lost`, once each. */
function lossy(database: Database, lost: Map<string, Lost>): Database {
  return {
    ...database,
    write: async (request, call) => {
      const result = await database.write(request, call);
      const code = lost.get(request.idempotencyKey);
      lost.delete(request.idempotencyKey);
      if (code !== undefined) throw new ElanusError(code, {});
      return result;
    },
  };
}

const plain = { id: t.int64({ primary: true }), v: t.vector(1) };
const numbered = { id: t.int64({ primary: true, autoId: true }), v: t.vector(1) };
const named = { id: t.id(), v: t.vector(1) };

const ONE = { v: [1] };
/** One object for all rows: a call's rows are told apart by their place. */
const same = (length: number): { v: number[] }[] => Array.from({ length }, () => ONE);

function retries(name: string, open: () => Promise<Way>): void {
  describe(`calls of several writes on ${name}`, () => {
    let way: Way;
    let db: Db;
    const lost = new Map<string, Lost>();
    beforeEach(async () => {
      way = await open();
      lost.clear();
      db = connect(lossy(way.database, lost));
    });
    afterEach(() => way.close());

    test('errors about rows count the rows of the caller', async () => {
      const docs = await db.collection('docs', plain);
      await docs.insert([{ id: 140_000n, v: [1] }]);
      const rows = Array.from({ length: 150_000 }, (_, i) => ({ id: BigInt(i), v: [1] }));
      const array = await detailsOf(docs.insert(rows));
      expect(array).toMatchObject({ code: 'key_exists', key: '140000', row: 140_000 });
      expect(await docs.count()).toBe(75_001);
      const iterable = docs.insert(rows.slice(120_000).values());
      expect(await detailsOf(iterable)).toMatchObject({ code: 'key_exists', row: 20_000 });
      const twice = [...rows.slice(0, 110_000), ...rows.slice(109_999, 110_000)];
      const doubled = await detailsOf(docs.upsert(twice));
      expect(doubled).toMatchObject({ code: 'duplicate_key', row: 110_000 });
    });

    test('an unsure error carries the key of the call; repeating it has one effect', async () => {
      const docs = await db.collection('docs', plain);
      const rows = Array.from({ length: 25_000 }, (_, i) => ({ id: BigInt(i), v: [i] }));
      lost.set('k.1', 'deadline_exceeded');
      const details = await detailsOf(docs.insert(rows.values(), { idempotencyKey: 'k' }));
      expect(details).toMatchObject({ code: 'deadline_exceeded', idempotencyKey: 'k' });
      const again = await docs.insert(rows.values(), { idempotencyKey: 'k' });
      expect([again.count, await docs.count()]).toEqual([25_000, 25_000]);
      const other = docs.insert(rows.slice(1).values(), { idempotencyKey: 'k' });
      const refused = { code: 'idempotency_mismatch', idempotencyKey: 'k' };
      expect(await detailsOf(other)).toMatchObject(refused);
    });

    test.each(['k.0', 'k.1', 'k.2'])('made keys: the answer of %s is lost', async (part) => {
      for (const [kind, fields] of Object.entries({ numbered, named })) {
        const docs = await db.collection(kind, fields);
        lost.set(part, 'cancelled');
        const options = { idempotencyKey: 'k' };
        expect(await codeOf(docs.insert(same(25_000).values(), options))).toBe('cancelled');
        const again = await docs.insert(same(25_000).values(), options);
        expect([again.count, await docs.count()]).toEqual([25_000, 25_000]);
        const ids = again.ids as (bigint | string)[];
        expect(new Set(ids).size).toBe(25_000);
        const kept = await docs.get([ids[0], ids[12_000], ids[24_999]] as never);
        expect(kept.map((row) => row?.id)).toEqual([ids[0], ids[12_000], ids[24_999]]);
      }
    });

    test('made keys: the error of a call without a key has one to repeat it with', async () => {
      for (const [kind, fields] of Object.entries({ numbered, named })) {
        let key: string | undefined;
        const losing: Database = {
          ...way.database,
          write: async (request, call) => {
            const result = await way.database.write(request, call);
            if (key !== undefined) return result;
            key = request.idempotencyKey;
            throw new ElanusError('deadline_exceeded', {});
          },
        };
        const docs = await connect(losing).collection(kind, fields);
        const { idempotencyKey } = await detailsOf(docs.insert(same(15_000).values()));
        expect(key?.slice(0, -2)).toBe(idempotencyKey);
        const again = { idempotencyKey: String(idempotencyKey) };
        expect((await docs.insert(same(15_000).values(), again)).count).toBe(15_000);
        expect(await docs.count()).toBe(15_000);
      }
    });

    test('made keys: another client that repeats a call is refused, none is doubled', async () => {
      for (const [kind, fields] of Object.entries({ numbered, named })) {
        const docs = await db.collection(kind, fields);
        await docs.insert(same(3), { idempotencyKey: 'k' });
        const other = await connect(way.database).collection(kind, fields);
        const late = detailsOf(other.insert(same(3), { idempotencyKey: 'k' }));
        expect(await late).toMatchObject({ code: 'idempotency_mismatch', idempotencyKey: 'k' });
        expect(await docs.count()).toBe(3);
      }
    });

    test('inserts that race for one key: the loser says what each shard did', async () => {
      const docs = await db.collection('docs', plain, { shards: 4 });
      const mine = (from: bigint) => Array.from({ length: 20 }, (_, i) => from + BigInt(i));
      const insert = (keys: bigint[], idempotencyKey: string) =>
        docs.insert(
          keys.map((id) => ({ id, v: [1] })),
          { idempotencyKey },
        );
      let partial = 0;
      // In one process two that begin in one turn do race, sooner or later.
      const missing = (): boolean => partial === 0 && name === ':memory:';
      for (let round = 0; round < 10 || (missing() && round < 200); round++) {
        const taken = BigInt(round * 100 + 99);
        const calls = [BigInt(round * 100), BigInt(round * 100 + 50)].map((from, i) => {
          const keys = mine(from);
          return {
            keys,
            idempotencyKey: `${round}-${i}`,
            done: insert([...keys, taken], `${round}-${i}`),
          };
        });
        await Promise.allSettled(calls.map((call) => call.done));
        const before = await docs.count();
        const [loser, ...none] = (
          await Promise.all(
            calls.map(async (call) => ({ ...call, error: await failure(call.done) })),
          )
        ).filter((call) => call.error !== undefined);
        expect(none).toEqual([]);
        const error = loser?.error ?? {};
        const kept = before - round * 41 - 21;
        if (error['code'] === 'key_exists') {
          expect([error, kept]).toMatchObject([{ key: String(taken), row: 20 }, 0]);
        } else {
          partial++;
          expect(error).toMatchObject({ code: 'write_partial', written: kept });
          expect(error['idempotencyKey']).toBe(loser?.idempotencyKey);
          const shards = error['shards'] as string[];
          expect(shards.filter((shard) => shard.endsWith(': key_exists')).length).toBe(1);
          const rows = shards.map((shard) => Number(/: (\d+) rows$/.exec(shard)?.[1] ?? 0));
          expect(rows.reduce((sum, count) => sum + count)).toBe(kept);
        }
        const mended = await insert(loser?.keys ?? [], loser?.idempotencyKey ?? '');
        expect([mended.count, await docs.count()]).toEqual([20, (round + 1) * 41]);
      }
      if (name === ':memory:') expect(partial).toBeGreaterThan(0);
    });

    test('made keys come in the order of the rows, however their writes end', async () => {
      const slow: Database = {
        ...way.database,
        write: async (request, call) => {
          const result = await way.database.write(request, call);
          const first = request.idempotencyKey.endsWith('.0');
          if (first) await new Promise((resolve) => setTimeout(resolve, 500));
          return result;
        },
      };
      const docs = await connect(slow).collection('named', named);
      const { ids } = await docs.insert(same(15_000).values());
      expect(ids).toEqual(ids.toSorted());
    });
  });
}

retries(':memory:', openMemory);
retries('a server', openServer);
