import { bytesOf, createTopK, sortTopK } from '@elanus/kernels';
import type { Kernels, TopK } from '@elanus/kernels';

import { bitSteps } from './bin-flat.ts';
import { bitListSteps } from './bit-lists-search.ts';
import type { BitListSource } from './bit-lists-search.ts';
import { assignBitSteps, bitTrainBytes, bitTrainStepCount, trainBitSteps } from './bit-means.ts';
import { fillLists } from './ivf-build.ts';
import { indexLayout } from './index-file.ts';
import type { IndexFile, IndexHeader } from './index-file.ts';
import type { ListShape } from './kmeans.ts';
import { writeProbeCurve } from './probe-curve.ts';
import type { ProbePoint } from './probe-curve.ts';
import { CURVE_END, CURVE_LIMITS } from './recall-curve.ts';

/** Rows that measure recall. */
const MEASURED = 128;
/** Searches of each row that measures recall, about. */
const MEASURES = 5;
/** Results of the rows that measure recall. */
const MEASURE_BYTES = 2 * 1024 * 1024;
/** Bytes of rows that are put in their lists between two steps. */
const STEP_BYTES = 1024 * 1024;

/** Bytes that lists of bits take while they are made, besides their file. */
export function bitListBuildBytes(shape: ListShape): number {
  return bitTrainBytes(shape) + shape.rowCount * 4 + MEASURE_BYTES;
}

/** About how many steps it takes to make lists of bits. */
export function bitListStepCount(shape: ListShape): number {
  return bitTrainStepCount(shape) + Math.min(MEASURED, shape.rowCount) * MEASURES;
}

/**
 * Share of the results that are as near as the truth, each query's own row left out: many rows of
 * bits are equally near, and any of them will do.
 */
function recallOf(found: TopK, truth: TopK): number {
  let [hits, all] = [0, 0];
  for (let q = 0; q < truth.nq; q++) {
    const at = q * truth.limit;
    const count = truth.counts[q] ?? 0;
    const worst = truth.scores[at + count - 1] ?? 0;
    const scores = found.scores.subarray(at, at + (found.counts[q] ?? 0));
    hits += scores.reduce((sum, score) => sum + (score <= worst ? 1 : 0), 0) - 1;
    all += count - 1;
  }
  return all === 0 ? 1 : Math.max(0, hits) / all;
}

/** Searches of more and more lists, with rows as queries, until they find nearly everything. */
function* measure(source: BitListSource): Generator<undefined, ProbePoint[], undefined> {
  const { rowCount, dim, rows } = source.column;
  const width = dim / 8;
  const count = Math.min(MEASURED, rowCount);
  const queries = new Uint8Array(count * width);
  for (let i = 0; i < count; i++) {
    const row = Math.floor(((i + 0.5) * rowCount) / count);
    queries.set(bytesOf(rows, width, row * width), i * width);
  }
  const points: ProbePoint[] = [];
  for (const limit of CURVE_LIMITS) {
    // One more than asked for: the own row is left out.
    if (limit + 1 > rowCount) break;
    const truth = createTopK(count, limit + 1);
    yield* bitSteps(source, { queries, top: truth });
    sortTopK(truth, source.metric);
    for (let nprobe = 1; ; nprobe = Math.min(source.centroids.count, Math.ceil(nprobe * 1.5))) {
      const top = createTopK(count, limit + 1);
      yield* bitListSteps(source, { queries, top, nprobe });
      const recall = recallOf(top, truth);
      points.push({ limit, nprobe, recall });
      if (recall >= CURVE_END || nprobe === source.centroids.count) break;
    }
  }
  return points;
}

/** Fills the file of a BIN_IVF_FLAT index, headers and checksums left out. */
export function* bitListBuildSteps(
  kernels: Kernels,
  source: BitListSource,
  into: { readonly file: IndexFile; readonly header: IndexHeader; readonly seed: number },
): Generator<undefined, void, undefined> {
  const { column, centroids, listStarts, listRows, listBits } = source;
  const { rowCount, dim, rows } = column;
  if (rowCount === 0) return;
  const width = dim / 8;
  yield* trainBitSteps(kernels, column, { centroids, seed: into.seed });
  const lists = new Uint32Array(rowCount);
  const bytes = bytesOf(rows, rowCount * width);
  yield* assignBitSteps(kernels, centroids, { rows: bytes, lists });
  yield* fillLists(lists, listStarts, listRows);
  const placed = bytesOf(listBits, rowCount * width);
  const pause = Math.max(1, Math.floor(STEP_BYTES / (width + 64)));
  for (const [place, row] of listRows.entries()) {
    placed.set(bytes.subarray(row * width, (row + 1) * width), place * width);
    if (place % pause === 0) yield;
  }
  const { probeCurve } = indexLayout(into.header).sections;
  writeProbeCurve(into.file.memory, probeCurve, yield* measure(source));
}
