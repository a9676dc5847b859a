import { assert } from './assert.ts';
import { createBitset, hasBit, setBit, type Bitset } from './bitset.ts';
import {
  columnRows,
  numericArray,
  type BytesColumn,
  validOf,
  type Column,
  type ColumnBatch,
  type NumberColumn,
  type SparseColumn,
  type VectorColumn,
} from './column.ts';
import { denseArray, denseWidth, type VectorShape } from './vector-type.ts';

/** Rows `[from, to)` of a column; fixed-width values are views, offsets and bitmaps are copied. */
export function sliceColumn(column: Column, from: number, to: number): Column {
  if (column.kind === 'vector') {
    const width = denseWidth(column.type, column.dim);
    return { ...column, values: column.values.subarray(from * width, to * width) };
  }
  if (column.kind === 'sparse') return sliceSparse(column, from, to);
  const valid = sliceBitset(column.valid, from, to);
  if (column.kind === 'array') {
    const offsets = rebase(column.offsets, from, to);
    const start = column.offsets[from] ?? 0;
    const element = sliceColumn(column.element, start, start + (offsets[to - from] ?? 0));
    assert(isScalar(element), 'elements are scalars');
    return { kind: 'array', offsets, element, valid };
  }
  if ('offsets' in column) {
    const offsets = rebase(column.offsets, from, to);
    const data = column.data.subarray(column.offsets[from], column.offsets[to]);
    return { kind: column.kind, offsets, data, valid };
  }
  return { kind: column.kind, values: column.values.subarray(from, to), valid };
}

/** Rows `[from, to)` of a batch. */
export function sliceBatch(batch: ColumnBatch, from: number, to: number): ColumnBatch {
  if (from === 0 && to === batch.rowCount) return batch;
  const columns = new Map([...batch.columns].map(([id, c]) => [id, sliceColumn(c, from, to)]));
  return { rowCount: to - from, columns };
}

/** The listed rows of a column, in the order given, as copies. */
export function takeColumn(column: Column, rows: Uint32Array): Column {
  if (column.kind === 'vector') return takeVectors(column, rows);
  if (column.kind === 'sparse') return takeSparse(column, rows);
  const valid = takeBitset(column.valid, rows);
  if (column.kind === 'array') {
    const { offsets, positions } = takeSpans(column.offsets, rows);
    const element = takeColumn(column.element, positions);
    assert(isScalar(element), 'elements are scalars');
    return { kind: 'array', offsets, element: { ...element, valid: undefined }, valid };
  }
  if ('offsets' in column) return { ...takeBytes(column, rows), valid };
  return { kind: column.kind, values: takeNumbers(column, rows), valid };
}

/** The listed rows of a batch, in the order given. */
export function takeBatch(batch: ColumnBatch, rows: Uint32Array): ColumnBatch {
  const columns = new Map([...batch.columns].map(([id, c]) => [id, takeColumn(c, rows)]));
  return { rowCount: rows.length, columns };
}

/** Columns of equal kind, one after the other, as one column of copies. */
export function concatColumns(parts: readonly Column[]): Column {
  const [first] = parts;
  assert(first !== undefined, 'at least one column');
  if (parts.length === 1) return first;
  const valid = concatBitsets(parts);
  if (first.kind === 'vector') return concatVectors(first, parts);
  if (first.kind === 'sparse') return concatSparse(parts);
  if (first.kind === 'array') {
    const lists = parts.map((part) => {
      assert(part.kind === 'array', 'columns of one kind');
      return part;
    });
    const element = concatColumns(lists.map((part) => part.element));
    assert(isScalar(element), 'elements are scalars');
    return { kind: 'array', offsets: concatOffsets(lists.map((p) => p.offsets)), element, valid };
  }
  if ('offsets' in first) return { ...concatBytes(parts), valid };
  return { kind: first.kind, values: concatNumbers(first.kind, parts), valid };
}

