import { isElanusError } from '@elanus/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Dice, randomTree, writeTree } from '../../../test/expr/generate.ts';
import { schema } from '../../../test/expr/table.ts';
import { checkFilter } from './check.ts';
import { evaluate } from './evaluate.ts';
import { compileLike } from './like.ts';
import { filterFromObject } from './object-form.ts';
import { parseFilter } from './parser.ts';
import { printFilter } from './print.ts';
import { readFilter } from './read.ts';

/** Runs what may fail with one of ours only. */
function onlyOurs(body: () => void): void {
  try {
    body();
  } catch (error) {
    if (!isElanusError(error)) throw error;
  }
}

test('printing and reading back gives the same checked filter', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const dice = new Dice(seed);
      const text = writeTree(dice, randomTree(dice, 4));
      const filter = checkFilter(parseFilter(text), schema);
      const printed = printFilter(filter);
      expect(readFilter(printed, schema)).toEqual(filter);
      expect(printFilter(readFilter(printed, schema))).toBe(printed);
    }),
    { numRuns: 2_000 },
  );
});

const words = fc.constantFrom(
  ...'and or not in like is null exists true ( ) [ ] { } , : == != < <= > >='.split(' '),
  ...'+ - * / % ** ~ ! i32 s j'.split(' '),
  ...`"a" 'b' x"00" 1 0.5 9999999999999999999 array_contains array_length`.split(' '),
  ..."iso interval 'P1D' $ts $meta `q` ai t && || = \\ \"".split(' '),
);

test('any run of words ends in a filter or in one of our errors', () => {
  fc.assert(
    fc.property(fc.array(words, { maxLength: 24 }), (list) => {
      onlyOurs(() => checkFilter(parseFilter(list.join(' ')), schema));
    }),
    { numRuns: 5_000 },
  );
});

test('any text ends in a filter or in one of our errors', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      onlyOurs(() => checkFilter(parseFilter(text), schema));
    }),
    { numRuns: 5_000 },
  );
});

test('any value ends in a filter or in one of our errors', () => {
  const keys = fc.constantFrom(
    'i32',
    's',
    'j',
    'ai',
    'and',
    'or',
    'not',
    'gt',
    'in',
    'eq',
    '$ts',
    'zz',
  );
  const value = fc.anything({ key: keys, withBigInt: true, withDate: true, withTypedArray: true });
  fc.assert(
    fc.property(value, (given) => {
      onlyOurs(() => checkFilter(filterFromObject(given, schema), schema));
    }),
    { numRuns: 5_000 },
  );
});

test('hostile JSON bytes never read past their row', () => {
  const filter = checkFilter(
    parseFilter(
      'j["a"][1] == 1 or array_length(j["b"]) > 0 or json_contains(j, "x") or j == {"a": [1]}',
    ),
    schema,
  );
  const id = 112 as never;
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    '\\',
    ':',
    ',',
    '1',
    'a',
    't',
    'n',
    '-',
    ' ',
  );
  fc.assert(
    fc.property(
      fc.array(fc.array(pieces, { maxLength: 12 }), { minLength: 1, maxLength: 6 }),
      (rows) => {
        const encoder = new TextEncoder();
        const parts = rows.map((row) => encoder.encode(row.join('')));
        const offsets = new Uint32Array(parts.length + 1);
        parts.forEach((part, i) => (offsets[i + 1] = (offsets[i] as number) + part.length));
        const data = new Uint8Array(offsets[parts.length] as number);
        parts.forEach((part, i) => data.set(part, offsets[i]));
        const columns = new Map([[id, { kind: 'json' as const, offsets, data }]]);
        const all = evaluate(filter, { rowCount: parts.length, columns });
        // Each row alone gives the same answer: nothing leaks from its neighbours.
        parts.forEach((part, i) => {
          const alone = new Map([
            [id, { kind: 'json' as const, offsets: Uint32Array.of(0, part.length), data: part }],
          ]);
          const one = evaluate(filter, { rowCount: 1, columns: alone });
          expect((((all[0] as number) >>> i) & 1) === (one[0] as number)).toBe(true);
        });
      },
    ),
    { numRuns: 3_000 },
  );
});

test('like is linear: patterns made to backtrack take no time', () => {
  const text = new TextEncoder().encode('a'.repeat(60_000));
  for (const pattern of [
    `%${'a%'.repeat(200)}b`,
    `%${'a_'.repeat(500)}b%`,
    `%${'_'.repeat(900)}b%`,
  ]) {
    const started = performance.now();
    expect(compileLike(pattern).matches(text, 0, text.length)).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  }
});
