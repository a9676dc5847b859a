/**
 * A growing segment: takes rows in timestamp order into chunks that never move, so that readers and
 * threads go on with what they hold. Only the shard's `apply` writes it.
 */
import {
  columnOf,
  isVectorColumn,
  sliceBatch,
  type Column,
  type ColumnBatch,
  type FieldId,
  type Metric,
  type SegmentId,
} from '@elanus/core';
import type { Kernels } from '@elanus/kernels';
import type { IndexHandle, VectorColumn } from '@elanus/index';
import { createGrowingColumn, type GrowingColumn } from './growing-column.ts';
import {
  createGrowingVectors,
  vectorRowBytes,
  type GrowingVectors,
  type VectorField,
} from './growing-vectors.ts';
import type { ChunkView, SegmentView } from './view.ts';

/** A full chunk without codes. */
export interface UncodedChunk {
  readonly metric: Metric;
  readonly column: VectorColumn;
  /** Takes the codes, built over the column; false when the rows are gone. */
  readonly take: (codes: IndexHandle) => boolean;
}

/** Smaller chunks are scanned as they are. */
const CODED_ROWS_MIN = 1_024;
const CHUNK_ROWS_MIN = 256;
const CHUNK_ROWS_MAX = 65_536;
/** Chunks stop doubling here: memory is taken in steps of at most this. */
const CHUNK_BYTES_MAX = 16 * 1024 * 1024;

/** See the file's header. */
export class GrowingSegment {
  readonly segmentId: SegmentId;
  /** Seq of the first record that gave rows to this segment. */
  readonly firstSeq: number;
  readonly #kernels: Kernels;
  readonly #vectors: readonly VectorField[];
  readonly #chunks: GrowingChunk[] = [];
  #rowCount = 0;
  #rowBytes = 0;
  #view: SegmentView | undefined;
  #discarded = false;

  constructor(options: {
    readonly segmentId: SegmentId;
    readonly firstSeq: number;
    readonly kernels: Kernels;
    readonly vectors: readonly VectorField[];
  }) {
    this.segmentId = options.segmentId;
    this.firstSeq = options.firstSeq;
    this.#kernels = options.kernels;
    this.#vectors = options.vectors;
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  /** Bytes of the rows taken in, as they arrived. */
  get rowBytes(): number {
    return this.#rowBytes;
  }

  /** Bytes of the codes of full chunks. */
  get codeBytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.codeBytes, 0);
  }

  /** Full chunks that have no codes, by field. */
  uncoded(): readonly UncodedChunk[] {
    if (this.#discarded) return [];
    return this.#chunks
      .filter(({ room, capacity }) => room === 0 && capacity >= CODED_ROWS_MIN)
      .flatMap((chunk) =>
        chunk.uncoded().map(({ field, column }) => ({
          metric: field.metric,
          column,
          take: (codes: IndexHandle) => {
            if (this.#discarded) return false;
            chunk.take(field.id, codes);
            this.#view = undefined;
            return true;
          },
        })),
      );
  }

  /**
   * Takes all rows of one record, written at `timestamp`. `bytes` is their encoded size.
   * @returns the number of the first row
   */
  append(batch: ColumnBatch, timestamp: bigint, bytes: number): number {
    const first = this.#rowCount;
    let at = 0;
    while (at < batch.rowCount) {
      const chunk = this.#room(batch);
      const count = Math.min(batch.rowCount - at, chunk.room);
      chunk.append(sliceBatch(batch, at, at + count), timestamp);
      at += count;
    }
    this.#rowCount += batch.rowCount;
    this.#rowBytes += bytes;
    this.#view = undefined;
    return first;
  }

  /** The rows so far. Cached until the next append. */
  view(): SegmentView {
    this.#view ??= {
      segmentId: this.segmentId,
      rowCount: this.#rowCount,
      chunks: this.#chunks.map((chunk) => chunk.view()),
      indexes: new Map(),
    };
    return this.#view;
  }

  /** Gives the vectors' memory back: the rows are served from elsewhere and nobody reads here. */
  discard(): void {
    this.#discarded = true;
    for (const chunk of this.#chunks) chunk.discard();
  }

  #room(batch: ColumnBatch): GrowingChunk {
    const last = this.#chunks[this.#chunks.length - 1];
    if (last !== undefined && last.room > 0) return last;
    const rowBytes = this.#vectors.reduce((sum, field) => {
      return sum + vectorRowBytes(field, batch.columns.get(field.id));
    }, 0);
    const rowsMax = Math.floor(CHUNK_BYTES_MAX / (rowBytes + 64));
    const wanted = last === undefined ? CHUNK_ROWS_MIN : last.capacity * 2;
    const rows = Math.min(CHUNK_ROWS_MAX, Math.max(32, Math.min(wanted, rowsMax)));
    const chunk = new GrowingChunk({
      kernels: this.#kernels,
      vectors: this.#vectors,
      like: batch,
      rowBase: last === undefined ? 0 : last.rowBase + last.capacity,
      capacity: rows & ~31,
    });
    this.#chunks.push(chunk);
    return chunk;
  }
}

