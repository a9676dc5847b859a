/** Which build a shard needs next. Pure: segments in, plan out. */
import { indexBuildKey, LIMITS, type Timestamp } from '@elanus/core';
import type { SegmentRecord } from '@elanus/protocol';

/** What to build from what. */
export interface BuildPlan {
  readonly inputs: readonly SegmentRecord[];
  /** Rows move to a new segment; else one segment gets indexes and keeps its rows. */
  readonly moves: boolean;
  /** Worth it only while nobody writes: it makes searches faster, and nothing waits for it. */
  readonly idle: boolean;
}

/** Merges of segments below this never wait: they keep segments few while rows come in. */
export const SMALL_SEGMENT_BYTES = 32 * 1024 * 1024;
/** So many neighbours of one tier are worth a merge. */
export const RUN_MIN = 4;
/**
 * Neighbours below these sizes are merged, the lowest tier first: a row is written again once a
 * tier, and a search walks few graphs.
 */
const TIERS = [SMALL_SEGMENT_BYTES, 128 * 1024 * 1024] as const;

/** What a plan goes by. */
export interface PlanOptions {
  /** Of a merge's output, and of what is written again; 0: rows are not moved at all. */
  readonly bytesMax: number;
  /** The `indexBuildKey` of each vector field. */
  readonly choices?: ReadonlyMap<number, string>;
  /** Reads reach back to here. */
  readonly horizon?: Timestamp;
  /** Rows of before have expired even for those. */
  readonly expired?: Timestamp;
}

/**
 * The next build of a shard, or undefined. Neighbours of one tier are merged first, up to
 * `bytesMax`, because rows stand in timestamp order only within neighbours; then what has no index
 * gets one; then what has one of another choice gets its own; then segments that hold many rows
 * which nobody may read any more, or none, are written again without them; at last, while nobody
 * writes, neighbours become as large as a segment may be. `segments` are those of one shard, oldest
 * first.
 */
export function planBuild(
  segments: readonly SegmentRecord[],
  { bytesMax, choices = NO_CHOICES, horizon = 0n, expired = 0n }: PlanOptions,
): BuildPlan | undefined {
  for (const below of TIERS) {
    const inputs = planMerge(segments, { below, bytesMax });
    if (inputs !== undefined) return { inputs, moves: true, idle: false };
  }
  const large = segments.filter(({ rowCount }) => rowCount >= LIMITS.indexRowsMin);
  const next =
    large.find(({ indexed }) => !indexed) ?? large.find((one) => !isOfChoice(one, choices));
  if (next !== undefined) return { inputs: [next], moves: false, idle: false };
  const dead = segments.find((one, i) => {
    const half = medianOf(one, segments[i + 1]);
    const isEmpty = one.rowCount === 0;
    return one.bytes <= bytesMax && (isEmpty || foldable(one) <= horizon || half < expired);
  });
  if (dead !== undefined) return { inputs: [dead], moves: true, idle: false };
  const inputs = planIdle(segments, { bytesMax, growth: IDLE_GROWTH });
  return inputs && { inputs, moves: true, idle: true };
}

/**
 * The next build of a shard on the way to a goal that was asked for, or undefined when it is
 * reached: neighbours become as large as a segment may be, and what was deleted before the horizon
 * goes, however little it is. `segments` are those of one shard, oldest first.
 */
export function planCompaction(
  segments: readonly SegmentRecord[],
  goal: {
    readonly bytesMax: number;
    readonly until: Timestamp;
    readonly horizon: Timestamp;
    readonly expired?: Timestamp;
  },
): BuildPlan | undefined {
  const { bytesMax, until, horizon, expired = 0n } = goal;
  const old = segments.filter(({ minTimestamp }) => BigInt(minTimestamp) <= until);
  const dead = old.find((one) => {
    const aged = one.rowCount === 0 || BigInt(one.minTimestamp) < expired;
    return one.bytes <= bytesMax && (aged || hasDeletes(one, horizon));
  });
  const inputs = planIdle(old, { bytesMax, growth: 0 }) ?? (dead && [dead]);
  return inputs && { inputs, moves: true, idle: false };
}

