import type { Ref, Tree, Value } from './naive.ts';
import type { Row } from './table.ts';

/** A seeded source of choices. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A uniform integer in [0, n). */
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }

  /** Whether a one-in-`n` event happened. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** Up to `n` things made by `make`. */
  some<T>(n: number, make: () => T): T[] {
    return Array.from({ length: this.below(n + 1) }, make);
  }
}

const INTS = [0, 1, -1, 2, 3, 5, 7, 10, 100, 127, -128, 300, 2000, 32767, -32768, 70000];
const INTS32 = [...INTS, 2147483647, -2147483648, 2147483648];
const BIG = [0n, 1n, -1n, 2n, 7n, 2n ** 31n, -(2n ** 31n), 2n ** 32n, 2n ** 53n, 2n ** 53n + 1n];
const BIGGER = [...BIG, 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 53n) - 1n, 4294967295n, -4294967296n];
const REALS = [0, -0, 0.5, -0.5, 0.1, 1, 1.5, 2, 3, 1e-7, 1e20, -1e20, 2 ** 53, 3.4e38, 1e300];
const CHARS = [
  'a',
  'b',
  'ab',
  'c',
  '%',
  '_',
  '\\',
  '"',
  "'",
  'é',
  '漢',
  '😀',
  ' ',
  '\n',
  'Z',
  '{',
  '`',
];
const KEYS = ['a', 'b', 'k', 'lt', 'x y', 'é', 'q"u', '0'];
const DATES = [0, 1, -1, 1700000000000, 1735689600000, 253402300800000, -62167219200000];

function text(dice: Dice): string {
  return dice.some(4, () => dice.pick(CHARS)).join('');
}

function bytes(dice: Dice): Uint8Array {
  return Uint8Array.from(dice.some(3, () => dice.pick([0, 1, 127, 128, 255])));
}

/** A random value that a field of the type can hold. */
function fieldValue(dice: Dice, type: string): unknown {
  switch (type) {
    case 'int8':
      return dice.pick(INTS.filter((value) => value >= -128 && value < 128));
    case 'int16':
      return dice.pick(INTS.filter((value) => value < 32768));
    case 'int32':
      return dice.pick(INTS32.filter((value) => value < 2147483648));
    case 'int64':
      return dice.pick(BIGGER);
    case 'timestamp':
      return BigInt(dice.pick(DATES) + dice.below(3));
    case 'float':
      return dice.once(20) ? Number.NaN : Math.fround(dice.pick(REALS.filter((v) => v < 1e300)));
    case 'double':
      return dice.once(20) ? dice.pick([Number.NaN, Infinity, -Infinity]) : dice.pick(REALS);
    case 'bool':
      return dice.once(2);
    case 'bytes':
      return bytes(dice);
    default:
      return text(dice);
  }
}

function json(dice: Dice, depth: number): unknown {
  const kind = dice.below(depth > 2 ? 6 : 9);
  if (kind === 0) return null;
  if (kind === 1) return dice.once(2);
  if (kind === 2) return dice.pick(INTS32);
  if (kind === 3) return dice.pick(BIGGER);
  if (kind === 4) return dice.pick(REALS) + 0;
  if (kind === 5) return text(dice);
  if (kind === 6) return dice.some(4, () => json(dice, depth + 1));
  return Object.fromEntries(dice.some(4, () => [dice.pick(KEYS), json(dice, depth + 1)]));
}

const ARRAYS = { ai: 'int32', al: 'int64', as: 'varchar', ad: 'double', ab: 'bool' } as const;
const NULLABLE = ['i8', 'i16', 'i32', 'i64', 'f', 'd', 'b', 's', 't', 'by', 'j', 'ai', 'as'];

