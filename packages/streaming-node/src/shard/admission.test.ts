// Goal: the projection tells what will be there, also when a write fails on its way. Method: a real
// Wal over the memory log, whose appends and clock are held back where a write is to be in flight.
import {
  collectionId,
  encodeColumns,
  fieldId,
  timestampFromMs,
  ElanusError,
  makeIdempotencyKey,
  sliceColumn,
  type Clock,
  type CollectionSchema,
  type Column,
  type LogStream,
} from '@elanus/core';
import { crc32 } from '@elanus/kernels/checksum';
import { loadKernels } from '@elanus/kernels';
import { encodeHeader } from '@elanus/protocol';
import { systemClock } from '@elanus/runtime';
import { memoryLogStore } from '@elanus/storage';
import { expect, test } from 'vitest';
import { HybridClock } from '../wal/hybrid-clock.ts';
import { IdLease } from '../wal/id-lease.ts';
import { controlDraft, Wal } from '../wal/wal.ts';
import { Admission, type ShardWrite } from './admission.ts';
import { apply } from './apply.ts';
import { hashKeys, IdempotencyWindow } from './idempotency.ts';
import { decodeRecovery, encodeRecovery } from './recovery-file.ts';
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

async function openShard(found: (state: ShardState) => void = () => undefined) {
  let lateMs = 0;
  let down = false;
  let held: Promise<void> = Promise.resolve();
  const clock: Clock = { ...systemClock, wallMs: () => systemClock.wallMs() + lateMs };
  const hybrid = new HybridClock({
    clock,
    last: timestampFromMs(1_000),
    save: async (untilMs) => {
      if (down) throw new ElanusError('unavailable', { what: 'metadata' });
      return untilMs;
    },
  });
  await hybrid.ready();
  const stream = await memoryLogStore().open('p0');
  const none = { collectionId: 0, shard: 0, schemaVersion: 0, segmentId: 0 };
  const { header } = controlDraft({ kind: 'term', ...none });
  const term = { ...header, term: 1, n: 0, timestamp: hybrid.next(), previousHash: 0 };
  const bytes = encodeHeader(term);
  await stream.append({ subject: 'term', parts: [bytes] });
  const slow: LogStream = {
    name: stream.name,
    append: async (record) => {
      await held;
      return stream.append(record);
    },
    scan: (range) => stream.scan(range),
    span: () => stream.span(),
    truncate: (seq) => stream.truncate(seq),
    close: () => stream.close(),
  };
  const state = new ShardState({ schema, shard: 0, kernels: loadKernels('auto'), salt: 7 });
  found(state);
  const position = { term: 1, n: 1, lastSeq: 1, lastHash: crc32(bytes) };
  const wal = new Wal({ stream: slow, clock, hybrid, position, apply: (one) => apply(state, one) });
  const ids = new IdLease(() => Promise.resolve(1));
  const budget = { budgetBytes: 2 ** 30, usedBytes: () => 0 };
  return {
    admission: new Admission({ state, wal, hybrid, ids, clock, budget }),
    state,
    wal,
    /** From here on timestamps need a saved window; whether it can be saved. */
    needWindow: (canSave: boolean) => {
      lateMs += 2_500;
      down = !canSave;
    },
    /** Holds appends back until the returned function is called. */
    hold: () => {
      let go = (): void => undefined;
      held = new Promise((resolve) => {
        go = resolve;
      });
      return go;
    },
  };
}

function write(kind: ShardWrite['kind'], name: string, keys: readonly bigint[]): ShardWrite {
  const values = BigInt64Array.from(keys);
  const columns = new Map([[KEY, { kind: 'int64', values } as const]]);
  const parts = [[encodeColumns({ rowCount: keys.length, columns })]];
  const rest = { schemaVersion: 1, onConflict: 'error', asOf: 0n } as const;
  return { kind, idempotencyKey: name, parts, ...rest };
}

const signal = new AbortController().signal;
const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
const codeOf = (result: PromiseSettledResult<unknown>): unknown =>
  result.status === 'rejected' ? (result.reason as ElanusError).code : 'ok';

test('keys of a write in flight are taken; those of a delete in flight are free', async () => {
  const { admission, state, hold } = await openShard();
  await admission.write(write('insert', 'a', [1n, 2n]), signal);
  const go = hold();
  const results = Promise.allSettled([
    admission.write(write('delete', 'b', [1n]), signal),
    admission.write(write('insert', 'c', [1n, 3n]), signal),
    admission.write(write('insert', 'd', [3n]), signal),
  ]);
  await aWhile();
  go();
  expect((await results).map(codeOf)).toEqual(['ok', 'ok', 'key_exists']);
  expect(state.rowCount).toBe(3);
});

test('a write that fails before its stamp leaves the projection of those before it', async () => {
  const { admission, state, hold, needWindow } = await openShard();
  const go = hold();
  const first = admission.write(write('insert', 'a', [1n]), signal);
  await aWhile();
  needWindow(false);
  const failed = admission.write(write('delete', 'b', [1n]), signal);
  await aWhile();
  needWindow(true);
  const second = admission.write(write('insert', 'c', [1n]), signal);
  await aWhile();
  go();
  const results = await Promise.allSettled([first, failed, second]);
  expect(results.map(codeOf)).toEqual(['ok', 'unavailable', 'key_exists']);
  expect(state.rowCount).toBe(1);
});

