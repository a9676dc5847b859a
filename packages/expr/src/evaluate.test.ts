import type { FieldId } from '@elanus/core';
import { countBits, hasBit } from '@elanus/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Dice, randomRow, randomTree, writeTree } from '../../../test/expr/generate.ts';
import { judge } from '../../../test/expr/naive.ts';
import type { Row } from '../../../test/expr/table.ts';
import { batchFrom, schema } from '../../../test/expr/table.ts';
import { checkFilter } from './check.ts';
import { filterFields } from './checked.ts';
import { evaluate } from './evaluate.ts';
import { keysOf } from './keys.ts';
import { parseFilter } from './parser.ts';
import type { FieldStats, SegmentStats, StatValue } from './prune.ts';
import { prune } from './prune.ts';

const check = (text: string, params?: Record<string, unknown>) =>
  checkFilter(parseFilter(text, params), schema);

const id = (field: number): FieldId => field as FieldId;

function rowsOf(text: string, rows: readonly Row[]): number[] {
  const bits = evaluate(check(text), batchFrom(rows));
  return rows.map((_, i) => i).filter((i) => hasBit(bits, i));
}

describe('evaluate', () => {
  const rows: Row[] = [
    {
      $ts: 1n,
      id: 1n,
      i32: 1,
      s: 'a',
      s2: '',
      j: { a: 1, t: 'x' },
      ai: [1, 2],
      al: [],
      as: ['q'],
      ad: [],
      ab: [],
    },
    {
      $ts: 2n,
      id: 2n,
      i32: null,
      s: null,
      s2: '',
      j: null,
      ai: null,
      al: [],
      as: null,
      ad: [],
      ab: [],
    },
    {
      $ts: 3n,
      id: 3n,
      i32: 3,
      s: 'b',
      s2: '',
      j: { a: null, t: 5 },
      ai: [],
      al: [],
      as: [],
      ad: [],
      ab: [],
    },
    {
      $ts: 4n,
      id: 4n,
      i32: -1,
      s: 'é',
      s2: '',
      j: { a: 1.5 },
      ai: [2],
      al: [],
      as: ['a"b'],
      ad: [],
      ab: [],
    },
  ].map((row) => ({ ...row, i8: null, i16: null, i64: null, f: null, d: null, b: null, t: null }));

  test.each([
    ['i32 > 0', [0, 2]],
    ['not (i32 > 0)', [3]],
    ['i32 != 1', [2, 3]],
    ['i32 not in [1]', [2, 3]],
    ['i32 is null or i32 == 3', [1, 2]],
    ['not (i32 is null)', [0, 2, 3]],
    ['s > "a"', [2, 3]],
    ['s >= "é"', [3]],
    ['s like "_"', [0, 2, 3]],
    ['j["a"] == 1', [0]],
    ['j["a"] != 1', [3]],
    ['not (j["a"] == 1)', [3]],
    ['j["a"] > 1', [3]],
    ['j["t"] == "x"', [0]],
    ['j["t"] != "x"', []],
    ['exists j["a"]', [0, 3]],
    ['j["a"] is null', [1, 2]],
    ['array_contains(ai, 2)', [0, 3]],
    ['not array_contains(ai, 2)', [2]],
    ['array_contains_all(ai, [])', [0, 2, 3]],
    ['array_contains_any(ai, [])', []],
    ['array_length(ai) == 0', [2]],
    ['ai[0] == 2', [3]],
    ['ai[1] == 2', [0]],
    ['ai == [1, 2]', [0]],
    ['ai != [1, 2]', [2, 3]],
    ['array_contains(as, "a\\"b")', [3]],
    ['i32 + 1 > 1', [0, 2]],
    ['$ts >= 3', [2, 3]],
    ['late == 7 and lateText == "ab"', [0, 1, 2, 3]],
    ['late != 7', []],
    ['lateNull == 1 or lateNull != 1', []],
    ['lateNull is null', [0, 1, 2, 3]],
    ['true', [0, 1, 2, 3]],
    ['false or i32 == 1', [0]],
  ] as const)('%s', (text, expected) => {
    expect(rowsOf(text, rows)).toEqual(expected);
  });

  test('a range answers its rows only, under their own numbers', () => {
    const many = Array.from({ length: 200 }, (_, i) => randomRow(new Dice(i), i));
    const batch = batchFrom(many);
    const bits = evaluate(check('id >= 0'), batch, { from: 37, to: 131 });
    expect(bits.length).toBe(7);
    expect(countBits(bits)).toBe(131 - 37);
    expect([36, 37, 130, 131].map((row) => hasBit(bits, row))).toEqual([false, true, true, false]);
    expect(countBits(evaluate(check('id >= 0'), batch, { from: 64, to: 64 }))).toBe(0);
    expect(countBits(evaluate(check('not (id < 0)'), batch))).toBe(200);
  });

  test('columns on shared memory', () => {
    const values = new Int32Array(new SharedArrayBuffer(40)).map((_, i) => i);
    const shared = new Int32Array(new SharedArrayBuffer(40));
    shared.set(values);
    const columns = new Map([[id(103), { kind: 'int32' as const, values: shared }]]);
    expect(countBits(evaluate(check('i32 >= 4'), { rowCount: 10, columns }))).toBe(6);
  });

  test('int64 is exact at its ends', () => {
    const ends = [-(2n ** 63n), -1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n];
    const at = (text: string): number[] =>
      rowsOf(
        text,
        ends.map((value, i) => ({ ...rows[0], id: BigInt(i), i64: value })),
      );
    expect(at('i64 == 9007199254740993')).toEqual([3]);
    expect(at('i64 > 9007199254740992')).toEqual([3, 4]);
    expect(at('i64 <= -9223372036854775808')).toEqual([0]);
    expect(at('i64 > -1e19')).toEqual([0, 1, 2, 3, 4]);
    expect(at('i64 < 18446744073709551615')).toEqual([0, 1, 2, 3, 4]);
    expect(at('i64 in [9007199254740993, -1, 3, 4, 5]')).toEqual([1, 3]);
  });

  test('doubles meet integers that no double holds', () => {
    const at = (text: string): number[] =>
      rowsOf(
        text,
        [2 ** 53, 2 ** 53 + 2].map((d, i) => ({ ...rows[0], id: BigInt(i), d })),
      );
    expect(at('d < 9007199254740993')).toEqual([0]);
    expect(at('d <= 9007199254740993')).toEqual([0]);
    expect(at('d > 9007199254740993')).toEqual([1]);
    expect(at('d >= 9007199254740993')).toEqual([1]);
    expect(at('d == 9007199254740993')).toEqual([]);
    expect(at('d < 9007199254740995')).toEqual([0, 1]);
  });

  test('long runs with wildcards inside a pattern', () => {
    const text = `xx${'ab'.repeat(30)}yy`;
    const at = (pattern: string): number[] =>
      rowsOf('s like {pattern}'.replace('{pattern}', JSON.stringify(pattern)), [
        { ...rows[0], s: text },
      ]);
    expect(at(`%${'a_'.repeat(30)}y%`)).toEqual([0]);
    expect(at(`%${'a_'.repeat(31)}y%`)).toEqual([]);
    expect(at(`%${'_b'.repeat(17)}yy`)).toEqual([0]);
    expect(at(`${'_'.repeat(64)}`)).toEqual([0]);
    expect(at(`${'_'.repeat(65)}`)).toEqual([]);
  });

  test('says which fields it reads', () => {
    expect(filterFields(check('i32 > 1 and j["a"] == 1 and $ts > 0'))).toEqual([103, 112]);
    expect(check('$ts > 0').readsTimestamp).toBe(true);
  });
});

