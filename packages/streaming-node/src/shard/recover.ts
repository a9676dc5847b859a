/**
 * Rebuilds a shard from its checkpoint: flushed segments with their delta logs, the key table from
 * their sorted keys, idempotency keys from the recovery snapshot. The log behind the checkpoint is
 * then folded in by the same `apply` as live.
 */
import {
  assert,
  expiredBefore,
  hasBit,
  type Bus,
  type Clock,
  type ObjectStore,
} from '@elanus/core';
import { decodeDeltaLog, decodeKeys, decodeManifest } from '@elanus/format';
import type { Kernels } from '@elanus/kernels';
import { loadSegment, sendCall, type SegmentRecord, type ShardAssignment } from '@elanus/protocol';
import { DeleteLog, keyIn } from '@elanus/segment';
import { prefixUpTo, withFirstRows } from './expired-rows.ts';
import { decodeRecovery } from './recovery-file.ts';
import { ShardState, type FlushedSegment } from './state.ts';

/** What recovery reads from. */
export interface RecoverContext {
  readonly objects: ObjectStore;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly kernels: Kernels;
  readonly salt: number;
}

const KEYS_PER_TURN = 4_096;
/** Segments loaded at a time: reading waits for the disk, checking does not. */
const LOADS_MAX = 4;

/** The shard at its checkpoint. @throws ElanusError file_corrupt, object_corrupt, format_too_new */
export async function recoverShard(
  context: RecoverContext,
  assignment: ShardAssignment,
): Promise<ShardState> {
  const { schema, shard, checkpoint } = assignment;
  const { kernels, salt } = context;
  const state = new ShardState({ schema, shard, kernels, salt });
  state.checkpointSeq = checkpoint?.seq ?? 1;
  state.checkpointNext = checkpoint?.next;
  state.checkpointTimestamp = BigInt(checkpoint?.timestamp ?? 0);
  state.appliedSeq = state.checkpointSeq - 1;
  state.completeSeq = state.appliedSeq;
  state.completeNext = state.checkpointNext;
  if (checkpoint?.recovery !== undefined) {
    decodeRecovery(await context.objects.get(checkpoint.recovery), state.idempotency);
  }
  state.keys.reserve(assignment.segments.reduce((rows, { rowCount }) => rows + rowCount, 0));
  const flushed = await eachOf(assignment.segments, (record) => {
    return recoverSegment(context, state, record);
  });
  for (const segment of flushed) state.segments.set(segment.segmentId, segment);
  state.rowCount = state.keys.count;
  return state;
}

async function recoverSegment(
  context: RecoverContext,
  state: ShardState,
  record: SegmentRecord,
): Promise<FlushedSegment> {
  const { segmentId } = record;
  const header = { record, fields: state.schema.fields };
  // Keys are put in place here while a query node loads the rows.
  const loading = sendCall(context.bus, loadSegment, { header });
  loading.catch(() => undefined);
  const deletes = await readDeletes(context, record);
  const expired = expiredBefore(state.schema.ttl, state.checkpointTimestamp);
  // Mostly nothing has expired, and the keys need not wait for the rows.
  const gone = BigInt(record.minTimestamp) < expired;
  if (!gone) await recoverKeys(context, state, { record, deletes, expired: 0 });
  const loaded = await loading;
  if (record.indexed && !loaded.header.indexed) state.indexesLost.push(record);
  const timestamps = loaded.bodies[0];
  assert(timestamps instanceof BigUint64Array, 'a node answers with timestamps');
  if (gone) {
    const rows = prefixUpTo(timestamps, record.rowCount, expired - 1n);
    await recoverKeys(context, state, { record, deletes, expired: rows });
  }
  const deletesPersisted = deletes.count;
  return { state: 'flushed', segmentId, record, deletes, deletesPersisted, timestamps };
}

async function readDeletes({ objects }: RecoverContext, record: SegmentRecord): Promise<DeleteLog> {
  const deletes = new DeleteLog();
  const { delta, rowCount } = record;
  if (delta === undefined) return deletes;
  const log = decodeDeltaLog(await objects.get(delta), delta, rowCount);
  deletes.load(log.rows, log.timestamps);
  return deletes;
}

/**
 * Points every key of a segment's visible rows at them. What had expired at the checkpoint is left
 * out: another row may have its key, of which it was never told.
 */
async function recoverKeys(
  context: RecoverContext,
  state: ShardState,
  from: {
    readonly record: SegmentRecord;
    readonly deletes: DeleteLog;
    /** Its first rows. */
    readonly expired: number;
  },
): Promise<void> {
  const { record, deletes, expired } = from;
  const { segmentId, rowCount } = record;
  const manifest = decodeManifest(await context.objects.get(record.manifest), record.manifest);
  const { name } = manifest.keys;
  const { keys, rows } = decodeKeys(await context.objects.get(name), name, rowCount);
  const deleted = deletes.bitset(2n ** 64n - 1n, rowCount);
  const hidden = expired === 0 ? deleted : withFirstRows(deleted, expired, rowCount);
  for (let at = 0; at < rowCount; at += KEYS_PER_TURN) {
    if (at > 0) await context.clock.turn();
    const end = Math.min(at + KEYS_PER_TURN, rowCount);
    if (keys.kind === 'int64') {
      const ints = (keys.values as BigInt64Array).subarray(at, end);
      state.keys.setMany(ints, rows.subarray(at, end), { segmentId, hidden });
      continue;
    }
    for (let i = at; i < end; i++) {
      const row = rows[i] ?? 0;
      if (hidden !== undefined && hasBit(hidden, row)) continue;
      state.keys.set(keyIn(keys, i), { segmentId, row });
    }
  }
}

/** Runs `work` over all items, LOADS_MAX at a time; the results stand in the items' order. */
async function eachOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++, item = items[at]; item !== undefined; at = next++, item = items[at]) {
      results[at] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: LOADS_MAX }, lane));
  return results;
}
