import type { FloatMetric } from '@elanus/core';
import { rowsPerCall } from '@elanus/kernels';
import type { Kernels, TopK } from '@elanus/kernels';

import type { NumberColumn } from './column.ts';
import type { IndexSearch, NumberSearch, SearchWork } from './vector-index.ts';

/** What an exact scan reads. */
export interface FlatSource {
  readonly kernels: Kernels;
  readonly metric: FloatMetric;
  readonly column: NumberColumn;
  /** COSINE only. */
  readonly inverseNorms: Float32Array | undefined;
}

/** Rows that a search asks for, with the defaults in. */
export function spanOf(
  args: Pick<IndexSearch, 'from' | 'to'>,
  rowCount: number,
): { from: number; to: number } {
  return { from: args.from ?? 0, to: args.to ?? rowCount };
}

/** How many rows a search may return. */
export function allowedRows(source: FlatSource, args: NumberSearch): number {
  const { from, to } = spanOf(args, source.column.rowCount);
  if (args.allowed === undefined) return to - from;
  const count = args.allowedCount ?? source.kernels.popcount(args.allowed);
  return Math.min(to - from, count);
}

/** Rows of a step: the whole span where a filter leaves no more than `perStep` of them. */
export function stepRows(source: FlatSource, args: NumberSearch, perStep: number): number {
  const { from, to } = spanOf(args, source.column.rowCount);
  if (args.allowed === undefined || to - from <= perStep) return perStep;
  return allowedRows(source, args) <= perStep ? to - from : perStep;
}

/** The state of one query of a result, as a result of its own over the same memory. */
export function slotView(top: TopK, slot: number): TopK {
  const at = slot * top.limit;
  return {
    nq: 1,
    limit: top.limit,
    scores: top.scores.subarray(at, at + top.limit),
    rows: top.rows.subarray(at, at + top.limit),
    counts: top.counts.subarray(slot, slot + 1),
    tied: top.tied.subarray(slot, slot + 1),
    sorted: top.sorted,
  };
}

/** Exact scan in steps of one bounded native call. */
export function* flatSteps(
  source: FlatSource,
  args: NumberSearch,
): Generator<undefined, SearchWork, undefined> {
  const { kernels, metric, column, inverseNorms } = source;
  const { queries, allowed, bounds, top, rowBase = 0 } = args;
  const { from, to } = spanOf(args, column.rowCount);
  if (to > column.rowCount) throw new RangeError('to: beyond the rows of the index');
  const size = stepRows(source, args, rowsPerCall(column.dim, top.nq));
  const { dim, rows, element } = column;
  const shape = { metric, dim, rows, element, inverseNorms, rowBase };
  // The first call runs even for an empty span: it checks the arguments.
  for (let at = from; at === from || at < to; at += size) {
    const end = Math.min(to, at + size);
    kernels.scanRows({ ...shape, from: at, to: end, allowed, queries, bounds, top });
    yield;
  }
  return { plan: 'exact', exactScores: (to - from) * top.nq, codeScores: 0 };
}
