import type { Literal } from './ast.ts';
import type { CompareNode, ContainsNode, InNode, LikeNode } from './checked.ts';
import type { JsonCursor } from './json-scan.ts';
import {
  enterArray,
  enterObject,
  kindAt,
  nextItem,
  readBool,
  readNumber,
  readString,
  readText,
  skipColon,
  skipValue,
} from './json-scan.ts';
import { numberKey, satisfies } from './leaf.ts';
import { compileLike } from './like.ts';
import { printLiteral } from './print.ts';
import type { ByteSet } from './text.ts';
import { compareBytes, makeByteSet } from './text.ts';

/** A condition on the JSON value at the cursor: 1 true, 0 false, -1 unknown. */
export type JsonTest = (cursor: JsonCursor) => -1 | 0 | 1;

const encoder = new TextEncoder();

/** Prepares the condition a node states about a JSON value. */
export function jsonTest(node: CompareNode | InNode | LikeNode | ContainsNode): JsonTest {
  switch (node.kind) {
    case 'compare':
      return compareTest(node);
    case 'in':
      return inTest(node.values);
    case 'like':
      return likeTest(node.pattern);
    case 'contains':
      return containsTest(node);
  }
}

const bit = (value: boolean): 0 | 1 => (value ? 1 : 0);

function compareTest(node: CompareNode): JsonTest {
  const { op, value } = node;
  if (typeof value === 'string') {
    const bytes = encoder.encode(value);
    return (cursor) => {
      if (kindAt(cursor) !== 'string') return -1;
      const text = readText(cursor);
      return bit(satisfies(op, compareBytes(text.data, text, bytes)));
    };
  }
  if (typeof value === 'number' || typeof value === 'bigint') {
    return (cursor) => {
      if (kindAt(cursor) !== 'number') return -1;
      const number = readNumber(cursor);
      return bit(satisfies(op, number < value ? -1 : number > value ? 1 : 0));
    };
  }
  const kind = jsonKind(value);
  return (cursor) => {
    if (kindAt(cursor) !== kind) return -1;
    return bit(equalsLiteral(cursor, value) === (op === '=='));
  };
}

function jsonKind(value: Literal): ReturnType<typeof kindAt> {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'string';
  if (typeof value !== 'object') return 'number';
  return Array.isArray(value) ? 'array' : 'object';
}

/**
 * Whether the value at the cursor equals a constant, through arrays and objects, keys in any order,
 * 5 and 5.0 alike. Leaves the cursor behind the value only when it is no container.
 */
function equalsLiteral(cursor: JsonCursor, value: Literal): boolean {
  if (kindAt(cursor) !== jsonKind(value)) return false;
  if (value === null) {
    skipValue(cursor);
    return true;
  }
  if (typeof value === 'boolean') return readBool(cursor) === value;
  if (typeof value === 'string') {
    const text = readText(cursor);
    return compareBytes(text.data, text, encoder.encode(value)) === 0;
  }
  if (typeof value === 'number' || typeof value === 'bigint') {
    const number = readNumber(cursor);
    return !(number < value) && !(number > value);
  }
  if (Array.isArray(value)) return equalsList(cursor, value);
  return equalsMap(cursor, value as ReadonlyMap<string, Literal>);
}

/** Compares a container's member, then stands behind it whatever the outcome. */
function equalsMember(cursor: JsonCursor, value: Literal): boolean {
  const inner = { data: cursor.data, at: cursor.at, end: cursor.end };
  skipValue(cursor);
  return equalsLiteral(inner, value);
}

function equalsList(cursor: JsonCursor, list: readonly Literal[]): boolean {
  let more = enterArray(cursor);
  for (const item of list) {
    if (!more || !equalsMember(cursor, item)) return false;
    more = nextItem(cursor);
  }
  return !more;
}

