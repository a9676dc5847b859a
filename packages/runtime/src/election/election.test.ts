// Goal: at most one holds the fence, whatever leases and clocks say. Method: candidates over one
// metadata store in memory, with a clock that the test moves.
import type { MetaStore } from '@elanus/core';
import { memoryMetaStore } from '@elanus/storage';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../clock/system.ts';
import { lead, type Leadership } from './election.ts';

const TTL_MS = 60;
let waiting = new AbortController();
afterEach(() => {
  waiting.abort();
  waiting = new AbortController();
});

const stand = (meta: MetaStore, id: string, ttlMs = TTL_MS): Promise<Leadership | undefined> =>
  lead({ meta, clock: systemClock, key: 'leader', id, ttlMs, signal: waiting.signal });

const holds = async (meta: MetaStore, leadership: Leadership | undefined): Promise<boolean> => {
  if (leadership === undefined) return false;
  const outcome = await meta.txn({ compare: [leadership.fence], then: [] });
  return outcome.kind === 'ok';
};

test('one leads; when it resigns the next one does, and its fence holds no more', async () => {
  const meta = memoryMetaStore({ clock: systemClock });
  const first = await stand(meta, 'a');
  const second = stand(meta, 'b');
  expect(await holds(meta, first)).toBe(true);
  await first?.resign();
  expect(first?.lost.aborted).toBe(true);
  expect(await holds(meta, await second)).toBe(true);
  expect(await holds(meta, first)).toBe(false);
  await (await second)?.resign();
});

test('a leader that is cut off is told before another leads', async () => {
  const inner = memoryMetaStore({ clock: systemClock });
  const cut: MetaStore = {
    get: (key) => inner.get(key),
    range: (prefix) => inner.range(prefix),
    txn: (txn) => inner.txn(txn),
    watch: (prefix, options) => inner.watch(prefix, options),
    grant: async (ttlMs) => {
      const lease = await inner.grant(ttlMs);
      return { ...lease, keepAlive: () => new Promise<never>(() => undefined) };
    },
    compact: (revision) => inner.compact(revision),
    close: () => inner.close(),
  };
  const first = await stand(cut, 'a');
  const told = new Promise<boolean>((resolve) => {
    first?.lost.addEventListener('abort', () => void holds(inner, first).then(resolve));
  });
  const second = await stand(inner, 'b');
  expect(first?.lost.aborted).toBe(true);
  expect(await told).toBe(true);
  expect(await holds(inner, first)).toBe(false);
  expect(await holds(inner, second)).toBe(true);
  await second?.resign();
});

test('a leadership is kept for longer than its lease', async () => {
  const meta = memoryMetaStore({ clock: systemClock });
  // Long enough for a machine that is busy with something else.
  const ttlMs = TTL_MS * 15;
  const first = await stand(meta, 'a', ttlMs);
  await new Promise((resolve) => systemClock.after(ttlMs * 1.5, () => resolve(undefined)));
  expect(first?.lost.aborted).toBe(false);
  expect(await holds(meta, first)).toBe(true);
  await first?.resign();
});

test('a leader whose key is gone is told, though its lease lives', async () => {
  const meta = memoryMetaStore({ clock: systemClock });
  const first = await stand(meta, 'a');
  const told = new Promise((resolve) => {
    first?.lost.addEventListener('abort', resolve);
  });
  await meta.txn({ compare: [], then: [{ delete: 'leader' }] });
  await told;
  expect(await holds(meta, first)).toBe(false);
});

test('who is not answered, but was elected, leads; who waits can be ended', async () => {
  let unknown = true;
  const meta = memoryMetaStore({
    clock: systemClock,
    fault: () => (unknown ? 'applied' : undefined),
  });
  const first = await stand(meta, 'a');
  unknown = false;
  expect(await holds(meta, first)).toBe(true);
  const second = stand(meta, 'b');
  waiting.abort();
  expect(await second).toBeUndefined();
  await first?.resign();
});
