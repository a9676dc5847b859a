// Goal: who does not lead any more writes nothing and removes nothing (E1), and two who come to the
// same number can be told apart. Method: writers over one metadata store that loses or applies
// transactions without an answer.
import { systemClock } from '@elanus/runtime';
import {
  memoryMetaContent,
  memoryMetaStore,
  memoryObjectStore,
  type MemoryMetaOptions,
} from '@elanus/storage';
import { expect, test } from 'vitest';
import { takeNumbers } from './counters.ts';
import { MetaAccess, put } from './meta-access.ts';
import { sweepObjects } from './sweep.ts';

const storeOf = (options: Partial<MemoryMetaOptions> = {}) =>
  memoryMetaStore({ clock: systemClock, ...options });
const leader = { key: 'leader', createRevision: 1 };

async function elect(store: ReturnType<typeof storeOf>): Promise<void> {
  await store.txn({ compare: [], then: [{ put: 'leader', value: Uint8Array.of(1) }] });
}

test('a fenced writer is refused when another leads, not told of a conflict', async () => {
  const store = storeOf();
  await elect(store);
  const meta = new MetaAccess(store, { name: 'a', fence: leader });
  expect(await meta.txn([], [put('x', { a: 1 })])).toBe(true);
  expect(await meta.txn([{ key: 'x', exists: false }], [put('x', { a: 2 })])).toBe(false);
  await store.txn({ compare: [], then: [{ delete: 'leader' }] });
  await elect(store);
  const refused = { code: 'unavailable', details: { what: 'the coordinator' } };
  await expect(meta.txn([], [put('x', { a: 3 })])).rejects.toMatchObject(refused);
  expect((await meta.get<{ a: number }>('x'))?.record).toEqual({ a: 1 });
});

test('a number that another took in a transaction of ours that was lost is not ours', async () => {
  const data = memoryMetaContent();
  const other = new MetaAccess(storeOf({ data }), { name: 'b' });
  let taken: Promise<number> | undefined;
  const store = storeOf({
    data,
    fault: () => {
      taken ??= takeNumbers(other, 'id', 64);
      return 'lost';
    },
  });
  const ours = takeNumbers(new MetaAccess(store, { name: 'a' }), 'id', 64);
  await expect(ours).rejects.toMatchObject({ code: 'unavailable' });
  expect(await taken).toBe(1);
});

test('a sweep that was overtaken by another leader removes nothing', async () => {
  const store = storeOf();
  await elect(store);
  const meta = new MetaAccess(store, { name: 'a', fence: leader });
  const objects = memoryObjectStore({ clock: systemClock });
  await objects.put('c1/s1/t2-aa/rows.bin', [Uint8Array.of(1)]);
  await store.txn({ compare: [], then: [{ delete: 'leader' }] });
  const at = { wallMs: systemClock.wallMs() + 1, graceMs: 0 };
  await expect(sweepObjects({ meta, objects }, at)).rejects.toMatchObject({ code: 'unavailable' });
  expect(await objects.stat('c1/s1/t2-aa/rows.bin')).toBeDefined();
});

test('what the store calls young is not removed at once, however late it is here', async () => {
  const meta = new MetaAccess(storeOf());
  const objects = memoryObjectStore({ clock: systemClock });
  await objects.put('c1/s1/t2-aa/rows.bin', [Uint8Array.of(1)]);
  const hour = 3_600_000;
  const at = { wallMs: systemClock.wallMs() + hour, graceMs: hour / 6 };
  expect(await sweepObjects({ meta, objects }, at)).toMatchObject({ kept: 1, removed: 0 });
});
