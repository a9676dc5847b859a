/**
 * Goal: a torn tail is cut, damage below what was safe is refused with file and offset, and a
 * failing disk loses nothing that was acknowledged. Method: a memory file system with faults and
 * flipped bytes.
 */
import { ElanusError, type Fs, type LogStream } from '@elanus/core';
import { describe, expect, test } from 'vitest';
import { fill, kinds, pattern, put, read, span, texts, utf8 } from '../conformance/log-kit.ts';
import { seededRng } from '../testing/seeded-rng.ts';
import type { FsCall, MemoryFs } from '../fs/memory.ts';
import { memoryFs } from '../fs/memory.ts';
import { frameBytes, segmentHeader } from './frame.ts';
import { localLogStore } from './local.ts';

const FILE = 'log/p0/0000000000000001.log';
/** Bytes of a frame written by `put(stream, 'rec')` with subject `v0`. */
const FRAME = frameBytes(2, 3);

const open = (fs: Fs, segmentBytes = 1 << 20): Promise<LogStream> =>
  localLogStore({ fs, segmentBytes }).open('p0');

/**
 * Writes records one by one, each a group of its own, and leaves the log unclosed, as a kill does.
 */
async function killed(fs: Fs, count: number, segmentBytes?: number): Promise<void> {
  const stream = await open(fs, segmentBytes);
  for (let n = 0; n < count; n++) await put(stream, 'rec');
}

async function cutFile(fs: Fs, path: string, size: number): Promise<void> {
  const handle = await fs.open(path, 'write');
  await handle.truncate(size);
  await handle.close();
}

async function writeAt(fs: Fs, at: { path: string; offset: number }, bytes: Uint8Array) {
  const handle = await fs.open(at.path, 'write');
  await handle.write(bytes, at.offset);
  await handle.close();
}

describe('torn tail', () => {
  test.each([1, 4, 8, 31, 32, 33, 39])('%i bytes of the last record are missing', async (bytes) => {
    const fs = memoryFs();
    await killed(fs, 5);
    await cutFile(fs, FILE, 64 + 5 * FRAME - bytes);
    const stream = await open(fs);
    expect(await stream.span()).toEqual({ firstSeq: 1, lastSeq: 4 });
    expect(await put(stream, 'new')).toBe(5);
    expect(await texts(stream, { fromSeq: 4 })).toEqual(['rec', 'new']);
  });

  test('the last record has a flipped byte', async () => {
    const fs = memoryFs();
    await killed(fs, 5);
    fs.flipByte(FILE, 64 + 4 * FRAME + 34);
    expect(await (await open(fs)).span()).toEqual({ firstSeq: 1, lastSeq: 4 });
  });

  test('zeros or rubbish behind the last record', async () => {
    for (const tail of [new Uint8Array(5000), pattern(5000)]) {
      const fs = memoryFs();
      await killed(fs, 5);
      await writeAt(fs, { path: FILE, offset: 64 + 5 * FRAME }, tail);
      const stream = await open(fs);
      expect(await stream.span()).toEqual({ firstSeq: 1, lastSeq: 5 });
      expect(await put(stream, 'new')).toBe(6);
      expect((await read(stream)).length).toBe(6);
    }
  });

  test.each([0, 500, 9000, 25_000])('an unsynced group lost what lay at %i', async (offset) => {
    const fs = memoryFs();
    const stream = await open(fs);
    await fill(stream, 3);
    fs.setFault(({ kind }) => (kind === 'sync' ? 'io_error' : undefined));
    const group = span(1, 30).map((n) =>
      stream.append({ subject: 'v0', parts: [pattern(1000, n)] }),
    );
    expect(new Set(kinds(await Promise.all(group)))).toEqual(new Set(['unknown']));
    fs.setFault(undefined);
    const start = 64 + 3 * frameBytes(2, 2);
    await writeAt(fs, { path: FILE, offset: start + offset }, new Uint8Array(3000));
    const { lastSeq } = await (await open(fs)).span();
    expect(lastSeq).toBe(3 + Math.floor(offset / frameBytes(2, 1000)));
  });

  test('a new file whose header was never written', async () => {
    const fs = memoryFs();
    await killed(fs, 5);
    for (const content of [new Uint8Array(0), segmentHeader(6, 0).subarray(0, 20)]) {
      const handle = await fs.open('log/p0/0000000000000006.log', 'create');
      await handle.write(content, 0);
      const stream = await open(fs);
      expect(await stream.span()).toEqual({ firstSeq: 1, lastSeq: 5 });
      expect(await fs.list('log/p0')).toEqual(['0000000000000001.log']);
    }
  });
});

