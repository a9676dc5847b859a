import { describe, expect, test } from 'vitest';
import { fill, kinds, put, texts, utf8 } from './log-kit.ts';
import type { LogBench } from './log.ts';

/** Answers that get lost: how a Wal finds out what became of its append. */
export function faultCases(bench: LogBench): void {
  const append = (text: string, expectedLastSeq: number) =>
    bench.stream.append({ subject: 'v0', parts: [utf8(text)], expectedLastSeq });

  describe('unknown', () => {
    test('an applied append: the same expectation is a mismatch, the record is there', async () => {
      await fill(bench.stream, 2);
      bench.harness.failNext?.('applied');
      expect((await append('a', 2)).kind).toBe('unknown');
      expect((await append('a', 2)).kind).toBe('mismatch');
      expect(await texts(bench.stream, { fromSeq: 3 })).toEqual(['a']);
    });

    test('a lost append: the same expectation stores it', async () => {
      await fill(bench.stream, 2);
      bench.harness.failNext?.('lost');
      expect((await append('a', 2)).kind).toBe('unknown');
      expect(await texts(bench.stream, { fromSeq: 3 })).toEqual([]);
      expect(await append('a', 2)).toEqual({ kind: 'ok', seq: 3 });
    });

    test('predictions behind a lost append are refused', async () => {
      bench.harness.failNext?.('lost');
      const outcomes = await Promise.all([append('a', 0), append('b', 1), append('c', 2)]);
      expect(kinds(outcomes)).toEqual(['unknown', 'mismatch', 'mismatch']);
      expect(await bench.stream.span()).toEqual({ firstSeq: 1, lastSeq: 0 });
    });

    test('predictions behind an applied append hold', async () => {
      bench.harness.failNext?.('applied');
      const outcomes = await Promise.all([append('a', 0), append('b', 1)]);
      expect(kinds(outcomes)).toEqual(['unknown', 'ok']);
      expect(await texts(bench.stream)).toEqual(['a', 'b']);
    });

    test('one lost answer does not spoil the next append', async () => {
      bench.harness.failNext?.('lost');
      await append('a', 0);
      expect(await put(bench.stream, 'b')).toBe(1);
    });
  });
}
