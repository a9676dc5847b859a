/**
 * A message between processes as bytes, little-endian, sections at multiples of 8:
 *
 *      0  u8 version   u8 0   u16 bodies   u32 bytes of the head
 *      8  for each body: u32 kind of its elements, u32 bytes
 *         the head, UTF-8 JSON; then the bodies
 *
 * JSON knows neither bigints nor all numbers: they are strings that begin with `~`.
 */
import { ElanusError } from '@elanus/core';

/** The newest version this code writes and reads. */
const VERSION = 1;
const FIXED_BYTES = 8;
const ENTRY_BYTES = 8;
/** What is longer is no head of ours. */
const HEAD_BYTES_MAX = 64 * 1024 * 1024;

/** Kinds of elements by their number on the wire; append only. */
const KINDS = [
  Uint8Array,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigUint64Array,
  BigInt64Array,
] as const;

/** A head that JSON can say, but for bigints and numbers that are not finite, and its bodies. */
export interface Frame {
  readonly head: unknown;
  readonly bodies: readonly ArrayBufferView[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

const align8 = (n: number): number => (n + 7) & ~7;

/** Members that are undefined are left out. */
export function encodeFrame({ head, bodies }: Frame): Uint8Array<ArrayBuffer> {
  const text = encoder.encode(JSON.stringify(head, asText));
  const headAt = FIXED_BYTES + ENTRY_BYTES * bodies.length;
  let length = align8(headAt + text.length);
  const bodiesAt = length;
  for (const body of bodies) length += align8(body.byteLength);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint16(2, bodies.length, true);
  view.setUint32(4, text.length, true);
  bytes.set(text, headAt);
  let at = bodiesAt;
  bodies.forEach((body, i) => {
    view.setUint32(FIXED_BYTES + ENTRY_BYTES * i, kindOf(body), true);
    view.setUint32(FIXED_BYTES + ENTRY_BYTES * i + 4, body.byteLength, true);
    bytes.set(new Uint8Array(body.buffer, body.byteOffset, body.byteLength), at);
    at += align8(body.byteLength);
  });
  return bytes;
}

/** Bodies are views on `frame`. @throws ElanusError invalid_argument, format_too_new */
export function decodeFrame(frame: Uint8Array): Frame {
  const bytes = frame.byteOffset % 8 === 0 ? frame : frame.slice();
  if (bytes.length < FIXED_BYTES) throw unreadable('it is too short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(0);
  if (version > VERSION) {
    throw new ElanusError('format_too_new', { what: 'a message', version, supported: VERSION });
  }
  const count = view.getUint16(2, true);
  const headBytes = view.getUint32(4, true);
  const headAt = FIXED_BYTES + ENTRY_BYTES * count;
  if (headBytes > HEAD_BYTES_MAX || headAt + headBytes > bytes.length) {
    throw unreadable('its head has no end');
  }
  const bodies: ArrayBufferView[] = [];
  let at = align8(headAt + headBytes);
  for (let i = 0; i < count; i++) {
    const kind = view.getUint32(FIXED_BYTES + ENTRY_BYTES * i, true);
    const length = view.getUint32(FIXED_BYTES + ENTRY_BYTES * i + 4, true);
    if (at + length > bytes.length) throw unreadable('a body has no end');
    bodies.push(bodyOf(kind, bytes.subarray(at, at + length)));
    at += align8(length);
  }
  return { head: headOf(bytes.subarray(headAt, headAt + headBytes)), bodies };
}

function headOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes), fromText) as unknown;
  } catch {
    throw unreadable('its head is not JSON');
  }
}

function kindOf(body: ArrayBufferView): number {
  const kind = KINDS.findIndex((one) => body instanceof one);
  if (kind >= 0) return kind;
  throw new ElanusError('internal', { why: `no body of a message: ${body.constructor.name}` });
}

function bodyOf(kind: number, bytes: Uint8Array): ArrayBufferView {
  const Elements = KINDS[kind];
  if (Elements === undefined) throw unreadable('a body is of an unknown kind');
  const { buffer, byteOffset, byteLength } = bytes;
  const size = Elements.BYTES_PER_ELEMENT;
  if (byteLength % size !== 0) throw unreadable('a body ends within an element');
  return new Elements(buffer as ArrayBuffer, byteOffset, byteLength / size);
}

function unreadable(why: string): ElanusError {
  const hint = `A message between processes cannot be read: ${why}.`;
  return new ElanusError('invalid_argument', { argument: 'message', hint });
}

function asText(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `~n${value}`;
  if (typeof value === 'string') return value.startsWith('~') ? `~${value}` : value;
  if (typeof value !== 'number') return value;
  if (Object.is(value, -0)) return '~f-0';
  return Number.isFinite(value) ? value : `~f${value}`;
}

function fromText(_key: string, value: unknown): unknown {
  if (typeof value !== 'string' || !value.startsWith('~')) return value;
  if (value.startsWith('~n')) return BigInt(value.slice(2));
  return value.startsWith('~f') ? Number(value.slice(2)) : value.slice(1);
}