/** Types of the plain fields. */
const PLAIN: Readonly<Record<string, string>> = {
  id: 'int64',
  i8: 'int8',
  i16: 'int16',
  i32: 'int32',
  i64: 'int64',
  f: 'float',
  d: 'double',
  b: 'bool',
  s: 'varchar',
  s2: 'varchar',
  t: 'timestamp',
  by: 'bytes',
  late: 'int32',
  lateText: 'varchar',
  lateNull: 'int64',
};

/** A random row; absent values are null, or missing for JSON. */
export function randomRow(dice: Dice, index: number): Row {
  const row: Record<string, unknown> = { id: BigInt(index) };
  for (const [name, type] of Object.entries(PLAIN)) {
    if (name !== 'id' && !name.startsWith('late')) row[name] = fieldValue(dice, type);
  }
  row['j'] = json(dice, 0);
  row['$meta'] = dice.once(5)
    ? null
    : Object.fromEntries(dice.some(4, () => [dice.pick(KEYS), json(dice, 1)]));
  for (const [name, type] of Object.entries(ARRAYS)) {
    row[name] = dice.some(4, () => fieldValue(dice, type));
  }
  for (const name of NULLABLE) if (dice.once(4)) row[name] = null;
  row['$ts'] = (1_700_000_000_000n << 18n) * BigInt(dice.below(3)) + BigInt(dice.below(3));
  return row;
}

function path(dice: Dice): (string | number)[] {
  return Array.from({ length: 1 + dice.below(2) }, () =>
    dice.once(4) ? dice.below(3) : dice.pick(KEYS),
  );
}

function jsonRef(dice: Dice): Ref {
  const kind = dice.below(4);
  if (kind === 0) return { name: 'j', type: 'json', path: [], how: 'json' };
  if (kind === 1) return { name: '$meta', type: 'json', path: path(dice), how: 'json' };
  return { name: 'j', type: 'json', path: path(dice), how: 'json' };
}

function scalarRef(dice: Dice): Ref {
  const kind = dice.below(12);
  if (kind < 7) {
    const name = dice.pick(Object.keys(PLAIN));
    return { name, type: PLAIN[name] as string, path: [], how: 'field' };
  }
  if (kind < 9) return jsonRef(dice);
  const name = dice.pick(Object.keys(ARRAYS)) as keyof typeof ARRAYS;
  if (kind === 9) return { name, type: 'int32', path: [], how: 'length' };
  if (kind === 10) return { name: '$ts', type: 'ts', path: [], how: 'field' };
  return { name, type: ARRAYS[name], path: [dice.below(3)], how: 'element' };
}

/** A constant to compare a reference with. */
function constant(dice: Dice, ref: Ref): Value {
  switch (ref.type) {
    case 'json':
      return jsonConstant(dice, 0);
    case 'ts':
      return (1_700_000_000_000n << 18n) * BigInt(dice.below(3)) + BigInt(dice.below(3));
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      if (dice.once(6)) return dice.pick([0.5, -1.5, 2.5, 1e30, -1e30]);
      return dice.once(3) ? dice.pick(BIGGER) : BigInt(dice.pick(INTS32));
    case 'float':
    case 'double':
      return dice.once(3) ? dice.pick(BIGGER) : dice.pick(REALS);
    case 'timestamp':
      return new Date(dice.pick(DATES) + dice.below(3));
    default:
      return fieldValue(dice, ref.type) as Value;
  }
}

function jsonConstant(dice: Dice, depth: number): Value {
  const value = json(dice, depth === 0 ? 1 : depth);
  return value === null ? 1n : (value as Value);
}

const OPS = ['==', '!=', '<', '<=', '>', '>='];

function ordered(value: Value): boolean {
  return typeof value !== 'boolean' && (typeof value !== 'object' || value instanceof Date);
}

