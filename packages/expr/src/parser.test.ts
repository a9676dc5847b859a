import { isElanusError } from '@elanus/core';
import { describe, expect, test } from 'vitest';
import { schema } from '../../../test/expr/table.ts';
import { checkFilter } from './check.ts';
import { saysNothing } from './checked.ts';
import { filterFromObject } from './object-form.ts';
import { parseFilter } from './parser.ts';
import { printFilter } from './print.ts';
import { readFilter } from './read.ts';

const canonical = (text: string, params?: Record<string, unknown>): string =>
  printFilter(checkFilter(parseFilter(text, params), schema));

const ofObject = (value: unknown): string =>
  printFilter(checkFilter(filterFromObject(value, schema), schema));

/** The failure's code and details. */
function failure(body: () => unknown): Record<string, unknown> {
  try {
    body();
  } catch (error) {
    if (isElanusError(error)) return { code: error.code, ...error.details };
    throw error;
  }
  throw new Error('it did not fail');
}

describe('text', () => {
  test.each([
    ['i32>5', 'i32 > 5'],
    ['5 < i32', 'i32 > 5'],
    ['1 < i32 <= 5', 'i32 > 1 and i32 <= 5'],
    ['5 >= i32 > 1', 'i32 <= 5 and i32 > 1'],
    ['i32 == 0x10 + 010', 'i32 == 24'],
    ['i32 == -(2 ** 3) * 2', 'i32 == -16'],
    ['i32 == 7 / 2', 'i32 == 3'],
    ['d == 7 / 2.0', 'd == 3.5'],
    ['d == 5', 'd == 5.0'],
    ['i32 == 5.0', 'i32 == 5'],
    ['f == 0.1', 'f == 0.10000000149011612'],
    ['i64 == "-9223372036854775808"', 'i64 == -9223372036854775808'],
    ["s == 'it''", undefined],
    [`s == 'a"b'`, String.raw`s == "a\"b"`],
    [String.raw`s like "a\%b"`, String.raw`s like "a\\%b"`],
    [String.raw`s like r'a\%b'`, String.raw`s like "a\\%b"`],
    ['s in ["a", "b",]', 's in ["a", "b"]'],
    ['s not in ["a"]', 'not (s in ["a"])'],
    ['i32 in []', 'i32 in []'],
    ['i8 IS NULL or i8 is not null', 'i8 is null or i8 is not null'],
    ['EXISTS j["a"][0]', 'j["a"][0] is not null'],
    ['unknown["k"] == 1', '$meta["unknown"]["k"] == 1'],
    ['$meta["k"] == {"b": [1, null], "a": true}', '$meta["k"] == {"a": true, "b": [1, null]}'],
    ['JSON_CONTAINS(j["a"], 1)', 'json_contains_any(j["a"], [1])'],
    ['array_contains_all(ai, [1, 2])', 'array_contains_all(ai, [1, 2])'],
    ['array_length(ai) == 2 && b', 'array_length(ai) == 2 and b == true'],
    ['as[1] == "x" || al == [1, 2]', 'as[1] == "x" or al == [1, 2]'],
    ['2 * i32 + 0 > 3', undefined],
    ['2 * i32 > 3', 'i32 * 2 > 3'],
    ['i32 % 2 == 0 and i8 < i16', 'i32 % 2 == 0 and i8 < i16'],
    ["t > '2020-01-01'", "t > '2020-01-01T00:00:00.000Z'"],
    ["$ts > 5 and by == x'00ff'", '$ts > 5 and by == x"00ff"'],
    ['not (not (i8 == 1))', 'i8 == 1'],
    ['not s like "a%"', 'not s like "a%"'],
    ['(i8 == 1 and (i8 == 2 and i8 == 3)) or true', '(i8 == 1 and i8 == 2 and i8 == 3) or true'],
    ['', 'true'],
    [' \n\t ', 'true'],
    ['True', 'true'],
    ['`i8` == 1', 'i8 == 1'],
  ] as const)('%s', (text, expected) => {
    if (expected !== undefined) expect(canonical(text)).toBe(expected);
    else expect(failure(() => canonical(text))).toMatchObject({});
  });

  test('interval arithmetic on timestamps', () => {
    const text = "t + INTERVAL 'P1DT1H' > ISO '2020-01-01T00:00:00+01:00'";
    expect(canonical(text)).toBe("t + 90000000 > '2019-12-31T23:00:00.000Z'");
  });

  test('parameters are bound, never spliced', () => {
    const params = {
      name: 'x" or true or s == "',
      list: [1, 2n],
      when: new Date(0),
      raw: new Uint8Array([1]),
    };
    expect(canonical('s == {name}', params)).toBe(String.raw`s == "x\" or true or s == \""`);
    expect(canonical('i32 in {list}', params)).toBe('i32 in [1, 2]');
    expect(canonical('t == {when}', params)).toBe("t == '1970-01-01T00:00:00.000Z'");
    expect(canonical('by == {raw}', params)).toBe('by == x"01"');
  });
});

