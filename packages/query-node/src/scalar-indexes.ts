/**
 * Indexes of scalar columns, made by themselves: a field that filters ask for again and again gets
 * one in each segment, in memory, one build at a time, within a budget. What is asked for least
 * recently goes first. A filter finds the same rows with and without.
 */
import type { FieldId } from '@elanus/core';
import { lookupFields, type CheckedFilter } from '@elanus/expr';
import { isScalarColumn, type ScalarColumn, type ScalarIndex } from '@elanus/index';
import type { ChunkView, SegmentRead } from '@elanus/segment';

/** What they are made with. */
export interface ScalarIndexesOptions {
  /** Bytes that all of them may take. */
  readonly bytesMax: number;
  /** Builds one, elsewhere; undefined when the column cannot have one. */
  readonly build: (column: ScalarColumn) => Promise<ScalarIndex | undefined>;
  /** The chunk of a segment as it is held now; undefined when it was released. */
  readonly chunk: (segmentId: number) => ChunkView | undefined;
  /** Puts other indexes over a segment's chunk. */
  readonly place: (segmentId: number, scalars: ReadonlyMap<FieldId, ScalarIndex>) => void;
}

/** Smaller segments are scanned in the time that a look-up takes to begin. */
const ROWS_MIN = 4_096;
/** A build takes as long as 50 to 100 scans of the column. */
const USES_MIN = 32;

interface Wanted {
  readonly segmentId: number;
  readonly field: FieldId;
  uses: number;
  state: 'counted' | 'waiting' | 'ready' | 'refused';
  bytes: number;
}

/** See the file's header. */
export class ScalarIndexes {
  readonly #options: ScalarIndexesOptions;
  /** The least recently used first. */
  readonly #wanted = new Map<string, Wanted>();
  readonly #queue: Wanted[] = [];
  #building: Promise<void> | undefined;
  #bytes = 0;

  constructor(options: ScalarIndexesOptions) {
    this.#options = options;
  }

  /** Bytes that stand now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A filter is about to look at segments. Cost: a microsecond a segment and field. */
  used(reads: readonly SegmentRead[], filter: CheckedFilter | undefined): void {
    if (filter === undefined) return;
    const fields = lookupFields(filter);
    if (fields.size === 0) return;
    for (const { view, passing } of reads) {
      if (passing !== undefined || view.rowCount < ROWS_MIN) continue;
      for (const field of fields) this.#use(view.segmentId, field);
    }
  }

  #use(segmentId: number, field: FieldId): void {
    const key = `${segmentId} ${field}`;
    const wanted = this.#wanted.get(key) ?? fresh(segmentId, field);
    this.#wanted.delete(key);
    this.#wanted.set(key, wanted);
    wanted.uses++;
    if (wanted.state !== 'counted' || wanted.uses < USES_MIN) return;
    wanted.state = 'waiting';
    this.#queue.push(wanted);
    this.#building ??= this.#run();
  }

  /** A segment was released, with its indexes. */
  forget(segmentId: number): void {
    for (const [key, wanted] of this.#wanted) {
      if (wanted.segmentId !== segmentId) continue;
      this.#bytes -= wanted.bytes;
      wanted.bytes = 0;
      wanted.state = 'refused';
      this.#wanted.delete(key);
    }
  }

  /** When all builds that were begun have ended. */
  async settled(): Promise<void> {
    await this.#building;
  }

  async #run(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      // Who cannot build one now scans.
      await this.#build(next).catch(() => this.#refuse(next));
    }
    this.#building = undefined;
  }

  async #build(wanted: Wanted): Promise<void> {
    const { segmentId, field } = wanted;
    const column = this.#options.chunk(segmentId)?.columns.get(field);
    // Four bytes a row is what an index takes at most.
    const rows = this.#options.chunk(segmentId)?.rowCount ?? 0;
    if (column === undefined || !isScalarColumn(column) || rows * 4 > this.#options.bytesMax) {
      this.#refuse(wanted);
      return;
    }
    const index = await this.#options.build(column);
    const chunk = this.#options.chunk(segmentId);
    if (index === undefined || wanted.state !== 'waiting' || chunk === undefined) {
      this.#refuse(wanted);
      return;
    }
    wanted.state = 'ready';
    wanted.bytes = index.bytes;
    this.#bytes += index.bytes;
    this.#options.place(segmentId, new Map([...(chunk.scalars ?? []), [field, index]]));
    this.#evict(wanted);
  }

  #refuse(wanted: Wanted): void {
    wanted.state = 'refused';
  }

  /** Takes indexes away, the least recently used first, until the others fit. */
  #evict(last: Wanted): void {
    for (const wanted of this.#wanted.values()) {
      if (this.#bytes <= this.#options.bytesMax) return;
      if (wanted.state !== 'ready' || wanted === last) continue;
      this.#bytes -= wanted.bytes;
      Object.assign(wanted, { state: 'counted', uses: 0, bytes: 0 });
      const { segmentId, field } = wanted;
      const scalars = new Map(this.#options.chunk(segmentId)?.scalars);
      scalars.delete(field);
      this.#options.place(segmentId, scalars);
    }
  }
}

function fresh(segmentId: number, field: FieldId): Wanted {
  return { segmentId, field, uses: 0, state: 'counted', bytes: 0 };
}
