// Goal: what is acknowledged survives power loss also in folders that an earlier process made and
// did not live to make safe. Method: a disk that forgets every name and page that was not synced.
import type { Rng } from '@elanus/core';
import { expect, test } from 'vitest';
import { localLogStore } from '../log/local.ts';
import { fileObjectStore } from '../object/files.ts';
import { memoryFs } from './memory.ts';

/** Nothing that was not synced is kept. */
const forgetful: Rng = { u32: () => 0, bytes: (length) => new Uint8Array(length) };
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

test('records in folders that a killed process made', async () => {
  const disk = memoryFs();
  await disk.mkdir('log/p0');
  const stream = await localLogStore({ fs: disk, durability: 'power' }).open('p0');
  const sent = await stream.append({ subject: 'v0', parts: [utf8('kept')] });
  expect(sent.kind).toBe('ok');
  const after = disk.crash(forgetful);
  const again = await localLogStore({ fs: after, durability: 'power' }).open('p0');
  expect(await again.span()).toEqual({ firstSeq: 1, lastSeq: 1 });
});

test('objects in folders that a killed process made', async () => {
  const disk = memoryFs();
  await disk.mkdir('objects/c1/s1');
  const store = await fileObjectStore({ fs: disk, durability: 'power' });
  await store.put('c1/s1/a', [utf8('kept')]);
  const after = await fileObjectStore({ fs: disk.crash(forgetful), durability: 'power' });
  expect(new TextDecoder().decode(await after.get('c1/s1/a'))).toBe('kept');
});
