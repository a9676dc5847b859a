import { ElanusError, isElanusError } from '@elanus/core';
import { describe, expect, test } from 'vitest';
import { referenceDatabase } from '../../../test/client/reference.ts';
import { codeOf } from '../../../test/conformance/client-kit.ts';
import { connect } from './db.ts';
import { wireFilter } from './filters.ts';
import { createIdMemory } from './ids.ts';
import type { Platform } from './platform.ts';
import { withRetries } from './retry.ts';
import { collection, t } from './schema.ts';
import { createSession } from './session.ts';
import { expr } from './where.ts';

/** A platform whose time only moves when something waits for it. */
function stillPlatform(): Platform & { slept: number[]; ms: number } {
  const platform = {
    ms: 1_000,
    slept: [] as number[],
    random: (length: number) => new Uint8Array(length).fill(7),
    nowMs: () => platform.ms,
    sleep: async (ms: number) => {
      platform.slept.push(ms);
      platform.ms += ms;
    },
  };
  return platform;
}

describe('retries', () => {
  test('waits as long as it was told, then succeeds', async () => {
    const platform = stillPlatform();
    let left = 2;
    const result = await withRetries(platform, {}, async () => {
      if (left-- > 0) throw new ElanusError('exhausted', { what: 'log', retryAfterMs: 700 });
      return 'done';
    });
    expect(result).toBe('done');
    expect(platform.slept).toEqual([700, 700]);
  });

  test('gives up with the last failure when the next wait would pass the deadline', async () => {
    const platform = stillPlatform();
    const failing = withRetries(platform, { timeoutMs: 200 }, async () => {
      throw new ElanusError('unavailable', { what: 'shard' });
    });
    expect(await codeOf(failing)).toBe('unavailable');
    expect(platform.ms).toBeLessThan(1_200);
    expect(platform.slept.length).toBeGreaterThan(1);
  });

  test('each attempt is told what is left of the time', async () => {
    const platform = stillPlatform();
    const told: (number | undefined)[] = [];
    await withRetries(platform, { timeoutMs: 1_000 }, async (call) => {
      told.push(call.timeoutMs);
      if (told.length < 2) throw new ElanusError('exhausted', { what: 'log', retryAfterMs: 400 });
    });
    expect(told).toEqual([1_000, 600]);
  });

  test.each(['key_exists', 'deadline_exceeded', 'write_unknown_never', 'internal'])(
    '%s is not repeated',
    async (code) => {
      let calls = 0;
      const details = { key: '1', why: 'x' };
      const failing = withRetries(stillPlatform(), {}, async () => {
        calls++;
        if (code.endsWith('never')) throw new TypeError('a bug');
        throw new ElanusError(code as 'key_exists', details);
      });
      await expect(failing).rejects.toThrow();
      expect(calls).toBe(1);
    },
  );

  test('cancelled while waiting', async () => {
    const controller = new AbortController();
    const platform = {
      ...stillPlatform(),
      sleep: async () => {
        controller.abort();
        throw controller.signal.reason;
      },
    };
    const failing = withRetries(platform, { signal: controller.signal }, async () => {
      throw new ElanusError('unavailable', { what: 'shard' });
    });
    expect(await codeOf(failing)).toBe('cancelled');
  });
});

