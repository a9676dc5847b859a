import type { Field, FieldId, ScalarType } from '@elanus/core';
import type { ArithOp, CompareOp, ContainsMode, Literal } from './ast.ts';

/** Keys and positions from a JSON value's root to the value meant. */
export type JsonPath = readonly (string | number)[];

/** Types a fixed field or array element can have in a filter. */
export type PlainType = Exclude<ScalarType, 'json'>;

/** What a condition looks at: something with at most one value per row. */
export type Operand =
  /** A scalar field. */
  | { readonly kind: 'column'; readonly field: FieldId; readonly type: PlainType }
  /** One element of an array field; rows with shorter arrays are unknown. */
  | {
      readonly kind: 'element';
      readonly field: FieldId;
      readonly type: PlainType;
      readonly index: number;
    }
  /** A whole array field. */
  | { readonly kind: 'array'; readonly field: FieldId; readonly type: PlainType }
  /** How many elements an array field, or a JSON array, has. */
  | { readonly kind: 'length'; readonly field: FieldId; readonly path?: JsonPath }
  /** A value inside a JSON field; an empty path is the whole value. */
  | { readonly kind: 'json'; readonly field: FieldId; readonly path: JsonPath }
  /** The row's timestamp. */
  | { readonly kind: 'timestamp' }
  /** `of op by`; whole numbers exactly, others as double. */
  | {
      readonly kind: 'arith';
      readonly op: ArithOp;
      readonly of: Operand;
      readonly by: bigint | number;
    };

/** `operand op value`. */
export interface CompareNode {
  readonly kind: 'compare';
  readonly op: CompareOp;
  readonly operand: Operand;
  readonly value: Literal;
}

/** `left op right`, both from the row. */
export interface ColumnsNode {
  readonly kind: 'columns';
  readonly op: CompareOp;
  readonly left: Operand;
  readonly right: Operand;
}

/** `operand in values`. */
export interface InNode {
  readonly kind: 'in';
  readonly operand: Operand;
  readonly values: readonly Literal[];
}

/** `operand like pattern`. */
export interface LikeNode {
  readonly kind: 'like';
  readonly operand: Operand;
  readonly pattern: string;
}

/** `operand is null`: never unknown. For JSON: missing, or null. */
export interface NullNode {
  readonly kind: 'null';
  readonly operand: Operand;
}

/** Whether an array holds any or all of the values. */
export interface ContainsNode {
  readonly kind: 'contains';
  readonly mode: ContainsMode;
  readonly operand: Operand;
  readonly values: readonly Literal[];
}

/** A condition on one row, with names resolved and constants in the operand's type. */
export type Node =
  | { readonly kind: 'const'; readonly value: boolean }
  | { readonly kind: 'and' | 'or'; readonly items: readonly Node[] }
  | { readonly kind: 'not'; readonly item: Node }
  | CompareNode
  | ColumnsNode
  | InNode
  | LikeNode
  | NullNode
  | ContainsNode;

/**
 * A filter that fits a schema. Plain data; two filters that mean the same by the same conditions in
 * the same order are deeply equal.
 */
export interface CheckedFilter {
  readonly root: Node;
  /** The fields it reads, by id; `$ts` is not among them. */
  readonly fields: ReadonlyMap<FieldId, Field>;
  /** Whether it reads the rows' timestamps. */
  readonly readsTimestamp: boolean;
}

/** The fields that have to be loaded before a filter can be evaluated. */
export function filterFields(filter: CheckedFilter): readonly FieldId[] {
  return [...filter.fields.keys()];
}

/** Whether every row passes: the filter of empty text and of `{}`. */
export function matchesAll(filter: CheckedFilter): boolean {
  return filter.root.kind === 'const' && filter.root.value;
}

/**
 * Whether a filter, or a part of it, says nothing: constants, and lists without values. Such a
 * filter is refused where it would remove rows.
 */
export function saysNothing(filter: CheckedFilter): boolean {
  return hasEmptyPart(filter.root);
}

function hasEmptyPart(node: Node): boolean {
  if (node.kind === 'const') return true;
  if (node.kind === 'not') return hasEmptyPart(node.item);
  if (node.kind === 'and' || node.kind === 'or') return node.items.some(hasEmptyPart);
  if (node.kind === 'in' || node.kind === 'contains') return node.values.length === 0;
  return false;
}
