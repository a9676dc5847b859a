import type { CollectionId, FieldId, SegmentId } from '@elanus/core';

/**
 * Object names. Everything of a collection lies under its id; a segment's files lie under the
 * attempt that wrote them, so that a failed or late attempt leaves only garbage.
 */
export const objectNames = {
  collection: (collection: CollectionId): string => `c${collection}/`,
  segment: (collection: CollectionId, segment: SegmentId, attempt: string): string =>
    `c${collection}/s${segment}/${attempt}/`,
  recovery: (collection: CollectionId, shard: number, attempt: string): string =>
    `c${collection}/recovery/${shard}-${attempt}.bin`,
  scalars: 'scalars.arrow',
  keys: 'keys.bin',
  stats: 'stats.json',
  manifest: 'manifest.json',
  vectors: (field: FieldId): string => `vec-${field}.bin`,
  index: (field: FieldId): string => `index-${field}.bin`,
  delta: (sequence: number): string => `delta-${sequence}.bin`,
} as const;
