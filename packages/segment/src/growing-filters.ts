/**
 * What filters leave of rows that grow, kept: rows are appended and never changed, so when a filter
 * comes again only the rows that came since are looked at. Deletes are taken off once for each
 * version of them. A long backlog is caught up with over several reads, each of which then looks at
 * all rows for itself.
 */
import { andNotInto, countBits, type Bitset, type SegmentId } from '@elanus/core';
import { evaluate, type CheckedFilter } from '@elanus/expr';
import { visibleInChunk, type PassingRows, type SegmentRead } from './read-set.ts';
import type { ChunkView, SegmentView } from './view.ts';

/** Filters kept of a segment: two bits a row for each, the least recently used going first. */
const FILTERS_MAX = 16;
/** Rows that one read looks at to catch up; JSON costs up to 100 ns a row. */
const CATCH_UP_ROWS = 2_000;

/** The rows of a chunk that pass, of the first `rows`. */
interface Seen {
  readonly rows: number;
  readonly bits: Bitset;
}

interface Entry {
  /** Chunk by chunk; never changed, replaced. */
  readonly seen: Seen[];
  rows: number;
  /** What the last read was given, and for what. */
  view: SegmentView | undefined;
  deleted: Bitset | undefined;
  passing: readonly PassingRows[] | undefined;
}

/** See the file's header. */
export class GrowingFilters {
  readonly #segments = new Map<SegmentId, Map<CheckedFilter, Entry>>();

  /**
   * Says of each read what is known of its rows; those of a segment that is no longer among the
   * reads are forgotten. Cost: the rows that came since the filter was used, `CATCH_UP_ROWS` at
   * most.
   */
  apply(reads: readonly SegmentRead[], filter: CheckedFilter | undefined): readonly SegmentRead[] {
    if (filter === undefined) return reads;
    if (this.#segments.size > reads.length) this.#forget(reads);
    return reads.map((read) => {
      const passing = passingIn(this.#entry(read.view.segmentId, filter), read, filter);
      if (passing === undefined) return read;
      const { view, visibleRows, deleted } = read;
      return { view, visibleRows, deleted, passing };
    });
  }

  #entry(segmentId: SegmentId, filter: CheckedFilter): Entry {
    let filters = this.#segments.get(segmentId);
    if (filters === undefined) {
      filters = new Map();
      this.#segments.set(segmentId, filters);
    }
    const known = filters.get(filter);
    if (known !== undefined) return known;
    const none = { view: undefined, deleted: undefined, passing: undefined };
    const entry: Entry = { seen: [], rows: 0, ...none };
    if (filters.size >= FILTERS_MAX) forgetOldest(filters);
    filters.set(filter, entry);
    return entry;
  }

  #forget(reads: readonly SegmentRead[]): void {
    const there = new Set(reads.map(({ view }) => view.segmentId));
    for (const id of this.#segments.keys()) if (!there.has(id)) this.#segments.delete(id);
  }
}

function forgetOldest(filters: Map<CheckedFilter, Entry>): void {
  const [oldest] = filters.keys();
  if (oldest !== undefined) filters.delete(oldest);
}

/** What the filter leaves, chunk by chunk; undefined while not all rows have been looked at. */
function passingIn(
  entry: Entry,
  read: SegmentRead,
  filter: CheckedFilter,
): readonly PassingRows[] | undefined {
  const { view, visibleRows, deleted } = read;
  const { passing } = entry;
  if (entry.rows === visibleRows && entry.view === view && entry.deleted === deleted) {
    if (passing !== undefined) return passing;
  }
  // Reads of the past see fewer rows: few come, and not again.
  if (visibleRows < entry.rows || !catchUp(entry, read, filter)) return undefined;
  entry.view = view;
  entry.deleted = deleted;
  entry.passing = view.chunks.flatMap((chunk, at) => {
    const seen = entry.seen[at];
    return seen === undefined ? [] : [leftOf(seen, chunk, deleted)];
  });
  return entry.passing;
}

/** Looks at rows that came since; whether there are none left. */
function catchUp(entry: Entry, read: SegmentRead, filter: CheckedFilter): boolean {
  let room = CATCH_UP_ROWS;
  for (const [at, chunk] of read.view.chunks.entries()) {
    const { columns, timestamps } = chunk;
    const seen = entry.seen[at];
    const from = seen?.rows ?? 0;
    const visible = visibleInChunk(read, chunk);
    const to = Math.min(visible, from + room);
    if (seen !== undefined && to <= from) continue;
    const bits = evaluate(filter, { rowCount: to, columns, timestamps }, { from, to });
    seen?.bits.forEach((word, i) => {
      bits[i] = (bits[i] ?? 0) | word;
    });
    entry.seen[at] = { rows: to, bits };
    entry.rows += to - from;
    room -= to - from;
    if (to < visible) return false;
  }
  return true;
}

function leftOf(seen: Seen, chunk: ChunkView, deleted: Bitset | undefined): PassingRows {
  const hidden = deleted?.subarray(chunk.rowBase >>> 5, (chunk.rowBase >>> 5) + seen.bits.length);
  if (hidden === undefined) return { bits: seen.bits, count: countBits(seen.bits) };
  const bits = seen.bits.slice();
  andNotInto(bits.subarray(0, hidden.length), hidden);
  return { bits, count: countBits(bits) };
}
