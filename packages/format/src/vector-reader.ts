import { ElanusError, type ObjectStore } from '@elanus/core';
import {
  checkVectorBlock,
  decodeVectorChecksums,
  decodeVectorHeader,
  VECTOR_BLOCK_BYTES,
  VECTOR_HEADER_BYTES,
  type VectorFileHeader,
} from './vector-file.ts';

/** Where vector files are read from. */
export type VectorSource = Pick<ObjectStore, 'readInto' | 'stat'>;

/** Blocks read at a time and checked in one turn, 8 MiB: a read is several calls of the system. */
const READ_BLOCKS = 16;

/** Reads and checks a file's header and size. @throws file_corrupt, format_too_new */
export async function readVectorHeader(
  source: VectorSource,
  name: string,
): Promise<VectorFileHeader> {
  const head = new Uint8Array(VECTOR_HEADER_BYTES);
  await source.readInto(name, 0, head);
  const header = decodeVectorHeader(head, name);
  const stat = await source.stat(name);
  if (stat?.size !== header.fileBytes) {
    throw new ElanusError('file_corrupt', { path: name, why: 'size differs from the header' });
  }
  return header;
}

/** Reads all rows into `target` and checks every block. @throws file_corrupt */
export async function readVectors(
  source: VectorSource,
  file: {
    readonly name: string;
    readonly header: VectorFileHeader;
    /** `dataBytes` long; may lie on shared memory. */
    readonly target: Uint8Array;
  },
): Promise<void> {
  const { name, header, target } = file;
  const end = VECTOR_HEADER_BYTES + header.dataBytes;
  const trailer = new Uint8Array(header.fileBytes - end);
  await source.readInto(name, end, trailer);
  const checksums = decodeVectorChecksums(trailer, name);
  const read = (block: number): Promise<void> => {
    const from = block * VECTOR_BLOCK_BYTES;
    const to = Math.min(from + READ_BLOCKS * VECTOR_BLOCK_BYTES, header.dataBytes);
    if (from >= to) return Promise.resolve();
    return source.readInto(name, VECTOR_HEADER_BYTES + from, target.subarray(from, to));
  };
  let reading = read(0);
  for (let block = 0; block < header.blockCount; block += READ_BLOCKS) {
    await reading;
    // The next blocks are read while these are checked.
    reading = read(block + READ_BLOCKS);
    reading.catch(() => undefined);
    const last = Math.min(block + READ_BLOCKS, header.blockCount);
    for (let b = block; b < last; b++)
      checkVectorBlock(target, checksums, { block: b, path: name });
  }
}
