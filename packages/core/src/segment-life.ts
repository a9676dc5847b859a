/**
 * The life of a segment as one table: SPEC.md beside the coordinator explains it. Whoever moves a
 * segment asks here, and nobody moves one otherwise. E3.
 */
import { ElanusError } from './errors.ts';

/** What a segment can be. */
export const SEGMENT_STATES = [
  'absent',
  'growing',
  'sealed',
  'flushed',
  'indexed',
  'compacted',
  'dropped',
] as const;

/** See `SEGMENT_STATES`. */
export type SegmentState = (typeof SEGMENT_STATES)[number];

/** What can happen to one. */
export const SEGMENT_EVENTS = [
  'append',
  'seal',
  'flush',
  'build',
  'delete',
  'index',
  'lose-index',
  'compact',
  'sweep',
  'drop',
] as const;

/** See `SEGMENT_EVENTS`. */
export type SegmentEvent = (typeof SEGMENT_EVENTS)[number];

type Edges = Readonly<Partial<Record<SegmentEvent, SegmentState>>>;

/** Its collection was dropped. */
const GONE: Edges = { drop: 'dropped' };

const LIFE: Readonly<Record<SegmentState, Edges>> = {
  absent: { append: 'growing', build: 'indexed' },
  growing: { ...GONE, append: 'growing', delete: 'growing', seal: 'sealed' },
  // Sealing one seals those that were begun before it once more.
  sealed: { ...GONE, delete: 'sealed', seal: 'sealed', flush: 'flushed' },
  flushed: {
    ...GONE,
    delete: 'flushed',
    index: 'indexed',
    'lose-index': 'flushed',
    compact: 'compacted',
  },
  indexed: {
    ...GONE,
    delete: 'indexed',
    index: 'indexed',
    'lose-index': 'flushed',
    compact: 'compacted',
  },
  compacted: { ...GONE, sweep: 'dropped' },
  dropped: {},
};

/** What a segment becomes; undefined: that cannot happen to it. */
export function segmentAfter(state: SegmentState, event: SegmentEvent): SegmentState | undefined {
  return LIFE[state][event];
}

/** What a segment becomes. @throws ElanusError catalog_conflict: that cannot happen to it */
export function moveSegment(
  segmentId: number,
  state: SegmentState,
  event: SegmentEvent,
): SegmentState {
  const next = segmentAfter(state, event);
  if (next !== undefined) return next;
  throw new ElanusError('catalog_conflict', {
    name: `segment ${segmentId}`,
    hint: `It is ${state}: ${event} cannot happen to it.`,
  });
}