describe('ids', () => {
  test('are of one length, distinct, in the order of calls and rows', () => {
    const platform = stillPlatform();
    const memory = createIdMemory(platform);
    const ids = Array.from({ length: 200 }, (_, i) => {
      if (i % 50 === 0) platform.ms += 1;
      if (i === 120) platform.ms -= 50;
      const call = memory.of(1, `k${i}`);
      return Array.from({ length: 10 }, (_row, row) => call.textAt(row));
    }).flat();
    expect(new Set(ids).size).toBe(2_000);
    expect(ids).toEqual(ids.toSorted());
    expect(ids.every((id) => /^[0-9a-z]{26}$/.test(id))).toBe(true);
  });

  test('are those of the earlier call for as long as servers remember its key', () => {
    const platform = stillPlatform();
    const memory = createIdMemory(platform);
    const first = memory.of(1, 'k');
    expect([memory.of(2, 'k') === first, memory.of(1, 'other') === first]).toEqual([false, false]);
    platform.ms += 14 * 60_000;
    expect(memory.of(1, 'k')).toBe(first);
    platform.ms += 14 * 60_000;
    expect(memory.of(1, 'k')).toBe(first);
    platform.ms += 15 * 60_000;
    expect(memory.of(1, 'k')).not.toBe(first);
  });

  test('of a thousand calls are remembered', () => {
    const memory = createIdMemory(stillPlatform());
    const first = memory.of(1, 'k');
    for (let i = 0; i < 999; i++) memory.of(1, `k${i}`);
    expect(memory.of(1, 'k')).toBe(first);
    for (let i = 0; i < 1_000; i++) memory.of(1, `k${i}`);
    expect(memory.of(1, 'k')).not.toBe(first);
  });
});

describe('sessions', () => {
  test('a token carries the newest of each collection', () => {
    const session = createSession();
    session.note(1, 5n);
    session.note(1, 3n);
    session.note(2, 2n ** 62n);
    const other = createSession(session.token());
    expect([other.seen(1), other.seen(2), other.seen(3)]).toEqual([5n, 2n ** 62n, undefined]);
    expect(createSession(createSession().token()).seen(1)).toBe(undefined);
  });

  test('reads send what was seen', async () => {
    const database = referenceDatabase();
    const db = connect(database);
    const docs = await db.collection('s', { id: t.int64({ primary: true }), v: t.vector(1) });
    const { timestamp } = await docs.insert([{ id: 1n, v: [1] }]);
    await docs.count();
    const request = database.calls.at(-1)?.request as { sessionTimestamp: bigint };
    expect(request.sessionTimestamp).toBe(timestamp);
  });
});

describe('text filters', () => {
  test('templates bind every value', () => {
    expect(wireFilter(expr`year >= ${2020} and name like ${'a%'}`)).toEqual({
      kind: 'text',
      text: 'year >= {p0} and name like {p1}',
      params: { p0: 2020, p1: 'a%' },
    });
  });
  test('escapes in a template are the filter’s own', () => {
    expect(wireFilter(expr`name like "a\\%"`)).toMatchObject({
      text: String.raw`name like "a\\%"`,
    });
  });
  test('filters join, inside templates too', () => {
    const old = expr('year < {y}', { y: 2000 });
    const where = expr`${old} or id == ${1n}`.and(expr`ok`.not());
    expect(wireFilter(where)).toEqual({
      kind: 'text',
      text: '((year < {y}) or id == {p0}) and (not (ok))',
      params: { y: 2000, p0: 1n },
    });
  });
  test('one name with two values is refused', () => {
    const clash = (): unknown => expr('a < {y}', { y: 1 }).and(expr('b < {y}', { y: 2 }));
    expect(clash).toThrow(/different values/);
  });
  test('a name that the client would give is avoided', () => {
    const where = expr('a < {p0}', { p0: 1 }).and(expr`b < ${2}`);
    expect(wireFilter(where)).toMatchObject({ params: { p0: 1, p1: 2 } });
  });
});

