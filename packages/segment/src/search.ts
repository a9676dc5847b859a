/**
 * Search in segments: filter, deletes and MVCC give a bitset per segment; an index or the exact
 * kernels give the best rows; ties at the border are settled by key; segments are merged. Pure and
 * synchronous: runs on a pool's thread, or on the caller's when it is short.
 */
import {
  assert,
  compareKeys,
  emptyHits,
  forEachBit,
  mergeHits,
  type Bitset,
  type FieldId,
  type Hits,
  type Metric,
  type SearchEffort,
  type SegmentPlan,
} from '@elanus/core';
import type { CheckedFilter } from '@elanus/expr';
import { openHandle, type IndexHandle, type IndexSearch, type SearchWork } from '@elanus/index';
import { createTopK, sortTopK, type Kernels, type ScoreBounds, type TopK } from '@elanus/kernels';
import { keyColumn, keyOfRow } from './key-column.ts';
import { allowedInSegment, allowedRows, countAllowed, visibleInChunk } from './read-set.ts';
import type { SegmentRead } from './read-set.ts';
import { oneQuery, scanQueries, scanRows, type Queries, type ScanQueries } from './scan.ts';
import { SmallestKeys } from './smallest-keys.ts';
import { chunkOf, type ChunkView, type SegmentView } from './view.ts';

/** One search over a set of segments; clonable to threads. */
export interface SearchTask {
  readonly reads: readonly SegmentRead[];
  readonly field: FieldId;
  readonly metric: Metric;
  readonly keyField: FieldId;
  readonly keyKind: 'int64' | 'varchar';
  /** `nq` vectors of the field's type. */
  readonly queries: Queries;
  readonly nq: number;
  readonly limit: number;
  readonly filter: CheckedFilter | undefined;
  /** Inclusive bounds of the score. */
  readonly bounds: ScoreBounds | undefined;
  readonly effort: SearchEffort;
  /** Nobody reads how the hits were found: then a thread need not tell. */
  readonly silent?: boolean | undefined;
}

/** Hits, and how they were found. */
export interface SearchOutput {
  readonly hits: Hits;
  readonly plans: readonly SegmentPlan[];
}

/** Searches all segments of the task. Cost: rows x dim x nq multiply-adds without an index. */
export function searchSegments(kernels: Kernels, given: SearchTask): SearchOutput {
  const task: ReadyTask = { ...given, ready: scanQueries(given.queries) };
  const parts: Hits[] = [];
  const plans: SegmentPlan[] = [];
  for (const read of task.reads) {
    const { top, allowed, plan } = searchSegment(kernels, task, read);
    if (plan !== undefined) plans.push(plan);
    if (allowed === 0) continue;
    const hits = emptyHits(task.nq, task.limit, task.keyKind);
    parts.push(fillHits(kernels, { task, read, top, hits }));
  }
  const hits =
    parts.length === 0
      ? emptyHits(task.nq, task.limit, task.keyKind)
      : mergeHits(parts, task.metric);
  return { hits, plans };
}

/** A task with its queries as kernels take them. */
export interface ReadyTask extends SearchTask {
  readonly ready: ScanQueries;
}

interface SegmentResult {
  readonly top: TopK;
  /** Rows that might have been returned. */
  readonly allowed: number;
  /** Undefined when nobody reads it. */
  readonly plan: SegmentPlan | undefined;
}

/** Searches one segment, and writes the hits over `hits`; false: none of its rows is allowed. */
export function searchInto(
  kernels: Kernels,
  task: ReadyTask,
  of: { readonly read: SegmentRead; readonly hits: Hits },
): boolean {
  const { read, hits } = of;
  const { top, allowed } = searchSegment(kernels, task, read);
  if (allowed > 0) fillHits(kernels, { task, read, top, hits });
  return allowed > 0;
}

/** The result state of short searches, used again: nothing of it outlives `searchSegments`. */
let spare: TopK | undefined;
const SPARE_ENTRIES_MAX = 4_096;

function emptyTopK(nq: number, limit: number): TopK {
  if (spare?.nq === nq && spare.limit === limit) {
    for (let q = 0; q < nq; q++) spare.counts[q] = 0;
    forgetTies(spare);
    spare.sorted = false;
    return spare;
  }
  const top = createTopK(nq, limit);
  if (nq * limit <= SPARE_ENTRIES_MAX) spare = top;
  return top;
}

/** Written out: to call `fill` takes longer than to clear a few. */
function forgetTies({ nq, tied }: TopK): void {
  for (let q = 0; q < nq; q++) tied[q] = 0;
}

