import type { FieldId } from '@elanus/core';
import type { Literal } from './ast.ts';
import type { CheckedFilter, CompareNode, InNode, Node } from './checked.ts';
import { bytesOf, numberOf } from './leaf.ts';
import { compareBytes } from './text.ts';

/** A value as statistics hold it: numbers and instants as numbers, text and bytes as UTF-8. */
export type StatValue = number | bigint | Uint8Array;

/**
 * What is known of one field in one segment. Bounds may be wider than the data, never narrower.
 * Without `min` and `max` nothing is known about values.
 */
export interface FieldStats {
  readonly nullCount: number;
  readonly min?: StatValue | undefined;
  readonly max?: StatValue | undefined;
  /** Of a bloom filter: false only when no row holds the value. Whole numbers come as bigint. */
  mayHold?(value: StatValue): boolean;
}

/** Statistics of one segment. */
export interface SegmentStats {
  readonly rowCount: number;
  /** Undefined when the segment has no statistics of the field, or lacks the field. */
  field(id: FieldId): FieldStats | undefined;
}

/**
 * Whether a segment can be skipped: true only when the statistics prove that the filter is true for
 * none of its rows. Cheap: looks at the conditions, not at rows.
 */
export function prune(filter: CheckedFilter, stats: SegmentStats): boolean {
  return stats.rowCount === 0 || never(filter.root, stats, false);
}

/** Whether no row makes the node true (false when negated). */
function never(node: Node, stats: SegmentStats, negated: boolean): boolean {
  switch (node.kind) {
    case 'const':
      return node.value === negated;
    case 'not':
      return never(node.item, stats, !negated);
    case 'and':
    case 'or': {
      const test = (item: Node): boolean => never(item, stats, negated);
      return (node.kind === 'and') === negated ? node.items.every(test) : node.items.some(test);
    }
    default:
      return neverLeaf(node, stats, negated);
  }
}

type LeafNode = Exclude<Node, { kind: 'const' | 'and' | 'or' | 'not' }>;

function neverLeaf(node: LeafNode, stats: SegmentStats, negated: boolean): boolean {
  if (node.kind === 'columns' || node.operand.kind !== 'column') return false;
  const field = stats.field(node.operand.field);
  if (field === undefined) return false;
  const allNull = field.nullCount >= stats.rowCount;
  if (node.kind === 'null') return negated ? allNull : field.nullCount === 0;
  // Unknown for every row, and unknown rows are never returned.
  if (allNull) return true;
  if (node.kind === 'compare') return neverCompare(node, field, negated);
  if (node.kind === 'in' && !negated) return neverIn(node, field);
  return false;
}

function neverCompare(node: CompareNode, field: FieldStats, negated: boolean): boolean {
  const { min, max } = field;
  const value = statValue(node.value);
  const op = negated ? OPPOSITE[node.op] : node.op;
  if (op === '==' && field.mayHold?.(value) === false) return true;
  // Of columns that may hold NaN, a negated comparison is true where no bound speaks.
  const real = 'type' in node.operand && /^(float|double)$/.test(node.operand.type);
  if (min === undefined || max === undefined || (negated && real)) return false;
  switch (op) {
    case '==':
      return order(value, min) < 0 || order(value, max) > 0;
    case '!=':
      return !real && order(value, min) === 0 && order(value, max) === 0;
    case '<':
      return order(min, value) >= 0;
    case '<=':
      return order(min, value) > 0;
    case '>':
      return order(max, value) <= 0;
    case '>=':
      return order(max, value) < 0;
  }
}

const OPPOSITE = {
  '==': '!=',
  '!=': '==',
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
} as const;

function neverIn(node: InNode, field: FieldStats): boolean {
  const { min, max } = field;
  return node.values.every((literal) => {
    const value = statValue(literal);
    if (field.mayHold?.(value) === false) return true;
    if (min === undefined || max === undefined) return false;
    return order(value, min) < 0 || order(value, max) > 0;
  });
}

function statValue(value: Literal): StatValue {
  const text = typeof value === 'string' || value instanceof Uint8Array;
  return text ? bytesOf(value) : numberOf(value);
}

function order(a: StatValue, b: StatValue): number {
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return compareBytes(a, { start: 0, end: a.length }, b);
  }
  return a < b ? -1 : a > b ? 1 : 0;
}
