/**
 * Rows as JSON text: 64-bit integers as decimal strings, instants as ISO text, bytes and vectors of
 * bits as base64, other vectors as lists of the shortest numbers that mean the same float32, sparse
 * ones as `{ indices, values }`. What `insert` reads back.
 */
import { halvesToFloats, vectorFields, vectorShape, type CollectionSchema } from '@elanus/core';

/** Rows in which vectors that came back as bits of 16-bit floats are numbers. */
export function withNumbers<R extends object>(rows: readonly R[], schema: CollectionSchema): R[] {
  const halves = vectorFields(schema).flatMap((field) => {
    const { type } = vectorShape(field);
    return type === 'float16' || type === 'bfloat16' ? [{ name: field.name, type }] : [];
  });
  if (halves.length === 0) return [...rows];
  return rows.map((row) => {
    const shown = { ...row } as Record<string, unknown>;
    for (const { name, type } of halves) {
      const bits = shown[name];
      if (bits instanceof Uint16Array) shown[name] = halvesToFloats(type, bits);
    }
    return shown as R;
  });
}

/** One value of a row as JSON carries it. */
export function jsonValue(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Float32Array) return Array.from(value, shortFloat);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Int8Array || value instanceof Uint32Array) return Array.from(value);
  if (Array.isArray(value)) return value.map(jsonValue);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, jsonValue(one)]));
  }
  return value;
}

/** A row, or any result, as one line of JSON. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(jsonValue(value));
}

/** Digits that always suffice for a float32, and fewer where fewer do. */
function shortFloat(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}