function searchSegment(kernels: Kernels, task: ReadyTask, read: SegmentRead): SegmentResult {
  const handle = task.effort.exact ? undefined : read.view.indexes.get(task.field);
  const top = emptyTopK(task.nq, task.limit);
  if (handle === undefined) return scanSegment(kernels, { task, read, top });
  const allowed = allowedInSegment(read, task.filter);
  const count = countAllowed(read, allowed, read.visibleRows);
  if (count === 0) return notSearched(task, read, top);
  const index = openHandle(kernels, handle);
  const { recall, ef, nprobe, refine, dropRatio } = task.effort;
  const work = index.search({
    queries: indexQueries(task.ready),
    allowed,
    allowedCount: count,
    bounds: task.bounds,
    top,
    recall,
    ef,
    nprobe,
    refine,
    dropRatio,
    exact: index.kind === 'FLAT_SQ8' && (recall ?? 0) > CODED_RECALL,
  });
  sortTopK(top, task.metric);
  const found = recallOf(work, { kind: index.kind, dropRatio });
  // A walk has not seen every row: looking for equals at the border would scan them all.
  if (found !== 1 && work.plan !== 'codes') forgetTies(top);
  if (task.silent === true) return { top, allowed: count, plan: undefined };
  const { plan: strategy, exactScores, codeScores } = work;
  const { visibleRows: rows } = read;
  const { segmentId } = read.view;
  const way = 'index' as const;
  const told = { way, kind: index.kind, strategy, exactScores, codeScores, recall: found };
  return { top, allowed: count, plan: { ...told, segmentId, rows, allowed: count } };
}

function notSearched(task: ReadyTask, read: SegmentRead, top: TopK): SegmentResult {
  if (task.silent === true) return { top, allowed: 0, plan: undefined };
  const { segmentId } = read.view;
  return { top, allowed: 0, plan: { segmentId, rows: read.visibleRows, ...NOT_SEARCHED } };
}

/** Rows without an index, chunk by chunk: by their codes where they have some. */
function scanSegment(
  kernels: Kernels,
  { task, read, top }: { readonly task: ReadyTask; readonly read: SegmentRead; readonly top: TopK },
): SegmentResult {
  let [count, exactScores, codeScores] = [0, 0, 0];
  for (const chunk of read.view.chunks) {
    const rows = visibleInChunk(read, chunk);
    if (rows === 0) continue;
    const allowed = allowedRows(read, chunk, task.filter);
    const passing = countAllowed(read, allowed, rows);
    if (passing === 0) continue;
    count += passing;
    const codes = task.effort.exact ? undefined : chunk.codes.get(task.field);
    if (codes !== undefined && rows === codes.header.rowCount) {
      const work = searchCodes(kernels, { task, chunk, allowed, top, codes });
      exactScores += work.exactScores;
      codeScores += work.codeScores;
    } else {
      scanChunk(kernels, { task, chunk, rows, allowed, top, bounds: task.bounds });
      exactScores += passing * task.nq;
    }
  }
  sortTopK(top, task.metric);
  if (count === 0) return notSearched(task, read, top);
  if (task.silent === true) return { top, allowed: count, plan: undefined };
  const kind = task.ready.kind === 'bits' ? 'BIN_FLAT' : 'FLAT';
  const scan =
    codeScores === 0
      ? ({ way: 'scan', kind, strategy: 'exact', recall: 1 } as const)
      : ({ way: 'scan', kind: 'FLAT_SQ8', strategy: 'codes', recall: CODED_RECALL } as const);
  const base = { segmentId: read.view.segmentId, rows: read.visibleRows, allowed: count };
  return { top, allowed: count, plan: { ...base, ...scan, exactScores, codeScores } };
}

/** What is said of a segment without rows that may be returned. */
export const NOT_SEARCHED = {
  way: 'skipped',
  kind: '',
  allowed: 0,
  strategy: '',
  exactScores: 0,
  codeScores: 0,
  recall: 1,
} as const;

/** The share of the nearest rows that a search of an index is known to find; undefined: unknown. */
function recallOf(
  { plan, recall }: SearchWork,
  of: { readonly kind: string; readonly dropRatio: number | undefined },
): number | undefined {
  // Postings leave out what cannot be a result; what a search drops of its query is not measured.
  if (plan === 'postings') return of.dropRatio ? undefined : 1;
  if (plan === 'exact') return 1;
  // Lists tell what they were measured to find; what they were not measured for is not known.
  return recall ?? (of.kind.includes('IVF') ? undefined : CODED_RECALL);
}

/** What scans of codes are calibrated for; see index/build. */
const CODED_RECALL = 0.99;

function searchCodes(
  kernels: Kernels,
  scan: Omit<ChunkScan, 'rows' | 'bounds'> & { readonly codes: IndexHandle },
): SearchWork {
  const { task, chunk, allowed, top, codes } = scan;
  const { bounds, effort } = task;
  const queries = indexQueries(task.ready);
  const exact = (effort.recall ?? 0) > CODED_RECALL;
  const index = openHandle(kernels, codes);
  return index.search({ queries, allowed, bounds, top, rowBase: chunk.rowBase, exact });
}

