import type { LogAppendOutcome, LogEntry, LogStream } from '@elanus/core';
import { expect } from 'vitest';

/** Bytes of a text. */
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Bytes that differ from place to place and from seed to seed. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2_654_435_761;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Whether two byte strings are equal; `expect().toEqual` is slow on long ones. */
export function sameBytes(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(b);
}

/** Appends one record that must be stored; its seq. */
export async function put(stream: LogStream, text: string, subject = 'v0'): Promise<number> {
  const outcome = await stream.append({ subject, parts: [utf8(text)] });
  if (outcome.kind !== 'ok') throw new Error(`append was ${outcome.kind}`, { cause: outcome });
  return outcome.seq;
}

/** Appends `count` records named `r1`, `r2`, … at once. */
export async function fill(stream: LogStream, count: number): Promise<void> {
  const outcomes = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      stream.append({ subject: 'v0', parts: [utf8(`r${i + 1}`)] }),
    ),
  );
  for (const outcome of outcomes) expect(outcome.kind).toBe('ok');
}

/** Everything a scan yields. */
export async function read(
  stream: LogStream,
  range: { readonly fromSeq: number; readonly toSeq?: number } = { fromSeq: 1 },
): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const entry of stream.scan(range)) entries.push(entry);
  return entries;
}

/** The scanned records as texts. */
export async function texts(
  stream: LogStream,
  range: { readonly fromSeq: number; readonly toSeq?: number } = { fromSeq: 1 },
): Promise<string[]> {
  return (await read(stream, range)).map((entry) => new TextDecoder().decode(entry.bytes));
}

/** The numbers `from..to`. */
export function span(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** The kinds of outcomes, in order. */
export const kinds = (outcomes: readonly LogAppendOutcome[]): string[] =>
  outcomes.map((outcome) => outcome.kind);
