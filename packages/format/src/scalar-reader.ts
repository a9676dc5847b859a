import { ElanusError, type Clock, type ObjectStore } from '@elanus/core';
import { crc32 } from '@elanus/kernels/checksum';
import type { ManifestFile } from './manifest.ts';
import { decodeScalarSteps, type ScalarFile } from './scalar-decoder.ts';

/** Where scalar files are read from, and how others get their turn meanwhile. */
export interface ScalarSource {
  readonly objects: Pick<ObjectStore, 'readInto' | 'stat'>;
  readonly clock: Pick<Clock, 'turn'>;
}

/** Bytes checked in one turn of the event loop. */
const CHECK_BYTES = 512 * 1024;

/**
 * Reads a segment's scalars into shared memory, where they stay: the columns are views of the file.
 * Memory: the file's size, and a byte a row for each column of bools.
 * @throws ElanusError file_corrupt when it is not the file that is named; object_not_found
 */
export async function readScalars(source: ScalarSource, file: ManifestFile): Promise<ScalarFile> {
  const { objects, clock } = source;
  const { name: path, size } = file;
  const stat = await objects.stat(path);
  if (stat === undefined) throw new ElanusError('object_not_found', { name: path });
  if (stat.size !== size) {
    throw new ElanusError('file_corrupt', { path, why: 'size differs from the manifest' });
  }
  const bytes = new Uint8Array(new SharedArrayBuffer(size));
  await objects.readInto(path, 0, bytes);
  let sum = 0;
  for (let at = 0; at < size; at += CHECK_BYTES) {
    if (at > 0) await clock.turn();
    sum = crc32(bytes.subarray(at, at + CHECK_BYTES), sum);
  }
  if (sum !== file.crc32) throw new ElanusError('file_corrupt', { path, why: 'checksum differs' });
  const steps = decodeScalarSteps(bytes, path);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await clock.turn();
  }
}
