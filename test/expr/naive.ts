import type { Row } from './table.ts';
import { LATE } from './table.ts';

/**
 * Filters as the fuzz test makes them, and the plainest possible meaning of each on one row.
 * Written apart from the product: it shares no code with it, and is slow on purpose.
 */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Date
  | readonly Value[]
  | { readonly [key: string]: Value };

/** What a condition looks at. */
export interface Ref {
  readonly name: string;
  /** Type of the field, or of the array's elements. */
  readonly type: string;
  readonly path: readonly (string | number)[];
  /** How it is reached: a field, an array's element, a whole array, JSON, a length. */
  readonly how: 'field' | 'element' | 'array' | 'json' | 'length' | 'jsonLength';
  readonly arith?: { readonly op: '+' | '-' | '*' | '/' | '%'; readonly by: bigint | number };
}

/** A filter tree of the test's own. */
export type Tree =
  | { readonly is: 'compare'; readonly op: string; readonly ref: Ref; readonly value: Value }
  | { readonly is: 'pair'; readonly op: string; readonly ref: Ref; readonly other: Ref }
  | {
      readonly is: 'in';
      readonly ref: Ref;
      readonly values: readonly Value[];
      readonly not: boolean;
    }
  | { readonly is: 'like'; readonly ref: Ref; readonly pattern: string }
  | { readonly is: 'null'; readonly ref: Ref; readonly not: boolean }
  | {
      readonly is: 'contains';
      readonly ref: Ref;
      readonly all: boolean;
      readonly values: readonly Value[];
    }
  | { readonly is: 'and' | 'or'; readonly items: readonly Tree[] }
  | { readonly is: 'not'; readonly item: Tree };

/** True, false, or unknown. */
export type Truth = boolean | null;

/** What a row makes of a filter. */
export function judge(tree: Tree, row: Row): Truth {
  switch (tree.is) {
    case 'and':
      return tree.items.map((item) => judge(item, row)).reduce(and3, true);
    case 'or':
      return not3(tree.items.map((item) => not3(judge(item, row))).reduce(and3, true));
    case 'not':
      return not3(judge(tree.item, row));
    case 'null': {
      const value = fetch(tree.ref, row);
      return (value === undefined) !== tree.not;
    }
    case 'compare':
      return compare(tree.op, fetch(tree.ref, row), tree);
    case 'pair':
      return pair(tree.op, fetch(tree.ref, row), fetch(tree.other, row));
    case 'in': {
      const found = member(tree, fetch(tree.ref, row));
      return tree.not ? not3(found) : found;
    }
    case 'like': {
      const value = fetch(tree.ref, row);
      return typeof value === 'string' ? likes(value, tree.pattern) : null;
    }
    case 'contains':
      return contains(tree, fetch(tree.ref, row));
  }
}

function and3(a: Truth, b: Truth): Truth {
  if (a === false || b === false) return false;
  return a === null || b === null ? null : true;
}

function not3(a: Truth): Truth {
  return a === null ? null : !a;
}

/** The value a row has there; undefined when there is none. */
function fetch(ref: Ref, row: Row): unknown {
  let value: unknown = ref.name in LATE ? LATE[ref.name] : row[ref.name];
  for (const part of ref.path) {
    if (Array.isArray(value) && typeof part === 'number') value = value[part];
    else if (isMap(value) && typeof part === 'string' && Object.hasOwn(value, part)) {
      value = value[part];
    } else value = undefined;
  }
  if (value === null || value === undefined) return undefined;
  if (ref.how === 'length' || ref.how === 'jsonLength') {
    value = Array.isArray(value) ? value.length : undefined;
  }
  if (ref.arith !== undefined && value !== undefined) return reckon(ref, value);
  return value;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof Date)
  );
}

const real = new Set(['float', 'double']);

function reckon(ref: Ref, value: unknown): unknown {
  const { op, by } = ref.arith as NonNullable<Ref['arith']>;
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
  const json = ref.how === 'json';
  const whole = typeof value === 'bigint' || (Number.isInteger(value) && !real.has(ref.type));
  if (json && op === '/') return Number(value) / Number(by);
  if (whole && typeof by === 'bigint' && !real.has(ref.type)) {
    const big = BigInt(value);
    return { '+': big + by, '-': big - by, '*': big * by, '/': big / by, '%': big % by }[op];
  }
  const [x, y] = [Number(value), Number(by)];
  if (op === '%') return undefined;
  return { '+': x + y, '-': x - y, '*': x * y, '/': x / y }[op];
}