const indexQueries = (queries: ScanQueries): IndexSearch['queries'] =>
  queries.kind === 'sparse' ? queries.column : queries.values;

interface ChunkScan {
  readonly task: ReadyTask;
  readonly chunk: ChunkView;
  readonly rows: number;
  readonly allowed: Uint32Array | undefined;
  readonly top: TopK;
  readonly bounds: ScoreBounds | undefined;
  readonly queries?: ScanQueries;
  readonly from?: number;
}

function scanChunk(kernels: Kernels, scan: ChunkScan): void {
  const { task, chunk, allowed, top, bounds } = scan;
  const rows = chunk.vectors.get(task.field);
  assert(rows !== undefined, 'every chunk holds the searched field');
  const { metric, ready } = task;
  const { queries = ready, from = 0, rows: to } = scan;
  scanRows(kernels, { metric, chunk, rows, from, to, allowed, queries, bounds, top });
}

interface Found {
  readonly task: ReadyTask;
  readonly read: SegmentRead;
  readonly top: TopK;
  readonly hits: Hits;
}

/** Writes sorted rows as hits ordered by score, then key, with ties at the border by key. */
function fillHits(kernels: Kernels, found: Found): Hits {
  const { task, read, top, hits } = found;
  let allowedIn: AllowedIn | undefined;
  for (let q = 0; q < task.nq; q++) {
    const base = q * task.limit;
    const count = top.counts[q] ?? 0;
    hits.counts[q] = count;
    if (top.tied[q] !== 1 && !hasTies(top.scores, base, count)) {
      putHits(found, base, base + count);
      continue;
    }
    const entries: Entry[] = [];
    for (let i = base; i < base + count; i++) {
      const row = top.rows[i] ?? 0;
      const key = keyOfRow(read.view, task.keyField, row);
      entries.push({ score: top.scores[i] ?? 0, row, key });
    }
    if (top.tied[q] === 1) {
      allowedIn ??= rememberAllowed(read, task);
      settleTies(kernels, { ...found, q, entries, allowedIn });
    }
    orderTies(entries);
    for (const [i, entry] of entries.entries()) {
      hits.scores[base + i] = entry.score;
      hits.rows[base + i] = entry.row;
      hits.segments[base + i] = read.view.segmentId;
      (hits.keys as (bigint | string)[])[base + i] = entry.key;
    }
  }
  return hits;
}

/** Whether two of some sorted scores are the same. */
function hasTies(scores: Float32Array, from: number, count: number): boolean {
  for (let i = from + 1; i < from + count; i++) if (scores[i] === scores[i - 1]) return true;
  return false;
}

/** Copies entries `[from, to)` of the result: hits have the same places. */
function putHits({ read, task, top, hits }: Found, from: number, to: number): void {
  const { segmentId } = read.view;
  const { scores, rows } = top;
  for (let at = from; at < to; at++) {
    hits.scores[at] = scores[at] ?? 0;
    hits.rows[at] = rows[at] ?? 0;
    hits.segments[at] = segmentId;
  }
  const of = { view: read.view, field: task.keyField, rows };
  if (hits.keys instanceof BigInt64Array) putNumberKeys(hits.keys, { from, to }, of);
  else putTextKeys(hits.keys as string[], { from, to }, of);
}

/** Places in the arrays of hits. */
interface Span {
  readonly from: number;
  readonly to: number;
}

interface KeysOf {
  readonly view: SegmentView;
  readonly field: FieldId;
  readonly rows: Uint32Array;
}

function putTextKeys(keys: string[], { from, to }: Span, { view, field, rows }: KeysOf): void {
  for (let at = from; at < to; at++) {
    keys[at] = keyOfRow(view, field, rows[at] ?? 0) as string;
  }
}

function putNumberKeys(
  keys: BigInt64Array,
  { from, to }: Span,
  { view, field, rows }: KeysOf,
): void {
  let [first, end] = [0, 0];
  let values = keys;
  for (let at = from; at < to; at++) {
    const row = rows[at] ?? 0;
    if (row < first || row >= end) {
      const chunk = chunkOf(view, row);
      [first, end] = [chunk.rowBase, chunk.rowBase + chunk.rowCount];
      values = (keyColumn(chunk, field) as { readonly values: BigInt64Array }).values;
    }
    // From array to array: no bigint is made on the heap.
    keys[at] = values[row - first] ?? 0n;
  }
}

interface Entry {
  readonly score: number;
  readonly row: number;
  readonly key: bigint | string;
}

