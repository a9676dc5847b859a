import type {
  ArrayColumn,
  Bitset,
  BytesColumn,
  Column,
  Field,
  FieldId,
  NumberColumn,
} from '@elanus/core';
import {
  assert,
  bitsetWords,
  createBitset,
  filledBitset,
  isVectorColumn,
  validOf,
  vectorShape,
  zeroVectors,
} from '@elanus/core';
import type { CheckedFilter } from './checked.ts';
import type { NumberView } from './numbers.ts';
import type { TextView } from './text.ts';

/** Values from `min` to `max`; absent = without end. Numbers of any kind, texts as UTF-8. */
export interface ValueSpan {
  readonly min?: number | bigint | Uint8Array | undefined;
  readonly max?: number | bigint | Uint8Array | undefined;
  /** Whether `min`, `max` themselves are left out. */
  readonly above?: boolean | undefined;
  readonly below?: boolean | undefined;
}

/**
 * What an index over a column answers: the rows, of all rows of the batch or more, whose value lies
 * in one of the spans, as a bitset of the caller's.
 */
export type ScalarLookup = (spans: readonly ValueSpan[]) => Bitset;

/** Rows to evaluate a filter on. `timestamps` only where the filter reads `$ts`. */
export interface FilterBatch {
  readonly rowCount: number;
  readonly columns: ReadonlyMap<FieldId, Column>;
  readonly timestamps?: BigUint64Array | undefined;
  /** Indexes of columns: they change what an evaluation costs, never what it finds. */
  readonly lookups?: ReadonlyMap<FieldId, ScalarLookup> | undefined;
}

/** One evaluation: rows `[base, to)`, of which `base` is a multiple of 32. */
export interface Scope {
  readonly filter: CheckedFilter;
  readonly batch: FilterBatch;
  readonly base: number;
  readonly to: number;
  readonly rows: number;
  /** Columns made for fields that the batch lacks; they hold rows `[0, rows)`. */
  readonly made: Map<FieldId, Column>;
}

/** A column and the row of it that the scope's row 0 is. */
export interface Placed<C extends Column = Column> {
  readonly column: C;
  readonly base: number;
}

/** The field's column, or one made of its default when the batch is older than the field. */
export function placedColumn(scope: Scope, id: FieldId): Placed {
  const column = scope.batch.columns.get(id);
  if (column !== undefined) return { column, base: scope.base };
  let made = scope.made.get(id);
  if (made === undefined) {
    const field = scope.filter.fields.get(id);
    assert(field !== undefined, `filter knows field ${id}`);
    made = defaultColumn(field, scope.rows);
    scope.made.set(id, made);
  }
  return { column: made, base: 0 };
}

/**
 * A column of `rows` times the field's default, or of nulls without one: what rows written before
 * the field existed hold.
 */
export function defaultColumn(field: Field, rows: number): Column {
  const valid = field.default === undefined ? createBitset(rows) : undefined;
  switch (field.type) {
    case 'vector':
      return zeroVectors(vectorShape(field), rows);
    case 'array': {
      const element = defaultColumn(
        { id: field.id, name: field.name, type: elementType(field) },
        0,
      );
      return {
        kind: 'array',
        offsets: new Uint32Array(rows + 1),
        element: element as NumberColumn | BytesColumn,
        valid: createBitset(rows),
      };
    }
    case 'varchar':
    case 'json':
    case 'bytes':
      return repeatedBytes(field.type, { value: defaultBytes(field), rows, valid });
    default:
      return repeatedNumber(field.type, { value: field.default, rows, valid });
  }
}

function elementType(field: Field): NumberColumn['kind'] | BytesColumn['kind'] {
  return field.element?.type ?? 'int64';
}