/** An absent value for every one of `rowCount` rows, in the kind of `like`. */
export function nullColumn(like: Column['kind'], rowCount: number): Column {
  assert(like !== 'vector' && like !== 'sparse', 'vectors are never null');
  const valid = createBitset(rowCount);
  const offsets = new Uint32Array(rowCount + 1);
  if (like === 'array') {
    return {
      kind: 'array',
      offsets,
      element: { kind: 'int64', values: new BigInt64Array(0) },
      valid,
    };
  }
  if (like === 'varchar' || like === 'json' || like === 'bytes') {
    return { kind: like, offsets, data: new Uint8Array(0), valid };
  }
  return { kind: like, values: numericArray(like, rowCount), valid };
}

/** Vectors of nothing but zeroes. */
export function zeroVectors(shape: VectorShape, rowCount: number): VectorColumn | SparseColumn {
  const { type, dim } = shape;
  if (type !== 'sparse') {
    return {
      kind: 'vector',
      type,
      dim,
      values: denseArray(type, rowCount * denseWidth(type, dim)),
    };
  }
  return {
    kind: 'sparse',
    offsets: new Uint32Array(rowCount + 1),
    indices: new Uint32Array(0),
    values: new Float32Array(0),
  };
}

const isScalar = (column: Column): column is NumberColumn | BytesColumn =>
  column.kind !== 'array' && column.kind !== 'vector' && column.kind !== 'sparse';

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);

function sliceBitset(set: Bitset | undefined, from: number, to: number): Bitset | undefined {
  if (set === undefined) return undefined;
  const out = createBitset(to - from);
  for (let i = from; i < to; i++) if (hasBit(set, i)) setBit(out, i - from);
  return out;
}

function takeBitset(set: Bitset | undefined, rows: Uint32Array): Bitset | undefined {
  if (set === undefined) return undefined;
  const out = createBitset(rows.length);
  rows.forEach((row, i) => {
    if (hasBit(set, row)) setBit(out, i);
  });
  return out;
}

function rebase(offsets: Uint32Array, from: number, to: number): Uint32Array {
  const out = offsets.slice(from, to + 1);
  const base = out[0] ?? 0;
  if (base !== 0) for (let i = 0; i < out.length; i++) out[i] = (out[i] ?? 0) - base;
  return out;
}

function takeSpans(source: Uint32Array, rows: Uint32Array) {
  const offsets = new Uint32Array(rows.length + 1);
  rows.forEach((row, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + (source[row + 1] ?? 0) - (source[row] ?? 0);
  });
  const positions = new Uint32Array(offsets[rows.length] ?? 0);
  rows.forEach((row, i) => {
    const from = source[row] ?? 0;
    const at = offsets[i] ?? 0;
    for (let k = 0; k < (offsets[i + 1] ?? 0) - at; k++) positions[at + k] = from + k;
  });
  return { offsets, positions };
}

function takeBytes(column: BytesColumn, rows: Uint32Array): BytesColumn {
  const offsets = new Uint32Array(rows.length + 1);
  rows.forEach((row, i) => {
    offsets[i + 1] =
      (offsets[i] ?? 0) + (column.offsets[row + 1] ?? 0) - (column.offsets[row] ?? 0);
  });
  const data = new Uint8Array(offsets[rows.length] ?? 0);
  rows.forEach((row, i) => {
    data.set(column.data.subarray(column.offsets[row], column.offsets[row + 1]), offsets[i]);
  });
  return { kind: column.kind, offsets, data };
}

function takeNumbers(column: NumberColumn, rows: Uint32Array): NumberColumn['values'] {
  const out = numericArray(column.kind, rows.length);
  const source = column.values;
  if (source instanceof BigInt64Array) {
    assert(out instanceof BigInt64Array, 'same width');
    for (let i = 0; i < rows.length; i++) out[i] = source[rows[i] ?? 0] ?? 0n;
    return out;
  }
  assert(!(out instanceof BigInt64Array), 'same width');
  for (let i = 0; i < rows.length; i++) out[i] = source[rows[i] ?? 0] ?? 0;
  return out;
}

function concatNumbers(kind: NumberColumn['kind'], parts: readonly Column[]) {
  const values = numericArray(
    kind,
    sum(parts, (part) => (part.kind === kind ? part.values.length : 0)),
  );
  let at = 0;
  for (const part of parts) {
    assert(part.kind === kind, 'columns of one kind');
    (values as Float64Array).set(part.values as Float64Array, at);
    at += part.values.length;
  }
  return values;
}

