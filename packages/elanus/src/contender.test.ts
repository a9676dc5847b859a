// Goal: of several processes over the same stores one serves, another goes on where it ended, and
// one that comes too late is no owner. Method: worlds that share their log, metadata and objects in
// memory; a log that keeps a Term record back. What seeds find is in test/sim.
import { collection, connect, defaultPlatform, t } from '@elanus/client';
import type { LogStore } from '@elanus/core';
import { memoryWorld, type OpenWorld } from '@elanus/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startContender, type Contender } from './contender.ts';
import { startEmbedded } from './embedded.ts';

const rows = collection('rows', {
  id: t.int64({ primary: true, as: 'number' }),
  vec: t.vector(2, { metric: 'l2' }),
});
const rowOf = (id: number) => ({ id, vec: [id, 0] });
const platform = { ...defaultPlatform() };
const base = { durability: 'process', kernels: 'auto' } as const;

let stores: OpenWorld;
let worlds: OpenWorld[];
beforeEach(async () => {
  stores = await memoryWorld();
  worlds = [];
});
afterEach(async () => {
  for (const world of worlds) await world.close();
  await stores.close();
});

/** A process's world over the shared stores. */
async function worldOf(logs: LogStore = stores.logs): Promise<OpenWorld> {
  const own = await memoryWorld();
  worlds.push(own);
  const { meta, objects } = stores;
  return { ...own, logs, meta, objects, close: () => Promise.resolve() };
}

const dbOf = ({ database }: Contender, timeoutMs = 10_000) =>
  connect(database, { platform, timeoutMs });

test('one serves, the other refuses; when the first ends the second goes on', async () => {
  const first = startContender({ ...base, world: await worldOf() });
  const docs = await dbOf(first).collection(rows);
  await docs.insert([rowOf(1), rowOf(2)]);
  const second = startContender({ ...base, world: await worldOf() });
  const refused = dbOf(second, 200).collection('rows');
  await expect(refused).rejects.toMatchObject({ code: 'channel_moved', retryable: true });
  await first.database.close();
  const late = docs.count({ consistency: 'strong', timeoutMs: 200 });
  await expect(late).rejects.toMatchObject({ code: 'channel_moved' });
  const taken = await dbOf(second).collection(rows);
  await taken.insert([rowOf(3)]);
  expect(await taken.count({ consistency: 'strong' })).toBe(3);
  await second.database.close();
});

test('an owner whose Term comes behind that of a later one is none', async () => {
  const shared = {
    fence: { key: 'nobody', createRevision: 0 },
    lost: new AbortController().signal,
    onStop: () => undefined,
  };
  const open = async (logs?: LogStore) =>
    startEmbedded({ ...base, world: await worldOf(logs), shared });
  const before = await open();
  await (await connect(before, { platform }).collection(rows)).insert([rowOf(1)]);
  await before.close();
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let asked = (): void => undefined;
  const sent = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const { logs } = stores;
  const slow: LogStore = {
    recordBytesMax: logs.recordBytesMax,
    open: async (name) => {
      const stream = await logs.open(name);
      return {
        name,
        append: async (append) => {
          if (append.subject === 'term') {
            asked();
            await held;
          }
          return stream.append(append);
        },
        scan: (range) => stream.scan(range),
        span: () => stream.span(),
        truncate: (belowSeq) => stream.truncate(belowSeq),
        close: () => stream.close(),
      };
    },
    list: () => logs.list(),
    remove: (name) => logs.remove(name),
    close: () => Promise.resolve(),
  };
  const late = open(slow);
  late.catch(() => undefined);
  await sent;
  const owner = await open();
  const docs = await connect(owner, { platform }).collection(rows);
  await docs.insert([rowOf(2)]);
  release();
  await expect(late).rejects.toMatchObject({ code: 'channel_moved' });
  await docs.insert([rowOf(3)]);
  expect(await docs.count({ consistency: 'strong' })).toBe(3);
  await owner.close();
});
