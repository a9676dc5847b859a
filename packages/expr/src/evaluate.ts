import type { Bitset, BytesColumn } from '@elanus/core';
import { assert, bitsetWords, createBitset, filledBitset } from '@elanus/core';
import { arithTest, arrayContains, arrayEquals, compareViews } from './array-leaf.ts';
import type {
  CheckedFilter,
  CompareNode,
  ContainsNode,
  InNode,
  LikeNode,
  Node,
  Operand,
} from './checked.ts';
import type { JsonTest } from './json-leaf.ts';
import { jsonArrayLength, jsonTest } from './json-leaf.ts';
import type { CompiledPath } from './json-scan.ts';
import { compilePath, kindAt, seekPath } from './json-scan.ts';
import type { Leaf } from './leaf.ts';
import { bytesOf, numberOf } from './leaf.ts';
import { compileLike } from './like.ts';
import { lookUp } from './lookup.ts';
import type { NumberList } from './numbers.ts';
import { compareNumbers, numbersIn, prepareNumbers } from './numbers.ts';
import type { ByteSet } from './text.ts';
import { compareTexts, likeTexts, makeByteSet, textsIn } from './text.ts';
import type { FilterBatch, ScalarView, Scope } from './views.ts';
import {
  elementView,
  knownRows,
  lengthView,
  placedColumn,
  scalarView,
  timestampView,
} from './views.ts';

/**
 * The rows for which the filter is true, as a bitset over all `rowCount` rows; bits outside `range`
 * are zero. Three-valued: a row where the outcome is unknown (a null, a missing JSON value, another
 * JSON type) is never among them, also not under `not`. Cost: typed loops over whole columns for
 * numbers and text, a byte scan per row for JSON; rows that an `and` has already lost are not
 * scanned. Work per call is bounded by the range: cut it to bound a turn.
 */
export function evaluate(
  filter: CheckedFilter,
  batch: FilterBatch,
  range: { readonly from: number; readonly to: number } = { from: 0, to: batch.rowCount },
): Bitset {
  const { from, to } = range;
  assert(from >= 0 && from <= to && to <= batch.rowCount, 'the range lies within the batch');
  const base = from & ~31;
  const scope: Scope = { filter, batch, base, to, rows: to - base, made: new Map() };
  const found = truth(filter.root, { scope, negated: false, mask: undefined });
  const bits = createBitset(batch.rowCount);
  if (found.length === 0) return bits;
  found[0] = (found[0] as number) & (0xffffffff << (from - base));
  const tail = scope.rows & 31;
  if (tail !== 0) {
    found[found.length - 1] = (found[found.length - 1] as number) & ((1 << tail) - 1);
  }
  bits.set(found, base >>> 5);
  return bits;
}

/** How a node is asked: `negated` asks for the rows where it is false. */
interface Ask {
  readonly scope: Scope;
  readonly negated: boolean;
  /** Rows whose answer matters; others may come out either way. */
  readonly mask: Bitset | undefined;
}

/** Rows where the node is true (false when negated). Bits behind the last row are arbitrary. */
function truth(node: Node, ask: Ask): Bitset {
  const { scope } = ask;
  switch (node.kind) {
    case 'const':
      return node.value === ask.negated ? createBitset(scope.rows) : filledBitset(scope.rows);
    case 'not':
      return truth(node.item, { ...ask, negated: !ask.negated });
    case 'and':
    case 'or':
      return (node.kind === 'and') === ask.negated ? union(node.items, ask) : meet(node.items, ask);
    default: {
      const { bits, known } = leaf(node, ask);
      if (ask.negated) for (let i = 0; i < bits.length; i++) bits[i] = ~(bits[i] as number);
      if (known !== undefined) keep(bits, known);
      return bits;
    }
  }
}

function keep(bits: Bitset, other: Bitset): void {
  for (let i = 0; i < bits.length; i++) bits[i] = (bits[i] as number) & (other[i] as number);
}

function isZero(bits: Bitset): boolean {
  for (let i = 0; i < bits.length; i++) if (bits[i] !== 0) return false;
  return true;
}

/** Cheap conditions first; later ones look only at the rows still in. */
function meet(items: readonly Node[], ask: Ask): Bitset {
  let all: Bitset | undefined;
  for (const item of inCostOrder(items)) {
    const bits = truth(item, { ...ask, mask: all ?? ask.mask });
    if (all === undefined) all = bits;
    else keep(all, bits);
    if (isZero(all)) break;
  }
  return all ?? filledBitset(ask.scope.rows);
}

