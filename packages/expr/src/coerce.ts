import { timestampFromMs } from '@elanus/core';
import type { Literal } from './ast.ts';
import type { Operand, PlainType } from './checked.ts';
import { filterInvalid } from './failure.ts';
import { parseInstant } from './time.ts';

/** What a constant is compared with, for errors. */
export interface Target {
  readonly name: string;
  readonly position?: number | undefined;
}

const WHOLE: ReadonlySet<string> = new Set(['int8', 'int16', 'int32', 'int64']);

/** Whether a type holds whole numbers. */
export function isWhole(type: PlainType): boolean {
  return WHOLE.has(type);
}

/** The type a constant has to have to meet an operand; undefined when JSON takes any. */
export function operandType(operand: Operand): PlainType | 'ts' | 'json' {
  switch (operand.kind) {
    case 'column':
    case 'element':
    case 'array':
      return operand.type;
    case 'length':
      return 'int32';
    case 'json':
      return 'json';
    case 'timestamp':
      return 'ts';
    case 'arith':
      return operandType(operand.of) === 'float' ? 'double' : operandType(operand.of);
  }
}

/**
 * A constant in the type of what it is compared with, in its one canonical form, so that equal
 * filters print alike. Whole numbers are bigint; float32 constants are rounded to float32 as Milvus
 * does; instants are milliseconds.
 *
 * @throws filter_invalid when the constant cannot be compared with that type.
 */
export function coerce(value: Literal, type: PlainType | 'ts' | 'json', target: Target): Literal {
  switch (type) {
    case 'json':
      return jsonConstant(value);
    case 'bool':
      if (typeof value === 'boolean') return value;
      break;
    case 'varchar':
      if (typeof value === 'string') return value;
      break;
    case 'bytes':
      if (value instanceof Uint8Array) return value;
      break;
    case 'timestamp':
    case 'ts':
      return instant(value, type, target);
    case 'float':
    case 'double':
      if (typeof value === 'number' || typeof value === 'bigint') return real(value, type);
      break;
    default:
      return whole(value, type, target);
  }
  throw mismatch(value, type, target);
}

function mismatch(value: Literal, type: string, target: Target): Error {
  const hint =
    value === null
      ? 'Use is null, or { isNull: true }.'
      : `Give a value of type ${type === 'ts' ? 'bigint' : type}.`;
  return filterInvalid(`a value of type ${literalType(value)} does not fit \`${target.name}\``, {
    position: target.position,
    field: target.name,
    hint,
  });
}

/** A constant's type in words. */
function literalType(value: Literal): string {
  if (value === null) return 'null';
  if (typeof value === 'bigint') return 'integer';
  if (typeof value !== 'object') return typeof value;
  if (value instanceof Uint8Array) return 'bytes';
  return Array.isArray(value) ? 'list' : 'object';
}

function real(value: number | bigint, type: 'float' | 'double'): Literal {
  const near = Number(value);
  if (type === 'float') {
    const float = Math.fround(near);
    return Number.isFinite(float) ? float + 0 : near;
  }
  if (typeof value === 'bigint' && BigInt(near) !== value) return value;
  return near === 0 ? 0 : near;
}

function whole(value: Literal, type: PlainType, target: Target): Literal {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return wholeOr(value);
  if (type === 'int64' && typeof value === 'string' && /^-?\d{1,20}$/.test(value)) {
    return BigInt(value);
  }
  throw mismatch(value, type, target);
}

/** Numbers without a fraction as bigint, while they fit 64 bits. */
function wholeOr(value: number): bigint | number {
  return Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? BigInt(value) : value;
}

function instant(value: Literal, type: 'timestamp' | 'ts', target: Target): Literal {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isInteger(value)) return wholeOr(value);
  if (typeof value === 'string') {
    if (type === 'ts' && /^\d{1,20}$/.test(value)) return BigInt(value);
    const ms = parseInstant(value);
    if (ms !== undefined) return type === 'ts' ? timestampFromMs(Math.max(0, ms)) : BigInt(ms);
    throw filterInvalid(`\`${value.slice(0, 64)}\` is not an ISO 8601 instant`, {
      position: target.position,
      field: target.name,
      hint: "Write '2025-01-31T12:00:00Z'.",
    });
  }
  throw mismatch(value, type, target);
}

/** JSON knows one kind of number: 5.0 and 5 are one constant. Bytes have no JSON form. */
function jsonConstant(value: Literal): Literal {
  if (typeof value === 'number') return wholeOr(value);
  if (value instanceof Uint8Array) {
    throw filterInvalid('bytes cannot be compared with JSON', { hint: 'Use a bytes field.' });
  }
  if (Array.isArray(value)) return value.map(jsonConstant);
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => [key, jsonConstant(item)] as const);
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return new Map(entries);
  }
  return value;
}
