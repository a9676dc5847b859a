/**
 * Vectors at rest: raw little-endian rows behind a 64-byte header, so that the rows lie aligned and
 * are read straight into the memory that is searched, never through a decoder. Version 1 holds
 * float32 and is what those are written as; version 2 holds every other type.
 *
 *      0  u32 magic  u32 version  u32 dim  u32 blockBytes  f64 rowCount
 *     24  version 1: u32 headerCrc
 *         version 2: u32 type  u32 0  f64 entries  u32 headerCrc
 *     64  rows; sparse: u32 offsets [rowCount + 1], u32 indices [entries], f32 values [entries]
 *     ..  u32 CRC-32 of each block of `blockBytes`, then u32 CRC-32 of those
 */
import { assert, denseBytes, ElanusError, type DenseType, type VectorType } from '@elanus/core';
import { crc32 } from '@elanus/kernels/checksum';

const MAGIC = 0x31564345; // "ECV1"
const VERSION = 2;
/** Where the rows begin in a vector file. */
export const VECTOR_HEADER_BYTES = 64;
/** One checksum covers this much: small enough for a short turn, large enough to cost nothing. */
export const VECTOR_BLOCK_BYTES = 512 * 1024;
/** Numbers of the types of version 2; never renumbered. */
const TYPES: readonly VectorType[] = ['float16', 'bfloat16', 'int8', 'binary', 'sparse'];

/** The vectors of a file: dense ones by dimension, sparse ones by their entries. */
export type VectorFileShape =
  | { readonly type: DenseType; readonly dim: number; readonly rowCount: number }
  | { readonly type: 'sparse'; readonly entries: number; readonly rowCount: number };

/** What a vector file says of itself. */
export interface VectorFileHeader {
  readonly type: VectorType;
  /** 0 for sparse vectors. */
  readonly dim: number;
  /** 0 for dense vectors. */
  readonly entries: number;
  readonly rowCount: number;
  readonly dataBytes: number;
  readonly blockCount: number;
  readonly fileBytes: number;
}

/** Bytes of the rows. */
export function vectorDataBytes(shape: VectorFileShape): number {
  if (shape.type === 'sparse') return (shape.rowCount + 1) * 4 + shape.entries * 8;
  return shape.rowCount * denseBytes(shape.type, shape.dim);
}

/** Where indices and values of sparse vectors begin in the data section; offsets are at 0. */
export function sparseSections(shape: { readonly rowCount: number; readonly entries: number }): {
  readonly indices: number;
  readonly values: number;
} {
  const indices = (shape.rowCount + 1) * 4;
  return { indices, values: indices + shape.entries * 4 };
}

function layout(shape: VectorFileShape): VectorFileHeader {
  const { type, rowCount } = shape;
  const dim = shape.type === 'sparse' ? 0 : shape.dim;
  const entries = shape.type === 'sparse' ? shape.entries : 0;
  const dataBytes = vectorDataBytes(shape);
  const blockCount = Math.ceil(dataBytes / VECTOR_BLOCK_BYTES);
  const fileBytes = VECTOR_HEADER_BYTES + dataBytes + blockCount * 4 + 4;
  return { type, dim, entries, rowCount, dataBytes, blockCount, fileBytes };
}

function encodeVectorHeader({ type, dim, entries, rowCount }: VectorFileHeader): Uint8Array {
  const header = new Uint8Array(VECTOR_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, type === 'float32' ? 1 : 2, true);
  view.setUint32(8, dim, true);
  view.setUint32(12, VECTOR_BLOCK_BYTES, true);
  view.setFloat64(16, rowCount, true);
  if (type !== 'float32') {
    view.setUint32(24, TYPES.indexOf(type), true);
    view.setFloat64(32, entries, true);
  }
  const end = type === 'float32' ? 24 : 40;
  view.setUint32(end, crc32(header.subarray(0, end)), true);
  return header;
}

/**
 * The file's bytes, piece by piece, at most one block each: rows are passed through, not copied.
 * `pieces`, one behind the other, are the data section.
 */
export function* encodeVectorFile(
  input: VectorFileShape & { readonly pieces: Iterable<ArrayBufferView> },
): Generator<Uint8Array> {
  const header = layout(input);
  yield encodeVectorHeader(header);
  const checksums = new Uint32Array(header.blockCount);
  let position = 0;
  for (const piece of input.pieces) {
    const bytes = new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
    let at = 0;
    while (at < bytes.length) {
      const block = Math.floor(position / VECTOR_BLOCK_BYTES);
      const room = (block + 1) * VECTOR_BLOCK_BYTES - position;
      const slice = bytes.subarray(at, at + Math.min(room, bytes.length - at));
      checksums[block] = crc32(slice, checksums[block]);
      position += slice.length;
      at += slice.length;
      yield slice;
    }
  }
  assert(position === header.dataBytes, 'pieces are as long as their shape says');
  const trailer = new Uint8Array(checksums.buffer);
  yield trailer;
  yield new Uint8Array(Uint32Array.of(crc32(trailer)).buffer);
}

/** Reads the header. @throws ElanusError file_corrupt, format_too_new */
export function decodeVectorHeader(bytes: Uint8Array, path: string): VectorFileHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < VECTOR_HEADER_BYTES || view.getUint32(0, true) !== MAGIC) {
    throw new ElanusError('file_corrupt', { path, why: 'not a vector file' });
  }
  const version = view.getUint32(4, true);
  if (version > VERSION) {
    throw new ElanusError('format_too_new', { what: path, version, supported: VERSION });
  }
  const end = version === 1 ? 24 : 40;
  if (version < 1 || view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) {
    throw new ElanusError('file_corrupt', { path, offset: 0, why: 'header checksum' });
  }
  const [dim, rowCount] = [view.getUint32(8, true), view.getFloat64(16, true)];
  if (version === 1) return layout({ type: 'float32', dim, rowCount });
  const type = TYPES[view.getUint32(24, true)];
  if (type === undefined) {
    throw new ElanusError('file_corrupt', { path, offset: 24, why: 'unknown type of vectors' });
  }
  if (type === 'sparse') return layout({ type, entries: view.getFloat64(32, true), rowCount });
  return layout({ type, dim, rowCount });
}

/** The blocks' checksums from the bytes behind the rows. @throws ElanusError file_corrupt */
export function decodeVectorChecksums(trailer: Uint8Array, path: string): Uint32Array {
  const copy = new Uint8Array(trailer);
  const sums = new Uint32Array(copy.buffer, 0, copy.length / 4 - 1);
  const own = new Uint32Array(copy.buffer, copy.length - 4, 1);
  if (own[0] !== crc32(new Uint8Array(copy.buffer, 0, copy.length - 4))) {
    throw new ElanusError('file_corrupt', { path, why: 'checksum of the checksums' });
  }
  return sums;
}

/** Checks block `block` of the rows, given the rows' bytes. @throws ElanusError file_corrupt */
export function checkVectorBlock(
  rows: Uint8Array,
  checksums: Uint32Array,
  at: { readonly block: number; readonly path: string },
): void {
  const from = at.block * VECTOR_BLOCK_BYTES;
  const bytes = rows.subarray(from, Math.min(from + VECTOR_BLOCK_BYTES, rows.length));
  if (crc32(bytes) !== checksums[at.block]) {
    throw new ElanusError('file_corrupt', {
      path: at.path,
      offset: VECTOR_HEADER_BYTES + from,
      why: 'block checksum',
    });
  }
}
