import type { CollectionSchema, Field } from '@elanus/core';
import { ElanusError, LIMITS, TIMESTAMP_FIELD, fieldByName, nearestName } from '@elanus/core';
import type { CompareOp, Expr, Literal, LiteralExpr, PathExpr } from './ast.ts';
import { filterInvalid } from './failure.ts';
import { isPlainObject, literalOf } from './literal.ts';

/** Operators of the object form. */
export const OBJECT_OPERATORS = [
  'eq',
  'ne',
  'gt',
  'gte',
  'lt',
  'lte',
  'in',
  'notIn',
  'between',
  'like',
  'isNull',
  'contains',
  'containsAny',
  'containsAll',
] as const;

type Operator = (typeof OBJECT_OPERATORS)[number];

const OPERATORS: ReadonlySet<string> = new Set(OBJECT_OPERATORS);
const COMPARE: Readonly<Partial<Record<Operator, CompareOp>>> = {
  eq: '==',
  ne: '!=',
  gt: '>',
  gte: '>=',
  lt: '<',
  lte: '<=',
};

interface Reader {
  readonly schema: CollectionSchema;
  depth: number;
  nodes: number;
}

/**
 * Reads the object form: `{ field: value }` is equality, `{ field: null }` the null test,
 * `{ field: { gte: 1, lt: 9 } }` operators joined by and, nested objects reach into JSON; `and` and
 * `or` take lists, `not` one filter. `{}` means every row.
 *
 * @throws filter_invalid (undefined anywhere, unknown operators), filter_ambiguous (operators and
 * keys mixed in one object), unknown_field.
 */
export function filterFromObject(value: unknown, schema: CollectionSchema): Expr {
  return readFilter({ schema, depth: 0, nodes: 0 }, value);
}

function readFilter(reader: Reader, value: unknown): Expr {
  if (!isPlainObject(value)) {
    throw filterInvalid('a filter is an object', {
      hint: 'Write { field: value }, or use expr`...` for text.',
    });
  }
  enter(reader);
  const items: Expr[] = [];
  for (const [key, part] of Object.entries(value)) {
    if (part === undefined) throw undefinedValue(key);
    if (key === 'and' || key === 'or') items.push(readList(reader, key, part));
    else if (key === 'not') items.push({ kind: 'not', operand: readFilter(reader, part) });
    else items.push(readField(reader, key, part));
  }
  reader.depth--;
  return { kind: 'and', items };
}

function enter(reader: Reader): void {
  if (++reader.depth > LIMITS.filterDepthMax) {
    throw filterInvalid(`nested more than ${LIMITS.filterDepthMax} levels deep`);
  }
  count(reader);
}

function count(reader: Reader): void {
  if (++reader.nodes > LIMITS.filterNodesMax) {
    throw filterInvalid(`more than ${LIMITS.filterNodesMax} parts`, { hint: 'Use `in`.' });
  }
}

function undefinedValue(field: string): Error {
  return filterInvalid(`\`${field}\` is undefined`, {
    field,
    hint: 'Leave the key out, or write null for the null test.',
  });
}

function readList(reader: Reader, kind: 'and' | 'or', value: unknown): Expr {
  if (!Array.isArray(value)) {
    throw filterInvalid(`\`${kind}\` takes a list of filters`, { field: kind });
  }
  const items = Array.from(value as unknown[], (item) => readFilter(reader, item));
  return { kind, items };
}

function readField(reader: Reader, name: string, value: unknown): Expr {
  const { schema } = reader;
  const field = fieldByName(schema, name);
  const path: PathExpr = { kind: 'path', name, path: [] };
  if (name === TIMESTAMP_FIELD) return readConditions(reader, { path }, value);
  if (field === undefined && OPERATORS.has(name) && !schema.dynamic) {
    throw filterInvalid(`\`${name}\` is an operator and stands where a field is expected`, {
      field: name,
      hint: `Write { field: { ${name}: ... } }.`,
    });
  }
  // Unknown names are judged by the check, which knows the nearest field.
  if (field === undefined || field.type === 'json') return readJson(reader, path, value);
  return readConditions(reader, { path, field }, value);
}

/** What conditions are about; the field for hints, where one is known. */
interface Target {
  readonly path: PathExpr;
  readonly field?: Field | undefined;
}

