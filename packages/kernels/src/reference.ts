import { largerIsBetter } from '@elanus/core';
import type { Metric } from '@elanus/core';

import { decodeRows } from './element.ts';
import type { ListedBits, ListedRows, ScanBits, ScanRows, ScanSq8 } from './kernels.ts';
import { bytesOf } from './memory.ts';
import { sq8Stride } from './sq8.ts';

/**
 * The kernels written as plainly as possible: an oracle for tests, never a path of the product.
 * Same sixteen lanes, same rounding after every operation, so scores are compared bit by bit.
 */

/** One row of a reference scan. */
export interface ReferenceHit {
  readonly row: number;
  readonly score: number;
}

const f = Math.fround;

/** The sum over sixteen lanes that fold by halves (native/lanes.h). */
function laneSum(length: number, term: (i: number) => number): number {
  const lanes = new Float32Array(16);
  for (let i = 0; i < length; i++) lanes[i & 15] = f((lanes[i & 15] ?? 0) + f(term(i)));
  for (let half = 8; half >= 1; half /= 2) {
    for (let i = 0; i < half; i++) lanes[i] = f((lanes[i] ?? 0) + (lanes[i + half] ?? 0));
  }
  return lanes[0] ?? 0;
}

/** Inverse norm of one vector; 0 for a zero vector. */
export function referenceInverseNorm(x: Float32Array): number {
  const norm = laneSum(x.length, (i) => (x[i] ?? 0) * (x[i] ?? 0));
  return norm > 0 ? f(1 / f(Math.sqrt(norm))) : 0;
}

/** Exact score of `x` for query `q`. */
export function referenceScore(
  metric: ScanRows['metric'],
  q: Float32Array,
  x: Float32Array,
): number {
  if (metric === 'l2') {
    const sum = laneSum(q.length, (i) => {
      const d = f((q[i] ?? 0) - (x[i] ?? 0));
      return d * d;
    });
    return Number.isNaN(sum) ? Infinity : sum;
  }
  let score = laneSum(q.length, (i) => (q[i] ?? 0) * (x[i] ?? 0));
  if (metric === 'cosine') {
    score = f(f(score * referenceInverseNorm(q)) * referenceInverseNorm(x));
  }
  return Number.isNaN(score) ? -Infinity : score;
}

/** Best first, ties by lower row. */
export function byScore(metric: Metric): (a: ReferenceHit, b: ReferenceHit) => number {
  const sign = largerIsBetter(metric) ? -1 : 1;
  return (a, b) => {
    if (a.score !== b.score) return (a.score < b.score ? -1 : 1) * sign;
    return a.row - b.row;
  };
}

/** Every row that a scan may return for one query, best first, before the limit. */
export function referenceScan(
  args: Omit<ScanRows, 'top' | 'queries'>,
  query: Float32Array,
): readonly ReferenceHit[] {
  const { dim, from, to, allowed, bounds, metric } = args;
  const rows = decodeRows(args.rows, args.element ?? 'float32', { at: 0, length: to * dim });
  const min = f(bounds?.min ?? -Infinity);
  const max = f(bounds?.max ?? Infinity);
  const hits: ReferenceHit[] = [];
  for (let r = from; r < to; r++) {
    if (allowed !== undefined && (((allowed[r >> 5] ?? 0) >>> (r & 31)) & 1) === 0) continue;
    const score = referenceScore(metric, query, rows.subarray(r * dim, (r + 1) * dim));
    if (score >= min && score <= max) hits.push({ row: args.rowBase + r, score });
  }
  return hits.sort(byScore(metric));
}

/** Scores of listed rows; undefined for those outside the chunk. */
export function referenceScores(args: ListedRows): readonly (number | undefined)[] {
  const { dim } = args;
  const length = args.rowCount * dim;
  const rows = decodeRows(args.rows, args.element ?? 'float32', { at: 0, length });
  return Array.from(args.list, (number) => {
    const row = number - args.rowBase;
    if (row < 0 || row >= args.rowCount) return undefined;
    return referenceScore(args.metric, args.query, rows.subarray(row * dim, (row + 1) * dim));
  });
}

/** Minus log2 of a share, of single operations on doubles only: twin of native/bits.h. */
function minusLog2(share: number): number {
  let [m, e] = [share, 0];
  for (; m < 0.5; m *= 2) e--;
  for (; m >= 1; m /= 2) e++;
  if (m < 0.7071067811865476) {
    m += m;
    e--;
  }
  const s = (m - 1) / (m + 1);
  let sum = 0;
  for (let k = 15; k >= 1; k -= 2) sum = sum * (s * s) + 1 / k;
  return 0 - (e + s * sum * (2 * 1.4426950408889634));
}

