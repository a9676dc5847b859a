import { assert } from './assert.ts';
import type { Bitset } from './bitset.ts';
import type { FieldId } from './ids.ts';
import { denseWidth, type DenseArray, type DenseType } from './vector-type.ts';

/** Numbers, one per row. Booleans are 0 or 1. */
export type NumericArray =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/**
 * One field's values for `rowCount` rows. Absent values hold zeroes and a cleared bit in `valid`;
 * without `valid` every value is present. `timestamp` holds Unix milliseconds. Strings are UTF-8;
 * JSON is canonical text without superfluous spaces.
 */
export type Column = NumberColumn | BytesColumn | ArrayColumn | VectorColumn | SparseColumn;

/** A fixed-width scalar. */
export interface NumberColumn {
  readonly kind: 'bool' | 'int8' | 'int16' | 'int32' | 'int64' | 'float' | 'double' | 'timestamp';
  readonly values: NumericArray;
  readonly valid?: Bitset | undefined;
}

/** Text or bytes: value i is `data[offsets[i] .. offsets[i + 1])`. */
export interface BytesColumn {
  readonly kind: 'varchar' | 'json' | 'bytes';
  readonly offsets: Uint32Array;
  readonly data: Uint8Array;
  readonly valid?: Bitset | undefined;
}

/** Lists: value i is `element` rows `offsets[i] .. offsets[i + 1])`. Elements are never null. */
export interface ArrayColumn {
  readonly kind: 'array';
  readonly offsets: Uint32Array;
  readonly element: NumberColumn | BytesColumn;
  readonly valid?: Bitset | undefined;
}

/** Dense vectors, row-major [rowCount x denseWidth]; never null. */
export interface VectorColumn {
  readonly kind: 'vector';
  readonly type: DenseType;
  readonly dim: number;
  readonly values: DenseArray;
}

/**
 * Sparse vectors: row i holds `values` at `indices`, both `[offsets[i] .. offsets[i + 1])`. Indices
 * of a row rise strictly and are below 2^32 - 1; values are finite and above 0. Never null.
 */
export interface SparseColumn {
  readonly kind: 'sparse';
  readonly offsets: Uint32Array;
  readonly indices: Uint32Array;
  readonly values: Float32Array;
}

/** What a column holds; the same words as field types, but for sparse vectors. */
export type ColumnKind = Column['kind'];

/** Rows as columns: how data travels and rests everywhere but at the client's edge. */
export interface ColumnBatch {
  readonly rowCount: number;
  readonly columns: ReadonlyMap<FieldId, Column>;
}

const NUMERIC = {
  bool: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  timestamp: BigInt64Array,
  float: Float32Array,
  double: Float64Array,
} as const;

/** The typed array a fixed-width kind is held in. */
export function numericArray(
  kind: NumberColumn['kind'],
  source: number | { readonly buffer: ArrayBufferLike; readonly offset: number; length: number },
): NumericArray {
  const make = NUMERIC[kind];
  if (typeof source === 'number') return new make(source);
  return new make(source.buffer as ArrayBuffer, source.offset, source.length);
}

/** Bytes of one value of a fixed-width kind. */
export function numericBytes(kind: NumberColumn['kind']): number {
  return NUMERIC[kind].BYTES_PER_ELEMENT;
}

/** Rows in a column; cheap. */
export function columnRows(column: Column): number {
  if (column.kind === 'vector') {
    return column.values.length / denseWidth(column.type, column.dim);
  }
  if ('offsets' in column) return column.offsets.length - 1;
  return column.values.length;
}

/** Bytes a column occupies, for budgets. */
export function columnBytes(column: Column): number {
  if (column.kind === 'vector') return column.values.byteLength;
  if (column.kind === 'sparse') {
    return column.offsets.byteLength + column.indices.byteLength + column.values.byteLength;
  }
  const valid = column.valid?.byteLength ?? 0;
  if (column.kind === 'array') {
    return column.offsets.byteLength + columnBytes(column.element) + valid;
  }
  if ('offsets' in column) return column.offsets.byteLength + column.data.byteLength + valid;
  return column.values.byteLength + valid;
}

/** Whether row `index` of a column holds a value. */
export function isPresent(column: Column, index: number): boolean {
  const valid = validOf(column);
  if (valid === undefined) return true;
  return (((valid[index >>> 5] ?? 0) >>> (index & 31)) & 1) === 1;
}

/** The bitmap of a column that has one; vectors never do. */
export function validOf(column: Column): Bitset | undefined {
  return column.kind === 'vector' || column.kind === 'sparse' ? undefined : column.valid;
}

/** Whether a column holds vectors of any type. */
export function isVectorColumn(column: Column): column is VectorColumn | SparseColumn {
  return column.kind === 'vector' || column.kind === 'sparse';
}

/** The column of a field that must be there. */
export function columnOf(batch: ColumnBatch, id: FieldId): Column {
  const column = batch.columns.get(id);
  assert(column !== undefined, `batch holds field ${id}`);
  return column;
}
