import { describe, expect, test } from 'vitest';
import { fill, put, read, span, texts, utf8 } from './log-kit.ts';
import type { LogBench } from './log.ts';

/** Dropping old records, and opening again. */
export function truncateCases(bench: LogBench): void {
  describe('truncate', () => {
    keepCases(bench);
    emptyCases(bench);
  });
  describe('reopen', () => reopenCases(bench));
}

function keepCases(bench: LogBench): void {
  test.each([1, 2, 5, 9, 10])('below %i of 10 keeps the rest', async (below) => {
    await fill(bench.stream, 10);
    await bench.stream.truncate(below);
    const { firstSeq, lastSeq } = await bench.stream.span();
    expect(firstSeq).toBeLessThanOrEqual(below);
    expect(lastSeq).toBe(10);
    const entries = await read(bench.stream, { fromSeq: below });
    expect(entries.map((entry) => entry.seq)).toEqual(span(below, 10));
  });

  test('twice is once', async () => {
    await fill(bench.stream, 10);
    await bench.stream.truncate(6);
    await bench.stream.truncate(6);
    expect(await texts(bench.stream, { fromSeq: 6 })).toEqual(['r6', 'r7', 'r8', 'r9', 'r10']);
  });

  test('lower than before changes nothing', async () => {
    await fill(bench.stream, 10);
    await bench.stream.truncate(8);
    const before = await bench.stream.span();
    await bench.stream.truncate(3);
    expect(await bench.stream.span()).toEqual(before);
  });

  test('the first record still there can be read', async () => {
    await fill(bench.stream, 10);
    await bench.stream.truncate(7);
    const { firstSeq } = await bench.stream.span();
    const entries = await read(bench.stream, { fromSeq: firstSeq });
    expect(entries.map((entry) => entry.seq)).toEqual(span(firstSeq, 10));
  });

  test('appends in flight are not lost', async () => {
    await fill(bench.stream, 10);
    const sent = fill(bench.stream, 50);
    await bench.stream.truncate(11);
    await sent;
    const entries = await read(bench.stream, { fromSeq: 11 });
    expect(entries.map((entry) => entry.seq)).toEqual(span(11, 60));
  });

  test('expectations go on as before', async () => {
    await fill(bench.stream, 10);
    await bench.stream.truncate(5);
    const append = { subject: 'v0', parts: [utf8('a')] };
    expect(await bench.stream.append({ ...append, expectedLastSeq: 9 })).toEqual({
      kind: 'mismatch',
    });
    expect(await bench.stream.append({ ...append, expectedLastSeq: 10 })).toEqual({
      kind: 'ok',
      seq: 11,
    });
  });
}

function emptyCases(bench: LogBench): void {
  test('an empty stream stays as it is', async () => {
    await bench.stream.truncate(1);
    expect(await bench.stream.span()).toEqual({ firstSeq: 1, lastSeq: 0 });
    expect(await put(bench.stream, 'a')).toBe(1);
  });

  test.each([11, 12, 5000])('below %i of 10 empties the stream, the last seq stays', async (n) => {
    await fill(bench.stream, 10);
    await bench.stream.truncate(n);
    expect(await bench.stream.span()).toEqual({ firstSeq: 11, lastSeq: 10 });
    expect(await read(bench.stream, { fromSeq: 11 })).toEqual([]);
  });

  test('an emptied stream goes on counting', async () => {
    await fill(bench.stream, 10);
    await bench.stream.truncate(11);
    expect(await put(bench.stream, 'a')).toBe(11);
    expect(await texts(bench.stream, { fromSeq: 11 })).toEqual(['a']);
  });

  test('an emptied stream holds its expectations', async () => {
    await fill(bench.stream, 10);
    await bench.stream.truncate(11);
    const append = { subject: 'v0', parts: [utf8('a')] };
    const outcomes = [
      await bench.stream.append({ ...append, expectedLastSeq: 0 }),
      await bench.stream.append({ ...append, expectedLastSeq: 10 }),
    ];
    expect(outcomes).toEqual([{ kind: 'mismatch' }, { kind: 'ok', seq: 11 }]);
  });

  test('a scan from a dropped record is refused', async () => {
    await fill(bench.stream, 10);
    await bench.stream.truncate(11);
    await expect(read(bench.stream, { fromSeq: 10 })).rejects.toMatchObject({
      code: 'log_truncated',
    });
  });

  test('emptying and filling again and again', async () => {
    for (let round = 1; round <= 5; round++) {
      await fill(bench.stream, 7);
      await bench.stream.truncate(round * 7 + 1);
    }
    expect(await bench.stream.span()).toEqual({ firstSeq: 36, lastSeq: 35 });
  });
}

function reopenCases(bench: LogBench): void {
  const reopen = async (): Promise<void> => {
    await bench.stream.close();
    await bench.store.close();
    bench.store = await bench.harness.open();
    bench.stream = await bench.store.open('p0');
  };

  test('acknowledged records are there', async () => {
    await fill(bench.stream, 12);
    await reopen();
    expect(await texts(bench.stream)).toEqual(span(1, 12).map((n) => `r${n}`));
    expect(await bench.stream.span()).toEqual({ firstSeq: 1, lastSeq: 12 });
  });

  test('sequences and expectations go on', async () => {
    await fill(bench.stream, 12);
    await reopen();
    const append = { subject: 'v0', parts: [utf8('a')], expectedLastSeq: 12 };
    expect(await bench.stream.append(append)).toEqual({ kind: 'ok', seq: 13 });
  });

  test('an empty stream stays empty', async () => {
    await reopen();
    expect(await bench.stream.span()).toEqual({ firstSeq: 1, lastSeq: 0 });
    expect(await bench.store.list()).toEqual(['p0']);
  });

  test('an emptied stream keeps its last seq', async () => {
    await fill(bench.stream, 10);
    await bench.stream.truncate(11);
    await reopen();
    expect(await bench.stream.span()).toEqual({ firstSeq: 11, lastSeq: 10 });
    expect(await put(bench.stream, 'a')).toBe(11);
  });

  test('a truncated stream keeps its span', async () => {
    await fill(bench.stream, 10);
    await bench.stream.truncate(6);
    const before = await bench.stream.span();
    await reopen();
    expect(await bench.stream.span()).toEqual(before);
    expect(await texts(bench.stream, { fromSeq: 6 })).toEqual(['r6', 'r7', 'r8', 'r9', 'r10']);
  });

  test('many short lives add up', async () => {
    for (let life = 0; life < 6; life++) {
      await fill(bench.stream, 3);
      await reopen();
    }
    expect((await read(bench.stream)).map((entry) => entry.seq)).toEqual(span(1, 18));
  });
}
