import type { Database, WriteRequest } from '@elanus/api';
import { ElanusError } from '@elanus/core';
import { expect, test } from 'vitest';
import { referenceDatabase } from '../../../test/client/reference.ts';
import { connect } from './db.ts';
import { collection, t } from './schema.ts';

const Docs = collection('docs', { id: t.int64({ primary: true }), vec: t.vector(512) });

/** A database that keeps what it was given, and may refuse first. */
function watched(refusals: number): { database: Database; seen: WriteRequest[] } {
  const inner = referenceDatabase();
  const seen: WriteRequest[] = [];
  let left = refusals;
  const write: Database['write'] = async (request, call) => {
    seen.push(request);
    if (left-- > 0) throw new ElanusError('exhausted', { what: 'writes waiting', retryAfterMs: 1 });
    return inner.write(request, call);
  };
  const database = new Proxy(inner, {
    get: (target, name) => (name === 'write' ? write : Reflect.get(target, name)),
  });
  return { database, seen };
}

const bytesOf = (request: WriteRequest | undefined): number[] =>
  [...(request?.batch.columns.values() ?? [])].flatMap((column) =>
    column.kind === 'vector' ? [column.values.byteLength] : [],
  );

async function insert(database: Database, rows: number): Promise<Float32Array> {
  const docs = await connect(database).collection(Docs);
  const vec = new Float32Array(rows * 512).fill(1.5);
  await docs.insert({ id: Array.from({ length: rows }, (_, i) => BigInt(i)), vec });
  expect(await docs.count()).toBe(rows);
  return vec;
}

test('a write that was answered holds its vectors no more, the caller keeps theirs', async () => {
  const { database, seen } = watched(0);
  const vec = await insert(database, 100);
  expect(bytesOf(seen[0])).toEqual([0]);
  expect(vec.length).toBe(51_200);
});

test('small ones are left to the garbage collector', async () => {
  const { database, seen } = watched(0);
  await insert(database, 10);
  expect(bytesOf(seen[0])).toEqual([20_480]);
});

test('so are those that take milliseconds to give back', async () => {
  const { database, seen } = watched(0);
  await insert(database, 8_200);
  expect(bytesOf(seen[0])).toEqual([8_200 * 512 * 4]);
});

test('a write that was sent again keeps them: the first attempt may be under way', async () => {
  const { database, seen } = watched(1);
  await insert(database, 100);
  expect(seen.map(bytesOf)).toEqual([[204_800], [204_800]]);
});
