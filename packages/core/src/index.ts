export { assert, assertNever } from './assert.ts';
export type { Awaitable } from './awaitable.ts';
export { andFinally, andThen } from './awaitable.ts';
export { concatColumns, nullColumn, sliceBatch, sliceColumn, takeBatch } from './batch.ts';
export { takeColumn, zeroVectors } from './batch.ts';
export type { Bitset } from './bitset.ts';
export { andInto, andNotInto, bitsetWords, clearBit, clearTail, countBits } from './bitset.ts';
export { createBitset, filledBitset, forEachBit, hasBit, setBit } from './bitset.ts';
export {
  columnChunks,
  columnFrameBytes,
  decodeChunks,
  decodeColumns,
  encodeColumns,
} from './column-frame.ts';
export type { ArrayColumn, BytesColumn, Column, ColumnBatch, ColumnKind } from './column.ts';
export type { NumberColumn, NumericArray, SparseColumn, VectorColumn } from './column.ts';
export { columnBytes, columnOf, columnRows, isPresent, isVectorColumn } from './column.ts';
export { numericArray, numericBytes, validOf } from './column.ts';
export type { Consistency } from './consistency.ts';
export { BOUNDED_STALENESS_MS } from './consistency.ts';
export { didYouMean, nearestName } from './did-you-mean.ts';
export type { ErrorCode, ErrorDetails, ErrorKind, WireError } from './errors.ts';
export type { SearchEffort, SegmentPlan } from './effort.ts';
export { ElanusError, errorTable, fromWireError, isElanusError, toWireError } from './errors.ts';
export type { HalfType } from './half.ts';
export { findNotFiniteHalf, halfToNumber, halvesToFloats, writeHalves } from './half.ts';
export type { CompactHits, Hits, Keys } from './hits.ts';
export { bytesOfHits, compactHits, compareKeys, emptyHits } from './hits.ts';
export { hitsOfBytes, mergeHits, ownHits } from './hits.ts';
export { idempotencyKeyMs, makeIdempotencyKey } from './idempotency-key.ts';
export type { CollectionId, FieldId, JobId, SegmentId } from './ids.ts';
export { collectionId, fieldId, jobId, segmentId } from './ids.ts';
export type { BuiltIndex, IndexChoice, IndexChoiceKind, IndexKindRow } from './index-choice.ts';
export { AUTO_INDEX, INDEX_KINDS, indexBuildKey, indexParams } from './index-choice.ts';
export type { CompactionStatus, JobStatus, SegmentTotals } from './job.ts';
export { shardOfInt64, shardOfString } from './key-hash.ts';
export { keysIncrease } from './key-order.ts';
export type { Limits } from './limits.ts';
export { LIMITS } from './limits.ts';
export type { BinaryMetric, FloatMetric, Metric } from './metric.ts';
export { BINARY_METRICS, METRICS, isBetter, largerIsBetter } from './metric.ts';
export type { CollectionSchema, DefaultValue, Field, FieldDefinition } from './schema.ts';
export type { FieldType, ScalarType, SchemaDefinition } from './schema.ts';
export { DYNAMIC_FIELD, DYNAMIC_FIELD_ID, FIRST_FIELD_ID, TIMESTAMP_FIELD } from './schema.ts';
export { TIMESTAMP_FIELD_ID, dynamicField, fieldByName, primaryField } from './schema.ts';
export { storedFields, vectorFields } from './schema.ts';
export type { SegmentEvent, SegmentState } from './segment-life.ts';
export { moveSegment, SEGMENT_EVENTS, SEGMENT_STATES, segmentAfter } from './segment-life.ts';
export { sameValue } from './same-value.ts';
export type { Timestamp } from './timestamp.ts';
export { LOGICAL_BITS, TIMESTAMP_MAX, TIMESTAMP_ZERO, maxTimestamp } from './timestamp.ts';
export { timestampFromMs, timestampMs } from './timestamp.ts';
export type { TtlSpan } from './ttl.ts';
export { expiredBefore, ttlOf, withTtl } from './ttl.ts';
export type { DenseArray, DenseType, VectorShape, VectorType } from './vector-type.ts';
export { denseArray, denseBytes, denseWidth, isDenseArray, VECTOR_TYPES } from './vector-type.ts';
export { vectorMetrics, vectorShape } from './vector-type.ts';
export type { Bus, BusAnswer, BusCaller, BusMessage, CallOptions } from './ports/bus.ts';
export type { Clock } from './ports/clock.ts';
export type { FileHandle, FileStat, Fs } from './ports/fs.ts';
export type { FrozenBytes, LogAppend, LogAppendOutcome } from './ports/log-store.ts';
export type { LogEntry, LogSpan, LogStore, LogStream } from './ports/log-store.ts';
export type { MetaChange, MetaCompare, MetaEntry, MetaLease, MetaOp } from './ports/meta-store.ts';
export type { MetaStore, MetaTxn, MetaTxnOutcome, MetaUpdate } from './ports/meta-store.ts';
export type { ObjectListing, ObjectStat, ObjectStore } from './ports/object-store.ts';
export type { Pool, PoolTask } from './ports/pool.ts';
export type { Proc } from './ports/proc.ts';
export type { Rng } from './ports/rng.ts';