function defaultBytes(field: Field): Uint8Array {
  const text = String(field.default ?? '');
  if (field.type !== 'bytes') return new TextEncoder().encode(text);
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

function repeatedBytes(
  kind: BytesColumn['kind'],
  what: { readonly value: Uint8Array; readonly rows: number; readonly valid: Bitset | undefined },
): BytesColumn {
  const { value, rows, valid } = what;
  const offsets = new Uint32Array(rows + 1);
  const data = new Uint8Array(rows * value.length);
  for (let i = 1; i <= rows; i++) {
    offsets[i] = i * value.length;
    data.set(value, (i - 1) * value.length);
  }
  return { kind, offsets, data, valid };
}

function repeatedNumber(
  kind: NumberColumn['kind'],
  what: {
    readonly value: string | number | boolean | undefined;
    readonly rows: number;
    readonly valid: Bitset | undefined;
  },
): NumberColumn {
  const { value, rows, valid } = what;
  if (kind === 'int64' || kind === 'timestamp') {
    return { kind, values: new BigInt64Array(rows).fill(BigInt(value ?? 0)), valid };
  }
  const number = Number(value ?? 0);
  if (kind === 'float') return { kind, values: new Float32Array(rows).fill(number), valid };
  if (kind === 'double') return { kind, values: new Float64Array(rows).fill(number), valid };
  return { kind, values: new Int32Array(rows).fill(number), valid };
}

/** The validity of the scope's rows, or undefined when all hold values. */
export function knownRows(placed: Placed, rows: number): Bitset | undefined {
  const { column, base } = placed;
  const valid = validOf(column);
  return valid?.subarray(base >>> 5, (base >>> 5) + bitsetWords(rows));
}

/** Numbers `[from, to)` of a column in one of the loops' layouts; copies only narrow types. */
export function numberView(column: NumberColumn, from: number, to: number): NumberView {
  const { values } = column;
  if (values instanceof BigInt64Array) {
    const words = new Int32Array(
      values.buffer as ArrayBuffer,
      values.byteOffset + 8 * from,
      2 * (to - from),
    );
    return { layout: 'i64', words, unsigned: false };
  }
  if (values instanceof Int32Array) return { layout: 'i32', values: values.subarray(from, to) };
  if (values instanceof Float64Array) return { layout: 'f64', values: values.subarray(from, to) };
  if (values instanceof Float32Array) {
    return { layout: 'f64', values: Float64Array.from(values.subarray(from, to)) };
  }
  const wide = new Int32Array(to - from);
  wide.set(values.subarray(from, to));
  return { layout: 'i32', values: wide };
}

/** The timestamps of rows `[from, to)`. */
export function timestampView(timestamps: BigUint64Array, from: number, to: number): NumberView {
  const words = new Int32Array(
    timestamps.buffer as ArrayBuffer,
    timestamps.byteOffset + 8 * from,
    2 * (to - from),
  );
  return { layout: 'i64', words, unsigned: true };
}

/** Texts `[from, to)` of a column, without copying. */
export function textView(column: BytesColumn, from: number, to: number): TextView {
  return {
    starts: column.offsets.subarray(from, to),
    ends: column.offsets.subarray(from + 1, to + 1),
    data: column.data,
  };
}

/** What a scalar operand holds: numbers or texts, and which rows hold anything. */
export type ScalarView =
  | { readonly kind: 'numbers'; readonly view: NumberView; readonly known: Bitset | undefined }
  | { readonly kind: 'texts'; readonly view: TextView; readonly known: Bitset | undefined };

/** A scalar column's rows of the scope. */
export function scalarView(scope: Scope, id: FieldId): ScalarView {
  const placed = placedColumn(scope, id);
  const { column, base } = placed;
  const known = knownRows(placed, scope.rows);
  assert(column.kind !== 'array' && !isVectorColumn(column), `field ${id} is scalar`);
  if ('data' in column) {
    return { kind: 'texts', view: textView(column, base, base + scope.rows), known };
  }
  return { kind: 'numbers', view: numberView(column, base, base + scope.rows), known };
}

/** The array column of a field and where the scope's rows begin in it. */
export function arrayColumn(scope: Scope, id: FieldId): Placed<ArrayColumn> {
  const { column, base } = placedColumn(scope, id);
  assert(column.kind === 'array', `field ${id} is an array`);
  return { column, base };
}

/** Element `index` of each row's array; rows whose array is absent or shorter are unknown. */
export function elementView(scope: Scope, id: FieldId, index: number): ScalarView {
  const placed = arrayColumn(scope, id);
  const { column, base } = placed;
  const { offsets, element } = column;
  const { rows } = scope;
  const places = new Uint32Array(rows);
  const known = knownRows(placed, rows)?.slice() ?? filledBitset(rows);
  for (let row = 0; row < rows; row++) {
    const at = (offsets[base + row] as number) + index;
    if (at < (offsets[base + row + 1] as number)) places[row] = at;
    else known[row >>> 5] = (known[row >>> 5] as number) & ~(1 << (row & 31));
  }
  if ('data' in element) return { kind: 'texts', view: gatherTexts(element, places, known), known };
  return { kind: 'numbers', view: gatherNumbers(element, places, known), known };
}

function isSet(bits: Bitset, row: number): boolean {
  return (((bits[row >>> 5] as number) >>> (row & 31)) & 1) === 1;
}

function gatherTexts(element: BytesColumn, places: Uint32Array, known: Bitset): TextView {
  const starts = new Uint32Array(places.length);
  const ends = new Uint32Array(places.length);
  for (let row = 0; row < places.length; row++) {
    if (!isSet(known, row)) continue;
    const place = places[row] as number;
    starts[row] = element.offsets[place] as number;
    ends[row] = element.offsets[place + 1] as number;
  }
  return { starts, ends, data: element.data };
}

function gatherNumbers(element: NumberColumn, places: Uint32Array, known: Bitset): NumberView {
  const { values } = element;
  if (values instanceof BigInt64Array) {
    const picked = new BigInt64Array(places.length);
    for (let row = 0; row < places.length; row++) {
      if (isSet(known, row)) picked[row] = values[places[row] as number] as bigint;
    }
    return numberView({ kind: 'int64', values: picked }, 0, picked.length);
  }
  const real = values instanceof Float32Array || values instanceof Float64Array;
  const picked = real ? new Float64Array(places.length) : new Int32Array(places.length);
  for (let row = 0; row < places.length; row++) {
    if (isSet(known, row)) picked[row] = values[places[row] as number] as number;
  }
  return numberView({ kind: real ? 'double' : 'int32', values: picked }, 0, picked.length);
}

/** The lengths of the scope's arrays. */
export function lengthView(scope: Scope, id: FieldId): ScalarView {
  const placed = arrayColumn(scope, id);
  const { offsets } = placed.column;
  const values = new Int32Array(scope.rows);
  for (let row = 0; row < scope.rows; row++) {
    const at = placed.base + row;
    values[row] = (offsets[at + 1] as number) - (offsets[at] as number);
  }
  return { kind: 'numbers', view: { layout: 'i32', values }, known: knownRows(placed, scope.rows) };
}
