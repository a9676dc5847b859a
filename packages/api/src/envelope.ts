import { ElanusError } from '@elanus/core';

/** Longest JSON head of an envelope, in bytes. */
const HEAD_MAX = 65_536;

/**
 * One JSON head and one body as one run of bytes: u32 length of the head (little-endian), the head,
 * zeroes up to a multiple of 8, the body. The body of octet-stream writes.
 */
export function encodeEnvelope(head: object, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const start = (4 + text.length + 7) & ~7;
  const bytes = new Uint8Array(start + body.length);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  bytes.set(body, start);
  return bytes;
}

/** The two parts of an envelope; the body is a view. @throws invalid_argument */
export function decodeEnvelope(bytes: Uint8Array): { head: unknown; body: Uint8Array } {
  if (bytes.length < 4) throw unreadable('it is too short');
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const start = (4 + length + 7) & ~7;
  if (length > HEAD_MAX || start > bytes.length) throw unreadable('its head has no end');
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.slice(4, 4 + length));
    return { head: JSON.parse(text) as unknown, body: bytes.subarray(start) };
  } catch {
    throw unreadable('its head is not JSON');
  }
}

function unreadable(why: string): Error {
  return new ElanusError('invalid_argument', {
    argument: 'body',
    hint: `The request body cannot be read: ${why}.`,
  });
}