function union(items: readonly Node[], ask: Ask): Bitset {
  const any = createBitset(ask.scope.rows);
  for (const item of inCostOrder(items)) {
    const bits = truth(item, ask);
    for (let i = 0; i < any.length; i++) any[i] = (any[i] as number) | (bits[i] as number);
  }
  return any;
}

function inCostOrder(items: readonly Node[]): readonly Node[] {
  if (items.length < 2) return items;
  return items
    .map((item) => ({ item, cost: cost(item) }))
    .sort((a, b) => a.cost - b.cost)
    .map((entry) => entry.item);
}

const costs = new WeakMap<Node, number>();

function cost(node: Node): number {
  const known = costs.get(node);
  if (known !== undefined) return known;
  const value = costOf(node);
  costs.set(node, value);
  return value;
}

function costOf(node: Node): number {
  switch (node.kind) {
    case 'const':
      return 0;
    case 'not':
      return cost(node.item);
    case 'and':
    case 'or':
      return node.items.reduce((sum, item) => sum + cost(item), 0);
    case 'columns':
      return 20;
    case 'like':
      return operandCost(node.operand) + 20;
    default:
      return operandCost(node.operand);
  }
}

function operandCost(operand: Operand): number {
  if (operand.kind === 'json' || (operand.kind === 'length' && operand.path)) return 100;
  if (operand.kind === 'arith') return 20 + operandCost(operand.of);
  if (operand.kind === 'array' || operand.kind === 'element') return 10;
  return operand.kind === 'column' && operand.type === 'varchar' ? 5 : 1;
}

type LeafNode = Exclude<Node, { kind: 'const' | 'and' | 'or' | 'not' }>;

function leaf(node: LeafNode, ask: Ask): Leaf {
  const { scope } = ask;
  if (node.kind === 'columns') {
    return compareViews(node.op, viewOf(node.left, ask), viewOf(node.right, ask));
  }
  if (node.kind === 'null') return nullLeaf(node.operand, ask);
  const { operand } = node;
  if (operand.kind === 'json') return jsonLeaf(node, ask);
  if (operand.kind === 'arith') return arithLeaf(node, ask);
  if (operand.kind === 'array') {
    if (node.kind === 'contains') return arrayContains(scope, node, operand.field);
    assert(node.kind === 'compare', 'arrays are compared whole');
    return arrayEquals(scope, node, operand.field);
  }
  assert(node.kind !== 'contains', 'contains looks at arrays');
  const found = node.kind === 'like' ? undefined : lookUp(node, scope);
  if (found !== undefined) return found;
  return scalarLeaf(node, viewOf(operand, ask), ask.mask);
}

/** The numbers or texts a scalar operand stands for. */
function viewOf(operand: Operand, ask: Ask): ScalarView {
  const { scope } = ask;
  switch (operand.kind) {
    case 'column':
      return scalarView(scope, operand.field);
    case 'element':
      return elementView(scope, operand.field, operand.index);
    case 'length':
      return operand.path === undefined
        ? lengthView(scope, operand.field)
        : jsonLengths(operand.field, compilePath(operand.path), ask);
    case 'timestamp': {
      const { timestamps } = scope.batch;
      assert(timestamps !== undefined, 'the batch carries timestamps');
      const view = timestampView(timestamps, scope.base, scope.to);
      return { kind: 'numbers', view, known: undefined };
    }
    default:
      throw new Error(`assertion failed: ${operand.kind} is no plain scalar`);
  }
}

/** Constants in the form the loops need, made once per node. */
interface Prepared {
  readonly numbers?: NumberList;
  readonly texts?: ByteSet;
  readonly bytes?: Uint8Array;
  readonly json?: JsonTest;
}

const preparations = new WeakMap<Node, Prepared>();

function prepared(node: Node, make: () => Prepared): Prepared {
  let value = preparations.get(node);
  if (value === undefined) {
    value = make();
    preparations.set(node, value);
  }
  return value;
}

function scalarLeaf(
  node: CompareNode | InNode | LikeNode,
  view: ScalarView,
  mask: Bitset | undefined,
): Leaf {
  const { known } = view;
  if (view.kind === 'numbers') {
    assert(node.kind !== 'like', 'like looks at text');
    if (node.kind === 'compare') {
      return { bits: compareNumbers(view.view, node.op, numberOf(node.value)), known };
    }
    const { numbers } = prepared(node, () => ({
      numbers: prepareNumbers(node.values.map(numberOf)),
    }));
    return { bits: numbersIn(view.view, numbers as NumberList), known };
  }
  if (node.kind === 'like') {
    return { bits: likeTexts(view.view, compileLike(node.pattern), mask), known };
  }
  if (node.kind === 'compare') {
    const { bytes } = prepared(node, () => ({ bytes: bytesOf(node.value) }));
    return { bits: compareTexts(view.view, node.op, bytes as Uint8Array), known };
  }
  const { texts } = prepared(node, () => ({ texts: makeByteSet(node.values.map(bytesOf)) }));
  return { bits: textsIn(view.view, texts as ByteSet), known };
}

