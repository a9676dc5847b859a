/** Which build a shard needs next. Pure: segments in, plan out. */
import type { SegmentRecord } from '@elanus/protocol';

/** What to build from what. */
export interface BuildPlan {
  readonly inputs: readonly SegmentRecord[];
}

/** Segments below this are merged rather than indexed alone. */
export const SMALL_SEGMENT_BYTES = 32 * 1024 * 1024;
/** So many small neighbours are worth a merge. */
export const SMALL_RUN_MIN = 4;
/** Segments with fewer rows are scanned: an index would not pay. */
export const INDEX_ROWS_MIN = 2_048;

/**
 * The next build of a shard, or undefined. Small neighbours are merged first, up to `bytesMax`,
 * because rows stand in timestamp order only within neighbours; then what has no index gets one.
 * `segments` are those of one shard, oldest first.
 */
export function planBuild(
  segments: readonly SegmentRecord[],
  bytesMax: number,
): BuildPlan | undefined {
  let run: SegmentRecord[] = [];
  let bytes = 0;
  for (const segment of segments) {
    const small = segment.bytes < SMALL_SEGMENT_BYTES;
    if (small && bytes + segment.bytes <= bytesMax) {
      run.push(segment);
      bytes += segment.bytes;
      continue;
    }
    if (run.length >= SMALL_RUN_MIN) return { inputs: run };
    run = small ? [segment] : [];
    bytes = small ? segment.bytes : 0;
  }
  if (run.length >= SMALL_RUN_MIN) return { inputs: run };
  const bare = segments.find(({ indexed, rowCount }) => !indexed && rowCount >= INDEX_ROWS_MIN);
  return bare === undefined ? undefined : { inputs: [bare] };
}