function equalsMap(cursor: JsonCursor, map: ReadonlyMap<string, Literal>): boolean {
  let seen = 0;
  let more = enterObject(cursor);
  while (more) {
    const key = readString(cursor);
    skipColon(cursor);
    const wanted = map.get(key);
    if (wanted === undefined || !equalsMember(cursor, wanted)) return false;
    seen++;
    more = nextItem(cursor);
  }
  return seen === map.size;
}

/** The distinct values of a list, sorted by kind for quick answers. */
interface LiteralSet {
  readonly kinds: ReadonlySet<string>;
  readonly texts: ByteSet;
  readonly numbers: ReadonlyMap<number | bigint, number>;
  readonly others: readonly Literal[];
  readonly size: number;
}

function literalSet(values: readonly Literal[]): LiteralSet {
  const texts = values.filter((value) => typeof value === 'string');
  const numbers = new Map<number | bigint, number>();
  for (const value of values) {
    if (typeof value !== 'number' && typeof value !== 'bigint') continue;
    const key = numberKey(value);
    if (!numbers.has(key)) numbers.set(key, numbers.size);
  }
  const others = new Map(
    values
      .filter((value) => typeof value === 'object' || typeof value === 'boolean')
      .map((value) => [printLiteral(value), value]),
  );
  const byteSet = makeByteSet(texts.map((text) => encoder.encode(text)));
  return {
    kinds: new Set(values.map(jsonKind)),
    texts: byteSet,
    numbers,
    others: [...others.values()],
    size: byteSet.size + numbers.size + others.size,
  };
}

/** Place of the value at the cursor among the set's values, or -1; moves the cursor. */
function findIn(cursor: JsonCursor, set: LiteralSet): number {
  const kind = kindAt(cursor);
  if (!set.kinds.has(kind)) return -1;
  if (kind === 'string') {
    const text = readText(cursor);
    return set.texts.find(text.data, text.start, text.end);
  }
  if (kind === 'number') {
    const place = set.numbers.get(numberKey(readNumber(cursor)));
    return place === undefined ? -1 : set.texts.size + place;
  }
  const { data, at, end } = cursor;
  const place = set.others.findIndex((value) => equalsLiteral({ data, at, end }, value));
  return place < 0 ? -1 : set.texts.size + set.numbers.size + place;
}

function inTest(values: readonly Literal[]): JsonTest {
  const set = literalSet(values);
  return (cursor) => {
    const kind = kindAt(cursor);
    if (kind === 'null' || (values.length > 0 && !set.kinds.has(kind))) return -1;
    return bit(findIn(cursor, set) >= 0);
  };
}

function likeTest(pattern: string): JsonTest {
  const matcher = compileLike(pattern);
  return (cursor) => {
    if (kindAt(cursor) !== 'string') return -1;
    const text = readText(cursor);
    return bit(matcher.matches(text.data, text.start, text.end));
  };
}

function containsTest(node: ContainsNode): JsonTest {
  const set = literalSet(node.values);
  const seen = new Uint32Array(set.size);
  const wanted = node.mode === 'any' ? 1 : set.size;
  let stamp = 0;
  return (cursor) => {
    if (kindAt(cursor) !== 'array') return -1;
    if (++stamp === 0xffffffff) stamp = restart(seen);
    let found = 0;
    for (let more = enterArray(cursor); more && found < wanted; more = nextItem(cursor)) {
      const item = { data: cursor.data, at: cursor.at, end: cursor.end };
      skipValue(cursor);
      const place = findIn(item, set);
      if (place < 0 || seen[place] === stamp) continue;
      seen[place] = stamp;
      found++;
    }
    return bit(found >= wanted);
  };
}

/** Forgets all marks when the stamps run out. */
function restart(seen: Uint32Array): number {
  seen.fill(0);
  return 1;
}

/** How many elements the array at the cursor has, or -1 when it is none. */
export function jsonArrayLength(cursor: JsonCursor): number {
  if (kindAt(cursor) !== 'array') return -1;
  let count = 0;
  for (let more = enterArray(cursor); more; more = nextItem(cursor)) {
    skipValue(cursor);
    count++;
  }
  return count;
}
