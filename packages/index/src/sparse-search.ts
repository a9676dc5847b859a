import type { SparseColumn } from '@elanus/core';
import { createTopK, offerTopK } from '@elanus/kernels';
import type { ScoreBounds, TopK } from '@elanus/kernels';

import { spanOf } from './flat.ts';
import { BLOCK_ROWS } from './sparse-build.ts';
import type { SparseParts } from './sparse-build.ts';
import { sparseScore } from './sparse-rows.ts';
import type { IndexSearch, SearchWork } from './vector-index.ts';

/**
 * Search of postings, block by block. The largest number of each dimension in a block says what its
 * best row can reach; blocks are visited from the most promising on, and those that cannot reach
 * the worst row kept are left out. What a row is given is summed by rising dimension in doubles,
 * and so is what a block is promised: rounding never lifts a row above its block, and every score
 * has the bits of the exact scan. So the result is exact, whatever the order of the blocks.
 *
 * With a drop ratio the smallest numbers of a query take no part in this; the candidates that are
 * found are then scored exactly.
 */
export interface SparseSource {
  readonly rows: SparseColumn;
  readonly rowCount: number;
  /** Undefined: no index, every row is scored. */
  readonly parts: SparseParts | undefined;
}

/** A search among sparse rows. */
export interface SparseSearch extends IndexSearch {
  readonly queries: SparseColumn;
}

/** One query, or what is left of it. */
interface Query {
  readonly indices: Uint32Array;
  readonly values: Float32Array;
}

/** A dimension of a query that occurs: its weight and blocks `[from, to)`. */
interface Term {
  readonly weight: number;
  readonly from: number;
  readonly to: number;
}

/** Work between two steps, in postings: well below a millisecond. */
const STEP_WORK = 65_536;
/** Candidates of a search that drops numbers, for each result. */
const DROPPED_CANDIDATES = 1.5;
/** Buckets by which blocks are ordered; the last one is of those that promise nothing. */
const BUCKETS = 1024;

/** Refuses queries that are no sparse rows. @throws TypeError | RangeError */
export function checkQueries(queries: SparseColumn, nq: number): void {
  const { offsets, indices, values } = queries;
  const typed = offsets instanceof Uint32Array && indices instanceof Uint32Array;
  if (!typed || !(values instanceof Float32Array)) {
    throw new TypeError('queries: expected sparse rows');
  }
  const last = offsets[nq] ?? 0;
  if (offsets.length !== nq + 1 || last > indices.length || last > values.length) {
    throw new RangeError('queries: expected top.nq rows');
  }
  for (let q = 0; q < nq; q++) {
    const from = offsets[q] ?? 0;
    const to = offsets[q + 1] ?? 0;
    if (from > to) throw new RangeError('queries: offsets out of order');
    for (let i = from; i < to; i++) {
      if (i > from && (indices[i] ?? 0) <= (indices[i - 1] ?? 0)) {
        throw new RangeError('queries: unsorted indices');
      }
      if (!Number.isFinite(values[i])) throw new RangeError('queries: a number that is not finite');
    }
  }
}

