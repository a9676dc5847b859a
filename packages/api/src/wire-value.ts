import { ElanusError, LIMITS } from '@elanus/core';
import { fromBase64, toBase64 } from './base64.ts';

/**
 * Values of filters on JSON wires. JSON's own kinds travel as they are; what JSON lacks travels as
 * an object with one key: `{ "$int": "9007199254740993" }`, `{ "$bytes": "AAEC" }`,
 * `{ "$date": "2025-01-01T00:00:00.000Z" }`. A caller's object that looks like one of these is
 * wrapped in `{ "$object": [[key, value]] }`.
 */
const TAGS: ReadonlySet<string> = new Set(['$int', '$date', '$bytes', '$object']);

/** Anything JSON can carry. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/**
 * A filter's value as JSON, exactly.
 *
 * @throws filter_invalid for undefined, functions, NaN and what else means nothing in a filter.
 */
export function encodeValue(value: unknown, depth = 0): Json {
  if (depth > LIMITS.filterDepthMax) throw unusable('nested too deeply');
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'bigint':
      return { $int: String(value) };
    case 'number':
      if (Number.isFinite(value)) return Object.is(value, -0) ? 0 : value;
      throw unusable(String(value));
    case 'object':
      return value === null ? null : encodeObject(value, depth + 1);
    default:
      throw unusable(typeof value);
  }
}

function unusable(what: string): Error {
  return new ElanusError('filter_invalid', {
    why: `a value is ${what}`,
    hint: 'Leave the condition out instead.',
  });
}

function encodeObject(value: object, depth: number): Json {
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw unusable('not a valid date');
    return { $date: value.toISOString() };
  }
  if (value instanceof Uint8Array) return { $bytes: toBase64(value) };
  if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))) {
    const list = Array.from(value as unknown as ArrayLike<unknown>);
    return list.map((item) => encodeValue(item, depth));
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw unusable('neither JSON nor a date');
  }
  const entries = Object.entries(value).map(([key, item]): [string, Json] => [
    key,
    encodeValue(item, depth),
  ]);
  const [first] = entries;
  if (entries.length === 1 && first !== undefined && TAGS.has(first[0])) {
    return { $object: entries };
  }
  return Object.fromEntries(entries);
}

/** The value JSON stands for; the inverse of `encodeValue`. @throws filter_invalid */
export function decodeValue(json: Json, depth = 0): unknown {
  if (depth > 2 * LIMITS.filterDepthMax) throw unusable('nested too deeply');
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json))
    return (json as readonly Json[]).map((item) => decodeValue(item, depth + 1));
  const entries = Object.entries(json as Record<string, Json>);
  const [first] = entries;
  if (entries.length === 1 && first !== undefined && TAGS.has(first[0])) {
    return decodeTag(first[0], first[1], depth);
  }
  return plainObject(entries, depth);
}

function plainObject(entries: readonly (readonly [string, Json])[], depth: number): unknown {
  return Object.fromEntries(entries.map(([key, item]) => [key, decodeValue(item, depth + 1)]));
}

function decodeTag(tag: string, content: Json, depth: number): unknown {
  if (tag === '$int' && typeof content === 'string' && /^-?\d{1,20}$/.test(content)) {
    return BigInt(content);
  }
  if (tag === '$date' && typeof content === 'string') {
    const date = new Date(content);
    if (!Number.isNaN(date.getTime())) return date;
  }
  if (tag === '$bytes' && typeof content === 'string') {
    const bytes = fromBase64(content);
    if (bytes !== undefined) return bytes;
  }
  if (tag === '$object' && Array.isArray(content) && content.every(isEntry)) {
    return plainObject(content as readonly (readonly [string, Json])[], depth);
  }
  throw unusable(`not a valid ${tag}`);
}

function isEntry(item: unknown): boolean {
  return Array.isArray(item) && item.length === 2 && typeof item[0] === 'string';
}
