import type { Column, FieldId } from '../../packages/core/src/index.ts';
import { checkFilter, evaluate, parseFilter } from '../../packages/expr/src/index.ts';
import { schema } from '../../test/expr/table.ts';

/**
 * `node --conditions=elanus:source bench/expr/speed.ts`: rows a second of one thread, by condition,
 * over a million rows.
 */
const ROWS = 1_000_000;
const encoder = new TextEncoder();

function texts(kind: 'varchar' | 'json', textOf: (row: number) => string): Column {
  const parts = Array.from({ length: ROWS }, (_, row) => encoder.encode(textOf(row)));
  const offsets = new Uint32Array(ROWS + 1);
  parts.forEach((part, row) => {
    offsets[row + 1] = (offsets[row] as number) + part.length;
  });
  const data = new Uint8Array(offsets[ROWS] as number);
  parts.forEach((part, row) => data.set(part, offsets[row]));
  return { kind, offsets, data };
}

/** Scattered, but the same in every run. */

const mixed = (row: number): number => (Math.imul(row, 2654435761) >>> 8) % 1000;

const columns = new Map<FieldId, Column>(
  Object.entries({
    100: { kind: 'int64', values: BigInt64Array.from({ length: ROWS }, (_, i) => BigInt(i)) },
    101: { kind: 'int8', values: Int8Array.from({ length: ROWS }, (_, i) => mixed(i) / 10) },
    103: { kind: 'int32', values: Int32Array.from({ length: ROWS }, (_, i) => mixed(i)) },
    105: { kind: 'float', values: Float32Array.from({ length: ROWS }, (_, i) => mixed(i) / 1000) },
    106: { kind: 'double', values: Float64Array.from({ length: ROWS }, (_, i) => mixed(i) / 1000) },
    109: texts('varchar', (row) => `word-${mixed(row)}`),
    112: texts('json', (row) => `{"k":{"v":${mixed(row)}},"n":"x${row % 7}"}`),
  } satisfies Record<number, Column>).map(([id, column]) => [Number(id) as FieldId, column]),
);

const FILTERS = [
  'i32 > 500',
  'i8 > 50',
  'f > 0.5',
  'd < 0.5',
  'id > 500000',
  '100 < i32 <= 500',
  'i32 in [1, 2, 3, 4, 5, 6, 7, 8, 9]',
  'id in [1, 2, 3, 4, 5, 6, 7, 8, 9]',
  's2 == "word-7"',
  's2 > "word-5"',
  's2 like "%-77%"',
  's2 in ["word-1", "word-2", "word-3", "word-4", "word-5"]',
  'j["k"]["v"] > 500',
  'i32 == 7 and j["k"]["v"] > 500',
  'i32 + 1 > 500',
];
for (const text of FILTERS) {
  const filter = checkFilter(parseFilter(text), schema);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 10; round++) {
    const started = performance.now();
    evaluate(filter, { rowCount: ROWS, columns });
    best = Math.min(best, performance.now() - started);
  }
  console.log(`${text.padEnd(60)} ${(ROWS / best / 1000).toFixed(0).padStart(5)} M rows/s`);
}
