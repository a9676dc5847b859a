import { hasBit } from '../../packages/core/src/index.ts';
import type { FieldId } from '../../packages/core/src/index.ts';
import {
  checkFilter,
  evaluate,
  parseFilter,
  printFilter,
  readFilter,
} from '../../packages/expr/src/index.ts';
import type { FilterBatch, ScalarLookup } from '../../packages/expr/src/index.ts';
import { buildScalarIndex, findRows, isScalarColumn } from '../../packages/index/src/index.ts';
import { Dice, randomRow, randomTree, writeTree } from './generate.ts';
import { judge } from './naive.ts';
import { batchFrom, schema } from './table.ts';

/** What a fuzz run saw. */
export interface FuzzOutcome {
  readonly filters: number;
  readonly rows: number;
  readonly matches: number;
  readonly differences: readonly string[];
}

/**
 * Runs random filters over random rows, against the naive interpreter: each filter once from its
 * text, once from its printed form and once with indexes over the columns, over a random range.
 */
export function fuzz(options: { readonly filters: number; readonly seed: number }): FuzzOutcome {
  const dice = new Dice(options.seed);
  const differences: string[] = [];
  let rowCount = 0;
  let matches = 0;
  let rows = Array.from({ length: 70 }, (_, i) => randomRow(dice, i));
  let batch = batchFrom(rows);
  let indexed = withIndexes(batch);
  for (let i = 0; i < options.filters && differences.length < 20; i++) {
    if (i % 50 === 49) {
      rows = Array.from({ length: 1 + dice.below(100) }, (_, k) => randomRow(dice, k));
      batch = batchFrom(rows);
      indexed = withIndexes(batch);
    }
    const tree = randomTree(dice, 3);
    const text = writeTree(dice, tree);
    const filter = checkFilter(parseFilter(text), schema);
    const printed = readFilter(printFilter(filter), schema);
    const from = dice.once(2) ? 0 : dice.below(rows.length);
    const to = dice.once(2) ? rows.length : from + dice.below(rows.length - from + 1);
    const range = { from: Math.min(from, to), to: Math.max(from, to) };
    const first = evaluate(filter, batch, range);
    const second = evaluate(printed, batch, range);
    const third = evaluate(filter, indexed, range);
    rowCount += range.to - range.from;
    for (let row = 0; row < rows.length; row++) {
      const inside = row >= range.from && row < range.to;
      const expected = inside && judge(tree, rows[row] as never) === true;
      if (expected) matches++;
      if (hasBit(first, row) !== expected) differences.push(`row ${row}: ${text}`);
      if (hasBit(third, row) !== expected) differences.push(`row ${row}, by index: ${text}`);
      if (hasBit(second, row) !== expected) {
        differences.push(`row ${row}, printed: ${printFilter(filter)} from ${text}`);
      }
    }
  }
  return { filters: options.filters, rows: rowCount, matches, differences };
}

/** The batch, with an index over every column that can have one. */
function withIndexes(batch: FilterBatch): FilterBatch {
  const lookups = new Map<FieldId, ScalarLookup>();
  for (const [field, column] of batch.columns) {
    if (!isScalarColumn(column)) continue;
    const index = buildScalarIndex(column);
    if (index !== undefined) lookups.set(field, (spans) => findRows(index, column, spans));
  }
  return { ...batch, lookups };
}
