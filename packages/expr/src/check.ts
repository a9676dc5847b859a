import type { CollectionSchema, Field, FieldId } from '@elanus/core';
import {
  ElanusError,
  LIMITS,
  TIMESTAMP_FIELD,
  didYouMean,
  dynamicField,
  fieldByName,
  DYNAMIC_FIELD,
} from '@elanus/core';
import type {
  ArithExpr,
  CompareExpr,
  CompareOp,
  ContainsExpr,
  Expr,
  InExpr,
  LikeExpr,
  Literal,
  NullExpr,
  PathExpr,
} from './ast.ts';
import type { CheckedFilter, Node, Operand, PlainType } from './checked.ts';
import { coerce, isWhole, operandType } from './coerce.ts';
import { filterInvalid } from './failure.ts';
import { compileLike } from './like.ts';
import { checkListLength } from './literal.ts';

interface Checker {
  readonly schema: CollectionSchema;
  readonly fields: Map<FieldId, Field>;
  readsTimestamp: boolean;
  depth: number;
}

/**
 * Fits a filter to a schema: names become field ids, constants take the operand's type, `not in`,
 * ranges and `exists` become their simpler parts. Names that are no field reach into `$meta` when
 * the collection is dynamic.
 *
 * @throws unknown_field, filter_invalid (with position in text filters, field and hint).
 */
export function checkFilter(expr: Expr, schema: CollectionSchema): CheckedFilter {
  const checker: Checker = { schema, fields: new Map(), readsTimestamp: false, depth: 0 };
  const root = condition(checker, expr);
  const fields = new Map([...checker.fields].sort(([a], [b]) => a - b));
  return { root, fields, readsTimestamp: checker.readsTimestamp };
}

function condition(checker: Checker, expr: Expr): Node {
  switch (expr.kind) {
    case 'literal':
      if (typeof expr.value === 'boolean') return { kind: 'const', value: expr.value };
      throw notACondition(expr);
    case 'path':
      return flag(checker, expr);
    case 'and':
    case 'or':
      return join(checker, expr.kind, expr.items);
    case 'not':
      return deeper(checker, expr, () => negate(condition(checker, expr.operand)));
    case 'compare':
      return compare(checker, expr);
    case 'in':
      return inList(checker, expr);
    case 'like':
      return like(checker, expr);
    case 'null':
      return nullTest(checker, expr);
    case 'contains':
      return contains(checker, expr);
    default:
      throw notACondition(expr);
  }
}

function notACondition(expr: Expr): Error {
  return filterInvalid('a condition is expected', {
    position: expr.at,
    hint: 'Compare it with a value.',
  });
}

function deeper<T>(checker: Checker, expr: Expr, body: () => T): T {
  if (++checker.depth > LIMITS.filterDepthMax) {
    throw filterInvalid(`nested more than ${LIMITS.filterDepthMax} levels deep`, {
      position: expr.at,
    });
  }
  const result = body();
  checker.depth--;
  return result;
}

function negate(node: Node): Node {
  if (node.kind === 'not') return node.item;
  if (node.kind === 'const') return { kind: 'const', value: !node.value };
  return { kind: 'not', item: node };
}

function join(checker: Checker, kind: 'and' | 'or', exprs: readonly Expr[]): Node {
  const [only] = exprs;
  if (only !== undefined && exprs.length === 1) return condition(checker, only);
  const items: Node[] = [];
  for (const expr of exprs) {
    const item = deeper(checker, expr, () => condition(checker, expr));
    if (item.kind === kind) items.push(...item.items);
    else items.push(item);
  }
  if (items.length === 0) return { kind: 'const', value: kind === 'and' };
  return { kind, items };
}

/** A field alone is a condition when it is a bool. */
function flag(checker: Checker, expr: PathExpr): Node {
  const operand = resolve(checker, expr);
  if (operandType(operand) === 'bool' && operand.kind !== 'array') {
    return { kind: 'compare', op: '==', operand, value: true };
  }
  throw notACondition(expr);
}

function resolve(checker: Checker, expr: Expr): Operand {
  switch (expr.kind) {
    case 'path':
      return resolvePath(checker, expr);
    case 'length':
      return resolveLength(checker, expr.operand);
    case 'arith':
      return resolveArith(checker, expr);
    case 'not':
      throw filterInvalid('`not` binds tighter than comparisons and `in`', {
        position: expr.at,
        hint: 'Write not (a > 5), or a not in [...].',
      });
    case 'literal':
      throw filterInvalid('a field is expected, not a constant', { position: expr.at });
    default:
      throw filterInvalid('a field is expected', { position: expr.at });
  }
}

