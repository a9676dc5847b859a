import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { pattern, sameBytes, utf8 } from '../conformance/log-kit.ts';
import { describeObjectStore } from '../conformance/object.ts';
import { seededRng } from '../testing/seeded-rng.ts';
import { testClock } from '../testing/test-clock.ts';
import { memoryFs } from '../fs/memory.ts';
import { nodeFs } from '../fs/node.ts';
import { fileObjectStore } from './files.ts';

const flip = (path: string, offset: number): void => {
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  writeFileSync(path, bytes);
};

describeObjectStore('files, on disk', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'elanus-objects-'));
  return {
    open: () => fileObjectStore({ fs: nodeFs(folder) }),
    flipByte: async (name, offset) => flip(join(folder, 'objects', name), offset),
    dispose: async () => rmSync(folder, { recursive: true }),
  };
});

describeObjectStore('files, on a memory file system', async () => {
  const fs = memoryFs({ clock: testClock });
  return {
    open: () => fileObjectStore({ fs }),
    flipByte: async (name, offset) => fs.flipByte(`objects/${name}`, offset),
    dispose: async () => undefined,
  };
});

describe('objects as files', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'elanus-objects-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const open = () => fileObjectStore({ fs: nodeFs(folder) });
  const path = () => join(folder, 'objects', 'a');

  test('the payload begins at the start of the file', async () => {
    const store = await open();
    await store.put('a', [pattern(100)]);
    expect(sameBytes(readFileSync(path()).subarray(0, 100), pattern(100))).toBe(true);
  });

  test('the file of another object, be it as whole as it is, is found', async () => {
    const store = await open();
    await store.put('a', [pattern(100)]);
    await store.put('b', [pattern(100)]);
    writeFileSync(path(), readFileSync(join(folder, 'objects', 'b')));
    for (const read of ['get', 'verify', 'stat'] as const) {
      await expect(store[read]('a')).rejects.toMatchObject({
        code: 'object_corrupt',
        details: { why: 'it is the file of another object' },
      });
    }
    expect(sameBytes(await store.get('b'), pattern(100))).toBe(true);
  });

  test.each([0, 1, 31, 99, 100, 101, 131])('a file cut to %i bytes is found', async (size) => {
    const store = await open();
    await store.put('a', [pattern(100)]);
    truncateSync(path(), size);
    const damaged = { code: 'object_corrupt' };
    await expect(store.get('a')).rejects.toMatchObject(damaged);
    await expect(store.verify('a')).rejects.toMatchObject(damaged);
    await expect(store.stat('a')).rejects.toMatchObject(damaged);
  });

  test.each([100, 108, 112, 116, 124, 131])('a flipped byte %i of the footer', async (offset) => {
    const store = await open();
    await store.put('a', [pattern(100)]);
    flip(path(), offset);
    await expect(store.verify('a')).rejects.toMatchObject({ code: 'object_corrupt' });
  });

  test('a file of a newer format is refused', async () => {
    const store = await open();
    await store.put('a', []);
    const { crc32 } = await import('node:zlib');
    const bytes = readFileSync(path());
    bytes.writeUInt32LE(3, 8);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28);
    writeFileSync(path(), bytes);
    await expect(store.get('a')).rejects.toMatchObject({ code: 'format_too_new' });
  });

  test('leftovers of a crash are swept at opening', async () => {
    const store = await open();
    await store.put('a', [utf8('x')]);
    writeFileSync(join(folder, 'objects', '.tmp', '17'), 'half of an object');
    const again = await open();
    expect(readdirSync(join(folder, 'objects', '.tmp'))).toEqual([]);
    expect(await again.get('a')).toEqual(utf8('x'));
  });

  test('a full disk says so, and leaves nothing', async () => {
    const fs = memoryFs({ clock: testClock });
    const store = await fileObjectStore({ fs });
    fs.setFault(({ kind }) => (kind === 'write' ? 'short' : undefined));
    await expect(store.put('a', [pattern(100)])).rejects.toMatchObject({ code: 'disk_full' });
    fs.setFault(undefined);
    expect(await store.stat('a')).toBeUndefined();
    expect(await fs.list('objects/.tmp')).toEqual([]);
    await store.put('a', [pattern(100)]);
  });
});

/** Puts objects until the power goes; how many acknowledged ones are not there as they were. */
async function lostObjects(seed: number, sync: 'honest' | 'lies'): Promise<number> {
  const rng = seededRng(seed);
  const fs = memoryFs({ clock: testClock, sync });
  const store = await fileObjectStore({ fs });
  const acked: string[] = [];
  for (let n = 0; n < 4; n++) {
    const name = `d${n % 2}/${n}`;
    await store.put(name, [pattern(9000, n)]);
    acked.push(name);
  }
  await store.remove('d0/0');
  const unfinished = store.put('d2/late', [pattern(9000, 9)]).catch(() => undefined);
  for (let n = rng.u32() % 40; n > 0; n--) await Promise.resolve();
  const after = await fileObjectStore({ fs: fs.crash(rng) });
  await unfinished;
  let lost = 0;
  for (const [n, name] of acked.entries()) {
    const bytes = await after.get(name).catch(() => undefined);
    if (n === 0 ? bytes !== undefined : !sameBytes(bytes, pattern(9000, n))) lost += 1;
  }
  const late = await after.stat('d2/late').catch(() => 'torn');
  if (late !== undefined) await after.verify('d2/late');
  return lost;
}

describe('objects and power cuts', () => {
  test('acknowledged objects are whole, others are whole or absent', async () => {
    for (let seed = 1; seed <= 60; seed++) expect(await lostObjects(seed, 'honest')).toBe(0);
  });

  test('with syncs that do nothing, losses are found', async () => {
    let found = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const lost = await lostObjects(seed, 'lies').catch(() => 1);
      if (lost > 0) found += 1;
    }
    expect(found).toBeGreaterThan(15);
  });
});
