/**
 * Rebuilds a shard from its checkpoint: flushed segments with their delta logs, the key table from
 * their sorted keys, idempotency keys from the recovery snapshot. The log behind the checkpoint is
 * then folded in by the same `apply` as live.
 */
import { assert, hasBit, type Bus, type Clock, type ObjectStore } from '@elanus/core';
import { decodeDeltaLog, decodeKeys, decodeManifest } from '@elanus/format';
import type { Kernels } from '@elanus/kernels';
import { invoke, loadSegment, type SegmentRecord, type ShardAssignment } from '@elanus/protocol';
import { DeleteLog, keyIn } from '@elanus/segment';
import { decodeRecovery } from './recovery-file.ts';
import { ShardState } from './state.ts';

/** What recovery reads from. */
export interface RecoverContext {
  readonly objects: ObjectStore;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly kernels: Kernels;
  readonly salt: number;
}

const KEYS_PER_TURN = 8_192;
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
  state.checkpointTimestamp = BigInt(checkpoint?.timestamp ?? 0);
  state.appliedSeq = state.checkpointSeq - 1;
  state.completeSeq = state.appliedSeq;
  if (checkpoint?.recovery !== undefined) {
    decodeRecovery(await context.objects.get(checkpoint.recovery), state.idempotency);
  }
  await eachOf(assignment.segments, (record) => recoverSegment(context, state, record));
  state.rowCount = state.keys.count;
  return state;
}

async function recoverSegment(
  context: RecoverContext,
  state: ShardState,
  record: SegmentRecord,
): Promise<void> {
  const { objects, bus } = context;
  const { segmentId, rowCount } = record;
  const { header, bodies } = await invoke(bus, loadSegment, {
    header: { record, fields: state.schema.fields },
  });
  if (record.indexed && !header.indexed) state.indexesLost.push(record);
  const timestamps = bodies[0];
  assert(timestamps instanceof BigUint64Array, 'a node answers with timestamps');
  const deletes = new DeleteLog();
  if (record.delta !== undefined) {
    const log = decodeDeltaLog(await objects.get(record.delta), record.delta, rowCount);
    deletes.load(log.rows, log.timestamps);
  }
  const flushed = { state: 'flushed' as const, segmentId, record, deletes, timestamps };
  state.segments.set(segmentId, { ...flushed, deletesPersisted: deletes.count });
  await recoverKeys(context, state, { record, deletes });
}

/** Points every key of a segment's visible rows at them. */
async function recoverKeys(
  context: RecoverContext,
  state: ShardState,
  from: { readonly record: SegmentRecord; readonly deletes: DeleteLog },
): Promise<void> {
  const { record, deletes } = from;
  const manifest = decodeManifest(await context.objects.get(record.manifest), record.manifest);
  const { name } = manifest.keys;
  const { keys, rows } = decodeKeys(await context.objects.get(name), name, record.rowCount);
  const hidden = deletes.bitset(2n ** 64n - 1n, record.rowCount);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] ?? 0;
    if (hidden === undefined || !hasBit(hidden, row)) {
      state.keys.set(keyIn(keys, i), { segmentId: record.segmentId, row });
    }
    if ((i + 1) % KEYS_PER_TURN === 0) await context.clock.turn();
  }
}

/** Runs `work` over all items, LOADS_MAX at a time, in order of start. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: LOADS_MAX }, lane));
}
