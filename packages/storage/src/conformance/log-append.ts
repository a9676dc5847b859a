import { crc32 } from '@elanus/kernels/checksum';
import { describe, expect, test } from 'vitest';
import { fill, kinds, pattern, put, read, sameBytes, span, texts, utf8 } from './log-kit.ts';
import type { LogBench } from './log.ts';

/** Appending: expectations, pipelines, strays, takeover, capture, sizes. */
export function appendCases(bench: LogBench): void {
  describe('append', () => {
    expectationCases(bench);
    pipelineCases(bench);
    rivalCases(bench);
    captureCases(bench);
    sizeCases(bench);
    subjectCases(bench);
  });
}

function expectationCases(bench: LogBench): void {
  test('the first record has seq 1', async () => {
    expect(await put(bench.stream, 'a')).toBe(1);
  });

  test('sequences are dense', async () => {
    const seqs = [];
    for (const text of ['a', 'b', 'c']) seqs.push(await put(bench.stream, text));
    expect(seqs).toEqual([1, 2, 3]);
  });

  test('expecting 0 on an empty stream is ok', async () => {
    const outcome = await bench.stream.append({ ...one('a'), expectedLastSeq: 0 });
    expect(outcome).toEqual({ kind: 'ok', seq: 1 });
  });

  test('expecting the newest seq is ok', async () => {
    await fill(bench.stream, 3);
    const outcome = await bench.stream.append({ ...one('a'), expectedLastSeq: 3 });
    expect(outcome).toEqual({ kind: 'ok', seq: 4 });
  });

  test.each([0, 1, 2, 4, 5, 1000])('expecting %i of 3 is a mismatch', async (expectedLastSeq) => {
    await fill(bench.stream, 3);
    const outcome = await bench.stream.append({ ...one('a'), expectedLastSeq });
    expect(outcome).toEqual({ kind: 'mismatch' });
  });

  test('expecting 1 on an empty stream is a mismatch', async () => {
    const outcome = await bench.stream.append({ ...one('a'), expectedLastSeq: 1 });
    expect(outcome).toEqual({ kind: 'mismatch' });
  });

  test('a mismatch stores nothing and uses no seq', async () => {
    await fill(bench.stream, 2);
    await bench.stream.append({ ...one('x'), expectedLastSeq: 7 });
    expect(await put(bench.stream, 'a')).toBe(3);
    expect(await texts(bench.stream)).toEqual(['r1', 'r2', 'a']);
  });

  test('a mismatch can be followed by the right expectation', async () => {
    await bench.stream.append({ ...one('x'), expectedLastSeq: 7 });
    const outcome = await bench.stream.append({ ...one('a'), expectedLastSeq: 0 });
    expect(outcome).toEqual({ kind: 'ok', seq: 1 });
  });
}

const one = (text: string) => ({ subject: 'v0', parts: [utf8(text)] });

