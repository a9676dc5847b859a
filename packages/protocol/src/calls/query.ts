import type { CollectionSchema, Field, Metric, SearchEffort, SegmentPlan } from '@elanus/core';
import { defineCall } from '../call.ts';
import type { SegmentRecord } from '../record.ts';
import type { RowsHead } from '../rows.ts';
import type { VectorsHead } from '../vectors.ts';

/** A segment within a read: bodies carry its delete bitset when `hasDeletes`, in this order. */
export interface SegmentRef {
  readonly segmentId: number;
  readonly visibleRows: number;
  readonly hasDeletes: boolean;
}

/**
 * Loads a flushed segment, or a newer manifest of one already held. Reply bodies: [row timestamps
 * u64], shared in process. Loading the same manifest again changes nothing. `indexed`: whether
 * every index that the manifest names could be opened.
 */
export const loadSegment = defineCall<
  { readonly record: SegmentRecord; readonly fields: readonly Field[] },
  { readonly rowCount: number; readonly bytes: number; readonly indexed: boolean }
>('query.segment.load');

/** Releases a segment; reads that hold it finish. */
export const releaseSegment = defineCall<{ readonly segmentId: number }, Record<string, never>>(
  'query.segment.release',
);

/** What a node holds, for people and tests. */
export const describeNode = defineCall<
  Record<string, never>,
  {
    readonly segments: readonly { readonly segmentId: number; readonly bytes: number }[];
    /** Indexes of scalar columns, made for filters. */
    readonly scalarIndexBytes: number;
  }
>('query.node.describe');

/** Which fields of rows are read. */
export interface WantedFields {
  readonly fields: readonly Field[];
  readonly withTimestamp: boolean;
}

/**
 * Searches sealed segments. Bodies: [queries (see vectors.ts), delete bitsets u32...]. Reply
 * bodies: counts u32, scores f32, segments f64, rows u32, keys i64 (or none: then `keys` in the
 * header), then the fields of the hits where they were wanted (`fields`; see rows.ts).
 */
export const searchSealed = defineCall<
  {
    readonly refs: readonly SegmentRef[];
    readonly schema: CollectionSchema;
    readonly field: number;
    readonly metric: Metric;
    readonly vectors: VectorsHead;
    readonly nq: number;
    readonly limit: number;
    readonly filter: string | undefined;
    readonly bounds: { readonly min: number; readonly max: number } | undefined;
    readonly effort: SearchEffort;
    /** Fields that the hits come with: for who knows that no other hits will be among them. */
    readonly want: WantedFields | undefined;
    /** Whether `plans` of the reply are read. */
    readonly explain: boolean;
    /** Whether the same is likely to be asked again: then the answer may stand. */
    readonly repeats: boolean;
  },
  {
    readonly keys: readonly string[] | undefined;
    readonly fields: RowsHead | undefined;
    readonly where: 'inline' | 'pool';
    readonly plans: readonly SegmentPlan[];
  }
>('query.segment.search');

/** Selects rows by key. Bodies: delete bitsets. Reply bodies: segments f64, rows u32, keys. */
export const selectSealed = defineCall<
  {
    readonly refs: readonly SegmentRef[];
    readonly schema: CollectionSchema;
    readonly filter: string | undefined;
    readonly after: string | undefined;
    readonly limit: number;
  },
  { readonly keys: readonly string[] | undefined }
>('query.segment.select');

/** Counts rows. Bodies: delete bitsets. */
export const countSealed = defineCall<
  {
    readonly refs: readonly SegmentRef[];
    readonly schema: CollectionSchema;
    readonly filter: string | undefined;
  },
  { readonly count: number }
>('query.segment.count');

/** Reads fields of listed rows. Bodies: [rows u32]. Reply bodies: see rows.ts. */
export const retrieveSealed = defineCall<
  WantedFields & { readonly segmentId: number },
  { readonly rows: RowsHead }
>('query.segment.retrieve');
