/**
 * What filters leave of sealed segments, kept: their rows never change, so a filter that comes
 * again need not look at them again. Deletes are taken off once for each version of them. All of it
 * has a budget; what was used least recently goes first, and is worked out again when it comes.
 */
import {
  andNotInto,
  countBits,
  createBitset,
  type Awaitable,
  type Bitset,
  type SegmentId,
} from '@elanus/core';
import type { CheckedFilter } from '@elanus/expr';
import type { PassingRows, SegmentRead, SegmentView } from '@elanus/segment';

/** What they are made with. */
export interface FilterResultsOptions {
  /** Bytes that all bitsets may take. */
  readonly bytesMax: number;
  /** Whether statistics say that no row of a segment passes. */
  readonly rulesOut: (segmentId: SegmentId, filter: CheckedFilter) => boolean;
  /** The rows of a segment that pass: at once, or on a thread. */
  readonly find: (view: SegmentView, filter: CheckedFilter) => Awaitable<Bitset>;
}

/** Filters remembered besides their bitsets, over all segments. */
const ENTRIES_MAX = 4_096;
/** From which use on a filter's result is kept. */
const USES_MIN = 2;

interface Entry {
  /** The columns it was worked out from. */
  readonly columns: unknown;
  readonly pruned: boolean;
  uses: number;
  /** When it was used last. */
  usedAt: number;
  /** Rows that pass; undefined until the filter has come again. */
  bits: Bitset | undefined;
  /** The same without the rows of one version of the deletes. */
  passing: readonly [PassingRows] | undefined;
  deleted: Bitset | undefined;
}

/** Reads that a filter leaves, with what is known of their rows; and those it rules out. */
export interface FilteredReads {
  readonly kept: readonly SegmentRead[];
  readonly pruned: readonly SegmentRead[];
}

const NONE: readonly SegmentRead[] = [];

/** See the file's header. */
export class FilterResults {
  readonly #options: FilterResultsOptions;
  readonly #segments = new Map<number, Map<CheckedFilter, Entry>>();
  #entries = 0;
  #bytes = 0;
  #uses = 0;
  #finding: Promise<void> | undefined;

  constructor(options: FilterResultsOptions) {
    this.#options = options;
  }

  /** Bytes that are kept now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When what was begun on a thread has ended. */
  async settled(): Promise<void> {
    await this.#finding;
  }

  /** Takes out what the filter rules out, and says of the rest what is known. */
  apply(reads: readonly SegmentRead[], filter: CheckedFilter | undefined): FilteredReads {
    if (filter === undefined) return { kept: reads, pruned: NONE };
    const kept: SegmentRead[] = [];
    const pruned: SegmentRead[] = [];
    for (const read of reads) {
      const entry = this.#entry(read.view, filter);
      if (entry.pruned) pruned.push(read);
      else kept.push(this.#known(read, filter, entry));
    }
    return { kept, pruned };
  }

  /** A segment was released. */
  forget(segmentId: number): void {
    for (const entry of this.#segments.get(segmentId)?.values() ?? []) {
      this.#entries--;
      this.#bytes -= bytesOf(entry);
    }
    this.#segments.delete(segmentId);
  }

  #entry(view: SegmentView, filter: CheckedFilter): Entry {
    const { segmentId } = view;
    let filters = this.#segments.get(segmentId);
    if (filters === undefined) {
      filters = new Map();
      this.#segments.set(segmentId, filters);
    }
    const columns = view.chunks[0]?.columns;
    const known = filters.get(filter);
    if (known !== undefined && known.columns === columns) {
      known.uses++;
      known.usedAt = ++this.#uses;
      return known;
    }
    const pruned = this.#options.rulesOut(segmentId, filter);
    const base = { columns, pruned, uses: 1, usedAt: ++this.#uses };
    const entry = { ...base, bits: undefined, passing: undefined, deleted: undefined };
    if (known === undefined) this.#entries++;
    else this.#bytes -= bytesOf(known);
    filters.set(filter, entry);
    this.#evict(entry);
    return entry;
  }

  #known(read: SegmentRead, filter: CheckedFilter, entry: Entry): SegmentRead {
    const { view, deleted } = read;
    // Reads of the past see fewer rows: few come, and not again.
    if (read.visibleRows !== view.rowCount || view.chunks.length !== 1) return read;
    if (entry.bits === undefined) {
      if (entry.uses >= USES_MIN) this.#find(view, filter, entry);
      if (entry.bits === undefined) return read;
    }
    if (entry.passing === undefined || entry.deleted !== deleted) this.#subtract(entry, deleted);
    return { ...read, passing: entry.passing };
  }

  #find(view: SegmentView, filter: CheckedFilter, entry: Entry): void {
    if (this.#finding !== undefined || view.rowCount / 8 > this.#options.bytesMax) return;
    const found = this.#options.find(view, filter);
    if (!(found instanceof Promise)) {
      this.#keep(view.segmentId, filter, { entry, bits: found });
      return;
    }
    this.#finding = found.then(
      (bits) => {
        this.#finding = undefined;
        this.#keep(view.segmentId, filter, { entry, bits });
      },
      () => {
        // Who reads looks at the rows again; the next use tries again.
        this.#finding = undefined;
      },
    );
  }

  /** Keeps a result, unless its segment was released or another entry took its place meanwhile. */
  #keep(
    segmentId: number,
    filter: CheckedFilter,
    { entry, bits }: { readonly entry: Entry; readonly bits: Bitset },
  ): void {
    if (this.#segments.get(segmentId)?.get(filter) !== entry) return;
    entry.bits = bits;
    this.#bytes += bits.byteLength;
    this.#evict(entry);
  }

  #subtract(entry: Entry, deleted: Bitset | undefined): void {
    const { bits } = entry;
    if (bits === undefined) return;
    this.#bytes -= bytesOf(entry);
    if (deleted === undefined) entry.passing = [{ bits, count: countBits(bits) }];
    else {
      const left = createBitset(bits.length * 32, { shared: true });
      left.set(bits);
      andNotInto(left, deleted.subarray(0, left.length));
      entry.passing = [{ bits: left, count: countBits(left) }];
    }
    entry.deleted = deleted;
    this.#bytes += bytesOf(entry);
    this.#evict(entry);
  }

  /** Forgets what was used least recently, a quarter of it at a time; never `last`. */
  #evict(last: Entry): void {
    if (this.#entries <= ENTRIES_MAX && this.#bytes <= this.#options.bytesMax) return;
    const all = [...this.#segments].flatMap(([segmentId, filters]) =>
      [...filters].map(([filter, entry]) => ({ segmentId, filter, entry })),
    );
    all.sort((a, b) => a.entry.usedAt - b.entry.usedAt);
    for (const { segmentId, filter, entry } of all) {
      const enough = this.#entries <= ENTRIES_MAX * 0.75;
      if (enough && this.#bytes <= this.#options.bytesMax * 0.75) return;
      if (entry === last) continue;
      this.#segments.get(segmentId)?.delete(filter);
      this.#entries--;
      this.#bytes -= bytesOf(entry);
    }
  }
}

function bytesOf({ bits, passing }: Entry): number {
  if (bits === undefined) return 0;
  const left = passing?.[0].bits ?? bits;
  const own = left === bits ? 0 : left.byteLength;
  return bits.byteLength + own;
}
