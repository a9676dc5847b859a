/**
 * A growing segment: takes rows in timestamp order into chunks that never move, so that readers and
 * threads go on with what they hold. Only the shard's `apply` writes it.
 */
import {
  assert,
  columnOf,
  sliceBatch,
  type Column,
  type ColumnBatch,
  type FieldId,
  type Metric,
  type SegmentId,
} from '@elanus/core';
import { floatsOf, type Kernels, type RowMemory } from '@elanus/kernels';
import type { IndexHandle, VectorColumn } from '@elanus/index';
import { createGrowingColumn, type GrowingColumn } from './growing-column.ts';
import type { ChunkView, SegmentView } from './view.ts';

/** A vector field as a growing segment must know it. */
export interface VectorField {
  readonly id: FieldId;
  readonly dim: number;
  readonly metric: Metric;
}

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
    const rowFloats = this.#vectors.reduce((sum, field) => sum + field.dim, 0);
    const rowsMax = Math.floor(CHUNK_BYTES_MAX / (rowFloats * 4 + 64));
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

interface GrowingVectors {
  readonly field: VectorField;
  readonly memory: RowMemory;
  readonly values: Float32Array;
  readonly inverseNorms: Float32Array | undefined;
}

class GrowingChunk {
  readonly rowBase: number;
  readonly capacity: number;
  readonly #kernels: Kernels;
  readonly #columns = new Map<FieldId, GrowingColumn>();
  readonly #vectors: GrowingVectors[] = [];
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
      if (column.kind !== 'vector') this.#columns.set(id, createGrowingColumn(column, capacity));
    }
    for (const field of options.vectors) {
      const memory = kernels.allocate(capacity * field.dim * 4);
      const cosine = field.metric === 'cosine';
      this.#vectors.push({
        field,
        memory,
        values: floatsOf(memory, capacity * field.dim),
        inverseNorms: cosine ? new Float32Array(new SharedArrayBuffer(capacity * 4)) : undefined,
      });
    }
  }

  get room(): number {
    return this.capacity - this.#rowCount;
  }

  append(batch: ColumnBatch, timestamp: bigint): void {
    const at = this.#rowCount;
    for (const [id, column] of this.#columns) column.append(columnOf(batch, id), at);
    for (const vectors of this.#vectors) this.#appendVectors(vectors, batch, at);
    this.#timestamps.fill(timestamp, at, at + batch.rowCount);
    this.#rowCount = at + batch.rowCount;
  }

  get codeBytes(): number {
    return [...this.#codes.values()].reduce((sum, { file }) => sum + (file?.bytes ?? 0), 0);
  }

  uncoded(): readonly { readonly field: VectorField; readonly column: VectorColumn }[] {
    return this.#vectors
      .filter(({ field }) => !this.#codes.has(field.id))
      .map(({ field, memory }) => ({
        field,
        column: { rows: memory, rowCount: this.capacity, dim: field.dim },
      }));
  }

  take(field: FieldId, codes: IndexHandle): void {
    this.#codes.set(field, codes);
  }

  discard(): void {
    for (const { memory } of this.#vectors) this.#kernels.discard(memory);
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
      vectors: new Map(
        this.#vectors.map(({ field, memory, inverseNorms }) => [
          field.id,
          { dim: field.dim, memory, inverseNorms },
        ]),
      ),
      timestamps: this.#timestamps,
      codes: new Map(this.#codes),
    };
  }

  #appendVectors(vectors: GrowingVectors, batch: ColumnBatch, at: number): void {
    const { field, memory, values, inverseNorms } = vectors;
    const column = columnOf(batch, field.id);
    assert(column.kind === 'vector' && column.dim === field.dim, 'vectors were checked');
    values.set(column.values, at * field.dim);
    if (inverseNorms === undefined) return;
    const to = at + batch.rowCount;
    this.#kernels.inverseNorms({ dim: field.dim, rows: memory, from: at, to, out: inverseNorms });
  }
}
