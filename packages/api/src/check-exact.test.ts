/**
 * Goal: no int64 and no instant is ever rounded or lost on its way out: what a reader could not
 * hold is refused when it is written, and when it is kept already, told or given as digits.
 */
import type { CollectionSchema, ColumnBatch, FieldId } from '@elanus/core';
import { isElanusError } from '@elanus/core';
import { describe, expect, it } from 'vitest';
import { checkBatch } from './check-batch.ts';
import { decodeKeys, decodeRows } from './decode-rows.ts';
import { encodeRows } from './encode-rows.ts';

const schema = {
  collectionId: 1,
  name: 'c',
  version: 1,
  dynamic: false,
  shards: 1,
  fields: [
    { id: 100, name: 'id', type: 'int64', primary: true, as: 'number' },
    { id: 101, name: 'n', type: 'int64', as: 'number', nullable: true },
    { id: 102, name: 'at', type: 'timestamp', nullable: true },
    { id: 103, name: 'big', type: 'int64' },
    { id: 104, name: 'list', type: 'array', element: { type: 'int64' }, as: 'number' },
    { id: 105, name: 'days', type: 'array', element: { type: 'timestamp' } },
  ],
} as unknown as CollectionSchema;

const MOST = BigInt(Number.MAX_SAFE_INTEGER);
const row = {
  id: 1,
  n: null as unknown,
  at: null as unknown,
  big: 2n ** 63n - 1n,
  list: [],
  days: [],
};

function codeOf(run: () => unknown): { code: string; details: object } | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (isElanusError(error, 'value_out_of_range')) return error;
    throw error;
  }
}

describe('what is written', () => {
  it.each([MOST, -MOST, String(MOST), Number(MOST)])('may be %s', (n) => {
    const [back] = decodeRows(encodeRows([{ ...row, n }], schema), schema);
    expect(back?.['n']).toBe(Number(n));
  });

  it.each([MOST + 1n, -MOST - 1n, 2n ** 53n + 1n, '9007199254740993', -(2n ** 63n)])(
    'may not be %s where numbers are read',
    (n) => {
      const failure = codeOf(() => encodeRows([row, { ...row, id: 2, n }], schema));
      expect(failure?.details).toMatchObject({ field: 'n', row: 1, got: String(n) });
      expect(codeOf(() => encodeRows([{ ...row, id: n }], schema))?.code).toBeDefined();
    },
  );

  it('may not be in a list either', () => {
    const kept = { list: [MOST, -5], days: [new Date(1), 0] };
    const [back] = decodeRows(encodeRows([{ ...row, ...kept }], schema), schema);
    expect(back).toMatchObject({ list: [Number(MOST), -5], days: [new Date(1), new Date(0)] });
    for (const lists of [{ list: [1n, MOST + 1n] }, { days: [9_000_000_000_000_000n] }]) {
      const rows = [
        { ...row, ...kept },
        { ...row, id: 2, ...lists },
      ];
      const [field] = Object.keys(lists);
      expect(codeOf(() => encodeRows(rows, schema))?.details).toMatchObject({ field, row: 1 });
    }
  });

  it('may be an instant that a Date holds, and no other', () => {
    const last = 8_640_000_000_000_000n;
    const [back] = decodeRows(encodeRows([{ ...row, at: last }], schema), schema);
    expect(back?.['at']).toEqual(new Date(Number(last)));
    for (const at of [last + 1n, -last - 1n, 2n ** 60n]) {
      expect(codeOf(() => encodeRows([{ ...row, at }], schema))?.code).toBeDefined();
    }
  });

  it('is judged over a wire too, but for what stands behind a null', () => {
    const batch = encodeRows([{ ...row, n: 7 }], schema);
    const column = batch.columns.get(101 as FieldId);
    const values = BigInt64Array.of(2n ** 60n);
    const planted = (valid: Uint32Array | undefined): ColumnBatch => {
      const made = { ...column, values, valid } as never;
      return { ...batch, columns: new Map(batch.columns).set(101 as FieldId, made) };
    };
    expect(codeOf(() => checkBatch(planted(undefined), schema))?.code).toBeDefined();
    expect(() => checkBatch(planted(Uint32Array.of(0)), schema)).not.toThrow();
  });
});

describe('what is kept already', () => {
  const kept: ColumnBatch = {
    rowCount: 2,
    columns: new Map([
      [100 as FieldId, { kind: 'int64', values: BigInt64Array.of(5n, 2n ** 53n + 1n) } as never],
    ]),
  };

  it('is told, not rounded', () => {
    const failure = codeOf(() => decodeRows(kept, schema));
    expect(failure?.details).toMatchObject({ field: 'id', row: 1, got: '9007199254740993' });
    const field = schema.fields[0];
    const keys = kept.columns.get(100 as FieldId);
    expect(codeOf(() => decodeKeys(keys as never, field as never, false))?.code).toBeDefined();
  });

  it('is exact as far as numbers are', () => {
    const near = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 52n, MOST - 2n ** 32n, MOST];
    const values = BigInt64Array.from([...near, ...near.map((value) => -value)]);
    const field = schema.fields[0];
    const keys = decodeKeys({ kind: 'int64', values } as never, field as never, false);
    expect(keys.map((key) => BigInt(key as number))).toEqual([...values]);
    for (const value of [MOST + 1n, -MOST - 1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      const column = { kind: 'int64', values: BigInt64Array.of(value) };
      const read = (): unknown => decodeKeys(column as never, field as never, false);
      expect(codeOf(read)?.code).toBe('value_out_of_range');
    }
  });

  it('is given as digits in JSON', () => {
    expect(decodeRows(kept, schema, { json: true })).toEqual([
      { id: 5 },
      { id: '9007199254740993' },
    ]);
  });
});
