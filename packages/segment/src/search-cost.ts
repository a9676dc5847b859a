/**
 * What a search is going to cost, before it runs, in multiply-adds of a scan: so that short ones
 * need no thread. Of an index it knows what the header says and the search asks for; within a
 * factor of two or three it is right, which is as near as a choice between here and there needs.
 */
import type { IndexHandle } from '@elanus/index';
import { passingCount, type SegmentRead } from './read-set.ts';
import type { SearchTask } from './search.ts';
import type { SegmentView } from './view.ts';

/** Rows that a walk meets, at least, and for each result that it looks for. */
const WALK_ROWS = 300;
const WALK_ROWS_OF_RESULT = 20;
/** Results that a walk looks for when it is to find a share of them, roughly. */
const WALK_RESULTS = 48;
/**
 * A row that lies anywhere takes as long as so many multiply-adds of a scan; of each of its own,
 * less: they are codes.
 */
const SCATTERED_WORK = 400;
const CODE_WORK = 0.4;
/** A walk, or the scan that is chosen instead, takes so much longer when rows are left out. */
const FILTERED_WALK = 3;
/** The part of the lists that is looked at when a search does not say how many. */
const LISTS_SHARE = 0.1;
/** Of postings: a block of rows that is ranked, and a number that is added. */
const BLOCK_ROWS = 16;
const BLOCK_WORK = 480;
const POSTING_WORK = 300;
/** Queries have the indices that many rows have: so many times the postings of any other. */
const FREQUENT = 8;
/** A sparse entry takes as long as so many multiply-adds of dense rows; so do 32 bits as one. */
const SPARSE_WORK = 8;
const BITS_OF_WORK = 32;

/** Multiply-adds of a search, or what takes as long. */
export function searchCost(task: SearchTask): number {
  const { reads, effort, field, bounds, nq } = task;
  const indexed = !effort.exact && bounds === undefined;
  let one = 0;
  for (const read of reads) {
    const handle = indexed ? read.view.indexes.get(field) : undefined;
    const scan = rowsOf(read) * rowCost(task, read.view);
    one += handle === undefined ? scan : Math.min(scan, indexCost(task, read, handle));
  }
  return one * nq;
}

/** Rows that may be returned, where that is known; else those that are visible. */
function rowsOf(read: SegmentRead): number {
  return passingCount(read) ?? read.visibleRows;
}

function indexCost(task: SearchTask, read: SegmentRead, { header }: IndexHandle): number {
  const dim = rowCost(task, read.view);
  const rows = rowsOf(read);
  const { lists = 0, sparse } = header;
  switch (header.kind) {
    case 'FLAT_SQ8':
      return rows * dim * CODE_WORK;
    case 'IVF_FLAT':
    case 'IVF_SQ8':
    case 'IVF_RABITQ':
    case 'BIN_IVF_FLAT': {
      const asked = task.effort.nprobe ?? lists * LISTS_SHARE;
      const share = lists === 0 ? 1 : Math.min(1, asked / lists);
      const coded = header.kind === 'IVF_SQ8' || header.kind === 'IVF_RABITQ';
      const row = coded ? dim * CODE_WORK : dim;
      return lists * dim + rows * share * row;
    }
    case 'SPARSE_INVERTED': {
      const { postings = 0, dimensions = 1 } = sparse ?? {};
      const met = (entriesOf(task) * postings * FREQUENT) / Math.max(1, dimensions);
      return (read.visibleRows / BLOCK_ROWS) * BLOCK_WORK + met * POSTING_WORK;
    }
    case 'FLAT':
    case 'BIN_FLAT':
      return rows * dim;
    default:
      return walkCost(task, read, dim);
  }
}

/** A walk; or, where few rows may be returned, the scan of those. */
function walkCost({ effort, limit, filter }: SearchTask, read: SegmentRead, dim: number): number {
  const { visibleRows } = read;
  const passing = passingCount(read);
  const row = Math.max(dim * CODE_WORK, SCATTERED_WORK);
  const results = Math.max(effort.ef ?? WALK_RESULTS, limit);
  const met = Math.min(visibleRows, Math.max(WALK_ROWS, results * WALK_ROWS_OF_RESULT));
  const walk = met * row * (filter === undefined ? 1 : FILTERED_WALK);
  return passing === undefined ? walk : Math.min(walk, passing * row);
}

/** Numbers of one query of sparse ones. */
function entriesOf({ queries, nq }: SearchTask): number {
  return queries.kind === 'sparse' ? queries.values.length / nq : 0;
}

/** Multiply-adds that one row takes. */
function rowCost({ queries, field }: SearchTask, view: SegmentView): number {
  if (queries.kind === 'vector') {
    return queries.type === 'binary' ? queries.dim / BITS_OF_WORK : queries.dim;
  }
  let entries = 0;
  for (const { vectors } of view.chunks) {
    const rows = vectors.get(field);
    if (rows?.type === 'sparse') entries += rows.entries;
  }
  return (1 + entries / Math.max(1, view.rowCount)) * SPARSE_WORK;
}
