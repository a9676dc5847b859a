import type { BinaryMetric } from '@elanus/core';
import { bitRowsPerCall } from '@elanus/kernels';
import type { Kernels } from '@elanus/kernels';

import type { VectorColumn } from './column.ts';
import { spanOf } from './flat.ts';
import type { IndexSearch, SearchWork } from './vector-index.ts';

/** What a scan of rows of bits reads. */
export interface BitSource {
  readonly kernels: Kernels;
  readonly metric: BinaryMetric;
  readonly column: VectorColumn;
}

/** A search among rows of bits. */
export interface BitSearch extends IndexSearch {
  readonly queries: Uint8Array;
}

/** Exact scan of rows of bits in steps of one bounded native call. */
export function* bitSteps(
  source: BitSource,
  args: BitSearch,
): Generator<undefined, SearchWork, undefined> {
  const { kernels, metric, column } = source;
  const { queries, allowed, bounds, top, rowBase = 0 } = args;
  const { from, to } = spanOf(args, column.rowCount);
  if (to > column.rowCount) throw new RangeError('to: beyond the rows of the index');
  const size = bitRowsPerCall(column.dim, top.nq);
  const shape = { metric, dim: column.dim, rows: column.rows, rowBase };
  // The first call runs even for an empty span: it checks the arguments.
  for (let at = from; at === from || at < to; at += size) {
    const end = Math.min(to, at + size);
    kernels.scanBits({ ...shape, from: at, to: end, allowed, queries, bounds, top });
    yield;
  }
  return { plan: 'exact', exactScores: (to - from) * top.nq, codeScores: 0 };
}
