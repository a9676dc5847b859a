/**
 * The recovery snapshot of a vchannel: the idempotency keys at its checkpoint. With flushed
 * segments and delta logs it is everything the log below the checkpoint meant.
 */
import {
  decodeColumns,
  encodeColumns,
  fieldId,
  timestampFromMs,
  timestampMs,
  type Column,
  type Timestamp,
} from '@elanus/core';
import type { IdempotencyWindow, RememberedWrite, WrittenRows } from './idempotency.ts';

const KEY = fieldId(1);
const COUNT = fieldId(2);
const TIMESTAMP = fieldId(3);
const HASH = fieldId(4);
/** Of files of this release: a hash of fields and one of keys, in one number. */
const ROWS = fieldId(5);
/** Stands for a key: its timestamp says until when keys were made that are forgotten. */
const FORGOTTEN = '';

/** Packs the keys remembered at or before `at`; undefined when there are none. */
export function encodeRecovery(window: IdempotencyWindow, at: Timestamp): Uint8Array | undefined {
  const entries = [...window.entries()].filter(([, write]) => write.timestamp <= at);
  const { forgottenMs } = window;
  if (forgottenMs > 0) entries.unshift([FORGOTTEN, forgotten(forgottenMs)]);
  if (entries.length === 0) return undefined;
  const encoder = new TextEncoder();
  const keys = entries.map(([key]) => encoder.encode(key));
  const offsets = new Uint32Array(keys.length + 1);
  keys.forEach((key, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + key.length;
  });
  const data = new Uint8Array(offsets[keys.length] ?? 0);
  keys.forEach((key, i) => data.set(key, offsets[i]));
  const numbers = (of: (write: RememberedWrite) => number | bigint): Column => ({
    kind: 'int64',
    values: BigInt64Array.from(entries, ([, write]) => BigInt.asIntN(64, BigInt(of(write)))),
  });
  const columns = new Map<ReturnType<typeof fieldId>, Column>([
    [KEY, { kind: 'varchar', offsets, data }],
    [COUNT, numbers((write) => write.count)],
    [TIMESTAMP, numbers((write) => write.timestamp)],
    [HASH, numbers((write) => write.payloadHash)],
  ]);
  const known = entries.some(([, { rows }]) => rows !== undefined);
  if (known)
    columns.set(
      ROWS,
      numbers(({ rows }) => packed(rows)),
    );
  return encodeColumns({ rowCount: entries.length, columns });
}

function forgotten(madeMs: number): RememberedWrite {
  return { count: 0, timestamp: timestampFromMs(madeMs), payloadHash: 0 };
}

/** 0: not known. */
function packed(rows: WrittenRows | undefined): bigint {
  return rows === undefined ? 0n : (BigInt(rows.fieldsHash) << 32n) | BigInt(rows.keysHash);
}

function unpacked(rows: bigint): Pick<RememberedWrite, 'rows'> {
  if (rows === 0n) return {};
  return { rows: { fieldsHash: Number(rows >> 32n), keysHash: Number(rows & 0xffff_ffffn) } };
}

/** Fills a window from a snapshot. */
export function decodeRecovery(bytes: Uint8Array, window: IdempotencyWindow): void {
  const batch = decodeColumns(bytes);
  const decoder = new TextDecoder();
  const keys = batch.columns.get(KEY);
  const numbers = (id: ReturnType<typeof fieldId>): BigInt64Array => {
    const column = batch.columns.get(id);
    return column?.kind === 'int64' ? (column.values as BigInt64Array) : new BigInt64Array(0);
  };
  if (keys?.kind !== 'varchar') return;
  const [counts, timestamps, hashes] = [numbers(COUNT), numbers(TIMESTAMP), numbers(HASH)];
  const rows = numbers(ROWS);
  for (let i = 0; i < batch.rowCount; i++) {
    const key = decoder.decode(keys.data.subarray(keys.offsets[i], keys.offsets[i + 1]));
    if (key === FORGOTTEN) {
      window.forget(timestampMs(timestamps[i] ?? 0n));
      continue;
    }
    window.remember(key, {
      count: Number(counts[i] ?? 0n),
      timestamp: timestamps[i] ?? 0n,
      payloadHash: Number(hashes[i] ?? 0n),
      ...unpacked(rows[i] ?? 0n),
    });
  }
}
