/**
 * Vectors at rest: raw little-endian float32 rows behind a 64-byte header, so that the rows lie
 * aligned and are read straight into the memory that is searched, never through a decoder.
 *
 *      0  u32 magic  u32 version  u32 dim  u32 blockBytes  f64 rowCount  u32 headerCrc
 *     64  rows
 *     ..  u32 CRC-32 of each block of `blockBytes`, then u32 CRC-32 of those
 */
import { ElanusError } from '@elanus/core';
import { crc32 } from '@elanus/kernels/checksum';

const MAGIC = 0x31564345; // "ECV1"
const VERSION = 1;
/** Where the rows begin in a vector file. */
export const VECTOR_HEADER_BYTES = 64;
/** One checksum covers this much: small enough for a short turn, large enough to cost nothing. */
export const VECTOR_BLOCK_BYTES = 512 * 1024;

/** What a vector file says of itself. */
export interface VectorFileHeader {
  readonly dim: number;
  readonly rowCount: number;
  readonly dataBytes: number;
  readonly blockCount: number;
  readonly fileBytes: number;
}

function layout(dim: number, rowCount: number): VectorFileHeader {
  const dataBytes = dim * rowCount * 4;
  const blockCount = Math.ceil(dataBytes / VECTOR_BLOCK_BYTES);
  const fileBytes = VECTOR_HEADER_BYTES + dataBytes + blockCount * 4 + 4;
  return { dim, rowCount, dataBytes, blockCount, fileBytes };
}

/**
 * The file's bytes, piece by piece, at most one block each: rows are passed through, not copied.
 * `pieces` are consecutive rows, each a whole number of them.
 */
export function* encodeVectorFile(input: {
  readonly dim: number;
  readonly rowCount: number;
  readonly pieces: Iterable<Float32Array>;
}): Generator<Uint8Array> {
  const { dim, rowCount } = input;
  const { blockCount } = layout(dim, rowCount);
  const header = new Uint8Array(VECTOR_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, VERSION, true);
  view.setUint32(8, dim, true);
  view.setUint32(12, VECTOR_BLOCK_BYTES, true);
  view.setFloat64(16, rowCount, true);
  view.setUint32(24, crc32(header.subarray(0, 24)), true);
  yield header;
  const checksums = new Uint32Array(blockCount);
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
  if (view.getUint32(24, true) !== crc32(bytes.subarray(0, 24))) {
    throw new ElanusError('file_corrupt', { path, offset: 0, why: 'header checksum' });
  }
  return layout(view.getUint32(8, true), view.getFloat64(16, true));
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
