import type { JsonPath } from './checked.ts';

/** Reads JSON text in place: a position in UTF-8 bytes, and where the text ends. */
export interface JsonCursor {
  readonly data: Uint8Array;
  at: number;
  readonly end: number;
}

/** A path made ready: keys as they stand in canonical JSON text, quotes included. */
export type CompiledPath = readonly (Uint8Array | number)[];

const encoder = new TextEncoder();
const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const COMMA = 44;

/** Prepares a path for `seekPath`. */
export function compilePath(path: JsonPath): CompiledPath {
  return path.map((part) =>
    typeof part === 'number' ? part : encoder.encode(JSON.stringify(part)),
  );
}

/** Moves the cursor to the value at the path; false when there is none. Stays before the end. */
export function seekPath(cursor: JsonCursor, path: CompiledPath): boolean {
  skipSpace(cursor);
  for (const part of path) {
    const found = typeof part === 'number' ? seekIndex(cursor, part) : seekKey(cursor, part);
    if (!found) return false;
  }
  return cursor.at < cursor.end;
}

function skipSpace(cursor: JsonCursor): void {
  const { data, end } = cursor;
  while (cursor.at < end) {
    const byte = data[cursor.at];
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return;
    cursor.at++;
  }
}

function seekKey(cursor: JsonCursor, key: Uint8Array): boolean {
  const { data, end } = cursor;
  if (data[cursor.at] !== OPEN_OBJECT || cursor.at >= end) return false;
  cursor.at++;
  skipSpace(cursor);
  while (cursor.at < end && data[cursor.at] === QUOTE) {
    const start = cursor.at;
    skipString(cursor);
    const hit = cursor.at - start === key.length && sameKey(data, start, key);
    skipSpace(cursor);
    cursor.at++;
    skipSpace(cursor);
    if (hit) return true;
    skipValue(cursor);
    if (!nextItem(cursor)) return false;
  }
  return false;
}

function sameKey(data: Uint8Array, start: number, key: Uint8Array): boolean {
  for (let i = 0; i < key.length; i++) if (data[start + i] !== key[i]) return false;
  return true;
}

function seekIndex(cursor: JsonCursor, index: number): boolean {
  if (!enterArray(cursor)) return false;
  for (let i = 0; i < index; i++) {
    skipValue(cursor);
    if (!nextItem(cursor)) return false;
  }
  return cursor.at < cursor.end;
}

/** Steps into an array; false, with the cursor anywhere, when it is none or empty. */
export function enterArray(cursor: JsonCursor): boolean {
  if (cursor.at >= cursor.end || cursor.data[cursor.at] !== OPEN_ARRAY) return false;
  cursor.at++;
  skipSpace(cursor);
  return cursor.at < cursor.end && cursor.data[cursor.at] !== CLOSE_ARRAY;
}

/** Behind a value: steps over the comma to the next one; false at the container's end. */
export function nextItem(cursor: JsonCursor): boolean {
  skipSpace(cursor);
  if (cursor.at >= cursor.end || cursor.data[cursor.at] !== COMMA) return false;
  cursor.at++;
  skipSpace(cursor);
  return true;
}

function skipString(cursor: JsonCursor): void {
  const { data, end } = cursor;
  let at = cursor.at + 1;
  while (at < end && data[at] !== QUOTE) at += data[at] === BACKSLASH ? 2 : 1;
  cursor.at = Math.min(at + 1, end);
}

/** Steps over one value of any kind; containers by counting brackets, without recursion. */
export function skipValue(cursor: JsonCursor): void {
  const { data, end } = cursor;
  let open = 0;
  while (cursor.at < end) {
    const byte = data[cursor.at] as number;
    if (byte === QUOTE) {
      skipString(cursor);
      if (open === 0) return;
      continue;
    }
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) open++;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      if (open === 0) return;
      open--;
      if (open === 0) {
        cursor.at++;
        return;
      }
    } else if (open === 0 && (byte === COMMA || byte === 32 || byte === 10)) return;
    cursor.at++;
  }
}

/** What kind of value begins at the cursor. */
export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'bool' | 'null';

/** The kind of the value at the cursor, by its first byte. */
export function kindAt(cursor: JsonCursor): JsonKind {
  switch (cursor.data[cursor.at]) {
    case OPEN_OBJECT:
      return 'object';
    case OPEN_ARRAY:
      return 'array';
    case QUOTE:
      return 'string';
    case 116:
    case 102:
      return 'bool';
    case 110:
      return 'null';
    default:
      return 'number';
  }
}

/** Reads the bool at the cursor. */
export function readBool(cursor: JsonCursor): boolean {
  const value = cursor.data[cursor.at] === 116;
  skipValue(cursor);
  return value;
}

/**
 * Reads the number at the cursor, exactly: whole numbers beyond 2^53 as bigint, others as the
 * nearest double.
 */
export function readNumber(cursor: JsonCursor): number | bigint {
  const start = cursor.at;
  skipValue(cursor);
  const { data } = cursor;
  const negative = data[start] === 45;
  const first = negative ? start + 1 : start;
  let value = 0;
  let at = first;
  if (cursor.at - first <= 15) {
    for (; at < cursor.at; at++) {
      const digit = (data[at] as number) - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at === cursor.at) return negative ? -value : value;
  }
  return parseLong(asciiText(data, start, cursor.at));
}

function parseLong(text: string): number | bigint {
  if (!/^-?\d{16,40}$/.test(text)) return Number(text);
  const whole = BigInt(text);
  const near = Number(whole);
  return Number.isSafeInteger(near) ? near : whole;
}

function asciiText(data: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < Math.min(end, start + 400); i++) {
    text += String.fromCharCode(data[i] as number);
  }
  return text;
}

/** Text in place, or unescaped into bytes of its own. */
export interface TextSpan {
  readonly data: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Reads the string at the cursor; copies only when it holds escapes. */
export function readText(cursor: JsonCursor): TextSpan {
  const start = cursor.at;
  skipString(cursor);
  const { data } = cursor;
  const end = cursor.at - 1;
  for (let i = start + 1; i < end; i++) {
    if (data[i] === BACKSLASH) return unescaped(data, start, cursor.at);
  }
  return { data, start: start + 1, end };
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function unescaped(data: Uint8Array, start: number, end: number): TextSpan {
  // Decoders refuse shared memory in browsers: the copy is needed there.
  const text = decoder.decode(data.slice(start, end));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = '';
  }
  const bytes = encoder.encode(String(value));
  return { data: bytes, start: 0, end: bytes.length };
}

/** Reads the string at the cursor as JavaScript text. */
export function readString(cursor: JsonCursor): string {
  const span = readText(cursor);
  return decoder.decode(span.data.slice(span.start, span.end));
}

/** Steps into an object; false when it is none or empty. */
export function enterObject(cursor: JsonCursor): boolean {
  if (cursor.at >= cursor.end || cursor.data[cursor.at] !== OPEN_OBJECT) return false;
  cursor.at++;
  skipSpace(cursor);
  return cursor.at < cursor.end && cursor.data[cursor.at] === QUOTE;
}

/** Behind a key: steps over the colon. */
export function skipColon(cursor: JsonCursor): void {
  skipSpace(cursor);
  cursor.at++;
  skipSpace(cursor);
}