function comparison(dice: Dice): Tree {
  let ref = scalarRef(dice);
  const number = /^(int|float|double|json)/.test(ref.type) && ref.how !== 'length';
  if (number && dice.once(4)) return arithmetic(dice, ref);
  if (dice.once(10)) {
    const name = dice.pick(['ai', 'al', 'as', 'ad', 'ab'] as const);
    ref = { name, type: ARRAYS[name], path: [], how: 'array' };
    const value = dice.some(3, () => fieldValue(dice, ref.type)) as Value[];
    const finite = value.filter((item) => typeof item !== 'number' || Number.isFinite(item));
    return { is: 'compare', op: dice.pick(['==', '!=']), ref, value: finite };
  }
  const value = constant(dice, ref);
  const finite = typeof value === 'number' && !Number.isFinite(value) ? 1 : value;
  const op = ordered(finite) ? dice.pick(OPS) : dice.pick(['==', '!=']);
  return { is: 'compare', op, ref, value: finite };
}

function arithmetic(dice: Dice, base: Ref): Tree {
  const float = base.type === 'float' || base.type === 'double';
  const op = dice.pick(
    float ? (['+', '-', '*', '/'] as const) : (['+', '-', '*', '/', '%'] as const),
  );
  const by = float ? dice.pick([0.5, 2, 3]) : dice.pick([1n, 2n, 3n, -7n, 2n ** 31n, 2n ** 62n]);
  const ref: Ref = { ...base, arith: { op, by } };
  const value = float ? dice.pick(REALS) : dice.pick([...BIGGER, 0.5, 3n, 6n, 1n]);
  return { is: 'compare', op: dice.pick(OPS), ref, value };
}

function pairOf(dice: Dice): Tree {
  const families = [
    ['i8', 'i16', 'i32', 'i64', 'f', 'd', 'id', 'late', 'lateNull'],
    ['s', 's2', 'lateText'],
    ['t', 't'],
  ];
  const names = dice.pick(families);
  const make = (): Ref => {
    const name = dice.pick(names);
    return { name, type: PLAIN[name] as string, path: [], how: 'field' };
  };
  return { is: 'pair', op: dice.pick(OPS), ref: make(), other: make() };
}

function listOf(dice: Dice, ref: Ref): Value[] {
  const size = dice.once(4) ? 12 : 4;
  const values = dice.some(size, () => constant(dice, ref));
  return values.filter((item) => typeof item !== 'number' || Number.isFinite(item));
}

function pattern(dice: Dice): string {
  const atoms = ['%', '%', '_', 'a', 'b', 'ab', 'é', '漢', '😀', '\\%', '\\_', '\\\\', '"', 'c'];
  return dice.some(5, () => dice.pick(atoms)).join('');
}

function leaf(dice: Dice): Tree {
  const kind = dice.below(12);
  if (kind < 5) return comparison(dice);
  if (kind === 5) return pairOf(dice);
  if (kind < 8) {
    const ref = scalarRef(dice);
    return { is: 'in', ref, values: listOf(dice, ref), not: dice.once(2) };
  }
  if (kind === 8) {
    const plain = dice.pick(['s', 's2', 'lateText']);
    const field: Ref = { name: plain, type: 'varchar', path: [], how: 'field' };
    const element: Ref = { name: 'as', type: 'varchar', path: [dice.below(2)], how: 'element' };
    return {
      is: 'like',
      ref: dice.pick([field, field, jsonRef(dice), element]),
      pattern: pattern(dice),
    };
  }
  if (kind === 9) {
    const name = dice.pick([...NULLABLE, 'late', 'lateNull', 'id']);
    const field: Ref = { name, type: 'any', path: [], how: 'field' };
    return { is: 'null', ref: dice.pick([field, jsonRef(dice)]), not: dice.once(2) };
  }
  const json = dice.once(3);
  const name = dice.pick(['ai', 'al', 'as', 'ad', 'ab'] as const);
  const ref: Ref = json ? jsonRef(dice) : { name, type: ARRAYS[name], path: [], how: 'array' };
  return { is: 'contains', ref, all: dice.once(2), values: listOf(dice, ref) };
}