/** Sorts runs of one score by key; the entries are already sorted by score. */
function orderTies(entries: Entry[]): void {
  let from = 0;
  for (let i = 1; i <= entries.length; i++) {
    if (entries[i]?.score === entries[from]?.score && i < entries.length) continue;
    if (i - from > 1) {
      const run = entries.slice(from, i).sort((a, b) => compareKeys(a.key, b.key));
      entries.splice(from, run.length, ...run);
    }
    from = i;
  }
}

/** The rows of a chunk that may be returned. */
type AllowedIn = (chunk: ChunkView) => Bitset | undefined;

/** Scores of bits tie often: the filter is evaluated once for all queries whose border is a tie. */
function rememberAllowed(read: SegmentRead, task: SearchTask): AllowedIn {
  const known = new Map<ChunkView, Bitset | undefined>();
  return (chunk) => {
    if (!known.has(chunk)) known.set(chunk, allowedRows(read, chunk, task.filter));
    return known.get(chunk);
  };
}

/** Rows scanned at a time for ties; each is kept, so this bounds the heap. */
const TIE_ROWS = 4096;

/**
 * More rows than there is room for share the worst score: keeps those with the smallest keys, so
 * that the answer does not depend on how rows lie.
 */
function settleTies(kernels: Kernels, found: Tied): void {
  const { task, entries } = found;
  const worst = entries[entries.length - 1]?.score ?? 0;
  const keep = entries.filter((entry) => entry.score === worst).length;
  const smallest = new SmallestKeys(keep);
  // Sparse rows that share nothing with the query score 0. All others score more and were found,
  // unless bounds left them out: nothing to compute.
  const open = task.bounds === undefined || task.bounds.max === Infinity;
  if (task.ready.kind === 'sparse' && worst === 0 && open) offerOthers(found, smallest);
  else offerTied(kernels, { ...found, worst }, smallest);
  const { rows } = smallest;
  if (rows.length !== keep) return;
  entries.splice(entries.length - keep, keep, ...rows.map((row) => ({ ...row, score: worst })));
}

/** A query whose border is a tie. */
interface Tied extends Found {
  readonly q: number;
  readonly entries: Entry[];
  readonly allowedIn: AllowedIn;
}

/** Offers all rows but those that have a better score. */
function offerOthers({ task, read, entries, allowedIn }: Tied, smallest: SmallestKeys): void {
  const without = new Set(entries.filter(({ score }) => score !== 0).map(({ row }) => row));
  for (const chunk of read.view.chunks) {
    const column = keyColumn(chunk, task.keyField);
    const { rowBase } = chunk;
    const [to, allowed] = [visibleInChunk(read, chunk), allowedIn(chunk)];
    smallest.offerRows({ column, rowBase, from: 0, to, allowed, without });
  }
}

/** Looks for all rows of the worst score, and offers them. */
function offerTied(
  kernels: Kernels,
  found: Tied & { readonly worst: number },
  smallest: SmallestKeys,
): void {
  const { task, read, q, worst } = found;
  const queries = oneQuery(task.ready, q, task.nq);
  const top = createTopK(1, TIE_ROWS);
  for (const chunk of read.view.chunks) {
    const rows = visibleInChunk(read, chunk);
    const allowed = found.allowedIn(chunk);
    const column = keyColumn(chunk, task.keyField);
    for (let from = 0; from < rows; from += TIE_ROWS) {
      top.counts[0] = 0;
      const to = Math.min(rows, from + TIE_ROWS);
      const bounds = { min: worst, max: worst };
      scanChunk(kernels, { task, chunk, rows: to, from, allowed, top, bounds, queries });
      for (let i = 0; i < (top.counts[0] ?? 0); i++) {
        const row = top.rows[i] ?? 0;
        smallest.offer(column, row - chunk.rowBase, row);
      }
    }
  }
}

/** Rows of the segment that pass, ascending. For scalar reads. */
export function passingRows(read: SegmentRead, filter: CheckedFilter | undefined): Uint32Array {
  const out: number[] = [];
  for (const chunk of read.view.chunks) {
    const rows = visibleInChunk(read, chunk);
    if (rows === 0) continue;
    const allowed = allowedRows(read, chunk, filter);
    if (allowed === undefined) {
      for (let i = 0; i < rows; i++) out.push(chunk.rowBase + i);
    } else {
      forEachBit(allowed, { from: 0, to: rows }, (i) => out.push(chunk.rowBase + i));
    }
  }
  return Uint32Array.from(out);
}

/** How many rows of the segment pass. */
export function countPassing(read: SegmentRead, filter: CheckedFilter | undefined): number {
  let count = 0;
  for (const chunk of read.view.chunks) {
    const rows = visibleInChunk(read, chunk);
    if (rows === 0) continue;
    const allowed = allowedRows(read, chunk, filter);
    count += countAllowed(read, allowed, rows);
  }
  return count;
}