describe('damage', () => {
  const corrupt = (offset: number, path = FILE) => ({
    code: 'log_corrupt',
    details: { path: `:memory:/${path}`, offset },
  });

  test.each([0, 4, 8, 12, 16, 24, 33, 35])('byte %i of a record in the middle', async (byte) => {
    const fs = memoryFs();
    await killed(fs, 9);
    fs.flipByte(FILE, 64 + 3 * FRAME + byte);
    await expect(open(fs)).rejects.toMatchObject(corrupt(64 + 3 * FRAME));
  });

  test('a hole in the middle', async () => {
    const fs = memoryFs();
    await killed(fs, 9);
    await writeAt(fs, { path: FILE, offset: 64 + 2 * FRAME }, new Uint8Array(3 * FRAME));
    await expect(open(fs)).rejects.toMatchObject(corrupt(64 + 2 * FRAME));
  });

  test('the last record, after the log was closed', async () => {
    const fs = memoryFs();
    const stream = await open(fs);
    await fill(stream, 3);
    await stream.close();
    fs.flipByte(FILE, 64 + 2 * FRAME + 33);
    await expect(open(fs)).rejects.toMatchObject({ code: 'log_corrupt' });
  });

  test('a file in the middle is missing', async () => {
    const fs = memoryFs();
    await killed(fs, 9, 200);
    const names = await fs.list('log/p0');
    expect(names.length).toBe(3);
    await fs.remove(`log/p0/${names[1]}`);
    await expect(open(fs)).rejects.toMatchObject({ code: 'log_corrupt' });
  });

  test('a file in the middle is cut short', async () => {
    const fs = memoryFs();
    await killed(fs, 9, 200);
    await cutFile(fs, FILE, 64 + FRAME);
    await expect(open(fs)).rejects.toMatchObject({ code: 'log_corrupt' });
  });

  test('the header of a file in the middle', async () => {
    const fs = memoryFs();
    await killed(fs, 9, 200);
    const path = `log/p0/${(await fs.list('log/p0'))[2]}`;
    fs.flipByte(path, 17);
    await expect(open(fs)).rejects.toMatchObject(corrupt(0, path));
  });

  test('is refused again and again, and nothing is changed', async () => {
    const fs = memoryFs();
    await killed(fs, 9);
    fs.flipByte(FILE, 64 + FRAME);
    const before = await fs.stat(FILE);
    await expect(open(fs)).rejects.toMatchObject({ code: 'log_corrupt' });
    await expect(open(fs)).rejects.toMatchObject({ code: 'log_corrupt' });
    expect(await fs.stat(FILE)).toEqual(before);
  });

  test('that comes while the log is open is found by reading', async () => {
    const fs = memoryFs();
    const stream = await open(fs);
    for (let n = 0; n < 5; n++) await put(stream, 'rec');
    fs.flipByte(FILE, 64 + 2 * FRAME + 33);
    await expect(read(stream)).rejects.toMatchObject(corrupt(64 + 2 * FRAME));
    expect((await read(stream, { fromSeq: 1, toSeq: 2 })).length).toBe(2);
  });

  test('a file of a newer format is refused as such', async () => {
    const fs = memoryFs();
    await killed(fs, 2);
    const { crc32 } = await import('node:zlib');
    const header = segmentHeader(1, 1);
    header.writeUInt32LE(2, 8);
    header.writeUInt32LE(crc32(header.subarray(0, 32)), 32);
    await writeAt(fs, { path: FILE, offset: 0 }, header);
    await expect(open(fs)).rejects.toMatchObject({ code: 'format_too_new' });
  });
});

