import type { BinaryMetric, FloatMetric } from '@elanus/core';

import type { RowElement } from './element.ts';
import type { FindLinks, MergeLinks, ScratchShape, SearchGraph } from './graph.ts';
import type { RowMemory } from './memory.ts';
import type { EncodeRabitq, RotateQueries, ScanRabitq } from './rabitq.ts';
import type { TopK } from './topk.ts';

/**
 * Which kernels to use. 'auto' takes the best the machine has: native, else WebAssembly. The others
 * force one, so that tests can compare them and an operator can rule one out.
 */
export type KernelChoice = 'auto' | 'avx512' | 'avx2' | 'sse2' | 'neon' | 'wasm';

/** The instruction set that a `Kernels` runs on. */
export type KernelIsa = Exclude<KernelChoice, 'auto'>;

/** Inclusive bounds of the score, in the metric's own sense: a range search. */
export interface ScoreBounds {
  readonly min: number;
  readonly max: number;
}

/** Rows of one chunk, row-major and tight, that kernels score. */
export interface VectorRows {
  readonly metric: FloatMetric;
  /** How numbers are stored; default float32. Scores are those of the rows in float32. */
  readonly element?: RowElement | undefined;
  /** 1 to 32,768. */
  readonly dim: number;
  readonly rows: RowMemory;
  /** COSINE only, and then needed: one inverse norm per row, from `inverseNorms`. */
  readonly inverseNorms?: Float32Array | undefined;
  /** Added to row numbers in results, so that chunks of a segment share one numbering. */
  readonly rowBase: number;
}

/** A scan of rows `[from, to)` of one chunk for one or more queries. */
export interface ScanRows extends VectorRows {
  readonly from: number;
  readonly to: number;
  /** Bit i set = row i of this chunk may be returned; absent = all. */
  readonly allowed?: Uint32Array | undefined;
  /** [nq x dim] float32, whatever the element; `nq` is `top.nq`. */
  readonly queries: Float32Array;
  readonly bounds?: ScoreBounds | undefined;
  readonly top: TopK;
}

/** Exact scores of listed rows for one query. */
export interface ListedRows extends VectorRows {
  /** Rows that the chunk holds. */
  readonly rowCount: number;
  /** Row numbers, `rowBase` included; those outside the chunk are skipped. */
  readonly list: Uint32Array;
  /** [dim] float32, whatever the element */
  readonly query: Float32Array;
}

/** Listed rows whose exact scores go to the heap of query `slot` of `top`. */
export interface RerankRows extends ListedRows {
  readonly bounds?: ScoreBounds | undefined;
  readonly top: TopK;
  readonly slot: number;
}

/** Rows of bits of one chunk: row r lies in bytes `[r * dim / 8, (r + 1) * dim / 8)`, tight. */
export interface BitRows {
  readonly metric: BinaryMetric;
  /** Bits of a row: a multiple of 8, 8 to 262,144. */
  readonly dim: number;
  readonly rows: RowMemory;
  /** Added to row numbers in results. */
  readonly rowBase: number;
}

/** A scan of rows `[from, to)` of bits for one or more queries. */
export interface ScanBits extends BitRows {
  readonly from: number;
  readonly to: number;
  /** Bit i set = row i of this chunk may be returned; absent = all. */
  readonly allowed?: Uint32Array | undefined;
  /** [nq x dim / 8]; `nq` is `top.nq`. */
  readonly queries: Uint8Array;
  readonly bounds?: ScoreBounds | undefined;
  readonly top: TopK;
}

/** Scores of listed rows of bits for one query. */
export interface ListedBits extends BitRows {
  /** Rows that the chunk holds. */
  readonly rowCount: number;
  /** Row numbers, `rowBase` included; those outside the chunk are skipped. */
  readonly list: Uint32Array;
  /** [dim / 8] */
  readonly query: Uint8Array;
  /** [list] */
  readonly out: Float32Array;
}

/** Encodes rows `[from, to)` as 8-bit codes on the grid `low + code * step`. */
export interface EncodeSq8 {
  readonly dim: number;
  /** How numbers of the rows are stored; default float32. */
  readonly element?: RowElement | undefined;
  readonly rows: RowMemory;
  /** When given, each row is scaled by it first: COSINE codes are of normalised rows. */
  readonly inverseNorms?: Float32Array | undefined;
  readonly from: number;
  readonly to: number;
  readonly low: number;
  readonly step: number;
  /** Bytes of a row of codes, a multiple of 16; default `sq8Stride(dim)`. */
  readonly stride?: number | undefined;
  /** [rows x stride] */
  readonly codes: RowMemory;
  /** [rows] minus the sum of the codes, written when given: graphs need it for IP. */
  readonly innerTerms?: Uint32Array | undefined;
  /** [rows] the part of the grid distance that only the row decides. */
  readonly terms: Uint32Array;
  /** [rows] squared norms of the rows, written when given: IP needs them. */
  readonly norms?: Float32Array | undefined;
}

/** Rows whose inverse norms are wanted. */
export interface InverseNorms {
  readonly dim: number;
  /** How numbers of the rows are stored; default float32. */
  readonly element?: RowElement | undefined;
  readonly rows: RowMemory;
  readonly from: number;
  readonly to: number;
  /** [>= to] */
  readonly out: Float32Array;
}