/** A value, null, or an object of operators only. */
function readConditions(reader: Reader, target: Target, value: unknown): Expr {
  const { path, field } = target;
  count(reader);
  if (value === undefined) throw undefinedValue(path.name);
  if (value === null) return { kind: 'null', operand: path, negated: false };
  if (!isPlainObject(value)) return equals(path, value);
  const names = Object.keys(value);
  const wrong = names.find((name) => !OPERATORS.has(name));
  if (wrong !== undefined) throw unknownOperator(path.name, wrong, field);
  return allOf(names.map((name) => readOperator(path, name as Operator, value[name])));
}

function unknownOperator(field: string, name: string, definition?: Field): Error {
  const near = nearestName(name, OBJECT_OPERATORS);
  const type = definition === undefined ? '' : ` (${definition.type})`;
  return filterInvalid(`\`${name}\` is no operator of \`${field}\`${type}`, {
    field,
    hint:
      near === undefined
        ? `Operators: ${OBJECT_OPERATORS.join(', ')}.`
        : `Did you mean \`${near}\`?`,
  });
}

/** Several conditions on one field; none at all says nothing. */
function allOf(items: readonly Expr[]): Expr {
  return items.length === 1 ? (items[0] as Expr) : { kind: 'and', items };
}

function equals(path: PathExpr, value: unknown): Expr {
  const right = constant(path, value);
  if (right.value === null) return { kind: 'null', operand: path, negated: false };
  return { kind: 'compare', op: '==', left: path, right };
}

function constant(path: PathExpr, value: unknown): LiteralExpr {
  const field = [path.name, ...path.path].join('.');
  return { kind: 'literal', value: literalOf(value, { field }) };
}

/** Inside JSON an object is either operators or keys, never both. */
function readJson(reader: Reader, path: PathExpr, value: unknown): Expr {
  if (!isPlainObject(value)) return readConditions(reader, { path }, value);
  const names = Object.keys(value);
  const operators = names.filter((name) => OPERATORS.has(name));
  if (operators.length === names.length) return readConditions(reader, { path }, value);
  if (operators.length > 0) {
    throw new ElanusError('filter_ambiguous', {
      field: [path.name, ...path.path].join('.'),
      got: names.join(', '),
      hint: 'Keys named like operators are reached by the builder form.',
    });
  }
  enter(reader);
  const items = names.map((name) => {
    if (value[name] === undefined) throw undefinedValue(name);
    return readJson(reader, { ...path, path: [...path.path, name] }, value[name]);
  });
  reader.depth--;
  return allOf(items);
}

function readOperator(path: PathExpr, name: Operator, value: unknown): Expr {
  const field = [path.name, ...path.path].join('.');
  if (value === undefined) throw undefinedValue(`${field}.${name}`);
  const op = COMPARE[name];
  if (op !== undefined) {
    const right = constant(path, value);
    if (right.value === null && (name === 'eq' || name === 'ne')) {
      return { kind: 'null', operand: path, negated: name === 'ne' };
    }
    return { kind: 'compare', op, left: path, right };
  }
  switch (name) {
    case 'in':
    case 'notIn':
      return {
        kind: 'in',
        operand: path,
        list: list(path, name, value),
        negated: name === 'notIn',
      };
    case 'between':
      return between(path, list(path, name, value));
    case 'like':
      return { kind: 'like', operand: path, pattern: constant(path, value) };
    case 'isNull':
      if (typeof value === 'boolean') return { kind: 'null', operand: path, negated: !value };
      throw filterInvalid('`isNull` takes true or false', { field });
    case 'contains': {
      const one = constant(path, value);
      return {
        kind: 'contains',
        mode: 'any',
        operand: path,
        values: { ...one, value: [one.value] },
      };
    }
    default: {
      const mode = name === 'containsAll' ? 'all' : 'any';
      return { kind: 'contains', mode, operand: path, values: list(path, name, value) };
    }
  }
}

function list(path: PathExpr, name: Operator, value: unknown): LiteralExpr {
  const literal = constant(path, value);
  if (Array.isArray(literal.value)) return literal;
  throw filterInvalid(`\`${name}\` takes a list`, { field: path.name });
}

function between(path: PathExpr, ends: LiteralExpr): Expr {
  const [low, high, ...rest] = ends.value as readonly Literal[];
  if (low === undefined || high === undefined || rest.length > 0) {
    throw filterInvalid('`between` takes two values', { field: path.name, hint: 'Both count.' });
  }
  const side = (op: CompareOp, value: Literal): Expr => ({
    kind: 'compare',
    op,
    left: path,
    right: { kind: 'literal', value },
  });
  return { kind: 'and', items: [side('>=', low), side('<=', high)] };
}