describe('failing disk', () => {
  const append = (stream: LogStream, text: string, expectedLastSeq: number) =>
    stream.append({ subject: 'v0', parts: [utf8(text)], expectedLastSeq });
  const failing = (fs: MemoryFs, fault: 'disk_full' | 'short') =>
    fs.setFault(({ kind }) => (kind === 'write' ? fault : undefined));

  test.each(['disk_full', 'short'] as const)(
    'a write fails (%s), and space comes',
    async (fault) => {
      const fs = memoryFs();
      const stream = await open(fs);
      await fill(stream, 3);
      failing(fs, fault);
      const outcomes = await Promise.all([append(stream, 'a', 3), append(stream, 'b', 4)]);
      expect(outcomes).toMatchObject([
        { kind: 'unknown', cause: { code: 'disk_full' } },
        { kind: 'unknown', cause: { code: 'disk_full' } },
      ]);
      expect(await stream.span()).toEqual({ firstSeq: 1, lastSeq: 3 });
      fs.setFault(undefined);
      expect(await append(stream, 'c', 3)).toEqual({ kind: 'ok', seq: 4 });
      expect(await texts(await open(fs), { fromSeq: 3 })).toEqual(['r3', 'c']);
    },
  );

  test('a new file cannot be made', async () => {
    const fs = memoryFs();
    const stream = await open(fs, 200);
    await fill(stream, 4);
    fs.setFault(({ kind }) => (kind === 'open' ? 'disk_full' : undefined));
    const outcome = await append(stream, 'a', 4);
    expect(outcome).toMatchObject({ kind: 'unknown', cause: { code: 'disk_full' } });
    fs.setFault(undefined);
    expect(await append(stream, 'a', 4)).toEqual({ kind: 'ok', seq: 5 });
    expect((await read(await open(fs, 200))).length).toBe(5);
  });

  test.each([false, true])('a file is made, and told as failed; it stays: %s', async (stays) => {
    const fs = memoryFs();
    let down = false;
    const flaky: Fs = {
      root: fs.root,
      open: async (path, mode) => {
        const handle = await fs.open(path, mode);
        if (!down || mode !== 'create') return handle;
        await handle.close();
        throw new ElanusError('io_error', { path });
      },
      remove: async (path) => {
        if (down && stays) throw new ElanusError('io_error', { path });
        await fs.remove(path);
      },
      stat: (path) => fs.stat(path),
      list: (path) => fs.list(path),
      mkdir: (path) => fs.mkdir(path),
      rename: (from, to) => fs.rename(from, to),
      syncFolder: (path) => fs.syncFolder(path),
      freeBytes: () => fs.freeBytes(),
    };
    const stream = await open(flaky, 500);
    await fill(stream, 4);
    down = true;
    // All are needed no more: the next ones go to a new file.
    await expect(stream.truncate(5)).rejects.toMatchObject({ code: 'io_error' });
    down = false;
    // Were it still there, what comes next would stand behind it.
    const kind = stays ? 'unknown' : 'ok';
    for (let n = 0; n < 9; n++) {
      expect((await stream.append({ subject: 'v0', parts: [pattern(50, n)] })).kind).toBe(kind);
    }
    await stream.truncate(13).catch(() => undefined);
    await stream.close();
    const { lastSeq } = await (await open(fs, 500)).span();
    expect(lastSeq).toBe(stays ? 4 : 13);
  });

  test('a file that could not be removed is removed before those behind it', async () => {
    const fs = memoryFs();
    const stream = await open(fs, 200);
    for (let n = 0; n < 12; n++) await put(stream, 'rec');
    fs.setFault(({ kind }) => (kind === 'remove' ? 'io_error' : undefined));
    await expect(stream.truncate(6)).rejects.toMatchObject({ code: 'io_error' });
    fs.setFault(undefined);
    await stream.truncate(10);
    expect((await (await open(fs, 200)).span()).lastSeq).toBe(12);
  });

  test('a failed sync ends the log: later appends are unknown, none is tried again', async () => {
    const fs = memoryFs();
    const stream = await open(fs);
    await fill(stream, 3);
    let syncs = 0;
    fs.setFault(({ kind }) => {
      if (kind === 'sync') syncs += 1;
      return kind === 'sync' && syncs === 1 ? 'io_error' : undefined;
    });
    expect((await append(stream, 'a', 3)).kind).toBe('unknown');
    expect((await append(stream, 'a', 3)).kind).toBe('unknown');
    expect((await stream.append({ subject: 'v0', parts: [] })).kind).toBe('unknown');
    await stream.close();
    expect(syncs).toBe(1);
  });

  test('a sync fails while the next group is written: that one is unknown too', async () => {
    const fs = memoryFs();
    const stream = await localLogStore({ fs, groupBytesMax: 100 }).open('p0');
    let syncs = 0;
    fs.setFault(({ kind }) => {
      if (kind === 'sync') syncs += 1;
      return kind === 'sync' ? 'io_error' : undefined;
    });
    const outcomes = await Promise.all(span(1, 12).map((n) => append(stream, `n${n}`, n - 1)));
    expect(new Set(kinds(outcomes))).toEqual(new Set(['unknown']));
    await stream.close();
    expect(syncs).toBe(1);
  });

  test('a write fails while the group before is synced: that one is acknowledged', async () => {
    const fs = memoryFs();
    const stream = await localLogStore({ fs, groupBytesMax: 100 }).open('p0');
    let writes = 0;
    fs.setFault(({ kind }) => {
      if (kind === 'write') writes += 1;
      return kind === 'write' && writes === 3 ? 'disk_full' : undefined;
    });
    const outcomes = await Promise.all(span(1, 12).map((n) => append(stream, `n${n}`, n - 1)));
    const stored = outcomes.filter((outcome) => outcome.kind === 'ok').length;
    expect([stored, stored === outcomes.findIndex(({ kind }) => kind !== 'ok')]).toEqual([4, true]);
    expect(await stream.span()).toEqual({ firstSeq: 1, lastSeq: stored });
    expect(await append(stream, 'next', stored)).toEqual({ kind: 'ok', seq: stored + 1 });
    expect((await read(await open(fs))).length).toBe(stored + 1);
  });

  test('what was answered unknown is there or not, and never torn', async () => {
    const seen = new Set<number>();
    for (let seed = 1; seed <= 40; seed++) {
      const fs = memoryFs();
      const stream = await open(fs);
      await fill(stream, 3);
      fs.setFault(({ kind }) => (kind === 'sync' ? 'io_error' : undefined));
      await Promise.all(span(1, 5).map((n) => append(stream, `n${n}`, n + 2)));
      const back = await texts(await open(fs.crash(seededRng(seed))));
      expect(back).toEqual(['r1', 'r2', 'r3', 'n1', 'n2', 'n3', 'n4', 'n5'].slice(0, back.length));
      expect(back.length).toBeGreaterThanOrEqual(3);
      seen.add(back.length);
    }
    expect(seen.size).toBeGreaterThan(1);
  });
});