test('rows that an earlier attempt wrote while a retry was looked at are its own', async () => {
  const { admission, wal } = await openShard();
  let pass = (): void => undefined;
  const passed = new Promise<void>((resolve) => {
    pass = resolve;
  });
  wal.barrier = () => passed;
  const keys = { kind: 'int64', values: BigInt64Array.of(1n, 2n) } as const;
  const looks = ['a', 'b'].map((idempotencyKey) => {
    return admission.check({ schemaVersion: 1, idempotencyKey, keys });
  });
  await admission.write(write('upsert', 'a', [1n, 2n]), signal);
  pass();
  expect((await Promise.allSettled(looks)).map(codeOf)).toEqual(['ok', 'key_exists']);
});

test('rows go on in the newest segment that an opening has found growing', async () => {
  const { admission, state } = await openShard((left) => {
    // The seal of the older one was lost.
    left.openSegment(5, 1, { term: 1, n: 1 });
    left.openSegment(6, 1, { term: 1, n: 1 });
  });
  await admission.write(write('upsert', 'a', [1n]), signal);
  expect(state.open.map(({ rows }) => rows.rowCount)).toEqual([0, 1]);
});

test('by another schema the same keys are the same write; other keys are not', async () => {
  const { admission, state } = await openShard();
  const first = await admission.write(write('upsert', 'a', [1n, 2n]), signal);
  const field = { id: fieldId(101), name: 'extra', type: 'int64', nullable: true } as const;
  await admission.alter({ ...schema, version: 2, fields: [...schema.fields, field] });
  const again = (keys: readonly bigint[], extra = 1n) => {
    const values = BigInt64Array.from(keys);
    const other = { kind: 'int64', values: values.map((key) => key + extra) } as const;
    const columns = new Map([
      [KEY, { kind: 'int64', values } as const],
      [field.id, other],
    ]);
    const parts = [[encodeColumns({ rowCount: keys.length, columns })]];
    return admission.write({ ...write('upsert', 'a', keys), parts, schemaVersion: 2 }, signal);
  };
  expect(await again([1n, 2n])).toEqual({ ...first, replayed: true });
  await expect(again([1n, 3n])).rejects.toMatchObject({ code: 'idempotency_mismatch' });
  // With the same fields other values are another write.
  const mismatch = { code: 'idempotency_mismatch' };
  await expect(admission.write(write('upsert', 'a', [2n, 1n]), signal)).rejects.toMatchObject(
    mismatch,
  );
  // So it is after a restart that finds the window in a snapshot.
  const window = new IdempotencyWindow();
  decodeRecovery(encodeRecovery(state.idempotency, first.timestamp) ?? new Uint8Array(0), window);
  expect([...window.entries()]).toEqual([...state.idempotency.entries()]);
});

test('it does not matter how the keys of a write were cut', () => {
  const bytes = new TextEncoder().encode('abbccc');
  const keys: Column = { kind: 'varchar', offsets: Uint32Array.of(0, 1, 3, 6), data: bytes };
  const numbers: Column = { kind: 'int64', values: BigInt64Array.of(5n, 6n, 7n) };
  for (const column of [keys, numbers]) {
    const whole = hashKeys(column, 0);
    for (const at of [0, 1, 2, 3]) {
      const head = hashKeys(sliceColumn(column, 0, at), 0);
      expect(hashKeys(sliceColumn(column, at, 3), head)).toBe(whole);
    }
  }
});

test('a key that was forgotten while the calendar was ahead is refused when it is not', () => {
  const nowMs = 1_900_000_000_000;
  const keyAt = (ms: number) => makeIdempotencyKey(ms, new Uint8Array(16));
  const at = (ms: number) => ({ count: 1, timestamp: timestampFromMs(ms), payloadHash: 1 });
  const window = new IdempotencyWindow();
  window.remember(keyAt(nowMs), at(nowMs));
  // Made by a client whose calendar is ahead, which says nothing of others.
  window.remember(keyAt(nowMs + 3_600_000), at(nowMs + 1));
  expect(window.forgottenMs).toBe(0);
  window.remember(keyAt(nowMs + 1_200_000), at(nowMs + 1_200_000));
  expect([window.size, window.forgottenMs]).toEqual([1, nowMs + 1]);
  // Also when it is opened again.
  const again = new IdempotencyWindow();
  const bytes = encodeRecovery(window, timestampFromMs(nowMs + 1_200_000));
  decodeRecovery(bytes ?? new Uint8Array(0), again);
  expect([again.size, again.forgottenMs]).toEqual([1, nowMs + 1]);
});

test('what may have been forgotten is not executed again', async () => {
  const { admission, state } = await openShard();
  const madeMs = systemClock.wallMs();
  const write1 = write('upsert', makeIdempotencyKey(madeMs, new Uint8Array(16)), [1n]);
  state.idempotency.forget(madeMs);
  const refused = { code: 'idempotency_expired' };
  await expect(admission.write(write1, signal)).rejects.toMatchObject(refused);
  const write2 = write('upsert', makeIdempotencyKey(madeMs + 1, new Uint8Array(16)), [1n]);
  expect(await admission.write(write2, signal)).toMatchObject({ count: 1 });
});
