// Goal: no id is given twice and none is missing, however many shards ask at once.
import { ElanusError } from '@elanus/core';
import { expect, test } from 'vitest';
import { IdLease } from './id-lease.ts';

test('shards that ask at once get different ids, over the end of a block', async () => {
  let free = 1;
  const ids = new IdLease(async (count) => {
    await Promise.resolve();
    return (free += count) - count;
  });
  const taken = await Promise.all(Array.from({ length: 150 }, () => ids.take()));
  expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 150 }, (_, i) => i + 1));
});

test('a failed lease is told to who waits, and asked for again', async () => {
  let down = true;
  const ids = new IdLease(async () => {
    if (down) throw new ElanusError('unavailable', { what: 'ids' });
    return 7;
  });
  const both = await Promise.allSettled([ids.take(), ids.take()]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  down = false;
  expect(await Promise.all([ids.take(), ids.take()])).toEqual([7, 8]);
});
