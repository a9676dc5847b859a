/** Cutting a write: by shard of the key, then into records. */
import {
  assert,
  columnChunks,
  columnFrameBytes,
  columnOf,
  ElanusError,
  isElanusError,
  LIMITS,
  shardOfInt64,
  shardOfString,
  sliceBatch,
  takeBatch,
  type Clock,
  type Column,
  type ColumnBatch,
  type FieldId,
} from '@elanus/core';

/** The rows of a batch that belong to one shard. */
export interface ShardRows {
  readonly shard: number;
  readonly batch: ColumnBatch;
  /** Where its rows stood in the whole; undefined: it is the whole. */
  readonly rows: Uint32Array | undefined;
}

/** A column frame in chunks. */
export type Frame = readonly Uint8Array[];

/** What cutting a piece costs beside its own bytes, as bytes copied. */
const SLICE_BYTES = 16 * 1024;

/** The shard of row `i` of a key column. */
export function shardOfRow(keys: Column, i: number, shards: number): number {
  if (keys.kind === 'int64') return shardOfInt64((keys.values as BigInt64Array)[i] ?? 0n, shards);
  assert(keys.kind === 'varchar', 'keys are int64 or varchar');
  return shardOfString(keys.data.subarray(keys.offsets[i], keys.offsets[i + 1]), shards);
}

/** Splits rows by the hash of their key. One shard: no copy. */
export function splitByShard(
  batch: ColumnBatch,
  keyField: FieldId,
  shards: number,
): readonly ShardRows[] {
  if (shards === 1) return [{ shard: 0, batch, rows: undefined }];
  const keys = columnOf(batch, keyField);
  const rows = Array.from({ length: shards }, () => [] as number[]);
  for (let i = 0; i < batch.rowCount; i++) rows[shardOfRow(keys, i, shards)]?.push(i);
  return rows.flatMap((list, shard) => {
    if (list.length === 0) return [];
    const taken = Uint32Array.from(list);
    return [{ shard, batch: takeBatch(batch, taken), rows: taken }];
  });
}

/** A failure about a shard's row as one about the same row of the whole. */
export function inWhole(error: unknown, { rows }: ShardRows): unknown {
  if (rows === undefined || !isElanusError(error)) return error;
  const { row } = error.details as { readonly row?: unknown };
  if (typeof row !== 'number') return error;
  const details = { ...error.details, row: rows[row] } as typeof error.details;
  return new ElanusError(error.code, details, { cause: error });
}

/**
 * Rows as column frames of about one record each, in chunks that share the bulk of the batch;
 * gives way to others after each record's worth of bytes that had to be copied.
 * @throws row_too_large, request_too_large
 */
export async function encodeRecords(clock: Clock, batch: ColumnBatch): Promise<Frame[]> {
  const bytes = columnFrameBytes(batch);
  if (bytes > LIMITS.writeBytesMax) {
    throw new ElanusError('request_too_large', { bytes, bytesMax: LIMITS.writeBytesMax });
  }
  const frames: Frame[] = [];
  let copied = 0;
  for (const piece of cut(batch, bytes, 0)) {
    if (copied >= LIMITS.recordBytesTarget) {
      await clock.turn();
      copied = 0;
    }
    const frame = columnChunks(piece);
    copied += SLICE_BYTES + (frame[0]?.length ?? 0);
    frames.push(frame);
  }
  return frames;
}

/** Pieces of at most one record; rows are of different sizes, so a piece may be cut again. */
function* cut(batch: ColumnBatch, bytes: number, firstRow: number): Generator<ColumnBatch> {
  if (batch.rowCount === 1 && bytes > LIMITS.rowBytesMax) {
    throw new ElanusError('row_too_large', { row: firstRow, got: `${bytes} bytes` });
  }
  const records = Math.max(
    bytes / LIMITS.recordBytesTarget,
    batch.rowCount / LIMITS.recordRowsTarget,
  );
  if (records <= 1 || batch.rowCount === 1) {
    yield batch;
    return;
  }
  const pieces = Math.max(2, Math.ceil(records));
  const step = Math.ceil(batch.rowCount / pieces);
  for (let from = 0; from < batch.rowCount; from += step) {
    const piece = sliceBatch(batch, from, Math.min(batch.rowCount, from + step));
    yield* cut(piece, columnFrameBytes(piece), firstRow + from);
  }
}