/** Scans 8-bit codes for the candidates of one query. */
export interface ScanSq8 {
  readonly dim: number;
  readonly codes: RowMemory;
  readonly terms: Uint32Array;
  readonly norms?: Float32Array | undefined;
  readonly from: number;
  readonly to: number;
  readonly rowBase: number;
  readonly allowed?: Uint32Array | undefined;
  /** [sq8Stride(dim)] query codes minus 128, padded with 0; from `encodeQuerySq8`. */
  readonly query: Int8Array;
  readonly queryTerm: number;
  /** Score = weight * grid distance - norm; smaller is better for every metric. */
  readonly weight: number;
  /** The rows were read a moment ago by another query: another way is faster then. Same results. */
  readonly cached?: boolean | undefined;
  readonly top: TopK;
  readonly slot: number;
}

/**
 * Distance kernels, 8-bit codes and top-k over shared row memory: one interface over native code
 * and WebAssembly, with equal bits from both. Stateless: results lie with the caller, so that a
 * scan can be cut and continued over chunks, and any number of threads may run over the same rows.
 *
 * Scores as Milvus: L2 is the squared distance, smaller is better; IP and COSINE are larger is
 * better; of bits, smaller is better. A sum that overflows to NaN counts as the worst score.
 *
 * Wrong arguments throw TypeError or RangeError, whatever they are; nothing crashes the process.
 * Each scan is cut inside into native calls of `rowsPerCall` rows, so a terminated thread ends
 * soon; how long the caller holds its turn is decided by `to - from`.
 */
export interface Kernels {
  readonly isa: KernelIsa;
  readonly native: boolean;
  /** Zeroed shared memory, 64-byte aligned. `bytes` > 0; in WebAssembly below 4 GiB. */
  allocate(bytes: number): RowMemory;
  /**
   * Asks for large pages under memory that will be read in random order (an index with a graph: a
   * third more searches a second), before anything is written to it. Nothing where there are none.
   */
  preferLargePages(memory: RowMemory): void;
  /**
   * Moves what was written to such pages afterwards, on a thread of its own, while others go on
   * reading it: what has to be filled soon is filled sooner on small ones. Resolves when all is
   * moved, or stays where it is because the system has no such pages (Linux before 6.1, others), or
   * after a few of them when `signal` fires: do so before `discard`, or they come back.
   */
  gatherPages(memory: RowMemory, signal?: AbortSignal): Promise<void>;
  /**
   * Gives the pages of memory that nobody needs any more back to the system, at once: garbage
   * collection frees shared memory, but late, since it does not see its size. A late reader finds
   * zeroes, never a fault. Nothing where the platform has no such call.
   */
  discard(memory: RowMemory): void;
  scanRows(args: ScanRows): void;
  rerankRows(args: RerankRows): void;
  /** Writes the score of list[i] to out[i]; rows outside the chunk leave out[i] alone. */
  scoreRows(args: ListedRows & { readonly out: Float32Array }): void;
  /** 1 / norm of rows `[from, to)`; 0 for a zero row, so that its cosine is 0. */
  inverseNorms(args: InverseNorms): void;
  /**
   * Scores rows of bits: HAMMING counts the bits that differ; JACCARD is the share of those in the
   * union that differ, 1 when there are none; TANIMOTO is minus log2 of the others' share.
   * Smaller is better.
   */
  scanBits(args: ScanBits): void;
  /** Writes the score of list[i] to out[i]; rows outside the chunk leave out[i] alone. */
  scoreBits(args: ListedBits): void;
  encodeSq8(args: EncodeSq8): void;
  scanSq8(args: ScanSq8): void;
  /** Rotates queries, or centroids, as the rows of a view are. */
  rotateQueries(args: RotateQueries): void;
  /** Writes 1-bit codes of rows, and what an estimate needs besides. */
  encodeRabitq(args: EncodeRabitq): void;
  /**
   * Scans lists of 1-bit codes until all are through (true) or one native call's worth of work is
   * done (false: call again with the same arguments). Estimates, the smallest first; their order is
   * that of the scores, roughly: score the best exactly.
   */
  scanRabitq(args: ScanRabitq): boolean;
  /** Whether this machine walks a graph of that shape; else scan its codes. */
  canWalk(shape: ScratchShape): boolean;
  /**
   * Searches a graph until all queries are decided (true) or one native call's worth of work is
   * done (false: call again with the same arguments). Candidates are found by codes and scored
   * exactly into `top`; `outcomes` says which queries it could not answer, and leaves their part
   * of `top` alone.
   */
  searchGraph(args: SearchGraph): boolean;
  /** Finds links of positions of a round; the first that is not done, `to` when all are. */
  findLinks(args: FindLinks): number;
  /** Merges new links into lists; the first target that is not done, `to` when all are. */
  mergeLinks(args: MergeLinks): number;
  /** Index of the first NaN or infinity, -1 when there is none. */
  firstNonFinite(values: Float32Array): number;
  /** `into &= other`; equal lengths. */
  and(into: Uint32Array, other: Uint32Array): void;
  /** `into |= other`; equal lengths. */
  or(into: Uint32Array, other: Uint32Array): void;
  /** `into &= ~other`; equal lengths. */
  andNot(into: Uint32Array, other: Uint32Array): void;
  /** Number of set bits. */
  popcount(words: Uint32Array): number;
}