/** Score of the rows of bits `x` and `q`. */
export function referenceBitScore(
  metric: ScanBits['metric'],
  q: Uint8Array,
  x: Uint8Array,
): number {
  let [both, either] = [0, 0];
  for (let i = 0; i < q.length * 8; i++) {
    const [a, b] = [q, x].map((bytes) => ((bytes[i >> 3] ?? 0) >> (i & 7)) & 1);
    both += a === 1 && b === 1 ? 1 : 0;
    either += a === 1 || b === 1 ? 1 : 0;
  }
  if (metric === 'hamming') return either - both;
  if (metric === 'jaccard') return either === 0 ? 1 : f((either - both) / either);
  return both === 0 ? Infinity : f(minusLog2(both / either));
}

/** Every row that a scan of bits may return for one query, best first, before the limit. */
export function referenceScanBits(
  args: Omit<ScanBits, 'top' | 'queries'>,
  query: Uint8Array,
): readonly ReferenceHit[] {
  const { from, to, allowed, bounds, metric } = args;
  const bytes = args.dim / 8;
  const rows = bytesOf(args.rows, to * bytes);
  const min = f(bounds?.min ?? -Infinity);
  const max = f(bounds?.max ?? Infinity);
  const hits: ReferenceHit[] = [];
  for (let r = from; r < to; r++) {
    if (allowed !== undefined && (((allowed[r >> 5] ?? 0) >>> (r & 31)) & 1) === 0) continue;
    const score = referenceBitScore(metric, query, rows.subarray(r * bytes, (r + 1) * bytes));
    if (score >= min && score <= max) hits.push({ row: args.rowBase + r, score });
  }
  return hits.sort(byScore(metric));
}

/** Scores of listed rows of bits; undefined for those outside the chunk. */
export function referenceBitScores(args: Omit<ListedBits, 'out'>): readonly (number | undefined)[] {
  const bytes = args.dim / 8;
  const rows = bytesOf(args.rows, args.rowCount * bytes);
  return Array.from(args.list, (number) => {
    const row = number - args.rowBase;
    if (row < 0 || row >= args.rowCount) return undefined;
    const x = rows.subarray(row * bytes, (row + 1) * bytes);
    return referenceBitScore(args.metric, args.query, x);
  });
}

/** Codes, term and squared norm of one row. */
export function referenceEncode(
  x: Float32Array,
  grid: { readonly low: number; readonly step: number; readonly scale: number },
): { readonly codes: Uint8Array; readonly term: number; readonly norm: number } {
  const codes = new Uint8Array(sq8Stride(x.length));
  const inverse = f(1 / grid.step);
  let term = 0;
  for (let i = 0; i < x.length; i++) {
    const scaled = f(f(f((x[i] ?? 0) * f(grid.scale)) - f(grid.low)) * inverse);
    const inside = scaled > 0 ? Math.min(scaled, 255) : 0;
    const code = Math.trunc(f(inside + 0.5));
    codes[i] = code;
    term += code * code - 256 * code;
  }
  return { codes, term: term >>> 0, norm: laneSum(x.length, (i) => (x[i] ?? 0) * (x[i] ?? 0)) };
}

/** Candidates of a scan of codes, best first, before the limit. */
export function referenceScanSq8(args: Omit<ScanSq8, 'top' | 'slot'>): readonly ReferenceHit[] {
  const stride = sq8Stride(args.dim);
  const codes = bytesOf(args.codes, args.to * stride);
  const { allowed } = args;
  const hits: ReferenceHit[] = [];
  for (let r = args.from; r < args.to; r++) {
    if (allowed !== undefined && (((allowed[r >> 5] ?? 0) >>> (r & 31)) & 1) === 0) continue;
    let dot = 0;
    for (let i = 0; i < stride; i++) dot += (codes[r * stride + i] ?? 0) * (args.query[i] ?? 0);
    const distance = ((args.terms[r] ?? 0) + args.queryTerm - 2 * dot) >>> 0;
    const score = f(f(f(args.weight) * f(distance)) - (args.norms?.[r] ?? 0));
    hits.push({ row: args.rowBase + r, score: Number.isNaN(score) ? Infinity : score });
  }
  return hits.sort(byScore('l2'));
}
