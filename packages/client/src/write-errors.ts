import type { ErrorCode, ErrorDetails } from '@elanus/core';
import { ElanusError, isElanusError } from '@elanus/core';

/** The call that a write is a part of, as its errors have to tell of it. */
export interface WriteCall {
  /** The key of the whole call: what to repeat it with. */
  readonly idempotencyKey: string;
  /** The caller's number of the part's first row. */
  readonly firstRow: number;
}

/** After these nobody knows whether the write happened. */
const UNSURE: ReadonlySet<ErrorCode> = new Set(['deadline_exceeded', 'cancelled', 'write_unknown']);

/**
 * A failure of one part as a failure of the call: `row` counts the caller's rows, and a key is the
 * key of the whole call. Unsure failures always carry it, so that the caller can retry.
 */
export function asOfCall(error: unknown, call: WriteCall): unknown {
  if (!isElanusError(error)) return error;
  const { idempotencyKey, firstRow } = call;
  const before = error.details as { readonly row?: unknown; readonly idempotencyKey?: unknown };
  const moved = firstRow > 0 && typeof before.row === 'number';
  const keyed = UNSURE.has(error.code) || before.idempotencyKey !== undefined;
  if (!moved && !keyed) return error;
  const details = {
    ...before,
    ...(moved ? { row: Number(before.row) + firstRow } : {}),
    ...(keyed ? { idempotencyKey } : {}),
  };
  return new ElanusError(error.code, details as ErrorDetails<ErrorCode>, { cause: error });
}
