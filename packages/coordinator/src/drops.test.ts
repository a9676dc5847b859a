// Goal: whoever owns a channel learns of what was dropped, whichever coordinator and owner there
// are by then, and what nobody was told of is not forgotten. Method: a clock that is set on by
// hand.
import { collectionId, ElanusError, type Clock } from '@elanus/core';
import { dropShards, metaKeys, serveCall } from '@elanus/protocol';
import { memoryWorld, type OpenWorld } from '@elanus/runtime';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Drops } from './drops.ts';
import { MetaAccess, put } from './meta-access.ts';
import { sweepRecords } from './sweep.ts';

let world: OpenWorld;
let meta: MetaAccess;
let timers: (() => void)[];
let clock: Clock;
beforeEach(async () => {
  world = await memoryWorld();
  meta = new MetaAccess(world.meta);
  timers = [];
  clock = {
    ...world.clock,
    after: (_delayMs, fire) => {
      timers.push(fire);
      return () => {
        timers = timers.filter((one) => one !== fire);
      };
    },
  };
  await meta.txn([], [put(metaKeys.channel('p0'), { term: 2, owner: 'b' })]);
});
afterEach(() => world.close());

/** A record in the catalog. */
async function keep(id: number, state: 'live' | 'dropped'): Promise<void> {
  const schema = { name: `c${id}`, collectionId: collectionId(id), version: 1, shards: 1 };
  const record = { schema: { ...schema, fields: [] }, state, createdMs: 0, nextFieldId: 1 };
  await meta.txn([], [put(metaKeys.collection(id), record)]);
}

/** Owners answer in turn; who is asked after the last one does not answer. */
function owners(...terms: readonly number[]): number[] {
  const told: number[] = [];
  let n = 0;
  serveCall(world.bus, dropShards, ({ header }) => {
    const term = terms[n++];
    if (term === undefined) throw new ElanusError('unavailable', { what: 'the owner' });
    told.push(header.collectionId);
    return { header: { pchannel: 'p0', term } };
  });
  return told;
}

const start = (): Drops => new Drops({ meta, bus: world.bus, clock });

test('one that was told is told once', async () => {
  const told = owners(2, 2);
  await keep(7, 'dropped');
  const drops = start();
  await drops.dropped(7);
  expect([told, drops.isKnown(7), timers.length]).toEqual([[7], true, 0]);
  drops.kick();
  await drops.stop();
  expect(told).toEqual([7]);
});

test('a former owner does not count: its successor is told, later', async () => {
  const told = owners(1, 2);
  await keep(7, 'dropped');
  const drops = start();
  await drops.dropped(7);
  expect([drops.isKnown(7), timers.length]).toEqual([false, 1]);
  timers.splice(0).forEach((fire) => fire());
  await vi.waitFor(() => expect(drops.isKnown(7)).toBe(true));
  expect(told).toEqual([7, 7]);
});

test('the next coordinator goes on telling; until then nothing is forgotten', async () => {
  await keep(7, 'dropped');
  await keep(8, 'live');
  await keep(9, 'dropped');
  const first = start();
  await first.dropped(7);
  await first.stop();
  expect(timers.length).toBe(0);
  const told = owners(2, 2);
  const next = start();
  const forget = (): Promise<number> => {
    return sweepRecords(meta, { droppedBeforeMs: 0, isDropped: (id) => next.isKnown(id) });
  };
  expect(await forget()).toBe(0);
  next.kick();
  await vi.waitFor(() => expect(next.isKnown(9)).toBe(true));
  expect(told).toEqual([7, 9]);
  expect(await forget()).toBe(2);
  expect((await world.meta.range(metaKeys.collections)).entries.length).toBe(1);
});
