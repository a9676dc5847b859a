import type { Bitset, FieldId } from '@elanus/core';
import { bitsetWords, createBitset, filledBitset } from '@elanus/core';
import type { CompareOp, Literal } from './ast.ts';
import type { CompareNode, ContainsNode, InNode, Operand } from './checked.ts';
import type { JsonTest } from './json-leaf.ts';
import { kindAt, readNumber } from './json-scan.ts';
import type { Leaf } from './leaf.ts';
import { bytesOf, compareExactly, numberKey, numberOf, satisfies } from './leaf.ts';
import type { NumberView } from './numbers.ts';
import { numberAt, numbersIn, prepareNumbers, viewRows } from './numbers.ts';
import type { TextView } from './text.ts';
import { compareBytes, makeByteSet, textsIn } from './text.ts';
import type { ScalarView, Scope } from './views.ts';
import { arrayColumn, knownRows, numberView, textView } from './views.ts';

/** Bits of the rows that have at least one set element bit; element 0 is the first row's first. */
function anyOf(offsets: Uint32Array, base: number, job: { rows: number; bits: Bitset }): Bitset {
  const found = createBitset(job.rows);
  const first = offsets[base] as number;
  for (let row = 0; row < job.rows; row++) {
    const end = (offsets[base + row + 1] as number) - first;
    for (let i = (offsets[base + row] as number) - first; i < end; i++) {
      if ((((job.bits[i >>> 5] as number) >>> (i & 31)) & 1) === 0) continue;
      found[row >>> 5] = (found[row >>> 5] as number) | (1 << (row & 31));
      break;
    }
  }
  return found;
}

type ElementView =
  | { readonly kind: 'numbers'; readonly view: NumberView }
  | { readonly kind: 'texts'; readonly view: TextView };

/** The elements of the scope's rows, as one run. */
function elementsOf(scope: Scope, id: FieldId): ElementView {
  const { column, base } = arrayColumn(scope, id);
  const from = column.offsets[base] as number;
  const to = column.offsets[base + scope.rows] as number;
  const { element } = column;
  if ('data' in element) return { kind: 'texts', view: textView(element, from, to) };
  return { kind: 'numbers', view: numberView(element, from, to) };
}

/** Whether arrays hold any, or all, of the values. */
export function arrayContains(scope: Scope, node: ContainsNode, id: FieldId): Leaf {
  const placed = arrayColumn(scope, id);
  const elements = elementsOf(scope, id);
  const known = knownRows(placed, scope.rows);
  const job = { scope, offsets: placed.column.offsets, base: placed.base };
  const bits =
    node.mode === 'all'
      ? rowsWithAll(job, elements, node.values)
      : anyOf(job.offsets, job.base, { rows: scope.rows, bits: inList(elements, node.values) });
  return { bits, known };
}

function inList(elements: ElementView, values: readonly Literal[]): Bitset {
  if (elements.kind === 'numbers') {
    return numbersIn(elements.view, prepareNumbers(values.map(numberOf)));
  }
  return textsIn(elements.view, makeByteSet(values.map(bytesOf)));
}

/** One pass over the elements, marking which of the distinct values a row has shown. */
function rowsWithAll(
  job: { readonly scope: Scope; readonly offsets: Uint32Array; readonly base: number },
  elements: ElementView,
  values: readonly Literal[],
): Bitset {
  const { offsets, base } = job;
  const { rows } = job.scope;
  const { size, placeOf } = finder(elements, values);
  if (size === 0) return filledBitset(rows);
  const seen = new Int32Array(size).fill(-1);
  const bits = createBitset(rows);
  const first = offsets[base] as number;
  for (let row = 0; row < rows; row++) {
    let left = size;
    const end = (offsets[base + row + 1] as number) - first;
    for (let i = (offsets[base + row] as number) - first; i < end && left > 0; i++) {
      const place = placeOf(i);
      if (place < 0 || seen[place] === row) continue;
      seen[place] = row;
      left--;
    }
    if (left === 0) bits[row >>> 5] = (bits[row >>> 5] as number) | (1 << (row & 31));
  }
  return bits;
}

interface Finder {
  readonly size: number;
  readonly placeOf: (element: number) => number;
}

function finder(elements: ElementView, values: readonly Literal[]): Finder {
  if (elements.kind === 'texts') {
    const { starts, ends, data } = elements.view;
    const set = makeByteSet(values.map(bytesOf));
    const placeOf = (i: number): number => set.find(data, starts[i] as number, ends[i] as number);
    return { size: set.size, placeOf };
  }
  const places = new Map<number | bigint, number>();
  for (const value of values) {
    const key = numberKey(numberOf(value));
    if (!places.has(key)) places.set(key, places.size);
  }
  const { view } = elements;
  return { size: places.size, placeOf: (i) => places.get(numberKey(numberAt(view, i))) ?? -1 };
}

/** Whether whole arrays equal a list, element by element. */
export function arrayEquals(scope: Scope, node: CompareNode, id: FieldId): Leaf {
  const placed = arrayColumn(scope, id);
  const { offsets } = placed.column;
  const elements = elementsOf(scope, id);
  const list = node.value as readonly Literal[];
  const columns = list.map((value) => elementEquals(elements, value));
  const bits = createBitset(scope.rows);
  const first = offsets[placed.base] as number;
  for (let row = 0; row < scope.rows; row++) {
    const start = (offsets[placed.base + row] as number) - first;
    const length = (offsets[placed.base + row + 1] as number) - first - start;
    const same = length === list.length && columns.every((test, i) => test(start + i));
    if (same === (node.op === '==')) {
      bits[row >>> 5] = (bits[row >>> 5] as number) | (1 << (row & 31));
    }
  }
  return { bits, known: knownRows(placed, scope.rows) };
}

