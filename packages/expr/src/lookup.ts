import type { FieldId } from '@elanus/core';
import { bitsetWords } from '@elanus/core';
import type { CheckedFilter, CompareNode, InNode, Node } from './checked.ts';
import { bytesOf, numberOf, type Leaf } from './leaf.ts';
import { knownRows, placedColumn, type Scope, type ValueSpan } from './views.ts';

/**
 * Whether indexes of these fields answer every condition of a filter, so that no row is looked at.
 */
export function isLookup(filter: CheckedFilter, has: (field: FieldId) => boolean): boolean {
  const answers = (node: Node): boolean => {
    if (node.kind === 'and' || node.kind === 'or') return node.items.every(answers);
    if (node.kind === 'not') return answers(node.item);
    const field = lookupField(node);
    return node.kind === 'const' || (field !== undefined && has(field));
  };
  return answers(filter.root);
}

/** The fields whose indexes a filter would use. */
export function lookupFields(filter: CheckedFilter): ReadonlySet<FieldId> {
  const fields = new Set<FieldId>();
  const visit = (node: Node): void => {
    if (node.kind === 'and' || node.kind === 'or') node.items.forEach(visit);
    else if (node.kind === 'not') visit(node.item);
    else {
      const field = lookupField(node);
      if (field !== undefined) fields.add(field);
    }
  };
  visit(filter.root);
  return fields;
}

/**
 * The field whose index could answer a condition: comparisons with constants and lists, of a plain
 * column. Undefined for every other condition.
 */
function lookupField(node: Node): FieldId | undefined {
  if (node.kind !== 'compare' && node.kind !== 'in') return undefined;
  return node.operand.kind === 'column' ? node.operand.field : undefined;
}

/** Answers a condition by an index of its column; undefined when there is none. */
export function lookUp(node: CompareNode | InNode, scope: Scope): Leaf | undefined {
  const { lookups } = scope.batch;
  const field = lookups === undefined ? undefined : lookupField(node);
  const lookup = field === undefined ? undefined : lookups?.get(field);
  // Indexes number rows as the batch does.
  if (field === undefined || lookup === undefined || scope.base !== 0) return undefined;
  const bits = lookup(spansOf(node)).subarray(0, bitsetWords(scope.rows));
  return { bits, known: knownRows(placedColumn(scope, field), scope.rows) };
}

const spans = new WeakMap<Node, readonly ValueSpan[]>();

/** The values that make a condition true. */
function spansOf(node: CompareNode | InNode): readonly ValueSpan[] {
  let known = spans.get(node);
  if (known === undefined) {
    known = makeSpans(node);
    spans.set(node, known);
  }
  return known;
}

function makeSpans(node: CompareNode | InNode): readonly ValueSpan[] {
  const text = node.operand.kind === 'column' && /^(varchar|bytes)$/.test(node.operand.type);
  const of = text ? bytesOf : numberOf;
  if (node.kind === 'in') return node.values.map((one) => ({ min: of(one), max: of(one) }));
  const value = of(node.value);
  switch (node.op) {
    case '==':
      return [{ min: value, max: value }];
    case '!=':
      return [
        { max: value, below: true },
        { min: value, above: true },
      ];
    case '<':
      return [{ max: value, below: true }];
    case '<=':
      return [{ max: value }];
    case '>':
      return [{ min: value, above: true }];
    case '>=':
      return [{ min: value }];
  }
}
