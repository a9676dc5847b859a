/**
 * Lists of bits against the scan of all rows: how fast, and how much they find. Handwritten digits
 * as one bit a pixel, and seeded clusters of 1,024 bits.
 *
 *     node --conditions=elanus:source bench/index/bit-lists.ts
 */
import { buildSteps, flatIndex, openIndex } from '@elanus/index';
import type { VectorIndex } from '@elanus/index';
import { bytesOf, createTopK, loadKernels, sortTopK } from '@elanus/kernels';

import { DIM, queryDigits, readTrain } from '../digits.ts';

const LIMIT = 10;
const QUERIES = 200;
const kernels = loadKernels();

interface Set {
  readonly name: string;
  readonly dim: number;
  readonly rows: Uint8Array;
  readonly queries: Uint8Array;
}

/** A bit for each pixel that is more ink than paper. */
function bitsOf(pixels: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array(pixels.length / 8);
  for (let i = 0; i < pixels.length; i++) {
    if ((pixels[i] ?? 0) > 127) out[i >>> 3] = (out[i >>> 3] ?? 0) | (1 << (i & 7));
  }
  return out;
}

function digits(): Set {
  const queries = new Uint8Array((QUERIES * DIM) / 8);
  for (const [i, one] of queryDigits(QUERIES).entries()) queries.set(bitsOf(one), (i * DIM) / 8);
  return { name: 'digits', dim: DIM, rows: bitsOf(readTrain().images), queries };
}

/** Signs of rows around centres: a bit differs from its centre's one time in five. */
function clusters(rowCount: number, dim: number): Set {
  let state = 42;
  const random = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  const width = dim / 8;
  const centres = Uint8Array.from({ length: 500 * width }, () => random() * 256);
  const make = (count: number): Uint8Array => {
    const out = new Uint8Array(count * width);
    for (let row = 0; row < count; row++) {
      const centre = Math.floor(random() * 500) * width;
      for (let i = 0; i < width; i++) {
        let noise = 0;
        for (let bit = 0; bit < 8; bit++) noise |= random() < 0.2 ? 1 << bit : 0;
        out[row * width + i] = (centres[centre + i] ?? 0) ^ noise;
      }
    }
    return out;
  };
  return { name: `clusters ${rowCount}`, dim, rows: make(rowCount), queries: make(QUERIES) };
}

/** Microseconds of processor time of a query, and the results. */
function search(index: VectorIndex, queries: Uint8Array, recall?: number) {
  const tops = Array.from({ length: QUERIES }, () => createTopK(1, LIMIT));
  const width = index.dim / 8;
  const started = process.cpuUsage();
  for (const [q, top] of tops.entries()) {
    index.search({ queries: queries.subarray(q * width, (q + 1) * width), top, recall });
  }
  const { user, system } = process.cpuUsage(started);
  for (const top of tops) sortTopK(top, index.metric);
  return { micros: (user + system) / QUERIES, tops };
}

for (const { name, dim, rows, queries } of [digits(), clusters(100_000, 1024)]) {
  const rowCount = rows.length / (dim / 8);
  const memory = kernels.allocate(rows.length);
  bytesOf(memory, rows.length).set(rows);
  const column = { rows: memory, rowCount, dim, element: 'binary' as const };
  for (const metric of ['hamming', 'jaccard'] as const) {
    const started = process.cpuUsage();
    const steps = buildSteps({ kernels, kind: 'BIN_IVF_FLAT', metric, column });
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    const built = process.cpuUsage(started).user / 1e6;
    const index = openIndex({ kernels, column, image: { ...step.value, path: name } });
    const flat = flatIndex({ kernels, metric, column });
    process.stdout.write(`${name}, ${metric}: built in ${built.toFixed(1)} s\n`);
    for (const recall of [0.9, 0.95, 0.98]) {
      const exact = search(flat, queries);
      const lists = search(index, queries, recall);
      let found = 0;
      for (const [q, top] of lists.tops.entries()) {
        const worst = exact.tops[q]?.scores[LIMIT - 1] ?? 0;
        found += top.scores.filter((score) => score <= worst).length;
      }
      const share = (found / (QUERIES * LIMIT)).toFixed(3);
      const [scan, probe] = [exact.micros.toFixed(0), lists.micros.toFixed(0)];
      process.stdout.write(`  recall ${recall}: ${probe} us, found ${share}; scan ${scan} us\n`);
    }
  }
}
