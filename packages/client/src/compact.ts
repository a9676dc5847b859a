/** A compaction from asking for it to its end: begun, then looked at until it has ended. */
import type { Call, Database } from '@elanus/api';
import { ElanusError, fromWireError, type SegmentTotals } from '@elanus/core';
import type { CallSettings } from './retry.ts';

/** What a compaction did. */
export interface Compacted {
  /** Segments, rows and bytes when it began. Rows that are hidden but not removed count. */
  readonly before: SegmentTotals;
  readonly after: SegmentTotals;
  /** Bytes of rows less than before; 0 when others wrote more meanwhile. */
  readonly freedBytes: number;
}

/** How far a compaction is. */
export interface CompactionProgress {
  readonly before: SegmentTotals;
  readonly after: SegmentTotals;
  /** Jobs that were done so far. */
  readonly jobs: number;
}

/** What a compaction may say. */
export interface CompactOptions {
  /** Whoever gives up ends the compaction; what it has done stays. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for all of it; as long as it takes when absent. */
  readonly timeoutMs?: number | undefined;
  /** Called when it has begun, and whenever something was done. */
  readonly onProgress?: ((progress: CompactionProgress) => void) | undefined;
}

/** What is compacted, and how calls are made. */
export interface CompactionTarget {
  readonly database: Database;
  readonly collection: string;
  readonly nowMs: () => number;
  /** What one call may take. */
  readonly callMs: number;
  /** Makes one call, with retries. */
  readonly run: <T>(settings: CallSettings, send: (call: Call) => Promise<T>) => Promise<T>;
}

/** One call waits so long for something to happen. */
const WAIT_MS = 10_000;

/** Runs a compaction to its end. @throws why it failed; cancelled, deadline_exceeded */
export async function compact(
  target: CompactionTarget,
  options: CompactOptions,
): Promise<Compacted> {
  const { database, collection, nowMs, callMs, run } = target;
  const { signal, timeoutMs = Infinity, onProgress } = options;
  const deadline = nowMs() + timeoutMs;
  const settings = (): CallSettings => {
    return { signal, timeoutMs: Math.min(callMs, deadline - nowMs()) };
  };
  let status = await run(settings(), (call) => database.compact(collection, call));
  const { id } = status;
  const waitMs = Math.min(WAIT_MS, Math.ceil(callMs / 2));
  try {
    while (status.state === 'running') {
      const { before, after, jobs } = status;
      onProgress?.({ before, after, jobs });
      status = await run(settings(), (call) => database.describeCompaction({ id, waitMs }, call));
    }
  } catch (error) {
    // Best effort: it would end by itself too.
    void database.cancelCompaction(id, { timeoutMs: WAIT_MS }).catch(() => undefined);
    throw error;
  }
  const { before, after, state, failure } = status;
  if (state === 'done') {
    return { before, after, freedBytes: Math.max(0, before.bytes - after.bytes) };
  }
  throw failure === undefined ? new ElanusError('cancelled', {}) : fromWireError(failure);
}
