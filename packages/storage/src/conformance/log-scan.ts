import { describe, expect, test } from 'vitest';
import { fill, put, read, span, texts, utf8 } from './log-kit.ts';
import type { LogBench } from './log.ts';

/** Reading back. */
export function scanCases(bench: LogBench): void {
  describe('scan', () => {
    rangeCases(bench);
    behaviourCases(bench);
  });
}

function rangeCases(bench: LogBench): void {
  test('an empty stream yields nothing', async () => {
    expect(await read(bench.stream)).toEqual([]);
  });

  test('records come in order, with seq, subject and bytes', async () => {
    await put(bench.stream, 'a', 'v0');
    await put(bench.stream, 'b', 'v1');
    const entries = await read(bench.stream);
    expect(entries.map(({ seq, subject }) => [seq, subject])).toEqual([
      [1, 'v0'],
      [2, 'v1'],
    ]);
    expect(entries.map(({ bytes }) => new TextDecoder().decode(bytes))).toEqual(['a', 'b']);
  });

  test.each([
    { fromSeq: 1, toSeq: undefined, want: span(1, 9) },
    { fromSeq: 5, toSeq: undefined, want: span(5, 9) },
    { fromSeq: 9, toSeq: undefined, want: [9] },
    { fromSeq: 10, toSeq: undefined, want: [] },
    { fromSeq: 5000, toSeq: undefined, want: [] },
    { fromSeq: 1, toSeq: 1, want: [1] },
    { fromSeq: 3, toSeq: 6, want: span(3, 6) },
    { fromSeq: 7, toSeq: 500, want: span(7, 9) },
    { fromSeq: 6, toSeq: 5, want: [] },
    { fromSeq: 20, toSeq: 30, want: [] },
  ])('of 9 records, from $fromSeq to $toSeq', async ({ fromSeq, toSeq, want }) => {
    await fill(bench.stream, 9);
    const range = toSeq === undefined ? { fromSeq } : { fromSeq, toSeq };
    expect((await read(bench.stream, range)).map((entry) => entry.seq)).toEqual(want);
  });

  test('from 0 is below the first record', async () => {
    await fill(bench.stream, 2);
    await expect(read(bench.stream, { fromSeq: 0 })).rejects.toMatchObject({
      code: 'log_truncated',
    });
  });

  test('1,500 records come back whole', async () => {
    for (let i = 0; i < 5; i++) await fill(bench.stream, 300);
    const entries = await read(bench.stream);
    expect(entries.map((entry) => entry.seq)).toEqual(span(1, 1500));
  });
}

function behaviourCases(bench: LogBench): void {
  test('a scan may be left early and begun again', async () => {
    await fill(bench.stream, 20);
    for await (const entry of bench.stream.scan({ fromSeq: 1 })) {
      if (entry.seq === 3) break;
    }
    expect((await read(bench.stream)).length).toBe(20);
    expect(await put(bench.stream, 'a')).toBe(21);
  });

  test('two scans run side by side', async () => {
    await fill(bench.stream, 30);
    const [a, b] = await Promise.all([read(bench.stream), read(bench.stream, { fromSeq: 11 })]);
    expect([a.length, b.length]).toEqual([30, 20]);
  });

  test('a scan sees everything acknowledged before it began', async () => {
    for (let n = 1; n <= 20; n++) {
      await put(bench.stream, `n${n}`);
      const entries = await read(bench.stream, { fromSeq: n });
      expect(entries[0]?.seq).toBe(n);
    }
  });

  test('a scan ends although a writer goes on, and has no holes', async () => {
    await fill(bench.stream, 10);
    let stop = false;
    const writer = (async () => {
      while (!stop) await put(bench.stream, 'more');
    })();
    const seqs = (await read(bench.stream)).map((entry) => entry.seq);
    stop = true;
    await writer;
    expect(seqs.length).toBeGreaterThanOrEqual(10);
    expect(seqs).toEqual(span(1, seqs.length));
  });

  test('another handle reads what this one wrote', async () => {
    await fill(bench.stream, 5);
    const reader = await bench.store.open('p0');
    expect(await texts(reader)).toEqual(['r1', 'r2', 'r3', 'r4', 'r5']);
  });

  test('bytes belong to the reader', async () => {
    await fill(bench.stream, 3);
    for (const entry of await read(bench.stream)) entry.bytes.fill(0);
    expect(await texts(bench.stream)).toEqual(['r1', 'r2', 'r3']);
  });

  test('bytes of one record do not share memory with the next', async () => {
    await fill(bench.stream, 2);
    const entries = await read(bench.stream);
    entries[0]?.bytes.fill(0);
    expect(new TextDecoder().decode(entries[1]?.bytes)).toBe('r2');
  });

  test('records of several subjects keep the order of the stream', async () => {
    const subjects = span(1, 30).map((n) => `v${n % 4}`);
    await Promise.all(
      subjects.map((subject, i) => bench.stream.append({ subject, parts: [utf8(`${i}`)] })),
    );
    expect((await read(bench.stream)).map((entry) => entry.subject)).toEqual(subjects);
  });

  test('the span of an empty stream', async () => {
    expect(await bench.stream.span()).toEqual({ firstSeq: 1, lastSeq: 0 });
  });

  test('the span after appends, from every handle', async () => {
    await fill(bench.stream, 4);
    const other = await bench.store.open('p0');
    expect(await bench.stream.span()).toEqual({ firstSeq: 1, lastSeq: 4 });
    expect(await other.span()).toEqual({ firstSeq: 1, lastSeq: 4 });
  });
}