function elementEquals(elements: ElementView, value: Literal): (element: number) => boolean {
  if (elements.kind === 'texts') {
    const { starts, ends, data } = elements.view;
    const bytes = bytesOf(value);
    return (i) =>
      compareBytes(data, { start: starts[i] as number, end: ends[i] as number }, bytes) === 0;
  }
  const number = numberOf(value);
  const { view } = elements;
  return (i) => compareExactly('==', numberAt(view, i), number);
}

/** Compares two operands of the same rows; a row is known when both are. */
export function compareViews(op: CompareOp, left: ScalarView, right: ScalarView): Leaf {
  const known = both(left.known, right.known);
  if (left.kind === 'numbers' && right.kind === 'numbers') {
    const rows = viewRows(left.view);
    const bits = createBitset(rows);
    for (let row = 0; row < rows; row++) {
      if (!compareExactly(op, numberAt(left.view, row), numberAt(right.view, row))) continue;
      bits[row >>> 5] = (bits[row >>> 5] as number) | (1 << (row & 31));
    }
    return { bits, known };
  }
  return { bits: textPairs(op, left.view as TextView, right.view as TextView), known };
}

function both(a: Bitset | undefined, b: Bitset | undefined): Bitset | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.map((word, i) => word & (b[i] as number));
}

function textPairs(op: CompareOp, left: TextView, right: TextView): Bitset {
  const rows = left.starts.length;
  const bits = createBitset(rows);
  for (let row = 0; row < rows; row++) {
    const other = right.data.subarray(right.starts[row], right.ends[row]);
    const span = { start: left.starts[row] as number, end: left.ends[row] as number };
    if (satisfies(op, compareBytes(left.data, span, other))) {
      bits[row >>> 5] = (bits[row >>> 5] as number) | (1 << (row & 31));
    }
  }
  return bits;
}

/** A comparison behind arithmetic, for columns and for JSON values. */
export interface ArithTest {
  readonly json: JsonTest;
  rows(view: NumberView): Bitset;
}

type Arith = Extract<Operand, { kind: 'arith' }>;

/**
 * Prepares `of op by` compared with constants. Whole numbers are computed exactly (division cuts
 * towards zero); JSON numbers are whole when they have no fraction, and divide as doubles.
 */
export function arithTest(operand: Arith, node: CompareNode | InNode): ArithTest {
  const passes = passer(node);
  return {
    rows: (view) => {
      const rows = viewRows(view);
      const bits = new Uint32Array(bitsetWords(rows));
      const apply = view.layout === 'f64' ? realStep(operand) : wholeStep(operand, view.layout);
      for (let row = 0; row < rows; row++) {
        if (!passes(apply(numberAt(view, row)))) continue;
        bits[row >>> 5] = (bits[row >>> 5] as number) | (1 << (row & 31));
      }
      return bits;
    },
    json: (cursor) => {
      if (kindAt(cursor) !== 'number') return -1;
      const result = jsonStep(operand, readNumber(cursor));
      if (result === undefined) return -1;
      return passes(result) ? 1 : 0;
    },
  };
}

function passer(node: CompareNode | InNode): (value: number | bigint) => boolean {
  if (node.kind === 'compare') {
    const { op, value } = node;
    if (typeof value !== 'number' && typeof value !== 'bigint') return () => false;
    return (result) => compareExactly(op, result, value);
  }
  const keys = new Set<unknown>(
    node.values.map((value) =>
      typeof value === 'number' || typeof value === 'bigint' ? numberKey(value) : value,
    ),
  );
  return (result) => keys.has(numberKey(result));
}

type Step = (value: number | bigint) => number | bigint;

function realStep(operand: Arith): Step {
  const by = Number(operand.by);
  return (value) => real(operand.op, Number(value), by);
}

function real(op: Arith['op'], a: number, b: number): number {
  if (op === '+') return a + b;
  if (op === '-') return a - b;
  if (op === '*') return a * b;
  return a / b;
}

/** 32-bit rows with a small constant stay within doubles, exactly; all else goes through bigint. */
function wholeStep(operand: Arith, layout: 'i32' | 'i64'): Step {
  const { op } = operand;
  const by = BigInt(operand.by);
  if (layout === 'i32' && by < 1n << 21n && by > -(1n << 21n)) {
    const small = Number(by);
    if (op === '/') return (value) => Math.trunc((value as number) / small);
    if (op === '%') return (value) => (value as number) % small;
    return (value) => real(op, value as number, small);
  }
  return (value) => whole(op, BigInt(value), by);
}

function whole(op: Arith['op'], a: bigint, b: bigint): bigint {
  if (op === '+') return a + b;
  if (op === '-') return a - b;
  if (op === '*') return a * b;
  return op === '/' ? a / b : a % b;
}

function jsonStep(operand: Arith, value: number | bigint): number | bigint | undefined {
  const { op, by } = operand;
  const isWhole = typeof value === 'bigint' || Number.isInteger(value);
  if (op === '/') return Number(value) / Number(by);
  if (isWhole && typeof by === 'bigint') return whole(op, BigInt(value), by);
  return op === '%' ? undefined : real(op, Number(value), Number(by));
}
