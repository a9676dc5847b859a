import { hasBit } from '@elanus/core';
import { createTopK, mergeTopK } from '@elanus/kernels';

import { allowedRows, flatSteps, slotView } from '../flat.ts';
import type { FlatSource } from '../flat.ts';
import { alone, cutsBestSide } from '../sq8-search.ts';
import type { NumberSearch, SearchWork } from '../vector-index.ts';

/**
 * Search through an engine that is not ours: it names candidates, which are scored here, so that
 * scores have the same bits as any other index's. What the engine cannot do (filters, parts of the
 * rows, bounds that cut off the best side) is made up for by asking it for more, up to a cap, and
 * by the exact scan beyond; so there are never fewer than min(limit, allowed) results.
 */
export interface ForeignEngine {
  /** Whether `passes` is honoured. */
  readonly filters: boolean;
  /** Rows near to the query, at most `count`, in any order; numbers that are no row are skipped. */
  find(query: Float32Array, ask: ForeignAsk): readonly number[];
  /** Writes the engine's own file. */
  save(path: string): void;
  /** Bytes that it holds, about. */
  readonly bytes: number;
}

/** What an engine is asked for. */
export interface ForeignAsk {
  readonly count: number;
  /** Results that a walk looks for, when the caller said it. */
  readonly ef: number | undefined;
  /** Rows that may be returned; absent = all. */
  readonly passes: ((row: number) => boolean) | undefined;
}

/** Rows with an engine over them. */
export interface ForeignSource extends FlatSource {
  readonly engine: ForeignEngine;
}

/** Below this share of rows that pass, a scan of them costs less than a call of ours for each. */
const FILTERED_SHARE_MIN = 0.03;
/** Candidates that an engine without filters is asked for at most. */
const FETCH_MAX = 2048;
/** By how much more than the share of rows that pass says. */
const FETCH_MARGIN = 1.5;

/** What the engine is asked for; undefined = scan. */
function planAsk(source: ForeignSource, args: NumberSearch): ForeignAsk | undefined {
  const { rowCount } = source.column;
  const { allowed, ef, recall, top } = args;
  if (recall !== undefined && !(recall > 0 && recall <= 1)) {
    throw new RangeError('recall: expected more than 0, at most 1');
  }
  if (ef !== undefined && !(Number.isInteger(ef) && ef >= 1)) {
    throw new RangeError('ef: expected a whole number, at least 1');
  }
  const whole = (args.from ?? 0) === 0 && (args.to ?? rowCount) === rowCount;
  if (args.exact === true || recall === 1 || !whole) return undefined;
  const rows = allowedRows(source, args);
  if (rows <= top.limit || cutsBestSide(source, args.bounds)) return undefined;
  if (allowed === undefined) return { count: top.limit, ef, passes: undefined };
  const share = rows / rowCount;
  if (source.engine.filters) {
    const passes = (row: number): boolean => hasBit(allowed, row);
    return share < FILTERED_SHARE_MIN ? undefined : { count: top.limit, ef, passes };
  }
  const count = Math.ceil((top.limit / share) * FETCH_MARGIN);
  return count > FETCH_MAX
    ? undefined
    : { count: Math.min(count, rowCount), ef, passes: undefined };
}

/** Search in steps of one query each; see the head of this file. */
export function* foreignSteps(
  source: ForeignSource,
  args: NumberSearch,
): Generator<undefined, SearchWork, undefined> {
  const { kernels, metric, inverseNorms, engine } = source;
  const { dim, rows, element, rowCount } = source.column;
  const { allowed, bounds, queries, rowBase = 0, top } = args;
  if (queries.length !== top.nq * dim) throw new RangeError('queries: expected top.nq x dim');
  const ask = planAsk(source, args);
  if (ask === undefined) return yield* flatSteps(source, args);
  const shape = { metric, dim, rows, element, inverseNorms, rowBase, rowCount, bounds };
  const sum = { exactScores: 0, codeScores: 0, fallbacks: 0 };
  for (let slot = 0; slot < top.nq; slot++) {
    const query = queries.subarray(slot * dim, (slot + 1) * dim);
    const fits = (row: number): boolean =>
      row >= 0 && row < rowCount && (allowed === undefined || hasBit(allowed, row));
    const found = new Set(engine.find(query, ask).filter(fits));
    const list = Uint32Array.from(found, (row) => row + rowBase).sort();
    sum.exactScores += list.length;
    if (list.length < top.limit) {
      sum.fallbacks++;
      sum.exactScores += (yield* flatSteps(source, alone(args, slot, dim))).exactScores;
    } else {
      const own = createTopK(1, top.limit);
      kernels.rerankRows({ ...shape, list, query, top: own, slot: 0 });
      mergeTopK(slotView(top, slot), own, metric);
    }
    yield;
  }
  const all = sum.fallbacks === top.nq;
  return { plan: sum.fallbacks === 0 ? 'graph' : all ? 'exact' : 'mixed', ...sum };
}