describe('keysOf', () => {
  const keys = (text: string) => keysOf(check(text), id(100));
  test.each([
    ['id == 5', [5n]],
    ['id in [5, 6, 5]', [5n, 6n]],
    ['id in []', []],
    ['id == 1.5', []],
    ['id > 5', undefined],
    ['id == 5 and i32 == 1', undefined],
    ['id not in [5]', undefined],
    ['i32 == 5', undefined],
  ] as const)('%s', (text, expected) => expect(keys(text)).toEqual(expected));
});

describe('prune', () => {
  const encoder = new TextEncoder();
  const numeric = new Set([100, 101, 102, 103, 104, 105, 106, 110]);

  /** True statistics of some rows. */
  function statsOf(rows: readonly Row[]): SegmentStats {
    const fields = new Map<number, FieldStats>();
    for (const field of schema.fields) {
      if (!numeric.has(field.id) && field.type !== 'varchar') continue;
      if (field.name.startsWith('late')) continue;
      const present = rows.map((row) => row[field.name]).filter((value) => value !== null);
      const sane = present.filter((value) => !Number.isNaN(value));
      const values = sane.map((value) =>
        typeof value === 'string' ? encoder.encode(value) : (value as StatValue),
      );
      values.sort((a, b) =>
        a instanceof Uint8Array
          ? Buffer.compare(a, b as Uint8Array)
          : Number(a > (b as number)) - Number(a < (b as number)),
      );
      const nullCount = rows.length - present.length;
      const min = values[0];
      const max = values.at(-1);
      const held = new Set(sane.map(String));
      const mayHold = (value: StatValue): boolean =>
        held.has(value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value));
      const whole = field.type.startsWith('int') || field.type === 'varchar';
      fields.set(field.id, { nullCount, min, max, ...(whole ? { mayHold } : {}) });
    }
    return { rowCount: rows.length, field: (field) => fields.get(field) };
  }

  test('never skips a segment that has a matching row, and skips many others', () => {
    let skipped = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const dice = new Dice(seed);
        const rows = Array.from({ length: 1 + dice.below(3) }, (_, i) => randomRow(dice, i));
        const tree = randomTree(dice, 2);
        const filter = check(writeTree(dice, tree));
        if (!prune(filter, statsOf(rows))) return;
        skipped++;
        expect(rows.map((row) => judge(tree, row))).not.toContain(true);
      }),
      { numRuns: 4_000 },
    );
    expect(skipped).toBeGreaterThan(100);
  });

  test.each([
    ['i32 > 10', true],
    ['i32 >= 10', false],
    ['i32 < 5', true],
    ['i32 == 7', true],
    ['i32 in [1, 2, 30]', true],
    ['i32 in [1, 5]', false],
    ['i32 is null', true],
    ['i32 is not null', false],
    ['not (i32 <= 10)', true],
    ['i32 > 10 or i32 < 5', true],
    ['i32 > 10 or s == "a"', false],
    ['i32 > 10 and s == "a"', true],
    ['i8 == 1', true],
    ['i8 != 1', true],
    ['false', true],
    ['true', false],
  ] as const)('%s', (text, expected) => {
    const stats: SegmentStats = {
      rowCount: 3,
      field: (field) => {
        if (field === 103) {
          return { nullCount: 0, min: 5, max: 10, mayHold: (value) => Number(value) !== 7 };
        }
        return field === 101 ? { nullCount: 3 } : undefined;
      },
    };
    expect(prune(check(text), stats)).toBe(expected);
  });
});
