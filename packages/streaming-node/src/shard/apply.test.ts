// Goal: what the log says, and nothing else, decides the state. Method: records made by hand.
import { collectionId, fieldId, type CollectionSchema, type ColumnBatch } from '@elanus/core';
import { loadKernels } from '@elanus/kernels';
import type { MessageHeader } from '@elanus/protocol';
import { expect, test } from 'vitest';
import { controlDraft, type LogRecord } from '../wal/wal.ts';
import { apply } from './apply.ts';
import { ShardState } from './state.ts';

const KEY = fieldId(100);
const schema: CollectionSchema = {
  collectionId: collectionId(1),
  name: 'keys',
  version: 1,
  fields: [{ id: KEY, name: 'id', type: 'int64', primary: true }],
  dynamic: false,
  shards: 1,
};

function record(
  seq: number,
  of: Pick<MessageHeader, 'kind' | 'segmentId'>,
  keys: readonly bigint[] = [],
): LogRecord {
  const where = { collectionId: 1, shard: 0, schemaVersion: 1 };
  const { header } = controlDraft({ kind: 'seal', ...where, segmentId: of.segmentId });
  const values = BigInt64Array.from(keys);
  const columns = new Map([[KEY, { kind: 'int64', values, valid: undefined } as const]]);
  const batch: ColumnBatch = { rowCount: keys.length, columns };
  const rest = { term: 1, n: seq, timestamp: BigInt(seq) << 18n, previousHash: 0 };
  const whole = { ...header, ...of, ...rest, rowCount: keys.length };
  return { seq, header: whole, body: [], bodyBytes: 100, batch };
}

test('a seal closes the segments that were opened before it, too', () => {
  const state = new ShardState({ schema, shard: 0, kernels: loadKernels('auto'), salt: 7 });
  apply(state, record(1, { kind: 'upsert', segmentId: 2 }, [1n, 2n]));
  // The seal of segment 2 never reached the log: its append failed.
  apply(state, record(2, { kind: 'upsert', segmentId: 66 }, [2n, 3n]));
  apply(state, record(3, { kind: 'upsert', segmentId: 67 }, [4n]));
  expect(apply(state, record(4, { kind: 'seal', segmentId: 66 })).sealed).toBe(true);
  expect(state.open.map(({ segmentId, state: phase }) => [segmentId, phase])).toEqual([
    [2, 'sealed'],
    [66, 'sealed'],
    [67, 'growing'],
  ]);
  expect(state.unflushed[0]?.segmentId).toBe(2);
});

test('a seal of a segment that is not open changes nothing', () => {
  const state = new ShardState({ schema, shard: 0, kernels: loadKernels('auto'), salt: 7 });
  apply(state, record(1, { kind: 'upsert', segmentId: 2 }, [1n]));
  expect(apply(state, record(2, { kind: 'seal', segmentId: 1 })).sealed).toBe(false);
  expect(state.open[0]?.state).toBe('growing');
});

test('a new schema seals what grows, also for a shard that was opened with it', () => {
  const opened = { ...schema, version: 2 };
  const options = { shard: 0, kernels: loadKernels('auto'), salt: 7 };
  const state = new ShardState({ ...options, schema: opened });
  apply(state, record(1, { kind: 'upsert', segmentId: 2 }, [1n]));
  const body = [new TextEncoder().encode(JSON.stringify(opened))];
  expect(apply(state, { ...record(2, { kind: 'alter', segmentId: 0 }), body }).sealed).toBe(true);
  apply(state, record(3, { kind: 'upsert', segmentId: 3 }, [1n]));
  expect(state.open.map(({ segmentId, state: phase }) => [segmentId, phase])).toEqual([
    [2, 'sealed'],
    [3, 'growing'],
  ]);
});