/** A random filter of at most `depth` joins above each condition. */
export function randomTree(dice: Dice, depth: number): Tree {
  const kind = depth === 0 ? 9 : dice.below(10);
  if (kind < 2) {
    const items = Array.from({ length: 1 + dice.below(3) }, () => randomTree(dice, depth - 1));
    return { is: 'and', items };
  }
  if (kind < 4) {
    const items = Array.from({ length: 1 + dice.below(3) }, () => randomTree(dice, depth - 1));
    return { is: 'or', items };
  }
  if (kind < 6) return { is: 'not', item: randomTree(dice, depth - 1) };
  return leaf(dice);
}

function writeText(dice: Dice, value: string): string {
  return dice.once(3) && !/['"\\\n]/.test(value) ? `'${value}'` : JSON.stringify(value);
}

/** A constant as filter text. */
export function writeValue(dice: Dice, value: Value): string {
  if (value instanceof Date) {
    return `${dice.once(2) ? 'ISO ' : ''}'${value.toISOString()}'`;
  }
  if (value instanceof Uint8Array) return `x"${Buffer.from(value).toString('hex')}"`;
  if (typeof value === 'string') return writeText(dice, value);
  if (typeof value === 'number')
    return Number.isInteger(value) ? value.toExponential() : String(value);
  if (Array.isArray(value)) return `[${value.map((item) => writeValue(dice, item)).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(
      ([key, item]) => `${JSON.stringify(key)}: ${writeValue(dice, item)}`,
    );
    return `{${entries.join(', ')}}`;
  }
  return String(value);
}

function writeRef(ref: Ref): string {
  const dynamic = ref.name === '$meta' && typeof ref.path[0] === 'string';
  const bare = dynamic && /^[ak]$/.test(ref.path[0] as string);
  const name = bare ? ref.path[0] : ref.name;
  const keys = (bare ? ref.path.slice(1) : ref.path).map((part) => `[${JSON.stringify(part)}]`);
  let text = `${name}${keys.join('')}`;
  if (ref.how === 'length') text = `array_length(${text})`;
  return ref.arith === undefined ? text : `${text} ${ref.arith.op} ${ref.arith.by}`;
}

const FLIP: Readonly<Record<string, string>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

/** A filter as text, in one of the spellings the language allows. */
export function writeTree(dice: Dice, tree: Tree): string {
  switch (tree.is) {
    case 'compare': {
      const [ref, value] = [writeRef(tree.ref), writeValue(dice, tree.value)];
      const mirrored = dice.once(4) && tree.ref.arith === undefined;
      return mirrored
        ? `${value} ${FLIP[tree.op] ?? tree.op} ${ref}`
        : `${ref} ${tree.op} ${value}`;
    }
    case 'pair':
      return `${writeRef(tree.ref)} ${tree.op} ${writeRef(tree.other)}`;
    case 'in':
      return `${writeRef(tree.ref)} ${tree.not ? 'not in' : 'in'} ${writeValue(dice, tree.values)}`;
    case 'like':
      return `${writeRef(tree.ref)} like ${JSON.stringify(tree.pattern)}`;
    case 'null':
      if (tree.ref.how === 'json' && tree.not && dice.once(2))
        return `exists ${writeRef(tree.ref)}`;
      return `${writeRef(tree.ref)} is ${tree.not ? 'not null' : 'null'}`;
    case 'contains': {
      const name = `${dice.pick(['array', 'JSON'])}_contains_${tree.all ? 'all' : 'any'}`;
      return `${name}(${writeRef(tree.ref)}, ${writeValue(dice, tree.values)})`;
    }
    case 'not':
      return `${dice.pick(['not', '!', 'NOT'])} (${writeTree(dice, tree.item)})`;
    default: {
      const word = dice.pick(tree.is === 'and' ? [' and ', ' && '] : [' or ', ' || ', ' OR ']);
      return tree.items.map((item) => `(${writeTree(dice, item)})`).join(word);
    }
  }
}