describe('text that cannot be used', () => {
  test.each([
    ['i32 = 5', { position: 4, hint: 'Write == for equality.' }],
    ['i32 > ', { position: 6 }],
    ['i32 > 5 5', { position: 8 }],
    ['(i32 > 5', { position: 8 }],
    ['i32 > 5)', { position: 7 }],
    ['i32 Like "a"', { hint: 'Did you mean `like`?' }],
    ['i32 between 1 and 2', { hint: 'Write low <= field <= high.' }],
    ['meta.n > 5', { hint: 'Write field["key"] to reach into JSON.' }],
    ['s == "open', { position: 5 }],
    [String.raw`s == "\q"`, { position: 6 }],
    ['i32 > 99999999999999999999', { position: 6 }],
    ['d > 1e999', { position: 4 }],
    ['i32 > 08', { position: 6 }],
    ['i32 == {x}', { position: 8 }],
    ['array_contain(ai, 1)', { hint: 'Did you mean `array_contains`?' }],
    ['i32 == null', { hint: 'Write field is null, or field is not null.' }],
    ['i32 == 1 == 1', { position: 9 }],
    ['1 < i32 > 0', { position: 8 }],
    ['i32 + 1 + 1 > 3', {}],
    ['i32 / 0 == 1', { why: 'division by zero' }],
    ['i32 == 1 / 0', { why: 'division by zero' }],
    ['i32 + 0.5 > 1', { hint: 'Write the constant without a fraction.' }],
    ['not i32 > 5', { hint: 'Write not (a > 5), or a not in [...].' }],
    ['i32 > "a"', { field: 'i32' }],
    ['s > 5', { field: 's' }],
    ['b > true', { field: 'b' }],
    ['ai > 5', { field: 'ai' }],
    ['i32 in 5', {}],
    ['i32 in [null]', {}],
    ['s like 5', {}],
    [String.raw`s like "a\\"`, {}],
    ['i32 like "a"', { field: 'i32' }],
    ['vec == 1', { field: 'vec' }],
    ['i32[0] == 1', { field: 'i32' }],
    ['1 == 1', {}],
    ['5', {}],
    ['i32', {}],
    ['t > "yesterday"', { hint: "Write '2025-01-31T12:00:00Z'." }],
    ["t > INTERVAL 'P1M'", {}],
    ['array_contains(i32, 1)', { field: 'i32' }],
    ['i32 & 1 == 1', {}],
    ['s =~ "a"', { hint: 'Use like.' }],
    ['s == i32', {}],
    ['#', { position: 0 }],
  ])('%s', (text, expected) => {
    expect(failure(() => canonical(text))).toMatchObject({ code: 'filter_invalid', ...expected });
  });

  test('a misspelt field', () => {
    const plain = { ...schema, dynamic: false };
    const checked = (): unknown => checkFilter(parseFilter('i33 == 1'), plain);
    expect(failure(checked)).toMatchObject({ code: 'unknown_field', field: 'i33' });
    expect(String(failure(checked)['hint'])).toContain('Did you mean');
  });

  test('depth, size and length are bounded', () => {
    const deep = (n: number): string => '('.repeat(n) + 'i8 == 1' + ')'.repeat(n);
    expect(canonical(deep(128))).toBe('i8 == 1');
    expect(failure(() => parseFilter(deep(129)))).toMatchObject({ code: 'filter_invalid' });
    expect(failure(() => parseFilter(deep(20_000)))).toMatchObject({ code: 'filter_invalid' });
    const calls = 'array_length('.repeat(5_000);
    expect(failure(() => parseFilter(calls))).toMatchObject({ code: 'filter_invalid' });
    expect(failure(() => parseFilter('['.repeat(9_000)))).toMatchObject({ code: 'filter_invalid' });
    expect(failure(() => parseFilter('2**'.repeat(9_000)))).toMatchObject({
      code: 'filter_invalid',
    });
    const many = Array.from({ length: 12_000 }, () => 'b').join(' or ');
    expect(failure(() => parseFilter(many))).toMatchObject({ code: 'filter_invalid' });
    expect(failure(() => parseFilter(`s == "${'x'.repeat(70_000)}"`))).toMatchObject({
      hint: 'Bind long lists as parameters.',
    });
    const list = Array.from({ length: 65_537 }, (_, i) => i);
    expect(failure(() => canonical('i32 in {list}', { list }))).toMatchObject({});
  });

  test('runs of signs cost no stack', () => {
    expect(canonical(`i32 == ${'- '.repeat(2_000)}5`)).toBe('i32 == 5');
    expect(canonical(`${'not '.repeat(2_000)}(b)`)).toBe('b == true');
  });

  test('the longest list survives printing', () => {
    const list = Array.from({ length: 65_536 }, (_, i) => 9_000_000_000_000_000 + i);
    const text = canonical('i64 in {list}', { list });
    expect(printFilter(readFilter(text, schema))).toBe(text);
  });

  test('a filter of ten thousand parts survives printing', () => {
    const text = ofObject({ or: Array.from({ length: 4_900 }, (_, i) => ({ i32: i })) });
    expect(printFilter(readFilter(text, schema))).toBe(text);
  });

  test('the deepest path survives printing', () => {
    const nested = (levels: number): object =>
      levels === 0 ? { gt: 1 } : { k: nested(levels - 1) };
    const text = ofObject({ other: nested(63) });
    expect(printFilter(readFilter(text, schema))).toBe(text);
    expect(failure(() => ofObject({ other: nested(64) }))).toMatchObject({
      code: 'filter_invalid',
    });
  });

  test('the deepest filter survives printing', () => {
    let value: object = { i8: 1, s: 'a' };
    for (let i = 0; i < 60; i++) value = { not: { or: [value, { i16: i }] } };
    const text = ofObject(value);
    expect(printFilter(readFilter(text, schema))).toBe(text);
    for (let i = 0; i < 40; i++) value = { not: { or: [value, { i16: i }] } };
    expect(failure(() => ofObject(value))).toMatchObject({ code: 'filter_invalid' });
  });
});

