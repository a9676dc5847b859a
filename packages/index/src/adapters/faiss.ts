import type { FloatMetric } from '@elanus/core';
import { decodeRows } from '@elanus/kernels';

import type { NumberColumn } from '../column.ts';
import type { ForeignEngine } from './foreign-search.ts';

/** What is used of `faiss-node` 0.5. */
export interface FaissModule {
  readonly Index: {
    fromFactory(dim: number, descriptor: string, metric: number): FaissIndex;
    read(path: string): FaissIndex;
  };
}

interface FaissIndex {
  ntotal(): number;
  getDimension(): number;
  isTrained(): boolean;
  train(rows: number[]): void;
  add(rows: number[]): void;
  search(query: number[], count: number): { readonly labels: readonly number[] };
  write(path: string): void;
  toBuffer(): Uint8Array;
}

/** Parameters of an index of faiss. */
export interface FaissParams {
  /** What faiss calls a factory string, such as 'HNSW32,Flat' or 'SQ8'. Default 'HNSW16,Flat'. */
  readonly factory?: string | undefined;
}

const FACTORY = 'HNSW16,Flat';
const FACTORY_PATTERN = /^[A-Za-z0-9_,.()[\]]{1,100}$/;
const INNER_PRODUCT = 0;
const L2 = 1;
/** Numbers that are added between two steps. */
const STEP_NUMBERS = 16_384;
/** Rows that an index is trained with at most: one native call, which nothing interrupts. */
const TRAINED_ROWS = 16_384;

/** Rows as faiss takes them; for COSINE of length 1, as it knows no such metric. */
function numbersOf(
  column: NumberColumn,
  metric: FloatMetric,
  span: { readonly from: number; readonly count: number },
): number[] {
  const { rows, dim, element = 'float32' } = column;
  const values = decodeRows(rows, element, { at: span.from * dim, length: span.count * dim });
  if (metric === 'cosine') {
    for (let at = 0; at < values.length; at += dim) normalise(values.subarray(at, at + dim));
  }
  return Array.from(values);
}

/** Brings a row to length 1; one of zeros stays. */
function normalise(row: Float32Array): Float32Array {
  const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
  if (norm > 0) for (let i = 0; i < row.length; i++) row[i] = (row[i] ?? 0) / norm;
  return row;
}

function engineOf(index: FaissIndex, metric: FloatMetric): ForeignEngine {
  let bytes: number | undefined;
  return {
    filters: false,
    find(query, { count }) {
      const asked = metric === 'cosine' ? normalise(query.slice()) : query;
      return index.search(Array.from(asked), Math.min(count, index.ntotal())).labels;
    },
    save: (path) => index.write(path),
    get bytes() {
      bytes ??= index.toBuffer().length;
      return bytes;
    },
  };
}

/** Builds an index of faiss over the rows. @throws RangeError for a factory that faiss refuses */
export function* faissSteps(
  { Index }: FaissModule,
  of: {
    readonly column: NumberColumn;
    readonly metric: FloatMetric;
    readonly params: FaissParams;
  },
): Generator<undefined, ForeignEngine, undefined> {
  const { column, metric, params } = of;
  const { dim, rowCount } = column;
  const factory = params.factory ?? FACTORY;
  if (!FACTORY_PATTERN.test(factory)) throw new RangeError('factory: not one of faiss');
  let index: FaissIndex;
  try {
    index = Index.fromFactory(dim, factory, metric === 'l2' ? L2 : INNER_PRODUCT);
  } catch (error) {
    throw new RangeError(`factory: faiss refuses ${factory}`, { cause: error });
  }
  if (!index.isTrained()) {
    index.train(numbersOf(column, metric, { from: 0, count: Math.min(rowCount, TRAINED_ROWS) }));
    yield;
  }
  const step = Math.max(1, Math.floor(STEP_NUMBERS / dim));
  for (let from = 0; from < rowCount; from += step) {
    index.add(numbersOf(column, metric, { from, count: Math.min(step, rowCount - from) }));
    yield;
  }
  return engineOf(index, metric);
}

/** Reads an index that was saved. faiss trusts its files: ask only for one that was checked. */
export function openFaiss(
  { Index }: FaissModule,
  of: { readonly column: NumberColumn; readonly metric: FloatMetric; readonly path: string },
): ForeignEngine {
  const { column, metric, path } = of;
  const index = Index.read(path);
  if (index.ntotal() !== column.rowCount || index.getDimension() !== column.dim) {
    throw new RangeError(`${path}: of other rows`);
  }
  return engineOf(index, metric);
}
