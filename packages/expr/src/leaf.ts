import type { Bitset } from '@elanus/core';
import { assert } from '@elanus/core';
import type { CompareOp, Literal } from './ast.ts';

/** Rows where a condition is true, and rows where it is known; undefined: known everywhere. */
export interface Leaf {
  readonly bits: Bitset;
  readonly known: Bitset | undefined;
}

const encoder = new TextEncoder();

/** A bool as 0 or 1, a number as it is. */
export function numberOf(value: Literal): number | bigint {
  if (typeof value === 'boolean') return value ? 1 : 0;
  assert(typeof value === 'number' || typeof value === 'bigint', 'a constant is a number');
  return value;
}

/** A string as UTF-8, bytes as they are. */
export function bytesOf(value: Literal): Uint8Array {
  return value instanceof Uint8Array ? value : encoder.encode(String(value));
}

/** One form for equal numbers, fit as a map key: number where it is exact, bigint beyond. */
export function numberKey(value: number | bigint): number | bigint {
  if (typeof value === 'number') {
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? BigInt(value) : value;
  }
  const near = Number(value);
  return Number.isSafeInteger(near) ? near : value;
}

/** Whether `order` (below, at or above zero) satisfies an operator. */
export function satisfies(op: CompareOp, order: number): boolean {
  switch (op) {
    case '==':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
  }
}

/** Whether `a op b`, exactly, for integers and doubles in any mix; NaN is only `!=`. */
export function compareExactly(op: CompareOp, a: number | bigint, b: number | bigint): boolean {
  if (a < b) return satisfies(op, -1);
  if (a > b) return satisfies(op, 1);
  // Neither below nor above: equal, unless one is no number.
  const unordered = Number.isNaN(a) || Number.isNaN(b);
  return unordered ? op === '!=' : satisfies(op, 0);
}
