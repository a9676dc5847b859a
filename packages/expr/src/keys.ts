import type { FieldId } from '@elanus/core';
import type { CheckedFilter, Node } from './checked.ts';

/**
 * The keys a filter asks for when it is exactly `key == x` or `key in [...]`, distinct, in their
 * first order; undefined for every other filter. Lets a read by key skip the scan.
 */
export function keysOf(
  filter: CheckedFilter,
  primary: FieldId,
): readonly (bigint | string)[] | undefined {
  const values = listed(filter.root, primary);
  if (values === undefined) return undefined;
  const keys = new Set<bigint | string>();
  for (const value of values) {
    // A number with a fraction equals no key.
    if (typeof value === 'bigint' || typeof value === 'string') keys.add(value);
  }
  return [...keys];
}

function listed(node: Node, primary: FieldId): readonly unknown[] | undefined {
  if (node.kind !== 'compare' && node.kind !== 'in') return undefined;
  const { operand } = node;
  if (operand.kind !== 'column' || operand.field !== primary) return undefined;
  if (node.kind === 'in') return node.values;
  return node.op === '==' ? [node.value] : undefined;
}
