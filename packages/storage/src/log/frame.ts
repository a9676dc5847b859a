import { crc32, joinCrc32 } from '@elanus/kernels/checksum';

/**
 * A record on disk, little-endian, padded with zeros to 8 bytes:
 *
 *     0 magic u32 | 4 crc32 of all that follows | 8 payload bytes u32 | 12 subject bytes u16
 *     14 flags u16 | 16 seq u64 | 24 synced u64 | 32 subject | payload
 *
 * `synced`: when the frame was made, every record below this seq was known to survive power loss.
 * It tells damage (a record below a later frame's `synced` is broken) from a torn tail (unsynced
 * pages may be lost in any order).
 */
export const FRAME_HEADER_BYTES = 32;
const MAGIC = 0x31464c45;

/** A frame without a record: written at close, it vouches for everything before it. */
export const FLAG_MARK = 1;

/**
 * A segment file begins with: magic 8 B, version u32, zero u32, first seq u64, synced u64, crc32.
 */
export const SEGMENT_HEADER_BYTES = 64;
const SEGMENT_MAGIC = Buffer.from('ELANLOG\n');
const SEGMENT_CRC_AT = 32;

/** Version of the format that this code writes; it reads no newer one. */
export const LOG_FORMAT = 1;

/** What a frame is made of. */
export interface FrameInput {
  readonly seq: number;
  readonly synced: number;
  readonly flags: number;
  readonly subject: string;
  readonly payloadBytes: number;
}

/** A frame found in a buffer; offsets are the buffer's. */
export interface Frame {
  readonly seq: number;
  readonly synced: number;
  readonly flags: number;
  readonly subject: string;
  readonly payloadStart: number;
  readonly payloadEnd: number;
  /** Where the next frame begins. */
  readonly end: number;
}

const HIGH = 2 ** 32;

function writeU64(target: Buffer, value: number, at: number): void {
  target.writeUInt32LE(value % HIGH, at);
  target.writeUInt32LE(Math.floor(value / HIGH), at + 4);
}

function readU64(source: Buffer, at: number): number {
  return source.readUInt32LE(at) + source.readUInt32LE(at + 4) * HIGH;
}

const align8 = (bytes: number): number => (bytes + 7) & ~7;

/** Bytes a frame takes on disk. Subjects are ASCII. */
export function frameBytes(subjectBytes: number, payloadBytes: number): number {
  return align8(FRAME_HEADER_BYTES + subjectBytes + payloadBytes);
}

/** Writes what stands before the payload of a frame, but the checksum; returns its end. */
export function writeFrameHead(target: Buffer, at: number, input: FrameInput): number {
  target.writeUInt32LE(MAGIC, at);
  target.writeUInt32LE(input.payloadBytes, at + 8);
  target.writeUInt16LE(input.subject.length, at + 12);
  target.writeUInt16LE(input.flags, at + 14);
  writeU64(target, input.seq, at + 16);
  writeU64(target, input.synced, at + 24);
  target.write(input.subject, at + FRAME_HEADER_BYTES, 'latin1');
  return at + FRAME_HEADER_BYTES + input.subject.length;
}

/** Writes the checksum of a frame: `head` is its beginning, `rest` what lies elsewhere. */
export function sealFrame(
  head: Buffer,
  rest: { readonly crc32: number; readonly bytes: number },
): void {
  head.writeUInt32LE(joinCrc32(crc32(head.subarray(8)), rest.crc32, rest.bytes), 4);
}

/**
 * The frame at `at`. A number: so many bytes from `at` are needed to tell. Undefined: no valid
 * frame is here. `payloadMax` bounds what a broken length can ask for.
 */
export function readFrame(
  source: Buffer,
  at: number,
  payloadMax: number,
): Frame | number | undefined {
  if (source.length - at < FRAME_HEADER_BYTES) return FRAME_HEADER_BYTES;
  if (source.readUInt32LE(at) !== MAGIC) return undefined;
  const payloadBytes = source.readUInt32LE(at + 8);
  const subjectBytes = source.readUInt16LE(at + 12);
  if (payloadBytes > payloadMax || subjectBytes > 128) return undefined;
  const need = frameBytes(subjectBytes, payloadBytes);
  if (source.length - at < need) return need;
  const payloadStart = at + FRAME_HEADER_BYTES + subjectBytes;
  const payloadEnd = payloadStart + payloadBytes;
  if (crc32(source.subarray(at + 8, payloadEnd)) !== source.readUInt32LE(at + 4)) return undefined;
  return {
    seq: readU64(source, at + 16),
    synced: readU64(source, at + 24),
    flags: source.readUInt16LE(at + 14),
    subject: source.toString('latin1', at + FRAME_HEADER_BYTES, payloadStart),
    payloadStart,
    payloadEnd,
    end: at + need,
  };
}

/** Where the next thing that looks like a frame begins, at or after `at`; -1: nowhere. */
export function findFrame(source: Buffer, at: number): number {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(MAGIC);
  return source.indexOf(magic, at);
}

/** The header of a segment file whose first record has `firstSeq`. */
export function segmentHeader(firstSeq: number, synced: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  SEGMENT_MAGIC.copy(header);
  header.writeUInt32LE(LOG_FORMAT, 8);
  writeU64(header, firstSeq, 16);
  writeU64(header, synced, 24);
  header.writeUInt32LE(crc32(header.subarray(0, SEGMENT_CRC_AT)), SEGMENT_CRC_AT);
  return header;
}

/** What a segment's header says; undefined when it is not one. */
export function readSegmentHeader(
  header: Buffer,
): { readonly version: number; readonly firstSeq: number; readonly synced: number } | undefined {
  if (header.length < SEGMENT_HEADER_BYTES) return undefined;
  if (!header.subarray(0, 8).equals(SEGMENT_MAGIC)) return undefined;
  if (crc32(header.subarray(0, SEGMENT_CRC_AT)) !== header.readUInt32LE(SEGMENT_CRC_AT)) {
    return undefined;
  }
  return {
    version: header.readUInt32LE(8),
    firstSeq: readU64(header, 16),
    synced: readU64(header, 24),
  };
}