describe('objects', () => {
  test.each([
    [{ i32: 5, s: 'a' }, 'i32 == 5 and s == "a"'],
    [{ i32: null }, 'i32 is null'],
    [{ i32: { eq: null } }, 'i32 is null'],
    [{ i32: { ne: null } }, 'i32 is not null'],
    [{ i32: { isNull: false } }, 'i32 is not null'],
    [{ i32: { gt: 1, lte: 5, ne: 3 } }, 'i32 > 1 and i32 <= 5 and i32 != 3'],
    [{ i64: { in: ['9007199254740993', 2n, 3] } }, 'i64 in [9007199254740993, 2, 3]'],
    [{ s: { notIn: [] } }, 'not (s in [])'],
    [{ d: { between: [1, 2.5] } }, 'd >= 1.0 and d <= 2.5'],
    [{ s: { like: 'a%' } }, 's like "a%"'],
    [{ b: true }, 'b == true'],
    [{ ai: { contains: 1 } }, 'array_contains_any(ai, [1])'],
    [{ as: { containsAll: ['a', 'b'] } }, 'array_contains_all(as, ["a", "b"])'],
    [{ al: [1, 2] }, 'al == [1, 2]'],
    [{ t: new Date(5) }, "t == '1970-01-01T00:00:00.005Z'"],
    [{ by: new Uint8Array([1]) }, 'by == x"01"'],
    [{ j: { a: { b: { gt: 1 }, c: 'x' } } }, 'j["a"]["b"] > 1 and j["a"]["c"] == "x"'],
    [{ j: { a: null } }, 'j["a"] is null'],
    [{ j: { a: { eq: { x: 1 } } } }, 'j["a"] == {"x": 1}'],
    [{ j: { a: [1, 'b'] } }, 'j["a"] == [1, "b"]'],
    [{ j: { a: { contains: { x: [1] } } } }, 'json_contains_any(j["a"], [{"x": [1]}])'],
    [{ other: { gt: 2 } }, '$meta["other"] > 2'],
    [{ $meta: { lt: { deep: 1 } } }, undefined],
    [{ $ts: { gte: 5n } }, '$ts >= 5'],
    [
      { or: [{ i32: 1 }, { i32: 2 }], not: { b: true } },
      '(i32 == 1 or i32 == 2) and not (b == true)',
    ],
    [{ or: [] }, 'false'],
    [{ and: [] }, 'true'],
    [{}, 'true'],
    [{ j: {} }, 'true'],
  ])('object %#', (value, expected) => {
    if (expected === undefined) expect(() => ofObject(value)).toThrow();
    else expect(ofObject(value)).toBe(expected);
  });

  test.each([
    [{ i32: undefined }, { code: 'filter_invalid', field: 'i32' }],
    [{ i32: { gt: undefined } }, { code: 'filter_invalid', field: 'i32.gt' }],
    [{ j: { a: undefined } }, { code: 'filter_invalid' }],
    [{ i32: { in: [undefined] } }, { code: 'filter_invalid' }],
    [{ and: undefined }, { code: 'filter_invalid' }],
    [{ i32: { gtt: 1 } }, { code: 'filter_invalid', hint: 'Did you mean `gt`?' }],
    [{ i32: { gt: Number.NaN } }, { code: 'filter_invalid' }],
    [{ i32: { in: 5 } }, { code: 'filter_invalid' }],
    [{ i32: { between: [1] } }, { code: 'filter_invalid' }],
    [{ i32: { isNull: 1 } }, { code: 'filter_invalid' }],
    [{ i32: 2n ** 70n }, { code: 'filter_invalid' }],
    [{ i32: new Map() }, { code: 'filter_invalid' }],
    [{ i32: () => 1 }, { code: 'filter_invalid' }],
    [{ t: new Date(Number.NaN) }, { code: 'filter_invalid' }],
    [{ or: { i32: 1 } }, { code: 'filter_invalid' }],
    [{ not: [] }, { code: 'filter_invalid' }],
    [{ j: { eq: 1, a: 2 } }, { code: 'filter_ambiguous', field: 'j' }],
    [{ j: { a: { lt: 1, b: 2 } } }, { code: 'filter_ambiguous', field: 'j.a' }],
    ['i32 > 5', { code: 'filter_invalid' }],
    [null, { code: 'filter_invalid' }],
    [[], { code: 'filter_invalid' }],
  ])('object %# is refused', (value, expected) => {
    expect(failure(() => ofObject(value))).toMatchObject(expected);
  });

  test('cycles end in an error', () => {
    const cycle: Record<string, unknown> = {};
    cycle['a'] = cycle;
    expect(failure(() => ofObject({ j: cycle }))).toMatchObject({ code: 'filter_invalid' });
    expect(failure(() => ofObject({ j: { eq: cycle } }))).toMatchObject({ code: 'filter_invalid' });
    expect(failure(() => ofObject({ not: cycle }))).toMatchObject({ code: 'filter_invalid' });
  });

  test('what says nothing is known', () => {
    const empty = (value: object): boolean =>
      saysNothing(checkFilter(filterFromObject(value, schema), schema));
    expect([{}, { i32: { in: [] } }, { or: [] }, { j: {} }, { not: {} }].map(empty)).toEqual(
      Array.from({ length: 5 }, () => true),
    );
    expect(empty({ i32: 1 })).toBe(false);
  });
});