function pipelineCases(bench: LogBench): void {
  test('200 appends at once with predicted expectations are stored in order', async () => {
    const outcomes = await Promise.all(
      span(1, 200).map((n) => bench.stream.append({ ...one(`n${n}`), expectedLastSeq: n - 1 })),
    );
    expect(outcomes).toEqual(span(1, 200).map((seq) => ({ kind: 'ok', seq })));
    expect(await texts(bench.stream)).toEqual(span(1, 200).map((n) => `n${n}`));
  });

  test('200 unconditional appends at once are stored in the order of calls', async () => {
    await fill(bench.stream, 200);
    expect(await texts(bench.stream)).toEqual(span(1, 200).map((n) => `r${n}`));
  });

  test('a pipeline over several turns keeps its order', async () => {
    const waiting = [];
    for (let n = 1; n <= 60; n++) {
      waiting.push(bench.stream.append({ ...one(`n${n}`), expectedLastSeq: n - 1 }));
      if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(kinds(await Promise.all(waiting))).toEqual(span(1, 60).map(() => 'ok'));
    expect(await texts(bench.stream)).toEqual(span(1, 60).map((n) => `n${n}`));
  });

  test('a pipeline of large and small records keeps its order', async () => {
    const parts = span(1, 24).map((n) => pattern(n % 3 === 0 ? 300_000 : n * 10, n));
    const waiting = parts.map((part, i) =>
      bench.stream.append({ subject: 'v0', parts: [part], expectedLastSeq: i }),
    );
    expect(kinds(await Promise.all(waiting))).toEqual(parts.map(() => 'ok'));
    const entries = await read(bench.stream);
    expect(entries.map((entry, i) => sameBytes(entry.bytes, parts[i] ?? pattern(0)))).toEqual(
      parts.map(() => true),
    );
  });

  test('predictions that rest on a refused append are refused too', async () => {
    const outcomes = await Promise.all(
      [0, 5, 6, 7].map((expectedLastSeq) => bench.stream.append({ ...one('a'), expectedLastSeq })),
    );
    expect(kinds(outcomes)).toEqual(['ok', 'mismatch', 'mismatch', 'mismatch']);
    expect(await bench.stream.span()).toEqual({ firstSeq: 1, lastSeq: 1 });
  });

  test('conditional and unconditional appends mix', async () => {
    const outcomes = await Promise.all([
      bench.stream.append(one('a')),
      bench.stream.append({ ...one('b'), expectedLastSeq: 1 }),
      bench.stream.append(one('c')),
      bench.stream.append({ ...one('d'), expectedLastSeq: 3 }),
    ]);
    expect(kinds(outcomes)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(await texts(bench.stream)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('subjects share one sequence', async () => {
    const subjects = ['v0', 'v1', 'v0', 'v2', 'v1'];
    const outcomes = await Promise.all(
      subjects.map((subject, i) =>
        bench.stream.append({ subject, parts: [utf8(`${i}`)], expectedLastSeq: i }),
      ),
    );
    expect(kinds(outcomes)).toEqual(subjects.map(() => 'ok'));
    expect((await read(bench.stream)).map((entry) => entry.subject)).toEqual(subjects);
  });
}

function rivalCases(bench: LogBench): void {
  test('a mismatch refuses itself only: a later prediction that holds is stored', async () => {
    const rival = await bench.store.open('p0');
    await put(rival, 'rival');
    const first = await bench.stream.append({ ...one('refused'), expectedLastSeq: 0 });
    const second = await bench.stream.append({ ...one('stray'), expectedLastSeq: 1 });
    expect([first, second]).toEqual([{ kind: 'mismatch' }, { kind: 'ok', seq: 2 }]);
    expect(await texts(bench.stream)).toEqual(['rival', 'stray']);
  });

  test('of two appends with one expectation exactly one is stored, 30 rounds', async () => {
    const rival = await bench.store.open('p0');
    for (let last = 0; last < 30; last++) {
      const outcomes = await Promise.all([
        bench.stream.append({ ...one(`a${last}`), expectedLastSeq: last }),
        rival.append({ ...one(`b${last}`), expectedLastSeq: last }),
      ]);
      expect(kinds(outcomes).sort()).toEqual(['mismatch', 'ok']);
    }
    expect(await bench.stream.span()).toEqual({ firstSeq: 1, lastSeq: 30 });
  });

  test('an unconditional record gets through while another handle pipelines', async () => {
    const rival = await bench.store.open('p0');
    const busy = Promise.all(span(1, 100).map((n) => bench.stream.append(one(`n${n}`))));
    const seq = await put(rival, 'term');
    await busy;
    const found = await read(bench.stream, { fromSeq: seq, toSeq: seq });
    expect(found.map((entry) => new TextDecoder().decode(entry.bytes))).toEqual(['term']);
  });

  test('the prefix rule fences: nothing reported lies behind the Term record', async () => {
    const owner = await bench.store.open('p0');
    const outcomes: { readonly n: number; readonly kind: string; readonly seq: number }[] = [];
    let term: Promise<number> | undefined;
    const waiting = [];
    for (let n = 1; n <= 120; n++) {
      const sent = bench.stream.append({ ...one(`n${n}`), expectedLastSeq: n - 1 });
      waiting.push(
        sent.then((outcome) => {
          const seq = outcome.kind === 'ok' ? outcome.seq : 0;
          outcomes.push({ n, kind: outcome.kind, seq });
        }),
      );
      if (n === 60) term = put(owner, 'term');
      if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(waiting);
    const fence = await term;
    const byCall = outcomes.sort((a, b) => a.n - b.n);
    const refused = byCall.findIndex((outcome) => outcome.kind !== 'ok');
    const reported = refused < 0 ? byCall : byCall.slice(0, refused);
    expect(refused).toBeGreaterThanOrEqual(0);
    expect(reported.every((outcome) => outcome.seq < (fence ?? 0))).toBe(true);
    const stored = await texts(bench.stream, { fromSeq: 1, toSeq: reported.length });
    expect(stored).toEqual(reported.map((outcome) => `n${outcome.n}`));
  });
}

function captureCases(bench: LogBench): void {
  test('bytes are captured at the call', async () => {
    const bytes = utf8('before');
    const sent = bench.stream.append({ subject: 'v0', parts: [bytes] });
    bytes.set(utf8('after!'));
    await sent;
    expect(await texts(bench.stream)).toEqual(['before']);
  });

  test('large bytes are captured at the call', async () => {
    const bytes = pattern(500_000, 3);
    const sent = bench.stream.append({ subject: 'v0', parts: [bytes] });
    bytes.fill(0);
    await sent;
    const [entry] = await read(bench.stream);
    expect(sameBytes(entry?.bytes, pattern(500_000, 3))).toBe(true);
  });

  test('one buffer can carry a hundred pipelined records', async () => {
    const bytes = new Uint8Array(4);
    const waiting = [];
    for (let n = 1; n <= 100; n++) {
      bytes.fill(n);
      waiting.push(bench.stream.append({ subject: 'v0', parts: [bytes], expectedLastSeq: n - 1 }));
    }
    bytes.fill(255);
    expect(kinds(await Promise.all(waiting))).toEqual(span(1, 100).map(() => 'ok'));
    expect((await read(bench.stream)).map((entry) => entry.bytes[3])).toEqual(span(1, 100));
  });

  test('the list of parts is captured at the call', async () => {
    const parts = [utf8('a'), utf8('b')];
    const sent = bench.stream.append({ subject: 'v0', parts });
    parts.push(utf8('c'));
    await sent;
    expect(await texts(bench.stream)).toEqual(['ab']);
  });

  test('parts may be views into larger and into shared buffers', async () => {
    const large = utf8('xxinsidexx');
    const shared = new Uint8Array(new SharedArrayBuffer(3));
    shared.set(utf8('abc'));
    const sent = bench.stream.append({ subject: 'v0', parts: [large.subarray(2, 8), shared] });
    shared.fill(0);
    await sent;
    expect(await texts(bench.stream)).toEqual(['insideabc']);
  });

  test('parts are concatenated, empty ones leave no trace', async () => {
    const parts = ['', 'a', '', 'bc', 'd', ''].map(utf8);
    await bench.stream.append({ subject: 'v0', parts });
    expect(await texts(bench.stream)).toEqual(['abcd']);
  });

  test.each([1, 8, 4095, 4096, 4097, 200_001])(
    'parts and frozen chunks of %i bytes come back as one record',
    async (length) => {
      const chunk = pattern(length, length);
      const chunks = [chunk, utf8('between'), chunk, chunk, new Uint8Array(0)];
      const frozen = { chunks, crc32: crc32(Buffer.concat(chunks)) };
      const parts = [utf8('head'), utf8('er')];
      const sent = [1, 2, 3].map((n) => {
        return bench.stream.append({ subject: 'v0', parts, ...(n !== 2 && { frozen }) });
      });
      expect(kinds(await Promise.all(sent))).toEqual(['ok', 'ok', 'ok']);
      await put(bench.stream, 'next');
      const whole = Buffer.concat([...parts, ...chunks]);
      const entries = await read(bench.stream);
      expect(entries.map(({ bytes }) => sameBytes(bytes, whole))).toEqual([
        true,
        false,
        true,
        false,
      ]);
      expect(entries[1]?.bytes.length).toBe(6);
    },
  );

  test('the list of frozen chunks is captured at the call', async () => {
    const chunks = [pattern(5_000, 1)];
    const frozen = { chunks, crc32: crc32(pattern(5_000, 1)) };
    const sent = bench.stream.append({ subject: 'v0', parts: [utf8('a')], frozen });
    chunks.push(utf8('c'));
    await sent;
    expect((await read(bench.stream))[0]?.bytes.length).toBe(5_001);
  });

  test('frozen chunks may go once the append is answered', async () => {
    const chunk = pattern(5_000, 1);
    const frozen = { chunks: [chunk], crc32: crc32(chunk) };
    await bench.stream.append({ subject: 'v0', parts: [], frozen });
    (chunk.buffer as ArrayBuffer).transfer(0);
    expect(chunk.length).toBe(0);
    expect(sameBytes((await read(bench.stream))[0]?.bytes, pattern(5_000, 1))).toBe(true);
  });

  test('a record without parts is empty', async () => {
    await bench.stream.append({ subject: 'v0', parts: [] });
    const [entry] = await read(bench.stream);
    expect(entry?.bytes.length).toBe(0);
  });
}

function sizeCases(bench: LogBench): void {
  test.each([1, 7, 8, 9, 4095, 65_536, 65_537, 524_288, 786_432])(
    '%i bytes come back as they were',
    async (length) => {
      const bytes = pattern(length, length);
      await bench.stream.append({ subject: 'v0', parts: [bytes] });
      await put(bench.stream, 'next');
      const [entry] = await read(bench.stream);
      expect(sameBytes(entry?.bytes, bytes)).toBe(true);
    },
  );

  test('a record of recordBytesMax is stored', async () => {
    const bytes = pattern(bench.store.recordBytesMax, 5);
    const outcome = await bench.stream.append({ subject: 'v0', parts: [bytes] });
    expect(outcome).toEqual({ kind: 'ok', seq: 1 });
    const [entry] = await read(bench.stream);
    expect(sameBytes(entry?.bytes, bytes)).toBe(true);
  });

  test('recordBytesMax holds the largest row with room to spare', () => {
    expect(bench.store.recordBytesMax).toBeGreaterThanOrEqual(900 * 1024);
  });

  test('one byte more is refused and stores nothing', async () => {
    const parts = [new Uint8Array(bench.store.recordBytesMax), new Uint8Array(1)];
    const sent = bench.stream.append({ subject: 'v0', parts });
    await expect(sent).rejects.toMatchObject({ code: 'request_too_large' });
    expect(await put(bench.stream, 'a')).toBe(1);
  });
}

function subjectCases(bench: LogBench): void {
  test.each(['v', 'by-dev_0.v0', 'A.b.C.9', 'x'.repeat(128)])(
    'subject %s is kept',
    async (name) => {
      await put(bench.stream, 'a', name);
      const [entry] = await read(bench.stream);
      expect(entry?.subject).toBe(name);
    },
  );

  test.each(['', ' ', 'a b', 'a/b', 'ü', 'a*', '>', 'a..b', '.a', 'a.', 'x'.repeat(129)])(
    'subject "%s" is refused',
    async (subject) => {
      const sent = bench.stream.append({ subject, parts: [utf8('a')] });
      await expect(sent).rejects.toMatchObject({ code: 'invalid_argument' });
      expect(await bench.stream.span()).toEqual({ firstSeq: 1, lastSeq: 0 });
    },
  );
}