describe('definitions', () => {
  const v = t.vector(2);
  test.each([
    ['no key', () => collection('c', { v })],
    ['two keys', () => collection('c', { a: t.id(), b: t.id(), v })],
    ['a reserved name', () => collection('c', { id: t.id(), score: t.int32(), v })],
    ['a name with a dollar', () => collection('c', { id: t.id(), $x: t.int32(), v })],
    ['dimension zero', () => collection('c', { id: t.id(), v: t.vector(0) })],
    ['a dimension too large', () => collection('c', { id: t.id(), v: t.vector(40_000) })],
    ['too many shards', () => collection('c', { id: t.id(), v }, { shards: 17 })],
    [
      'a default that does not fit',
      () => collection('c', { id: t.id(), n: t.int8({ default: 300 }), v }),
    ],
    [
      'a length too large',
      () => collection('c', { id: t.id(), s: t.varchar({ maxLength: 1e6 }), v }),
    ],
  ])('%s is refused where it is written', (_name, define) => {
    let code = 'none';
    try {
      define();
    } catch (error) {
      code = isElanusError(error) ? error.code : 'not ours';
    }
    expect(['invalid_argument', 'limit_out_of_range']).toContain(code);
  });

  test('are plain JSON', () => {
    const made = collection('c', {
      id: t.int64({ primary: true, as: 'string' }),
      n: t.int64({ default: 5n }),
      at: t.timestamp({ default: new Date(7) }),
      j: t.json({ default: { a: [1] } }),
      b: t.bytes({ default: Uint8Array.of(1, 2) }),
      v,
    });
    expect(JSON.parse(JSON.stringify(made.definition))).toEqual(made.definition);
    expect(made.definition.fields.map((field) => field.default)).toEqual([
      undefined,
      '5',
      '7',
      '{"a":[1]}',
      'AQI=',
      undefined,
    ]);
  });
});

describe('rows in other forms', () => {
  const open = async () => {
    const db = connect(referenceDatabase());
    const fields = {
      id: t.int64({ primary: true }),
      s: t.varchar(),
      n: t.int32({ nullable: true }),
    };
    return db.collection('forms', { ...fields, v: t.vector(2) });
  };

  test('an Arrow table, by structure', async () => {
    const docs = await open();
    const columns: Record<string, unknown[]> = {
      id: [1n, 2n],
      s: ['a', 'b'],
      n: [5, null],
      v: [{ toArray: () => Float32Array.of(1, 2) }, [3, 4]],
    };
    await docs.insert({
      numRows: 2,
      schema: { fields: Object.keys(columns).map((name) => ({ name })) },
      getChild: (name) => ({ length: 2, get: (i) => columns[name]?.[i] }),
    });
    expect(await docs.get([1n, 2n], { select: ['id', 's', 'n', 'v'] })).toEqual([
      { id: 1n, s: 'a', n: 5, v: Float32Array.of(1, 2) },
      { id: 2n, s: 'b', n: null, v: Float32Array.of(3, 4) },
    ]);
  });

  test('columns of other number types, bitmaps of three kinds', async () => {
    const docs = await open();
    const bitmaps = [Uint8Array.of(0b10), Uint32Array.of(0b10), [false, true]];
    for (const [i, valid] of bitmaps.entries()) {
      const id = [BigInt(2 * i), BigInt(2 * i + 1)];
      const n = { values: [7, 8], valid: valid as Uint8Array };
      await docs.insert({ id, s: ['x', 'y'], n, v: Float64Array.of(1, 2, 3, 4) });
    }
    const rows = await docs.query({ select: ['n'] });
    expect(rows.map((row) => row.n)).toEqual([null, 8, null, 8, null, 8]);
  });

  test('a large array is cut into several writes, each with its own key', async () => {
    const database = referenceDatabase();
    const docs = await connect(database).collection('large', {
      id: t.int64({ primary: true }),
      v: t.vector(2_000),
    });
    const vector = new Float32Array(2_000).fill(1);
    const rows = Array.from({ length: 12_000 }, (_, i) => ({ id: BigInt(i), v: vector }));
    const seen: number[] = [];
    await docs.insert(rows, { idempotencyKey: 'k', onProgress: (p) => seen.push(p.rows) });
    const keys = database.calls
      .filter((call) => call.method === 'write')
      .map((call) => (call.request as { idempotencyKey: string }).idempotencyKey);
    expect(keys).toEqual(['k.0', 'k.1']);
    expect(seen).toEqual([6_000, 12_000]);
  });

  test('an iterable that fails ends the insert, rows before it stay', async () => {
    const docs = await open();
    async function* rows() {
      yield { id: 1n, s: 'a', v: [1, 2] };
      throw new Error('source broke');
    }
    await expect(docs.insert(rows())).rejects.toThrow('source broke');
    expect(await codeOf(docs.insert(5 as never))).toBe('wrong_type');
  });
});
