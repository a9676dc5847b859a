import type { LoadedSegment } from './load.ts';

/** The segments of a node by id, with a count of what became of them. */
export class HeldSegments {
  readonly #segments = new Map<number, LoadedSegment>();
  #changes = 0;

  /** Rises with every change: what was found at the same count still holds. */
  get changes(): number {
    return this.#changes;
  }

  get(segmentId: number): LoadedSegment | undefined {
    return this.#segments.get(segmentId);
  }

  set(segmentId: number, loaded: LoadedSegment): void {
    this.#changes++;
    this.#segments.set(segmentId, loaded);
  }

  delete(segmentId: number): void {
    this.#changes++;
    this.#segments.delete(segmentId);
  }

  clear(): void {
    this.#changes++;
    this.#segments.clear();
  }

  /** Each with its id. */
  entries(): IterableIterator<[number, LoadedSegment]> {
    return this.#segments.entries();
  }
}