function typeOf(value: unknown): string {
  if (typeof value === 'bigint') return 'number';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Uint8Array) return 'bytes';
  return value === null ? 'null' : typeof value;
}

function orderOf(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string') {
    return Math.sign(Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8')));
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Math.sign(Buffer.compare(a, b));
  if ((a as number) < (b as number)) return -1;
  return (a as number) > (b as number) ? 1 : 0;
}

function holds(op: string, order: number): boolean {
  if (op === '==') return order === 0;
  if (op === '!=') return order !== 0;
  if (op === '<') return order < 0;
  if (op === '>') return order > 0;
  return op === '<=' ? order <= 0 : order >= 0;
}

function same(a: unknown, b: unknown): boolean {
  if (typeOf(a) !== typeOf(b)) return false;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => same(item, b[i]));
  }
  if (isMap(a) && isMap(b)) {
    const keys = Object.keys(a);
    return (
      keys.length === Object.keys(b).length &&
      keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]))
    );
  }
  return !Number.isNaN(a) && orderOf(a, b) === 0;
}

/** The constant as the column's type sees it. */
function seen(ref: Ref, value: Value): Value {
  if (value instanceof Date) return BigInt(value.getTime());
  const float = ref.type === 'float' && ref.how !== 'json' && ref.arith === undefined;
  if (float && (typeof value === 'number' || typeof value === 'bigint')) {
    const near = Math.fround(Number(value));
    return Number.isFinite(near) ? near : Number(value);
  }
  return value;
}

function compare(op: string, value: unknown, tree: { ref: Ref; value: Value }): Truth {
  const wanted = seen(tree.ref, tree.value);
  if (value === undefined) return null;
  if (tree.ref.how === 'json' && typeOf(value) !== typeOf(wanted)) return null;
  if (typeof wanted === 'object')
    return (
      same(value, wanted) === (op === '==') ||
      (wanted instanceof Uint8Array && holds(op, orderOf(value, wanted)))
    );
  if (Number.isNaN(value)) return op === '!=';
  return holds(op, orderOf(value, wanted));
}

function pair(op: string, a: unknown, b: unknown): Truth {
  if (a === undefined || b === undefined) return null;
  if (Number.isNaN(a) || Number.isNaN(b)) return op === '!=';
  return holds(op, orderOf(a, b));
}

function member(tree: { ref: Ref; values: readonly Value[] }, value: unknown): Truth {
  if (value === undefined) return null;
  const values = tree.values.map((item) => seen(tree.ref, item));
  const alike = values.some((item) => typeOf(item) === typeOf(value));
  if (tree.ref.how === 'json' && values.length > 0 && !alike) return null;
  if (Number.isNaN(value)) return false;
  return values.some((item) => same(value, item));
}

function contains(
  tree: { all: boolean; values: readonly Value[]; ref: Ref },
  value: unknown,
): Truth {
  if (!Array.isArray(value)) return null;
  const found = tree.values.map((wanted) =>
    value.some((item) => same(item, seen(tree.ref, wanted))),
  );
  return tree.all ? found.every(Boolean) : found.some(Boolean);
}

/** `like` by the textbook: every way to split, by code points. */
function likes(text: string, pattern: string): boolean {
  const chars = Array.from(text);
  const marks: { readonly kind: 'any' | 'one' | 'char'; readonly char: string }[] = [];
  const source = Array.from(pattern);
  for (let i = 0; i < source.length; i++) {
    const char = source[i] as string;
    if (char === '\\') marks.push({ kind: 'char', char: source[++i] as string });
    else marks.push({ kind: char === '%' ? 'any' : char === '_' ? 'one' : 'char', char });
  }
  let reach = new Set([0]);
  for (const mark of marks) {
    const next = new Set<number>();
    for (const at of reach) {
      if (mark.kind === 'any') for (let k = at; k <= chars.length; k++) next.add(k);
      else if (at < chars.length && (mark.kind === 'one' || chars[at] === mark.char))
        next.add(at + 1);
    }
    reach = next;
  }
  return reach.has(chars.length);
}