/** Whether rows of a segment were deleted before; records that do not say since when might be. */
function hasDeletes({ delta, firstDeleteAt }: SegmentRecord, before: Timestamp): boolean {
  if (delta === undefined) return false;
  return firstDeleteAt === undefined || BigInt(firstDeleteAt) <= before;
}

/**
 * What neighbours have together, to the largest of them, at least: rows are not moved for little.
 */
const IDLE_GROWTH = 1.5;

/**
 * Neighbours that fit into one segment: a search walks each graph by itself, and one of twice the
 * rows takes hardly longer.
 */
function planIdle(
  segments: readonly SegmentRecord[],
  { bytesMax, growth }: { readonly bytesMax: number; readonly growth: number },
): readonly SegmentRecord[] | undefined {
  for (const from of segments.keys()) {
    let [to, sum, largest] = [from, 0, 0];
    for (let next = segments[to]; next && sum + next.bytes <= bytesMax; next = segments[to]) {
      sum += next.bytes;
      largest = Math.max(largest, next.bytes);
      to++;
    }
    if (to - from > 1 && sum >= largest * growth) return segments.slice(from, to);
  }
  return undefined;
}

/** No timestamp comes so late. */
const NEVER: Timestamp = 2n ** 64n - 1n;

/** From which horizon on a segment is worth being written again without its deleted rows. */
function foldable({ foldableAt }: SegmentRecord): Timestamp {
  return foldableAt === undefined ? NEVER : BigInt(foldableAt);
}

/**
 * When half of a segment's rows had been written: once they have expired, the others are worth
 * being written again. Where a record does not say, all of it is older than the next segment.
 */
function medianOf(
  { medianTimestamp, rowCount }: SegmentRecord,
  next: SegmentRecord | undefined,
): Timestamp {
  const known = medianTimestamp ?? next?.minTimestamp;
  return known === undefined || rowCount === 0 ? NEVER : BigInt(known);
}

/** The oldest of the halves of segments' rows; undefined: there is none that expires. */
export function nextHalf(segments: readonly SegmentRecord[]): Timestamp | undefined {
  const halves = segments.map((one, i) => medianOf(one, segments[i + 1]));
  const first = halves.reduce((min, one) => (one < min ? one : min), NEVER);
  return first === NEVER ? undefined : first;
}

/** The next horizon at which there is a segment to be written again; undefined: none waits. */
export function nextFold(segments: readonly SegmentRecord[]): Timestamp | undefined {
  const next = segments.reduce((min, one) => {
    const at = foldable(one);
    return at < min ? at : min;
  }, NEVER);
  return next === NEVER ? undefined : next;
}

const NO_CHOICES: ReadonlyMap<number, string> = new Map();
const AUTO_KEY = indexBuildKey();

/** Whether the indexes of a segment were built for what its fields want now. */
function isOfChoice(segment: SegmentRecord, choices: ReadonlyMap<number, string>): boolean {
  for (const [field, key] of choices) {
    const built = segment.indexes?.find((index) => index.field === field);
    if ((built?.choice ?? AUTO_KEY) !== key) return false;
  }
  return true;
}

/** The oldest run of neighbours below a size that is long enough. */
function planMerge(
  segments: readonly SegmentRecord[],
  sizes: { readonly below: number; readonly bytesMax: number },
): readonly SegmentRecord[] | undefined {
  let run: SegmentRecord[] = [];
  let bytes = 0;
  for (const segment of segments) {
    const small = segment.bytes < sizes.below;
    if (small && bytes + segment.bytes <= sizes.bytesMax) {
      run.push(segment);
      bytes += segment.bytes;
      continue;
    }
    if (run.length >= RUN_MIN) return run;
    run = small ? [segment] : [];
    bytes = small ? segment.bytes : 0;
  }
  return run.length >= RUN_MIN ? run : undefined;
}