/** Calls `visit` with a cursor at the path of each row that matters and has it. */
function eachJson(
  field: Parameters<typeof placedColumn>[1],
  path: CompiledPath,
  job: { readonly ask: Ask; visit(cursor: Parameters<JsonTest>[0], row: number): void },
): void {
  const { scope, mask } = job.ask;
  const placed = placedColumn(scope, field);
  const column = placed.column as BytesColumn;
  assert(column.kind === 'json', `field ${field} is JSON`);
  const known = knownRows(placed, scope.rows);
  const { data, offsets } = column;
  for (let row = 0; row < scope.rows; row++) {
    const word = row >>> 5;
    const bit = 1 << (row & 31);
    if (mask !== undefined && ((mask[word] as number) & bit) === 0) continue;
    if (known !== undefined && ((known[word] as number) & bit) === 0) continue;
    const at = placed.base + row;
    const cursor = { data, at: offsets[at] as number, end: offsets[at + 1] as number };
    if (seekPath(cursor, path)) job.visit(cursor, row);
  }
}

function setBit(bits: Bitset, row: number): void {
  bits[row >>> 5] = (bits[row >>> 5] as number) | (1 << (row & 31));
}

function jsonLeaf(node: CompareNode | InNode | LikeNode | ContainsNode, ask: Ask): Leaf {
  const { operand } = node;
  assert(operand.kind === 'json', 'a JSON operand');
  const test = prepared(node, () => ({ json: jsonTest(node) })).json as JsonTest;
  return jsonRows(operand.field, operand.path, { ask, test });
}

function jsonRows(
  field: Parameters<typeof placedColumn>[1],
  path: readonly (string | number)[],
  job: { readonly ask: Ask; readonly test: JsonTest },
): Leaf {
  const bits = new Uint32Array(bitsetWords(job.ask.scope.rows));
  const known = new Uint32Array(bits.length);
  eachJson(field, compilePath(path), {
    ask: job.ask,
    visit: (cursor, row) => {
      const answer = job.test(cursor);
      if (answer < 0) return;
      setBit(known, row);
      if (answer === 1) setBit(bits, row);
    },
  });
  return { bits, known };
}

function jsonLengths(
  field: Parameters<typeof placedColumn>[1],
  path: CompiledPath,
  ask: Ask,
): ScalarView {
  const values = new Int32Array(ask.scope.rows);
  const known = createBitset(ask.scope.rows);
  eachJson(field, path, {
    ask,
    visit: (cursor, row) => {
      const length = jsonArrayLength(cursor);
      if (length < 0) return;
      values[row] = length;
      setBit(known, row);
    },
  });
  return { kind: 'numbers', view: { layout: 'i32', values }, known };
}

function nullLeaf(operand: Operand, ask: Ask): Leaf {
  const { scope } = ask;
  if (operand.kind === 'json') {
    const present = jsonRows(operand.field, operand.path, {
      ask,
      test: (cursor) => (kindAt(cursor) === 'null' ? 0 : 1),
    }).bits;
    return { bits: present.map((word) => ~word), known: undefined };
  }
  assert(operand.kind === 'column' || operand.kind === 'array', 'null tests look at fields');
  const known = knownRows(placedColumn(scope, operand.field), scope.rows);
  const bits = known === undefined ? createBitset(scope.rows) : known.map((word) => ~word);
  return { bits, known: undefined };
}

function arithLeaf(node: CompareNode | InNode | LikeNode | ContainsNode, ask: Ask): Leaf {
  const { operand } = node;
  assert(operand.kind === 'arith', 'an arithmetic operand');
  assert(node.kind === 'compare' || node.kind === 'in', 'arithmetic is compared');
  const test = arithTest(operand, node);
  if (operand.of.kind === 'json') {
    return jsonRows(operand.of.field, operand.of.path, { ask, test: test.json });
  }
  const view = viewOf(operand.of, ask);
  assert(view.kind === 'numbers', 'arithmetic works on numbers');
  return { bits: test.rows(view.view), known: view.known };
}
