import { describe, expect, test } from 'vitest';
import { fill, kinds, put, read, span, texts, utf8 } from './log-kit.ts';
import type { LogBench } from './log.ts';

/** Streams of a store, and the end of handles. */
export function storeCases(bench: LogBench): void {
  describe('store', () => streamCases(bench));
  describe('close', () => closeCases(bench));
}

function streamCases(bench: LogBench): void {
  test('a stream knows its name', () => {
    expect(bench.stream.name).toBe('p0');
  });

  test('the list is sorted', async () => {
    for (const name of ['p10', 'p1', 'a_b-c', 'Z']) await bench.store.open(name);
    expect(await bench.store.list()).toEqual(['Z', 'a_b-c', 'p0', 'p1', 'p10']);
  });

  test('streams do not touch one another', async () => {
    const other = await bench.store.open('p1');
    await fill(bench.stream, 3);
    expect(await put(other, 'a')).toBe(1);
    await bench.stream.truncate(4);
    expect(await texts(other)).toEqual(['a']);
  });

  test('opening again does not empty a stream', async () => {
    await fill(bench.stream, 3);
    const again = await bench.store.open('p0');
    expect(await again.span()).toEqual({ firstSeq: 1, lastSeq: 3 });
  });

  test('two handles opened at once are one stream', async () => {
    const [a, b] = await Promise.all([bench.store.open('p5'), bench.store.open('p5')]);
    expect([await put(a, 'x'), await put(b, 'y')]).toEqual([1, 2]);
    expect(await texts(a)).toEqual(['x', 'y']);
  });

  test('a removed stream is gone and begins anew', async () => {
    await fill(bench.stream, 3);
    await bench.stream.close();
    await bench.store.remove('p0');
    expect(await bench.store.list()).toEqual([]);
    const again = await bench.store.open('p0');
    expect(await again.span()).toEqual({ firstSeq: 1, lastSeq: 0 });
    expect(await put(again, 'a')).toBe(1);
  });

  test('removing what is not there is fine', async () => {
    await bench.store.remove('nothing');
    expect(await bench.store.list()).toEqual(['p0']);
  });

  test.each(['', '.', '..', 'a/b', 'a.b', 'a b', '*', 'x'.repeat(65)])(
    'name "%s" is refused',
    async (name) => {
      await expect(bench.store.open(name)).rejects.toMatchObject({ code: 'invalid_argument' });
      await expect(bench.store.remove(name)).rejects.toMatchObject({ code: 'invalid_argument' });
    },
  );
}

function closeCases(bench: LogBench): void {
  test('close waits for appends in flight', async () => {
    const outcomes: string[] = [];
    const sent = span(1, 40).map(async (n) => {
      const outcome = await bench.stream.append({ subject: 'v0', parts: [utf8(`n${n}`)] });
      outcomes.push(outcome.kind);
    });
    await bench.stream.close();
    await Promise.all(sent);
    expect(outcomes).toEqual(span(1, 40).map(() => 'ok'));
  });

  test('an append after close is unknown, not thrown', async () => {
    await bench.stream.close();
    const outcome = await bench.stream.append({ subject: 'v0', parts: [utf8('a')] });
    expect(kinds([outcome])).toEqual(['unknown']);
  });

  test('closing twice is fine', async () => {
    await bench.stream.close();
    await bench.stream.close();
    await bench.store.close();
    await bench.store.close();
    expect(bench.stream.name).toBe('p0');
  });

  test('closing one handle leaves the other', async () => {
    const other = await bench.store.open('p0');
    await fill(bench.stream, 2);
    await bench.stream.close();
    expect(await put(other, 'a')).toBe(3);
    expect((await read(other)).length).toBe(3);
  });

  test('closing the store closes its streams', async () => {
    await fill(bench.stream, 2);
    await bench.store.close();
    const outcome = await bench.stream.append({ subject: 'v0', parts: [utf8('a')] });
    expect(kinds([outcome])).toEqual(['unknown']);
    bench.store = await bench.harness.open();
    expect((await read(await bench.store.open('p0'))).length).toBe(2);
  });
}
