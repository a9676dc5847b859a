// Goal: `describe` promises no build that never comes: a small segment keeps its index.
import { collectionId, fieldId, indexBuildKey, LIMITS, type CollectionSchema } from '@elanus/core';
import type { ShardStatus } from '@elanus/protocol';
import { expect, test } from 'vitest';
import { indexDetails } from './index-details.ts';

const VECTOR = fieldId(101);
const schema: CollectionSchema = {
  collectionId: collectionId(1),
  name: 'docs',
  version: 1,
  fields: [
    { id: fieldId(100), name: 'id', type: 'int64', primary: true },
    { id: VECTOR, name: 'vec', type: 'vector', dim: 4, index: { kind: 'hnsw' } },
  ],
  dynamic: false,
  shards: 1,
};

function shardOf(rows: readonly number[]): ShardStatus {
  const built = { choice: indexBuildKey(), kind: 'FLAT', params: {}, bytes: 0 };
  const segments = rows.map((count, i) => ({
    segmentId: i + 1,
    state: 'flushed' as const,
    rows: count,
    deleted: 0,
    bytes: count,
    indexed: true,
    indexes: [{ field: VECTOR, ...built }],
  }));
  const all = rows.reduce((sum, count) => sum + count, 0);
  const none = { growingRows: 0, unflushedSegments: 0, indexingRows: 0, idleMs: 0, memoryBytes: 0 };
  return { collectionId: 1, shard: 0, rowCount: all, segments, ...none };
}

test('rows of another choice are pending only where a build comes', () => {
  const [large] = indexDetails(schema, [shardOf([LIMITS.indexRowsMin, 10])], undefined);
  expect(large?.pendingRows).toBe(LIMITS.indexRowsMin);
  const [small] = indexDetails(schema, [shardOf([LIMITS.indexRowsMin - 1])], undefined);
  expect(small?.pendingRows).toBe(0);
});