function concatBytes(parts: readonly Column[]): BytesColumn {
  const bytes = parts.map((part) => {
    assert('data' in part, 'columns of one kind');
    return part;
  });
  const [first] = bytes;
  assert(first !== undefined, 'at least one column');
  const data = new Uint8Array(sum(bytes, (part) => dataBytes(part)));
  let at = 0;
  for (const part of bytes) {
    data.set(part.data.subarray(part.offsets[0], part.offsets[part.offsets.length - 1]), at);
    at += dataBytes(part);
  }
  return { kind: first.kind, offsets: concatOffsets(bytes.map((part) => part.offsets)), data };
}

const dataBytes = (part: BytesColumn): number =>
  (part.offsets[part.offsets.length - 1] ?? 0) - (part.offsets[0] ?? 0);

function concatOffsets(parts: readonly Uint32Array[]): Uint32Array {
  const out = new Uint32Array(sum(parts, (part) => part.length - 1) + 1);
  let at = 0;
  let base = 0;
  for (const part of parts) {
    const first = part[0] ?? 0;
    for (let i = 1; i < part.length; i++) out[at + i] = base + (part[i] ?? 0) - first;
    at += part.length - 1;
    base = out[at] ?? 0;
  }
  return out;
}

function concatBitsets(parts: readonly Column[]): Bitset | undefined {
  if (parts.every((part) => validOf(part) === undefined)) return undefined;
  const rows = parts.map((part) => columnRows(part));
  const out = createBitset(sum(rows, (count) => count));
  let at = 0;
  parts.forEach((part, p) => {
    const count = rows[p] ?? 0;
    const valid = validOf(part);
    for (let i = 0; i < count; i++) {
      if (valid === undefined || hasBit(valid, i)) setBit(out, at + i);
    }
    at += count;
  });
  return out;
}

function takeVectors(column: VectorColumn, rows: Uint32Array): VectorColumn {
  const width = denseWidth(column.type, column.dim);
  const values = denseArray(column.type, rows.length * width);
  rows.forEach((row, i) => {
    values.set(column.values.subarray(row * width, (row + 1) * width), i * width);
  });
  return { ...column, values };
}

function concatVectors(first: VectorColumn, parts: readonly Column[]): VectorColumn {
  const length = sum(parts, (part) => (part.kind === 'vector' ? part.values.length : 0));
  const values = denseArray(first.type, length);
  let at = 0;
  for (const part of parts) {
    assert(part.kind === 'vector' && part.type === first.type, 'columns of one kind');
    values.set(part.values, at);
    at += part.values.length;
  }
  return { ...first, values };
}

function sliceSparse(column: SparseColumn, from: number, to: number): SparseColumn {
  const [start, end] = [column.offsets[from], column.offsets[to]];
  return {
    kind: 'sparse',
    offsets: rebase(column.offsets, from, to),
    indices: column.indices.subarray(start, end),
    values: column.values.subarray(start, end),
  };
}

function takeSparse(column: SparseColumn, rows: Uint32Array): SparseColumn {
  const { offsets, positions } = takeSpans(column.offsets, rows);
  return {
    kind: 'sparse',
    offsets,
    indices: positions.map((at) => column.indices[at] ?? 0),
    values: Float32Array.from(positions, (at) => column.values[at] ?? 0),
  };
}

function concatSparse(parts: readonly Column[]): SparseColumn {
  const rows = parts.map((part) => {
    assert(part.kind === 'sparse', 'columns of one kind');
    return sliceSparse(part, 0, part.offsets.length - 1);
  });
  const offsets = concatOffsets(rows.map((part) => part.offsets));
  const entries = offsets[offsets.length - 1] ?? 0;
  const indices = new Uint32Array(entries);
  const values = new Float32Array(entries);
  let at = 0;
  for (const part of rows) {
    indices.set(part.indices, at);
    values.set(part.values, at);
    at += part.indices.length;
  }
  return { kind: 'sparse', offsets, indices, values };
}