function resolvePath(checker: Checker, expr: PathExpr): Operand {
  const { schema } = checker;
  const { name, path, at: position } = expr;
  if (name === TIMESTAMP_FIELD) {
    checker.readsTimestamp = true;
    if (path.length > 0) throw filterInvalid('$ts has nothing inside', { position });
    return { kind: 'timestamp' };
  }
  const field = fieldByName(schema, name);
  if (field === undefined) {
    if (!schema.dynamic || name.startsWith('$')) throw unknownField(schema, name);
    return jsonOperand(checker, dynamicField(), { ...expr, path: [name, ...path] });
  }
  if (field.type === 'json') return jsonOperand(checker, field, expr);
  checker.fields.set(field.id, field);
  if (field.type === 'vector') {
    throw filterInvalid('vectors cannot be filtered', {
      position,
      field: name,
      hint: 'Use search with `within` to bound the distance.',
    });
  }
  if (field.type === 'array') return resolveElement(field, expr);
  if (path.length === 0) return { kind: 'column', field: field.id, type: field.type };
  throw filterInvalid(`\`${name}\` has nothing inside: it is ${field.type}`, {
    position,
    field: name,
  });
}

function jsonOperand(checker: Checker, field: Field, expr: PathExpr): Operand {
  if (expr.path.length > LIMITS.jsonDepthMax) {
    throw filterInvalid('a path is deeper than JSON can be', { position: expr.at });
  }
  checker.fields.set(field.id, field);
  return { kind: 'json', field: field.id, path: expr.path };
}

function unknownField(schema: CollectionSchema, name: string): Error {
  const names = schema.fields.map((field) => field.name);
  const hint = didYouMean(name, [
    ...names,
    TIMESTAMP_FIELD,
    ...(schema.dynamic ? [DYNAMIC_FIELD] : []),
  ]);
  const known = names.length <= 12 ? `Fields: ${names.join(', ')}.` : undefined;
  return new ElanusError('unknown_field', { field: name, hint: hint ?? known });
}

function resolveElement(field: Field, expr: PathExpr): Operand {
  const type = (field.element?.type ?? 'int64') as PlainType;
  const [index, ...rest] = expr.path;
  if (index === undefined) return { kind: 'array', field: field.id, type };
  if (typeof index === 'number' && rest.length === 0) {
    return { kind: 'element', field: field.id, type, index };
  }
  throw filterInvalid('an array takes one position', {
    position: expr.at,
    field: field.name,
    hint: 'Write field[0].',
  });
}

function resolveLength(checker: Checker, expr: Expr): Operand {
  const operand = resolve(checker, expr);
  if (operand.kind === 'array') return { kind: 'length', field: operand.field };
  if (operand.kind === 'json') {
    return { kind: 'length', field: operand.field, path: operand.path };
  }
  throw filterInvalid('array_length needs an array', { position: expr.at });
}

function resolveArith(checker: Checker, expr: ArithExpr): Operand {
  const of = resolve(checker, expr.operand);
  const by = expr.by.value;
  const type = operandType(of);
  const position = expr.at;
  if (typeof by !== 'bigint' && typeof by !== 'number') {
    throw filterInvalid('arithmetic needs a number', { position: expr.by.at });
  }
  if (of.kind === 'array' || type === 'varchar' || type === 'bool' || type === 'bytes') {
    throw filterInvalid(`arithmetic does not work on ${type}`, { position });
  }
  if (type === 'ts') throw filterInvalid('arithmetic does not work on $ts', { position });
  if ((expr.op === '/' || expr.op === '%') && Number(by) === 0) {
    throw filterInvalid('division by zero', { position: expr.by.at });
  }
  const float = type === 'float' || type === 'double';
  if (expr.op === '%' && (float || typeof by === 'number')) {
    throw filterInvalid('`%` needs integers', { position });
  }
  if (type !== 'json' && !float && typeof by === 'number') {
    throw filterInvalid('an integer field takes an integer constant in arithmetic', {
      position: expr.by.at,
      hint: 'Write the constant without a fraction.',
    });
  }
  if (type === 'timestamp' && expr.op !== '+' && expr.op !== '-') {
    throw filterInvalid('timestamps can only be moved by an interval', { position });
  }
  return { kind: 'arith', op: expr.op, of, by: float ? Number(by) : by };
}