class GrowingChunk {
  readonly rowBase: number;
  readonly capacity: number;
  readonly #kernels: Kernels;
  readonly #columns = new Map<FieldId, GrowingColumn>();
  readonly #vectors: readonly GrowingVectors[];
  readonly #timestamps: BigUint64Array;
  readonly #codes = new Map<FieldId, IndexHandle>();
  #rowCount = 0;

  constructor(options: {
    readonly kernels: Kernels;
    readonly vectors: readonly VectorField[];
    readonly like: ColumnBatch;
    readonly rowBase: number;
    readonly capacity: number;
  }) {
    const { capacity, kernels } = options;
    this.rowBase = options.rowBase;
    this.capacity = capacity;
    this.#kernels = kernels;
    this.#timestamps = new BigUint64Array(new SharedArrayBuffer(capacity * 8));
    for (const [id, column] of options.like.columns) {
      if (!isVectorColumn(column)) this.#columns.set(id, createGrowingColumn(column, capacity));
    }
    this.#vectors = options.vectors.map((field) => createGrowingVectors(kernels, field, capacity));
  }

  get room(): number {
    return this.capacity - this.#rowCount;
  }

  append(batch: ColumnBatch, timestamp: bigint): void {
    const at = this.#rowCount;
    for (const [id, column] of this.#columns) column.append(columnOf(batch, id), at);
    for (const vectors of this.#vectors) vectors.append(columnOf(batch, vectors.field.id), at);
    this.#timestamps.fill(timestamp, at, at + batch.rowCount);
    this.#rowCount = at + batch.rowCount;
  }

  get codeBytes(): number {
    return [...this.#codes.values()].reduce((sum, { file }) => sum + (file?.bytes ?? 0), 0);
  }

  uncoded(): readonly { readonly field: VectorField; readonly column: VectorColumn }[] {
    return this.#vectors.flatMap((vectors) => {
      const { field } = vectors;
      const column = this.#codes.has(field.id) ? undefined : vectors.codable();
      return column === undefined ? [] : [{ field, column }];
    });
  }

  take(field: FieldId, codes: IndexHandle): void {
    this.#codes.set(field, codes);
  }

  discard(): void {
    for (const vectors of this.#vectors) vectors.discard();
    for (const { file } of this.#codes.values()) {
      if (file !== undefined) this.#kernels.discard(file.memory);
    }
  }

  view(): ChunkView {
    const columns = new Map<FieldId, Column>();
    for (const [id, column] of this.#columns) columns.set(id, column.view());
    return {
      rowBase: this.rowBase,
      rowCount: this.#rowCount,
      columns,
      vectors: new Map(this.#vectors.map((vectors) => [vectors.field.id, vectors.view()])),
      timestamps: this.#timestamps,
      codes: new Map(this.#codes),
    };
  }
}
