import type { Clock } from '@elanus/core';
import type { IndexFile } from '@elanus/index';
import type { Kernels } from '@elanus/kernels';
import type { LoadedSegment } from './load.ts';

/** Indexes from this size on are worth moving. */
const MOVED_MIN_BYTES = 4 * 1024 * 1024;
/** A folder that is being opened has other work for its processors. */
const AFTER_MS = 1_000;

/**
 * Moves loaded indexes to large pages: a walk over ordinary ones takes a quarter longer, but a
 * folder whose indexes are read into large ones opens later, because those have to be found and
 * cleared first. One index at a time, some time after it was loaded.
 */
export class PageGathering {
  readonly #kernels: Kernels;
  readonly #clock: Clock;
  /** Files by segment, and what ends their moving. */
  readonly #waiting = new Map<
    number,
    { readonly files: readonly IndexFile[]; readonly end: AbortController }
  >();
  #cancel: (() => void) | undefined;
  #running = false;

  constructor(kernels: Kernels, clock: Clock) {
    this.#kernels = kernels;
    this.#clock = clock;
  }

  /** Moves what of a segment is large, later. */
  add({ record, view }: Pick<LoadedSegment, 'record' | 'view'>): void {
    const files = [...view.indexes.values()].flatMap(({ file }) => file ?? []);
    const large = files.filter(({ bytes }) => bytes >= MOVED_MIN_BYTES);
    if (large.length === 0) return;
    this.forget(record.segmentId);
    this.#waiting.set(record.segmentId, { files: large, end: new AbortController() });
    this.#cancel?.();
    this.#cancel = this.#clock.after(AFTER_MS, () => void this.#gather());
  }

  /** Moves nothing of a segment any more: its memory may be discarded. */
  forget(segmentId: number): void {
    this.#waiting.get(segmentId)?.end.abort();
    this.#waiting.delete(segmentId);
  }

  /** Begins no more. */
  clear(): void {
    this.#cancel?.();
    for (const segmentId of this.#waiting.keys()) this.forget(segmentId);
  }

  async #gather(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      for (const [segmentId, waits] of this.#waiting) {
        for (const { memory } of waits.files) {
          await this.#kernels.gatherPages(memory, waits.end.signal);
        }
        if (this.#waiting.get(segmentId) === waits) this.#waiting.delete(segmentId);
      }
    } catch {
      // Searches are slower, and right.
      this.#waiting.clear();
    } finally {
      this.#running = false;
    }
  }
}
