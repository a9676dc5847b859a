import type { Column, FieldId } from '../packages/core/src/index.ts';
import { checkFilter, evaluate, parseFilter } from '../packages/expr/src/index.ts';
import { buildScalarIndex, findRows, isScalarColumn } from '../packages/index/src/index.ts';
import { median, note, type Bench, type Figure } from './bench.ts';

/** Rows of the segment: what a flush of 768-d rows holds a few times over. */
const ROWS = 100_000;
const PASSES = 9;
const CALLS = 10;
const FIELD = 101 as FieldId;

let seed = 1;
function random(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32;
}

function texts(textOf: () => string): Column {
  const parts = Array.from({ length: ROWS }, () => new TextEncoder().encode(textOf()));
  const offsets = new Uint32Array(ROWS + 1);
  parts.forEach((part, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + part.length;
  });
  const data = new Uint8Array(offsets[ROWS] ?? 0);
  parts.forEach((part, i) => data.set(part, offsets[i]));
  return { kind: 'varchar', offsets, data };
}

interface Case {
  readonly what: string;
  readonly type: string;
  readonly column: Column;
  readonly filters: readonly string[];
}

const length = { length: ROWS };
const whole = (below: number): number => Math.floor(random() * below);
const CASES: readonly Case[] = [
  {
    what: 'int32, 20 values',
    type: 'int32',
    column: { kind: 'int32', values: Int32Array.from(length, () => whole(20)) },
    filters: ['x == 6', 'x != 6', 'x < 10', 'x in [4, 10, 16]'],
  },
  {
    what: 'int32, any',
    type: 'int32',
    column: { kind: 'int32', values: Int32Array.from(length, () => whole(1e6)) },
    filters: ['x == 7', 'x < 10000', 'x < 100000', 'x < 500000', 'x in [4, 10, 16]'],
  },
  {
    what: 'int64, any',
    type: 'int64',
    column: { kind: 'int64', values: BigInt64Array.from(length, () => BigInt(whole(1e12))) },
    filters: ['x == 7', 'x < 10000000000', 'x < 500000000000', 'x in [4, 10, 16]'],
  },
  {
    what: 'varchar, 20 values',
    type: 'varchar',
    column: texts(() => `category-${whole(20)}`),
    filters: ['x == "category-6"', 'x < "category-3"', 'x in ["category-1", "category-7"]'],
  },
  {
    what: 'varchar, any',
    type: 'varchar',
    column: texts(() => `user-${whole(1e9).toString(36)}`),
    filters: ['x == "user-a"', 'x < "user-2"', 'x < "user-9"', 'x in ["user-1", "user-7"]'],
  },
];

/** Microseconds of an evaluation by scan and by look-up, in turns. */
function compare({ type, column }: Case, text: string): { scan: number; lookUp: number } {
  const schema = {
    name: 'bench',
    fields: [
      { id: 100, name: 'id', type: 'int64', primary: true },
      { id: FIELD, name: 'x', type },
    ],
  } as never;
  const index = isScalarColumn(column) ? buildScalarIndex(column) : undefined;
  if (index === undefined || !isScalarColumn(column)) throw new Error('a column with an index');
  const filter = checkFilter(parseFilter(text), schema);
  const scan = { rowCount: ROWS, columns: new Map([[FIELD, column]]) };
  const lookups = new Map([
    [FIELD, (spans: Parameters<typeof findRows>[2]) => findRows(index, column, spans)],
  ]);
  const batches = [scan, { ...scan, lookups }] as const;
  const times = batches.map((): number[] => []);
  for (let pass = 0; pass < PASSES; pass++) {
    for (const [which, batch] of batches.entries()) {
      const started = performance.now();
      for (let call = 0; call < CALLS; call++) evaluate(filter, batch);
      times[which]?.push(((performance.now() - started) * 1000) / CALLS);
    }
  }
  const [scanTime = [], lookUpTime = []] = times;
  return { scan: median(scanTime), lookUp: median(lookUpTime) };
}

/** Filters by the index of a scalar column, against the scan of the column. */
export const bench: Bench = {
  what: 'filters by an index of their column against scans, 100,000 rows',
  seconds: 10,
  run: () => {
    const figures: Figure[] = [];
    for (const one of CASES) {
      const started = performance.now();
      if (isScalarColumn(one.column)) buildScalarIndex(one.column);
      note(`${one.what}: built in ${(performance.now() - started).toFixed(1)} ms`);
      for (const filter of one.filters) {
        const { scan, lookUp } = compare(one, filter);
        note(`${one.what}: ${filter}: scan ${scan.toFixed(0)} us, look-up ${lookUp.toFixed(0)} us`);
        const what = `${one.what}: ${filter}: scan : look-up`;
        figures.push({ what, measured: scan / lookUp, unit: 'x', atLeast: 1 });
      }
    }
    return Promise.resolve(figures);
  },
};