const FLIPPED: Readonly<Record<CompareOp, CompareOp>> = {
  '==': '==',
  '!=': '!=',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

function compare(checker: Checker, expr: CompareExpr): Node {
  const { left, right } = expr;
  if (left.kind === 'literal' && right.kind === 'literal') {
    throw filterInvalid('two constants are compared', {
      position: expr.at,
      hint: 'One side has to be a field.',
    });
  }
  if (left.kind === 'literal') {
    return compareValue(checker, { ...expr, op: FLIPPED[expr.op], left: right, right: left });
  }
  if (right.kind === 'literal') return compareValue(checker, expr);
  return compareColumns(checker, expr);
}

function compareValue(checker: Checker, expr: CompareExpr): Node {
  const operand = resolve(checker, expr.left);
  const given = (expr.right as { readonly value: Literal }).value;
  const type = operandType(operand);
  const { op } = expr;
  const target = { name: nameOf(expr.left), position: expr.right.at };
  const equality = op === '==' || op === '!=';
  if (operand.kind === 'array') {
    if (!equality || !Array.isArray(given)) {
      throw filterInvalid('a whole array can only be == or != a list', {
        position: expr.at,
        field: target.name,
        hint: 'Use array_contains, or an element: field[0].',
      });
    }
    const value = given.map((item) => coerce(item, operand.type, target));
    return { kind: 'compare', op, operand, value };
  }
  if (given === null) return coerce(given, 'varchar', target) as never;
  const value = coerce(given, type, target);
  const ordered = typeof value !== 'boolean' && (typeof value !== 'object' || value === null);
  if (!equality && !ordered) {
    throw filterInvalid(`\`${op}\` does not work here: such values have no order`, {
      position: expr.at,
      field: target.name,
      hint: 'Use == or !=.',
    });
  }
  return { kind: 'compare', op, operand, value };
}

function nameOf(expr: Expr): string {
  if (expr.kind === 'path') {
    return expr.name + expr.path.map((part) => `[${JSON.stringify(part)}]`).join('');
  }
  if (expr.kind === 'length' || expr.kind === 'arith') return nameOf(expr.operand);
  return 'the other side';
}

type Family = 'number' | 'text' | 'bool' | 'bytes' | 'instant' | 'other';

function family(type: PlainType | 'ts' | 'json'): Family {
  if (
    type === 'float' ||
    type === 'double' ||
    (type !== 'json' && type !== 'ts' && isWhole(type))
  ) {
    return 'number';
  }
  if (type === 'varchar') return 'text';
  if (type === 'bool' || type === 'bytes') return type;
  return type === 'timestamp' ? 'instant' : 'other';
}

function compareColumns(checker: Checker, expr: CompareExpr): Node {
  const left = resolve(checker, expr.left);
  const right = resolve(checker, expr.right);
  const [a, b] = [family(operandType(left)), family(operandType(right))];
  const whole = left.kind === 'array' || right.kind === 'array';
  const equality = expr.op === '==' || expr.op === '!=';
  if (whole || a !== b || a === 'other' || (!equality && (a === 'bool' || a === 'bytes'))) {
    throw filterInvalid('these two fields cannot be compared', {
      position: expr.at,
      hint: 'Compare fields of one type; JSON only with constants.',
    });
  }
  return { kind: 'columns', op: expr.op, left, right };
}

function inList(checker: Checker, expr: InExpr): Node {
  const operand = resolve(checker, expr.operand);
  const list = expr.list;
  if (list.kind !== 'literal' || !Array.isArray(list.value)) {
    throw filterInvalid('`in` needs a list of constants', {
      position: list.at,
      hint: 'Write field in [1, 2], or bind a list: field in {list}.',
    });
  }
  if (operand.kind === 'array') {
    throw filterInvalid('`in` does not work on whole arrays', {
      position: expr.at,
      hint: 'Use array_contains_any.',
    });
  }
  checkListLength(list.value.length, list.at);
  const target = { name: nameOf(expr.operand), position: list.at };
  const type = operandType(operand);
  const values = list.value.map((item: Literal) => {
    if (item === null) throw filterInvalid('null stands in a list', { position: list.at });
    return coerce(item, type, target);
  });
  const node: Node = { kind: 'in', operand, values };
  return expr.negated ? negate(node) : node;
}

function like(checker: Checker, expr: LikeExpr): Node {
  const operand = resolve(checker, expr.operand);
  const type = operandType(operand);
  if (operand.kind === 'array' || (type !== 'varchar' && type !== 'json')) {
    throw filterInvalid(`like works on text, not on ${type}`, {
      position: expr.at,
      field: nameOf(expr.operand),
    });
  }
  const pattern = expr.pattern.kind === 'literal' ? expr.pattern.value : undefined;
  if (typeof pattern !== 'string') {
    throw filterInvalid('like needs a pattern in quotes', { position: expr.pattern.at });
  }
  compileLike(pattern, expr.pattern.at);
  return { kind: 'like', operand, pattern };
}

function nullTest(checker: Checker, expr: NullExpr): Node {
  const operand = resolve(checker, expr.operand);
  if (operand.kind !== 'column' && operand.kind !== 'json' && operand.kind !== 'array') {
    throw filterInvalid('null tests work on fields and JSON paths', { position: expr.at });
  }
  const node: Node = { kind: 'null', operand };
  return expr.negated ? negate(node) : node;
}

function contains(checker: Checker, expr: ContainsExpr): Node {
  const operand = resolve(checker, expr.operand);
  const list = expr.values.kind === 'literal' ? expr.values.value : undefined;
  if (!Array.isArray(list)) {
    throw filterInvalid('contains needs constants', { position: expr.values.at });
  }
  checkListLength(list.length, expr.values.at);
  if (operand.kind !== 'array' && operand.kind !== 'json') {
    throw filterInvalid('contains works on arrays', {
      position: expr.at,
      field: nameOf(expr.operand),
      hint: 'Use == or in.',
    });
  }
  const target = { name: nameOf(expr.operand), position: expr.values.at };
  const type = operandType(operand);
  const values = list.map((item: Literal) => {
    if (item === null) throw filterInvalid('null stands in a list', { position: expr.values.at });
    return coerce(item, type, target);
  });
  return { kind: 'contains', mode: expr.mode, operand, values };
}