/** First place of a sorted part `[from, to)` that is not below `value`. */
function lowerBound(
  sorted: Uint32Array,
  part: { readonly from: number; readonly to: number },
  value: number,
): number {
  let { from, to } = part;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((sorted[middle] ?? 0) < value) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** The dimensions of a query that some row has, by rising index. */
function termsOf(parts: SparseParts, query: Query): readonly Term[] {
  const { dimensions, dimensionStarts, blocks } = parts;
  const terms: Term[] = [];
  for (const [i, index] of query.indices.entries()) {
    const at = lowerBound(dimensions, { from: 0, to: dimensions.length }, index);
    if (dimensions[at] !== index) continue;
    const to = Math.min(dimensionStarts[at + 1] ?? 0, blocks.length);
    terms.push({ weight: query.values[i] ?? 0, from: dimensionStarts[at] ?? 0, to });
  }
  return terms;
}

/** Adds what each block can reach at most. */
function* promiseSteps(
  parts: SparseParts,
  terms: readonly Term[],
  promised: Float64Array,
): Generator<undefined, void, undefined> {
  const { blocks, blockMax } = parts;
  let work = 0;
  for (const { weight, from, to } of terms) {
    // A negative number of a query lifts no row.
    if (weight <= 0) continue;
    for (let at = from; at < to; at++) {
      const block = blocks[at] ?? 0;
      promised[block] = (promised[block] ?? 0) + weight * (blockMax[at] ?? 0);
    }
    work += to - from;
    if (work < STEP_WORK) continue;
    work = 0;
    yield;
  }
}

/** Blocks from the most promising on; equally promising ones as they lie. */
function orderOf(promised: Float64Array): Uint32Array {
  let most = 0;
  for (const one of promised) most = Math.max(most, one);
  const last = BUCKETS - 2;
  const scale = most > 0 ? last / most : 0;
  const bucketOf = (block: number): number => {
    const one = promised[block] ?? 0;
    return one === 0 ? BUCKETS - 1 : last - Math.min(last, Math.floor(one * scale));
  };
  const starts = new Uint32Array(BUCKETS + 1);
  for (let block = 0; block < promised.length; block++) {
    const bucket = bucketOf(block) + 1;
    starts[bucket] = (starts[bucket] ?? 0) + 1;
  }
  for (let i = 1; i <= BUCKETS; i++) starts[i] = (starts[i] ?? 0) + (starts[i - 1] ?? 0);
  const order = new Uint32Array(promised.length);
  for (let block = 0; block < promised.length; block++) {
    const bucket = bucketOf(block);
    const at = starts[bucket] ?? 0;
    starts[bucket] = at + 1;
    order[at] = block;
  }
  return order;
}

/** Where rows go, and which may. */
interface Wanted {
  readonly top: TopK;
  readonly slot: number;
  readonly bounds: ScoreBounds | undefined;
  readonly allowed: Uint32Array | undefined;
  readonly from: number;
  readonly to: number;
  readonly rowBase: number;
}

/** The score below which no row is kept any more. */
function leastOf({ top, slot, bounds }: Wanted): number {
  const least = Math.fround(bounds?.min ?? -Infinity);
  if ((top.counts[slot] ?? 0) < top.limit) return least;
  return Math.max(least, top.scores[slot * top.limit] ?? -Infinity);
}

/** Offers rows of one block whose sums are known, and clears the sums. */
function offerBlock(wanted: Wanted, block: number, sums: Float64Array): void {
  const { top, slot, allowed, rowBase } = wanted;
  const max = Math.fround(wanted.bounds?.max ?? Infinity);
  const first = block * BLOCK_ROWS;
  const end = Math.min(wanted.to, first + BLOCK_ROWS);
  for (let row = Math.max(first, wanted.from); row < end; row++) {
    if (allowed !== undefined && (((allowed[row >>> 5] ?? 0) >>> (row & 31)) & 1) === 0) continue;
    const score = Math.fround(sums[row - first] ?? 0);
    if (score < leastOf(wanted) || score > max) continue;
    offerTopK({ top, slot, metric: 'ip' }, { score, row: rowBase + row });
  }
  sums.fill(0);
}

/** Sums up the rows of a block; gives the postings it looked at. */
function sumBlock(
  parts: SparseParts,
  of: { readonly terms: readonly Term[]; readonly block: number },
  sums: Float64Array,
): number {
  const { blocks, blockStarts, postingRows, postingValues } = parts;
  let work = 0;
  for (const term of of.terms) {
    const at = lowerBound(blocks, term, of.block);
    if (at >= term.to || blocks[at] !== of.block) continue;
    const from = blockStarts[at] ?? 0;
    const to = Math.min(blockStarts[at + 1] ?? 0, from + BLOCK_ROWS);
    for (let posting = from; posting < to; posting++) {
      const row = (postingRows[posting] ?? 0) % BLOCK_ROWS;
      sums[row] = (sums[row] ?? 0) + term.weight * (postingValues[posting] ?? 0);
    }
    work += to - from;
  }
  return work;
}

/** Finds the best rows of one query; gives how many were scored. */
function* walkBlocks(
  parts: SparseParts,
  query: Query,
  wanted: Wanted,
): Generator<undefined, number, undefined> {
  const terms = termsOf(parts, query);
  const negative = terms.some(({ weight }) => weight < 0);
  const promised = new Float64Array(Math.ceil(wanted.to / BLOCK_ROWS));
  yield* promiseSteps(parts, terms, promised);
  const order = orderOf(promised);
  yield;
  const sums = new Float64Array(BLOCK_ROWS);
  const lookups = 4 * terms.length;
  let [scored, work] = [0, 0];
  for (const block of order) {
    const most = promised[block] ?? 0;
    work++;
    if (Math.fround(most) < leastOf(wanted)) continue;
    if (most > 0 || negative) {
      work += sumBlock(parts, { terms, block }, sums) + lookups;
      scored += BLOCK_ROWS;
    } else if (dropsZeros(wanted, block)) break;
    work += BLOCK_ROWS;
    offerBlock(wanted, block, sums);
    if (work < STEP_WORK) continue;
    work = 0;
    yield;
  }
  return scored;
}

/**
 * Whether rows that share nothing with the query are all dropped from this block on. They come last
 * and by rising number: once the worst kept row is one of them, all that follow are its equals.
 */
function dropsZeros({ top, slot, rowBase }: Wanted, block: number): boolean {
  const root = slot * top.limit;
  const full = top.counts[slot] === top.limit && top.scores[root] === 0;
  const later = rowBase + block * BLOCK_ROWS > (top.rows[root] ?? 0);
  return full && later && top.tied[slot] === 1;
}

/** What is left of a query when its smallest numbers are dropped, in the order of the indices. */
function dropSmallest(query: Query, ratio: number): Query {
  const drop = Math.floor(query.values.length * ratio);
  if (drop === 0) return query;
  const order = Array.from(query.values, (_, i) => i).sort((a, b) => {
    const [x, y] = [Math.abs(query.values[a] ?? 0), Math.abs(query.values[b] ?? 0)];
    return x === y ? a - b : y - x;
  });
  const kept = Uint32Array.from(order.slice(0, order.length - drop)).sort();
  return {
    indices: Uint32Array.from(kept, (i) => query.indices[i] ?? 0),
    values: Float32Array.from(kept, (i) => query.values[i] ?? 0),
  };
}

/** Scores all rows that may be returned: no index, or none wanted. */
function* scanRows(
  source: SparseSource,
  query: Query,
  wanted: Wanted,
): Generator<undefined, number, undefined> {
  const { top, slot, allowed, rowBase } = wanted;
  const max = Math.fround(wanted.bounds?.max ?? Infinity);
  let [scored, work] = [0, 0];
  for (let row = wanted.from; row < wanted.to; row++) {
    if (allowed !== undefined && (((allowed[row >>> 5] ?? 0) >>> (row & 31)) & 1) === 0) continue;
    const score = sparseScore(source.rows, row, query);
    scored++;
    work += 16 + (source.rows.offsets[row + 1] ?? 0) - (source.rows.offsets[row] ?? 0);
    if (score >= leastOf(wanted) && score <= max) {
      offerTopK({ top, slot, metric: 'ip' }, { score, row: rowBase + row });
    }
    if (work < STEP_WORK) continue;
    work = 0;
    yield;
  }
  return scored;
}

/** Candidates by a part of the query, then their exact scores. */
function* searchDropped(
  source: SparseSource & { readonly parts: SparseParts },
  asked: { readonly query: Query; readonly ratio: number; readonly candidates: number | undefined },
  wanted: Wanted,
): Generator<undefined, number, undefined> {
  const { query, ratio } = asked;
  const { top, slot, bounds, rowBase } = wanted;
  const usual = Math.ceil(top.limit * DROPPED_CANDIDATES);
  const found = createTopK(1, Math.max(top.limit, asked.candidates ?? usual));
  const into = { ...wanted, top: found, slot: 0, bounds: undefined, rowBase: 0 };
  const scored = yield* walkBlocks(source.parts, dropSmallest(query, ratio), into);
  const max = Math.fround(bounds?.max ?? Infinity);
  for (const row of found.rows.subarray(0, found.counts[0])) {
    const score = sparseScore(source.rows, row, query);
    if (score < leastOf(wanted) || score > max) continue;
    offerTopK({ top, slot, metric: 'ip' }, { score, row: rowBase + row });
  }
  return scored;
}

/** Search in steps; see the head of this file. */
export function* sparseSteps(
  source: SparseSource,
  args: SparseSearch,
): Generator<undefined, SearchWork, undefined> {
  const { queries, top, allowed, bounds, rowBase = 0, dropRatio = 0, candidates } = args;
  const { parts, rowCount } = source;
  const { from, to } = spanOf(args, rowCount);
  checkQueries(queries, top.nq);
  if (!(from >= 0 && from <= to && to <= rowCount)) throw new RangeError('to: beyond the rows');
  if (!(dropRatio >= 0 && dropRatio < 1)) throw new RangeError('dropRatio: expected 0 to below 1');
  if (allowed !== undefined && allowed.length * 32 < to) throw new RangeError('allowed: too short');
  if (top.sorted) throw new RangeError('top: already sorted');
  // Rows that bounds cut off on the best side fill the candidates of a search that drops numbers.
  const drops = dropRatio > 0 && args.exact !== true && (bounds?.max ?? Infinity) === Infinity;
  let exactScores = 0;
  for (let slot = 0; slot < top.nq; slot++) {
    const [at, end] = [queries.offsets[slot], queries.offsets[slot + 1]];
    const query = {
      indices: queries.indices.subarray(at, end),
      values: queries.values.subarray(at, end),
    };
    const wanted = { top, slot, bounds, allowed, from, to, rowBase };
    if (parts === undefined) exactScores += yield* scanRows(source, query, wanted);
    else if (drops) {
      const asked = { query, ratio: dropRatio, candidates };
      exactScores += yield* searchDropped({ ...source, parts }, asked, wanted);
    } else exactScores += yield* walkBlocks(parts, query, wanted);
    yield;
  }
  return { plan: parts === undefined ? 'exact' : 'postings', exactScores, codeScores: 0 };
}
