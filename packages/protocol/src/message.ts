/**
 * Records of the log. A record is a fixed header, stamped by the Wal, and a body that was encoded
 * once at the proxy and is never touched again before `apply`.
 *
 *      0  u8  version   u8 kind   u16 part   u16 parts   u16 keyBytes
 *      8  u32 term      u32 n
 *     16  u64 timestamp
 *     24  u64 asOf
 *     32  u32 previousHash   u32 payloadHash
 *     40  u32 collectionId   u32 schemaVersion
 *     48  f64 segmentId
 *     56  u32 rowCount       u32 shard
 *     64  u32 bodyHash       u32 0
 *     72  idempotency key, UTF-8, padded to a multiple of 8; then the body
 *
 * A record's hash is the CRC-32 of its header, which covers the body by `bodyHash`.
 */
import { assert, ElanusError, type Timestamp } from '@elanus/core';

/** What a record does. `term` and `barrier` belong to the pchannel, the rest to one vchannel. */
export type MessageKind =
  | 'term'
  | 'barrier'
  | 'create'
  | 'insert'
  | 'upsert'
  | 'delete'
  | 'seal'
  | 'alter'
  | 'drop';

/** Wire numbers; append only. */
const KINDS: readonly MessageKind[] = [
  'term',
  'barrier',
  'create',
  'insert',
  'upsert',
  'delete',
  'seal',
  'alter',
  'drop',
];

/** The newest record version this code writes and reads. */
export const MESSAGE_VERSION = 1;
const FIXED_BYTES = 72;

/** The part of a record that the Wal stamps. */
export interface MessageHeader {
  readonly kind: MessageKind;
  /** Part `part` of `parts` of one write; all share `timestamp` and `idempotencyKey`. */
  readonly part: number;
  readonly parts: number;
  readonly term: number;
  /** Contiguous within the term, from 0 (the Term record). */
  readonly n: number;
  readonly timestamp: Timestamp;
  /** Deletes by filter: hides versions with timestamp <= asOf only. Otherwise 0. */
  readonly asOf: Timestamp;
  /** CRC-32 of this record's body. */
  readonly bodyHash: number;
  /** Hash of the previous valid record; 0 in a Term record. */
  readonly previousHash: number;
  /** CRC-32 over the body hashes of the whole write: tells a retry from another write. */
  readonly payloadHash: number;
  readonly collectionId: number;
  readonly shard: number;
  readonly schemaVersion: number;
  /** The growing segment that takes the rows, or that is sealed; 0 when none. */
  readonly segmentId: number;
  readonly rowCount: number;
  /** Empty when the record is not a client's write. */
  readonly idempotencyKey: string;
}

/**
 * A decoded record. `head` and `body` are views on the record's bytes, `body` at a multiple of 8.
 */
export interface Message {
  readonly head: Uint8Array;
  readonly header: MessageHeader;
  readonly body: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** The header's bytes; the body follows them in the record. */
export function encodeHeader(header: MessageHeader): Uint8Array {
  const key = encoder.encode(header.idempotencyKey);
  assert(key.length <= 128, 'idempotency keys were checked at the border');
  const bytes = new Uint8Array(FIXED_BYTES + ((key.length + 7) & ~7));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, MESSAGE_VERSION);
  view.setUint8(1, KINDS.indexOf(header.kind));
  view.setUint16(2, header.part, true);
  view.setUint16(4, header.parts, true);
  view.setUint16(6, key.length, true);
  view.setUint32(8, header.term, true);
  view.setUint32(12, header.n, true);
  view.setBigUint64(16, header.timestamp, true);
  view.setBigUint64(24, header.asOf, true);
  view.setUint32(32, header.previousHash, true);
  view.setUint32(36, header.payloadHash, true);
  view.setUint32(40, header.collectionId, true);
  view.setUint32(44, header.schemaVersion, true);
  view.setFloat64(48, header.segmentId, true);
  view.setUint32(56, header.rowCount, true);
  view.setUint32(60, header.shard, true);
  view.setUint32(64, header.bodyHash, true);
  bytes.set(key, FIXED_BYTES);
  return bytes;
}

/**
 * Reads a record. @throws ElanusError log_corrupt when it is not one, format_too_new when a newer
 * release wrote it.
 */
export function decodeMessage(record: Uint8Array, seq: number): Message {
  const bytes = record.byteOffset % 8 === 0 ? record : new Uint8Array(record);
  const corrupt = (why: string) => new ElanusError('log_corrupt', { path: `seq ${seq}`, why });
  if (bytes.length < FIXED_BYTES) throw corrupt('record too short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(0);
  if (version > MESSAGE_VERSION) {
    throw new ElanusError('format_too_new', {
      what: `log record ${seq}`,
      version,
      supported: MESSAGE_VERSION,
    });
  }
  const kind = KINDS[view.getUint8(1)];
  if (version === 0 || kind === undefined) throw corrupt('unknown record kind');
  const keyBytes = view.getUint16(6, true);
  const bodyAt = FIXED_BYTES + ((keyBytes + 7) & ~7);
  if (bodyAt > bytes.length) throw corrupt('record too short');
  const header: MessageHeader = {
    kind,
    part: view.getUint16(2, true),
    parts: view.getUint16(4, true),
    term: view.getUint32(8, true),
    n: view.getUint32(12, true),
    timestamp: view.getBigUint64(16, true),
    asOf: view.getBigUint64(24, true),
    previousHash: view.getUint32(32, true),
    payloadHash: view.getUint32(36, true),
    collectionId: view.getUint32(40, true),
    schemaVersion: view.getUint32(44, true),
    segmentId: view.getFloat64(48, true),
    rowCount: view.getUint32(56, true),
    shard: view.getUint32(60, true),
    bodyHash: view.getUint32(64, true),
    idempotencyKey: decoder.decode(bytes.subarray(FIXED_BYTES, FIXED_BYTES + keyBytes)),
  };
  return { header, head: bytes.subarray(0, bodyAt), body: bytes.subarray(bodyAt) };
}
