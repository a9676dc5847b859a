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

test('a sealed segment takes no rows', () => {
  const state = new ShardState({ schema, shard: 0, kernels: loadKernels('auto'), salt: 7 });
  apply(state, record(1, { kind: 'upsert', segmentId: 2 }, [1n]));
  apply(state, record(2, { kind: 'seal', segmentId: 2 }));
  const late = record(3, { kind: 'upsert', segmentId: 2 }, [2n]);
  expect(() => apply(state, late)).toThrow('It is sealed: append cannot happen to it.');
});

test('a delete of what was read spares a newer row, also while rows move', () => {
  const state = new ShardState({ schema, shard: 0, kernels: loadKernels('auto'), salt: 7 });
  apply(state, record(1, { kind: 'upsert', segmentId: 2 }, [1n]));
  apply(state, record(5, { kind: 'upsert', segmentId: 2 }, [2n]));
  state.moving = { outputId: 9, inputs: Float64Array.of(2, 2), rows: Uint32Array.of(0, 1) };
  state.keys.set(1n, { segmentId: 9, row: 0 });
  state.keys.set(2n, { segmentId: 9, row: 1 });
  const { header, ...rest } = record(6, { kind: 'delete', segmentId: 0 }, [1n, 2n]);
  const asOf = 3n << 18n;
  expect(apply(state, { ...rest, header: { ...header, asOf } }).count).toBe(1);
  expect(state.keys.get(1n)).toBeUndefined();
  expect(state.keys.get(2n)).toEqual({ segmentId: 9, row: 1 });
});

test('rows that have expired are deleted, and do not count', () => {
  const ttl = [{ sinceMs: 0, ttlMs: 3 }];
  const aging = { ...schema, ttl };
  const state = new ShardState({ schema: aging, shard: 0, kernels: loadKernels('auto'), salt: 7 });
  apply(state, record(1, { kind: 'upsert', segmentId: 2 }, [1n]));
  apply(state, record(2, { kind: 'upsert', segmentId: 2 }, [2n]));
  expect(apply(state, record(4, { kind: 'delete', segmentId: 0 }, [1n, 2n])).count).toBe(1);
  expect(state.rowCount).toBe(0);
});
