import type { FloatMetric } from '@elanus/core';

import type { RowElement } from './element.ts';
import type { RowMemory } from './memory.ts';
import type { TopK } from './topk.ts';

/**
 * Lists of rows as 1-bit codes, all in one memory: RaBitQ (Gao and Long 2024). A row is rotated and
 * taken relative to the centroid of its list; the signs of its numbers are kept, and two numbers
 * that make counts of bits an estimate of the distance that is right on average.
 */
export interface RabitqView {
  readonly memory: RowMemory;
  readonly rowCount: number;
  readonly lists: number;
  /** Numbers of a row. */
  readonly dim: number;
  /** Byte offsets of the parts in the memory, multiples of 4. */
  readonly codes: number;
  /** [rowCount x 2] f32, in the order of the lists, as the codes are. */
  readonly factors: number;
  /** [rowCount] u32: the row at each place. */
  readonly rows: number;
  /** [lists + 1] u32: where each list begins. */
  readonly starts: number;
  /** [lists x rabitqBits(dim)] f32, rotated. */
  readonly centroids: number;
  /** [rabitqBits(dim) / 8] u32: random bits that decide the rotation. */
  readonly signs: number;
}

/** Queries, or centroids, to be rotated. */
export interface RotateQueries {
  readonly view: RabitqView;
  /** [n x dim] */
  readonly queries: Float32Array;
  /** [n x rabitqBits(dim)] takes them. */
  readonly out: Float32Array;
}

/** Writes codes and factors of places `[from, to)`, which are of one list. */
export interface EncodeRabitq {
  readonly view: RabitqView;
  readonly metric: FloatMetric;
  /** How numbers of the rows are stored; default float32. */
  readonly element?: RowElement | undefined;
  /** [view.rowCount x dim] */
  readonly rows: RowMemory;
  /** When given, each row is scaled by it first: COSINE codes are of normalised rows. */
  readonly inverseNorms?: Float32Array | undefined;
  readonly list: number;
  readonly from: number;
  readonly to: number;
}

/** Scans lists for the candidates of one query. */
export interface ScanRabitq {
  readonly view: RabitqView;
  /** [rabitqBits(dim)] from `rotateQueries`; for COSINE of a query of length 1. */
  readonly query: Float32Array;
  /** Numbers of lists, in the order in which they are scanned. */
  readonly lists: Uint32Array;
  /** [2] where the scan stands; zeroes to begin with. */
  readonly state: Uint32Array;
  /** Bit i set = row i may be returned; absent = all. */
  readonly allowed?: Uint32Array | undefined;
  /** Takes rows by their estimates, of which the smallest are the best whatever the metric. */
  readonly top: TopK;
  readonly slot: number;
}

/** Bits of the code of a row: its numbers, rounded up to 128. */
export function rabitqBits(dim: number): number {
  return (dim + 127) & ~127;
}

/** Words of random bits that decide a rotation. */
export function rabitqSigns(dim: number): number {
  return rabitqBits(dim) / 8;
}

/** Bytes of codes that one native call scans: about a millisecond with AVX2. */
export const RABITQ_BUDGET = 8_000_000;

/** Rows that one native call encodes: a rotation costs some forty operations a number. */
export function rabitqRowsPerCall(dim: number): number {
  return Math.max(1, Math.floor(400_000 / rabitqBits(dim)));
}
