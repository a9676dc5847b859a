/**
 * Deletes of one segment at rest: rows with the timestamp that hid each, in timestamp order. A
 * segment's newest delta log is complete: it replaces the ones before.
 */
import { decodeColumns, ElanusError, encodeColumns, fieldId } from '@elanus/core';

/** Rows of one segment and when each was hidden, in timestamp order. */
export interface DeltaLog {
  readonly rows: Uint32Array;
  readonly timestamps: BigUint64Array;
}

const ROWS = fieldId(1);
const TIMESTAMPS = fieldId(2);

/** Packs a delta log. */
export function encodeDeltaLog(log: DeltaLog): Uint8Array {
  const { rows, timestamps } = log;
  return encodeColumns({
    rowCount: rows.length,
    columns: new Map([
      [
        ROWS,
        {
          kind: 'int32' as const,
          values: new Int32Array(rows.buffer, rows.byteOffset, rows.length),
        },
      ],
      [
        TIMESTAMPS,
        {
          kind: 'int64' as const,
          values: new BigInt64Array(timestamps.buffer, timestamps.byteOffset, timestamps.length),
        },
      ],
    ]),
  });
}

/** Reads a delta log of a segment of `rowCount` rows. @throws ElanusError file_corrupt */
export function decodeDeltaLog(bytes: Uint8Array, path: string, rowCount: number): DeltaLog {
  const batch = decodeColumns(bytes);
  const rows = batch.columns.get(ROWS);
  const timestamps = batch.columns.get(TIMESTAMPS);
  if (rows?.kind !== 'int32' || timestamps?.kind !== 'int64') {
    throw new ElanusError('file_corrupt', { path, why: 'not a delta log' });
  }
  const out = {
    rows: new Uint32Array(rows.values as Int32Array),
    timestamps: new BigUint64Array(timestamps.values as BigInt64Array),
  };
  out.rows.forEach((row, i) => {
    const before = out.timestamps[i - 1] ?? 0n;
    if (row >= rowCount || (out.timestamps[i] ?? 0n) < before) {
      throw new ElanusError('file_corrupt', { path, why: 'deletes out of order or of no row' });
    }
  });
  return out;
}
