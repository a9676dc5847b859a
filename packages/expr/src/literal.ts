import { LIMITS } from '@elanus/core';
import type { Literal } from './ast.ts';
import { filterInvalid } from './failure.ts';
import { isWord64 } from './lexer.ts';

/** Where a value stands, for errors. */
export interface ValuePlace {
  readonly position?: number | undefined;
  readonly field?: string | undefined;
  readonly depth?: number;
}

/**
 * A caller's value as a constant of the language: whole numbers become bigint, dates ISO text,
 * typed arrays lists, plain objects maps.
 *
 * @throws filter_invalid for undefined, functions, symbols, NaN, infinities and class instances.
 */
export function literalOf(value: unknown, place: ValuePlace = {}): Literal {
  const depth = place.depth ?? 0;
  if (depth > LIMITS.jsonDepthMax) throw fault('a value is nested too deeply', place);
  switch (typeof value) {
    case 'boolean':
      return value;
    case 'string':
      return wellFormed(value);
    case 'bigint':
      if (!isWord64(value)) throw fault('an integer does not fit 64 bits', place);
      return value;
    case 'number':
      return numberLiteral(value, place);
    case 'object':
      return value === null ? null : objectLiteral(value, { ...place, depth: depth + 1 });
    default:
      throw fault(`a value is ${typeof value}`, place, 'Leave the condition out instead.');
  }
}

/** Text that UTF-8 can hold: lone surrogates are replaced, as every encoder does. */
export function wellFormed(text: string): string {
  return /[\ud800-\udfff]/.test(text) ? decoder.decode(encoder.encode(text)) : text;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function fault(why: string, place: ValuePlace, hint?: string): Error {
  return filterInvalid(why, { position: place.position, field: place.field, hint });
}

function numberLiteral(value: number, place: ValuePlace): Literal {
  if (!Number.isFinite(value)) throw fault(`a number is ${value}`, place);
  return Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? BigInt(value) : value;
}

function objectLiteral(value: object, place: ValuePlace): Literal {
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw fault('a date is not valid', place);
    return value.toISOString();
  }
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))) {
    const list = Array.from(value as unknown as ArrayLike<unknown>);
    checkListLength(list.length, place.position);
    return list.map((item) => literalOf(item, place));
  }
  if (!isPlainObject(value)) {
    throw fault('a value is neither JSON nor a date', place, 'Convert it to plain values first.');
  }
  const entries = Object.entries(value).map(
    ([key, item]) => [wellFormed(key), literalOf(item, place)] as const,
  );
  return new Map(entries);
}

/** Whether a value is an object literal, as `{}` and `JSON.parse` make them. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Refuses lists longer than the limit. */
export function checkListLength(length: number, position?: number): void {
  if (length <= LIMITS.filterListMax) return;
  throw filterInvalid(`a list has more than ${LIMITS.filterListMax} values`, { position });
}
