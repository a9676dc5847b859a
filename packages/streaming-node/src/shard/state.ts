/**
 * State of a shard: what its log says, folded. Only `apply` changes it, and the flush and build
 * commits that move rows between files without changing what is visible.
 */
import {
  moveSegment,
  primaryField,
  segmentId,
  storedFields,
  vectorFields,
  vectorShape,
  type CollectionSchema,
  type Field,
  type Timestamp,
} from '@elanus/core';
import type { Kernels } from '@elanus/kernels';
import type { ChainPoint, SegmentRecord } from '@elanus/protocol';
import { DeleteLog, GrowingSegment, KeyTable, rowTimestamp } from '@elanus/segment';
import type { RowLocation } from '@elanus/segment';
import { IdempotencyWindow } from './idempotency.ts';

/** A segment that takes rows, or has taken its last and waits to be flushed. */
export interface OpenSegment {
  readonly state: 'growing' | 'sealed';
  readonly segmentId: number;
  readonly rows: GrowingSegment;
  readonly deletes: DeleteLog;
  readonly schema: CollectionSchema;
  /** Its first record, as the log's readers find it. */
  readonly first: ChainPoint;
  /** Seq of the newest record with rows of it. */
  readonly lastSeq: number;
  readonly maxTimestamp: Timestamp;
}

/** A segment whose rows lie in objects and are served by query nodes. */
export interface FlushedSegment {
  readonly state: 'flushed';
  readonly segmentId: number;
  readonly record: SegmentRecord;
  readonly deletes: DeleteLog;
  /** Deletes that the newest committed delta log holds. */
  readonly deletesPersisted: number;
  /** One per row, shared with the node that serves it. */
  readonly timestamps: BigUint64Array;
}

/** A segment of a shard, by state. */
export type ShardSegment = OpenSegment | FlushedSegment;

/**
 * Rows on their way from input segments to one output. Until the swap readers see the inputs, so a
 * delete that finds its row already in the output is recorded where the row came from.
 */
export interface MovingRows {
  readonly outputId: number;
  /** Per output row: the input's id, and the row there. */
  readonly inputs: Float64Array;
  readonly rows: Uint32Array;
}

/** A shard's address and its fixed facts. */
export interface ShardOptions {
  readonly schema: CollectionSchema;
  readonly shard: number;
  readonly kernels: Kernels;
  readonly salt: number;
}

/** See the file's header. */
export class ShardState {
  readonly shard: number;
  readonly collectionId: number;
  readonly keyField: Field;
  readonly keyKind: 'int64' | 'varchar';
  readonly keys: KeyTable;
  /** What tables of these keys are salted with. */
  readonly salt: number;
  readonly idempotency = new IdempotencyWindow();
  /** In the order the log began them. */
  readonly segments = new Map<number, ShardSegment>();
  readonly #kernels: Kernels;
  schema: CollectionSchema;
  /** Seq of the newest record folded in. */
  appliedSeq = 0;
  /** Seq of the newest record that ended a write, and what comes behind it. */
  completeSeq = 0;
  completeNext: ChainPoint | undefined;
  /** Rows of this shard alive now. */
  rowCount = 0;
  /** Seq below which rows and deletes are already in flushed files; set at recovery. */
  checkpointSeq = 1;
  checkpointNext: ChainPoint | undefined;
  /** Newest timestamp below `checkpointSeq`: what the committed delta logs reach to. */
  checkpointTimestamp: Timestamp = 0n;
  /** Bytes of log since the checkpoint. */
  logBytes = 0;
  moving: MovingRows | undefined;
  /** Segments whose index was damaged when they were loaded. */
  readonly indexesLost: SegmentRecord[] = [];

  constructor(options: ShardOptions) {
    this.schema = options.schema;
    this.shard = options.shard;
    this.collectionId = options.schema.collectionId;
    this.keyField = primaryField(options.schema);
    this.keyKind = this.keyField.type === 'int64' ? 'int64' : 'varchar';
    this.salt = options.salt;
    this.keys = new KeyTable(this.keyKind, options.salt);
    this.#kernels = options.kernels;
  }

  /** The segment, begun when this is the first record that names it. */
  openSegment(id: number, seq: number, first: ChainPoint): OpenSegment {
    const held = this.segments.get(id);
    moveSegment(id, held?.state ?? 'absent', 'append');
    // What is flushed is below the checkpoint: it is not replayed.
    if (held !== undefined && held.state !== 'flushed') return held;
    const vectors = vectorFields(this.schema).map((field) => ({
      id: field.id,
      ...vectorShape(field),
    }));
    const rows = new GrowingSegment({
      segmentId: segmentId(id),
      firstSeq: seq,
      kernels: this.#kernels,
      vectors,
    });
    const segment: OpenSegment = {
      state: 'growing',
      segmentId: id,
      rows,
      deletes: new DeleteLog(),
      schema: this.schema,
      first: { term: first.term, n: first.n },
      lastSeq: seq,
      maxTimestamp: 0n,
    };
    this.segments.set(id, segment);
    return segment;
  }

  /** When the row at a location was written; 0: its segment is gone. */
  writtenAt({ segmentId: id, row }: RowLocation): Timestamp {
    const { moving } = this;
    if (moving !== undefined && id === moving.outputId) {
      const [from, at] = [moving.inputs[row] ?? 0, moving.rows[row] ?? 0];
      return this.writtenAt({ segmentId: from, row: at });
    }
    const segment = this.segments.get(id);
    if (segment === undefined) return 0n;
    if (segment.state === 'flushed') return segment.timestamps[row] ?? 0n;
    return rowTimestamp(segment.rows.view(), row);
  }

  /** Fields every row batch of this schema has. */
  get fields(): readonly Field[] {
    return storedFields(this.schema);
  }

  /** Sealed and not yet flushed, oldest first. */
  get unflushed(): readonly OpenSegment[] {
    return [...this.segments.values()].filter(isSealed);
  }

  /** Open segments, oldest first. */
  get open(): readonly OpenSegment[] {
    return [...this.segments.values()].filter(isOpen);
  }

  /** Flushed segments. */
  get flushed(): readonly FlushedSegment[] {
    return [...this.segments.values()].filter(isFlushed);
  }
}

const isOpen = (segment: ShardSegment): segment is OpenSegment => segment.state !== 'flushed';
const isSealed = (segment: ShardSegment): segment is OpenSegment => segment.state === 'sealed';
const isFlushed = (segment: ShardSegment): segment is FlushedSegment => segment.state === 'flushed';
