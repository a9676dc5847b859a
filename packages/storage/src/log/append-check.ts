import { ElanusError } from '@elanus/core';
import type { LogAppend } from '@elanus/core';

/** One record: below a broker's message of 1 MiB with room for its headers. */
export const RECORD_BYTES_MAX = 960 * 1024;

/** No empty token between dots: a broker's subject has none. */
const SUBJECT = /^(?=.{1,128}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
const STREAM = /^[A-Za-z0-9_-]{1,64}$/;

/** Refuses what no store takes, alike everywhere. Returns the record's bytes. */
export function checkAppend(append: LogAppend, recordBytesMax: number): number {
  if (!SUBJECT.test(append.subject)) {
    throw new ElanusError('invalid_argument', {
      argument: 'subject',
      expected: 'words of [A-Za-z0-9_-] with . between, at most 128 characters',
      got: append.subject.slice(0, 160),
    });
  }
  let bytes = 0;
  for (const part of append.parts) bytes += part.byteLength;
  for (const chunk of append.frozen?.chunks ?? []) bytes += chunk.byteLength;
  if (bytes > recordBytesMax) {
    throw new ElanusError('request_too_large', { bytes, bytesMax: recordBytesMax });
  }
  return bytes;
}

/** Refuses names that cannot be a folder here and a stream in a broker. */
export function checkStreamName(name: string): void {
  if (STREAM.test(name)) return;
  throw new ElanusError('invalid_argument', {
    argument: 'stream',
    expected: '1 to 64 of [A-Za-z0-9_-]',
    got: name.slice(0, 80),
  });
}

/** The failure of calls on something that was closed. */
export function closedError(what: string): ElanusError {
  return new ElanusError('unavailable', { what, hint: 'It is closed.' });
}
