import { AUTO_INDEX, indexParams } from '@elanus/core';
import type { IndexChoice, Metric, VectorType } from '@elanus/core';
import { sq8Stride } from '@elanus/kernels';

import { bitListBuildBytes } from './bit-lists-build.ts';
import { graphShape } from './hnsw-build.ts';
import type { IndexParams } from './build.ts';
import { indexLayout, isBitKind, isGraphKind, isListKind } from './index-file.ts';
import { codedKind, listBuildBytes, listCount } from './ivf-build.ts';
import { RECALL_DEFAULT } from './recall-curve.ts';
import type { IndexKind } from './vector-index.ts';

/**
 * AUTOINDEX: which index the rows of one segment get. Pure, so that a table of cases is its test,
 * and one node decides like another.
 */

/** Rows that are to be indexed, and what is asked of the index. */
export interface IndexWish {
  readonly choice?: IndexChoice | undefined;
  readonly type: VectorType;
  readonly metric: Metric;
  readonly dim: number;
  readonly rowCount: number;
  /** Bytes that the index may take, with what its build needs besides. */
  readonly memoryBytes: number;
}

/** An index to be built: its kind, and the parameters in the words of `INDEX_KINDS`. */
export interface IndexSpec {
  readonly kind: IndexKind;
  readonly params: Readonly<Record<string, number>>;
}

/**
 * A scan of so few bytes of codes takes at most 0.1 ms. A graph answers in a fifth of that, but its
 * build takes ten times the processor time, and segments this small are soon merged: measured on
 * clustered rows of 16 to 1,536 dimensions (docs/decisions/0006-index-choices.md).
 */
const SCANNED_BYTES = 1024 * 1024;
/** ... whatever they hold: so many short rows take as long. */
const SCANNED_ROWS_MAX = 10_000;
/**
 * So many bytes of bits are scanned in half a millisecond; of more, lists find what is asked for in
 * a tenth of the time (bench/index/bit-lists.ts).
 */
const SCANNED_BIT_BYTES = 4 * 1024 * 1024;
/** From this recall on graphs get more links: narrower walks pay for the longer build. */
const HIGH_RECALL = 0.99;
/** Degrees that are tried when memory is short, the best first. */
const DEGREES = [16, 8, 4] as const;
/** 1-bit codes of fewer numbers tell too little, and are hardly shorter than 8-bit ones. */
const BITS_DIM_MIN = 128;
/** What a build of a graph needs besides its file: order, twins, marks of walks. */
const BUILD_ROW_BYTES = 32;
const BUILD_BYTES = 16 * 1024 * 1024;

/**
 * The index that a choice means for these rows; undefined: they are scanned as they are. A kind
 * that the caller named is taken as it is; 'auto' decides by type, rows, dimension, memory and the
 * recall that searches aim at.
 */
export function indexSpec(wish: IndexWish): IndexSpec | undefined {
  const { choice = AUTO_INDEX, type } = wish;
  if (choice.kind === 'flat' && (type === 'binary' || type === 'sparse')) return undefined;
  if (type === 'sparse') return { kind: 'SPARSE_INVERTED', params: {} };
  if (type === 'binary' && choice.kind === 'auto') return bitIndex(wish, choice.recall);
  if (choice.kind === 'auto') return autoIndex(wish, choice.recall ?? RECALL_DEFAULT);
  const kind = choice.kind.toUpperCase() as IndexKind;
  const params = indexParams(choice);
  if (!isListKind(kind)) return { kind, params };
  return { kind, params: { nlist: Math.max(1, listCount(kind, params, wish.rowCount)) } };
}

function autoIndex(wish: IndexWish, recall: number): IndexSpec {
  const { rowCount, dim } = wish;
  // Every row is looked at whatever stands over them.
  if (recall === 1) return { kind: 'FLAT', params: {} };
  const scanned = rowCount * sq8Stride(dim) <= SCANNED_BYTES && rowCount <= SCANNED_ROWS_MAX;
  const coded: IndexSpec = { kind: 'FLAT_SQ8', params: {} };
  if (!scanned) {
    const spec = graphOf(wish, recall);
    if (spec !== undefined) return spec;
  }
  if (fits(coded, wish)) return coded;
  return (scanned ? undefined : bitsOf(wish)) ?? { kind: 'FLAT', params: {} };
}

/** 1-bit codes, where they are shorter than 8-bit ones and memory has room for them. */
function bitsOf(wish: IndexWish): IndexSpec | undefined {
  if (wish.dim < BITS_DIM_MIN) return undefined;
  const kind = 'IVF_RABITQ';
  const spec = { kind, params: { nlist: listCount(kind, undefined, wish.rowCount) } } as const;
  return fits(spec, wish) ? spec : undefined;
}

/** Lists of bits where a scan would take long, and memory has room for them. */
function bitIndex(wish: IndexWish, recall: number | undefined): IndexSpec | undefined {
  const { rowCount, dim } = wish;
  if (recall === 1 || (rowCount * dim) / 8 <= SCANNED_BIT_BYTES) return undefined;
  const spec: IndexSpec = {
    kind: 'BIN_IVF_FLAT',
    params: { nlist: listCount('BIN_IVF_FLAT', {}, rowCount) },
  };
  return fits(spec, wish) ? spec : undefined;
}

/** The best graph that memory has room for. */
function graphOf(wish: IndexWish, recall: number): IndexSpec | undefined {
  const high = { kind: 'HNSW', params: { m: 24, efConstruction: 300 } } as const;
  if (recall >= HIGH_RECALL && fits(high, wish)) return high;
  const degrees = DEGREES.map(
    (m) => ({ kind: 'HNSW', params: { m, efConstruction: 200 } }) as const,
  );
  return degrees.find((spec) => fits(spec, wish));
}

const fits = (spec: IndexSpec, wish: IndexWish): boolean =>
  buildBytes(spec, wish) <= wish.memoryBytes;

/** Bytes that a build of the index takes at most, its file included; the rows are not counted. */
export function buildBytes(
  spec: IndexSpec,
  shape: { readonly metric: Metric; readonly dim: number; readonly rowCount: number },
): number {
  const { kind } = spec;
  const { metric, dim, rowCount } = shape;
  const graph = isGraphKind(kind) ? graphShape(builderParams(spec), rowCount) : undefined;
  const lists = isListKind(kind) ? listCount(kind, builderParams(spec), rowCount) : undefined;
  const { bytes } = indexLayout({ kind, metric, dim, rowCount, graph, lists });
  if (lists !== undefined && isBitKind(kind)) {
    return bytes + bitListBuildBytes({ count: lists, dim, rowCount });
  }
  if (lists !== undefined) {
    const coded = indexLayout({ kind: codedKind(kind), metric, dim, rowCount }).bytes;
    return bytes + coded + listBuildBytes(kind, { count: lists, dim, rowCount });
  }
  return isGraphKind(kind) ? bytes + rowCount * BUILD_ROW_BYTES + BUILD_BYTES : bytes;
}

/** The parameters as the builder of the kind takes them. */
export function builderParams({ kind, params }: IndexSpec): IndexParams | undefined {
  if (isListKind(kind)) return { nlist: params['nlist'] };
  if (!isGraphKind(kind)) return undefined;
  return { M: params['m'], efConstruction: params['efConstruction'] };
}