describe('group commit', () => {
  const counting = (): { readonly fs: MemoryFs; readonly calls: FsCall[] } => {
    const calls: FsCall[] = [];
    const fs = memoryFs();
    fs.setFault((call) => {
      calls.push(call);
      return undefined;
    });
    return { fs, calls };
  };
  const count = (calls: readonly FsCall[], kind: string): number =>
    calls.filter((call) => call.kind === kind).length;

  test('a hundred appends of one turn share a write and a sync', async () => {
    const { fs, calls } = counting();
    const stream = await open(fs);
    calls.length = 0;
    await fill(stream, 100);
    expect([count(calls, 'write'), count(calls, 'sync')]).toEqual([1, 1]);
  });

  test('one after the other, each is synced before its answer', async () => {
    const { fs, calls } = counting();
    const stream = await open(fs);
    calls.length = 0;
    for (let n = 0; n < 5; n++) await put(stream, 'a');
    expect(calls.map((call) => call.kind)).toEqual(span(1, 5).flatMap(() => ['write', 'sync']));
  });

  test('class process never syncs on the way', async () => {
    const { fs, calls } = counting();
    const store = localLogStore({ fs, durability: 'process' });
    const stream = await store.open('p0');
    calls.length = 0;
    await fill(stream, 20);
    expect(count(calls, 'sync')).toBe(0);
  });

  test('a group has a limit', async () => {
    const { fs, calls } = counting();
    const store = localLogStore({ fs, groupBytesMax: 10_000 });
    const stream = await store.open('p0');
    calls.length = 0;
    await Promise.all(
      span(1, 20).map((n) => stream.append({ subject: 'v0', parts: [pattern(4000, n)] })),
    );
    expect(count(calls, 'write')).toBe(10);
  });
});
