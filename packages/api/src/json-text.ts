import { LIMITS } from '@elanus/core';

/** Why a value cannot be kept as JSON. */
export interface JsonFault {
  readonly code: 'wrong_type' | 'value_out_of_range';
  readonly expected: string;
  readonly hint?: string;
}

/**
 * A value as canonical JSON text: no spaces, keys in their own order, bigint as whole numbers,
 * dates as ISO text. Refuses what JSON would silently lose.
 */
export function jsonText(value: unknown): string | JsonFault {
  const fault = faultOf(value, 0);
  if (fault !== undefined) return fault;
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? Number(item) : item,
  );
}

function faultOf(value: unknown, depth: number): JsonFault | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      if (Number.isFinite(value)) return undefined;
      return { code: 'value_out_of_range', expected: 'finite numbers in JSON' };
    case 'bigint':
      if (value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)) {
        return undefined;
      }
      return {
        code: 'value_out_of_range',
        expected: 'integers up to 2^53 in JSON',
        hint: 'Keep larger ones as text, or in an int64 field.',
      };
    case 'object':
      return value === null ? undefined : objectFault(value, depth);
    default:
      return { code: 'wrong_type', expected: 'JSON', hint: `It holds ${typeof value}.` };
  }
}

function objectFault(value: object, depth: number): JsonFault | undefined {
  if (depth >= LIMITS.jsonDepthMax) {
    return {
      code: 'value_out_of_range',
      expected: `at most ${LIMITS.jsonDepthMax} levels of JSON`,
    };
  }
  if (value instanceof Date) {
    if (!Number.isNaN(value.getTime())) return undefined;
    return { code: 'value_out_of_range', expected: 'valid dates in JSON' };
  }
  if (Array.isArray(value)) {
    for (const item of value) {
      const fault = faultOf(item, depth + 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    const name = value.constructor?.name ?? 'an object';
    return { code: 'wrong_type', expected: 'plain JSON', hint: `It holds ${name}.` };
  }
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key];
    // An undefined member is an absent one, as everywhere in JavaScript.
    const fault = item === undefined ? undefined : faultOf(item, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
