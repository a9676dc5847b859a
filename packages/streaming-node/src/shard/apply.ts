/**
 * The one fold: log record -> shard state. Live, in recovery and (later) on followers this is the
 * only code that gives a record its meaning. It cannot fail on content, because what enters the log
 * has been checked; it is synchronous and touches one record.
 *
 * Order is everything: records come in log order, timestamps rise, so "the version a key points at"
 * is the newest one, and a delete or upsert hides exactly it.
 *
 * Replay: records below the shard's checkpoint are skipped whole, since flushed files, delta logs
 * and the recovery snapshot hold their effect. Invariants W5, S2, R5.
 */
import {
  columnOf,
  decodeChunks,
  expiredBefore,
  moveSegment,
  type Column,
  type ColumnBatch,
  type CollectionSchema,
  type Timestamp,
} from '@elanus/core';
import type { MessageHeader } from '@elanus/protocol';
import { completeBatch, keyIn } from '@elanus/segment';
import type { LogRecord } from '../wal/wal.ts';
import { hashFields, hashKeys, hashKind } from './idempotency.ts';
import type { OpenSegment, ShardState } from './state.ts';

/** What a record did, for whoever wrote it. */
export interface Applied {
  /** Rows written or deleted by the write so far; complete with its last part. */
  readonly count: number;
  /** A segment was sealed and can be flushed. */
  readonly sealed: boolean;
}

const decoder = new TextDecoder();

/** Folds a record in. See the file's header. */
export function apply(state: ShardState, record: LogRecord): Applied {
  const { header, seq } = record;
  if (seq <= state.appliedSeq || seq < state.checkpointSeq) return { count: 0, sealed: false };
  state.appliedSeq = seq;
  if (header.part === header.parts - 1) {
    state.completeSeq = seq;
    state.completeNext = { term: header.term, n: header.n + 1 };
  }
  state.logBytes += record.bodyBytes;
  const batch = ROWS.has(header.kind) ? (record.batch ?? decodeChunks(record.body)) : undefined;
  const done = applyKind(state, record, batch);
  if (header.idempotencyKey !== '') remember(state, { header, batch, count: done.count });
  return done;
}

/** Kinds whose body is a batch. */
const ROWS: ReadonlySet<MessageHeader['kind']> = new Set(['insert', 'upsert', 'delete']);
const NO_ROWS: ColumnBatch = { rowCount: 0, columns: new Map() };

function applyKind(state: ShardState, record: LogRecord, batch = NO_ROWS): Applied {
  switch (record.header.kind) {
    case 'insert':
    case 'upsert':
      return { count: applyRows(state, record, batch), sealed: false };
    case 'delete':
      return { count: applyDelete(state, record, batch), sealed: false };
    case 'seal':
      return { count: 0, sealed: seal(state, record.header.segmentId) };
    case 'alter': {
      const schema = JSON.parse(decoder.decode(record.body[0])) as CollectionSchema;
      // An opening begins with the schema of the catalog: what it seals is sealed all the same.
      if (schema.version > state.schema.version) state.schema = schema;
      return { count: 0, sealed: sealGrowing(state) };
    }
    case 'create':
    case 'drop':
    case 'term':
    case 'barrier':
      return { count: 0, sealed: false };
  }
}

function applyRows(state: ShardState, record: LogRecord, decoded: ColumnBatch): number {
  const { header, seq } = record;
  const segment = state.openSegment(header.segmentId, seq, header);
  const batch = completeBatch(decoded, state.fields);
  const first = segment.rows.append(batch, header.timestamp, record.bodyBytes);
  state.segments.set(segment.segmentId, {
    ...segment,
    lastSeq: seq,
    maxTimestamp: header.timestamp,
  });
  const keys = columnOf(batch, state.keyField.id);
  const span = { keys, from: 0, to: batch.rowCount };
  const at = { segmentId: segment.segmentId, row: first, step: 1 as const };
  let hidden = 0;
  state.keys.point(span, at, (_, segmentId, row) => {
    hide(state, { segmentId, row }, header.timestamp);
    hidden++;
  });
  state.rowCount += batch.rowCount - hidden;
  return batch.rowCount;
}

function applyDelete(state: ShardState, { header }: LogRecord, batch: ColumnBatch): number {
  const keys: Column = columnOf(batch, state.keyField.id);
  const expired = expiredBefore(state.schema.ttl, header.timestamp);
  let count = 0;
  for (let i = 0; i < batch.rowCount; i++) {
    const key = keyIn(keys, i);
    const location = state.keys.get(key);
    if (location === undefined) continue;
    if (header.asOf !== 0n && state.writtenAt(location) > header.asOf) continue;
    // Nobody saw a row that has expired: it goes, and does not count.
    if (expired === 0n || state.writtenAt(location) >= expired) count++;
    state.keys.delete(key);
    hide(state, location, header.timestamp);
    state.rowCount--;
  }
  return count;
}

function hide(
  state: ShardState,
  location: { readonly segmentId: number; readonly row: number },
  timestamp: Timestamp,
): void {
  const { moving } = state;
  if (moving !== undefined && location.segmentId === moving.outputId) {
    const input = moving.inputs[location.row] ?? 0;
    state.segments.get(input)?.deletes.add(moving.rows[location.row] ?? 0, timestamp);
    return;
  }
  state.segments.get(location.segmentId)?.deletes.add(location.row, timestamp);
}

/**
 * Seals a segment, and those that were opened before it: one whose own seal never reached the log
 * gets no rows any more either. Left open it would be flushed after this one, and the log from its
 * first row on would be replayed into what is flushed.
 */
function seal(state: ShardState, id: number): boolean {
  const last = state.open.findIndex(({ segmentId }) => segmentId === id);
  return sealAll(state, state.open.slice(0, last + 1));
}

function sealGrowing(state: ShardState): boolean {
  return sealAll(state, state.open);
}

function sealAll(state: ShardState, segments: readonly OpenSegment[]): boolean {
  const growing = segments.filter((segment) => segment.state === 'growing');
  for (const segment of growing) {
    moveSegment(segment.segmentId, segment.state, 'seal');
    state.segments.set(segment.segmentId, { ...segment, state: 'sealed' });
  }
  return growing.length > 0;
}

/** The parts of a write share its key and timestamp; their counts add up. */
function remember(
  state: ShardState,
  done: {
    readonly header: MessageHeader;
    readonly batch: ColumnBatch | undefined;
    readonly count: number;
  },
): void {
  const { header, batch = NO_ROWS } = done;
  const { idempotencyKey, timestamp, payloadHash } = header;
  const known = state.idempotency.get(idempotencyKey);
  const before = known?.timestamp === timestamp ? known : undefined;
  const keys = batch.columns.get(state.keyField.id);
  const sofar = before?.rows?.keysHash ?? hashKind(header.kind);
  const keysHash = keys === undefined ? sofar : hashKeys(keys, sofar);
  const count = (before?.count ?? 0) + done.count;
  const rows = { fieldsHash: hashFields(batch), keysHash };
  state.idempotency.remember(idempotencyKey, { count, timestamp, payloadHash, rows });
}
