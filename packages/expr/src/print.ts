import type { Literal } from './ast.ts';
import type { CheckedFilter, JsonPath, Node, Operand } from './checked.ts';
import { DYNAMIC_FIELD, TIMESTAMP_FIELD } from '@elanus/core';
import { isPlainName } from './lexer.ts';

/**
 * The one text of a checked filter: how filters travel and how people read them. Parsing and
 * checking it against the same schema gives a deeply equal filter.
 */
export function printFilter(filter: CheckedFilter): string {
  return printNode(filter.root, filter);
}

function printNode(node: Node, filter: CheckedFilter): string {
  switch (node.kind) {
    case 'const':
      return String(node.value);
    case 'and':
    case 'or':
      return node.items.map((item) => printItem(item, filter)).join(` ${node.kind} `);
    case 'not':
      return printNot(node.item, filter);
    case 'compare': {
      const value = printFor(node.operand, node.value);
      return `${printOperand(node.operand, filter)} ${node.op} ${value}`;
    }
    case 'columns':
      return `${printOperand(node.left, filter)} ${node.op} ${printOperand(node.right, filter)}`;
    case 'in': {
      const list = node.values.map((value) => printFor(node.operand, value)).join(', ');
      return `${printOperand(node.operand, filter)} in [${list}]`;
    }
    case 'like':
      return `${printOperand(node.operand, filter)} like ${JSON.stringify(node.pattern)}`;
    case 'null':
      return `${printOperand(node.operand, filter)} is null`;
    case 'contains': {
      const list = node.values.map((value) => printFor(node.operand, value)).join(', ');
      const name = `${node.operand.kind}_contains_${node.mode}`;
      return `${name}(${printOperand(node.operand, filter)}, [${list}])`;
    }
  }
}

function printItem(node: Node, filter: CheckedFilter): string {
  const text = printNode(node, filter);
  return node.kind === 'and' || node.kind === 'or' ? `(${text})` : text;
}

function printNot(node: Node, filter: CheckedFilter): string {
  const text = printNode(node, filter);
  if (node.kind === 'null') return text.replace(/ is null$/, ' is not null');
  if (node.kind === 'contains' || node.kind === 'like') return `not ${text}`;
  return `not (${text})`;
}

function printOperand(operand: Operand, filter: CheckedFilter): string {
  switch (operand.kind) {
    case 'timestamp':
      return TIMESTAMP_FIELD;
    case 'column':
    case 'array':
      return fieldName(operand.field, filter);
    case 'element':
      return `${fieldName(operand.field, filter)}[${operand.index}]`;
    case 'json':
      return printPath(operand.field, operand.path, filter);
    case 'length':
      return `array_length(${printPath(operand.field, operand.path ?? [], filter)})`;
    case 'arith':
      return `${printOperand(operand.of, filter)} ${operand.op} ${printLiteral(operand.by)}`;
  }
}

function fieldName(id: number, filter: CheckedFilter): string {
  const name = [...filter.fields.values()].find((field) => field.id === id)?.name ?? DYNAMIC_FIELD;
  return isPlainName(name)
    ? name
    : `\`${JSON.stringify(name).slice(1, -1).replaceAll('`', '\\`')}\``;
}

function printPath(id: number, path: JsonPath, filter: CheckedFilter): string {
  const keys = path.map((part) => `[${JSON.stringify(part)}]`).join('');
  return fieldName(id, filter) + keys;
}

/** Instants as ISO text where a date can hold them, everything else as it is. */
function printFor(operand: Operand, value: Literal): string {
  const type = operand.kind === 'arith' ? operand.of : operand;
  const instant = 'type' in type && type.type === 'timestamp';
  if (instant && typeof value === 'bigint' && value >= -MS_MAX && value <= MS_MAX) {
    return `'${new Date(Number(value)).toISOString()}'`;
  }
  return printLiteral(value);
}

const MS_MAX = 8_640_000_000_000_000n;

/** A constant as filter text. */
export function printLiteral(value: Literal): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return printNumber(value);
  if (typeof value !== 'object') return String(value);
  if (value instanceof Uint8Array) {
    return `x"${Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')}"`;
  }
  if (Array.isArray(value)) return `[${value.map(printLiteral).join(', ')}]`;
  const map = value as ReadonlyMap<string, Literal>;
  const entries = [...map].map(([key, item]) => `${JSON.stringify(key)}: ${printLiteral(item)}`);
  return `{${entries.join(', ')}}`;
}

/** Numbers keep their point, so that they are read back as numbers, not integers. */
function printNumber(value: number): string {
  const text = Object.is(value, -0) ? '-0.0' : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
