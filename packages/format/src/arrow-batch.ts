/**
 * Scalar columns at rest: one record batch in an Arrow IPC file, so that other tools read our
 * segments. Our bitsets are Arrow's validity bitmaps; numbers and offsets are taken as they lie.
 * The field's id stands in each Arrow field's metadata, `$ts` is the column of row timestamps.
 */
import {
  assert,
  bitsetWords,
  ElanusError,
  fieldId,
  numericArray,
  type Bitset,
  type BytesColumn,
  type Column,
  type ColumnKind,
  type FieldId,
  type NumberColumn,
} from '@elanus/core';
import {
  Binary,
  Bool,
  type Data,
  Field,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableFromIPC,
  tableToIPC,
  TimestampMillisecond,
  Uint64,
  Utf8,
} from 'apache-arrow';

type ScalarKind = Exclude<ColumnKind, 'array' | 'vector'>;

/** One named column of a segment. */
export interface NamedColumn {
  readonly id: FieldId;
  readonly name: string;
  readonly column: Column;
}

/** A segment's scalars and row timestamps. */
export interface ScalarFile {
  readonly rowCount: number;
  readonly columns: ReadonlyMap<FieldId, Column>;
  readonly timestamps: BigUint64Array;
}

const KIND_KEY = 'elanus.kind';
const ID_KEY = 'elanus.id';

/** Encodes scalar columns and timestamps; vectors have files of their own. */
export function encodeScalars(input: {
  readonly rowCount: number;
  readonly columns: readonly NamedColumn[];
  readonly timestamps: BigUint64Array;
}): Uint8Array {
  const { rowCount } = input;
  const fields: Field[] = [new Field('$ts', new Uint64(), false)];
  const children: Data[] = [
    makeData({ type: new Uint64(), length: rowCount, nullCount: 0, data: input.timestamps }),
  ];
  for (const { id, name, column } of input.columns) {
    const data = toArrow(column, rowCount);
    const metadata = new Map([
      [ID_KEY, String(id)],
      [KIND_KEY, column.kind === 'array' ? `array:${column.element.kind}` : column.kind],
    ]);
    fields.push(new Field(name, data.type, true, metadata));
    children.push(data);
  }
  const schema = new Schema(fields);
  const struct = makeData({ type: new Struct(fields), length: rowCount, nullCount: 0, children });
  return tableToIPC(new Table(schema, [new RecordBatch(schema, struct)]), 'file');
}

/**
 * Decodes a scalar file. Columns lie on shared memory, so that threads can filter them.
 * @throws ElanusError file_corrupt when it is not such a file
 */
export function decodeScalars(bytes: Uint8Array, path: string): ScalarFile {
  const refuse = (why: string) => new ElanusError('file_corrupt', { path, why });
  let table: Table;
  try {
    table = tableFromIPC(bytes);
  } catch (cause) {
    throw new ElanusError('file_corrupt', { path, why: 'not an Arrow file' }, { cause });
  }
  const batch = table.batches[0];
  if (batch === undefined || table.batches.length !== 1) throw refuse('one batch expected');
  const rowCount = batch.numRows;
  const columns = new Map<FieldId, Column>();
  let timestamps: BigUint64Array | undefined;
  table.schema.fields.forEach((field, i) => {
    const data = batch.data.children[i];
    if (data === undefined) throw refuse('column missing');
    if (field.name === '$ts') {
      timestamps = shared(BigUint64Array, data.values as BigUint64Array, rowCount);
      return;
    }
    const id = Number(field.metadata.get(ID_KEY));
    const kind = field.metadata.get(KIND_KEY) ?? '';
    if (!Number.isInteger(id)) throw refuse(`column ${field.name} has no id`);
    columns.set(fieldId(id), fromArrow(kind, data, rowCount));
  });
  if (timestamps === undefined) throw refuse('no timestamps');
  return { rowCount, columns, timestamps };
}

const bitmapBytes = (set: Bitset | undefined, rowCount: number): Uint8Array | undefined =>
  set === undefined
    ? undefined
    : new Uint8Array(set.buffer as ArrayBuffer, set.byteOffset, bitsetWords(rowCount) * 4);

function toArrow(column: Column, length: number): Data {
  assert(column.kind !== 'vector', 'vectors have files of their own');
  const nullBitmap = bitmapBytes(column.valid, length);
  const nulls = nullBitmap === undefined ? { nullCount: 0 } : { nullBitmap, nullCount: -1 };
  if (column.kind === 'array') {
    const element = column.element;
    const rows = 'offsets' in element ? element.offsets.length - 1 : element.values.length;
    const child = toArrow(element, rows);
    return makeData({
      type: new List(new Field('item', child.type, false)),
      length,
      valueOffsets: int32View(column.offsets),
      child,
      ...nulls,
    });
  }
  if ('offsets' in column) {
    const valueOffsets = int32View(column.offsets);
    const data = column.data;
    return column.kind === 'bytes'
      ? makeData({ type: new Binary(), length, valueOffsets, data, ...nulls })
      : makeData({ type: new Utf8(), length, valueOffsets, data, ...nulls });
  }
  if (column.kind === 'bool') {
    return makeData({
      type: new Bool(),
      length,
      data: packBits(column.values as Uint8Array),
      ...nulls,
    });
  }
  // One call for seven types: each pairs its Arrow type with the array it is held in.
  const props = { type: NUMBER_TYPES[column.kind](), length, data: column.values, ...nulls };
  return makeData(props as never) as Data;
}

const NUMBER_TYPES = {
  int8: () => new Int8(),
  int16: () => new Int16(),
  int32: () => new Int32(),
  int64: () => new Int64(),
  float: () => new Float32(),
  double: () => new Float64(),
  timestamp: () => new TimestampMillisecond(),
} as const;

const int32View = (offsets: Uint32Array): Int32Array =>
  new Int32Array(offsets.buffer as ArrayBuffer, offsets.byteOffset, offsets.length);

function packBits(values: Uint8Array): Uint8Array {
  const out = new Uint8Array(((values.length + 63) >>> 6) << 3);
  values.forEach((value, i) => {
    if (value !== 0) out[i >>> 3] = (out[i >>> 3] ?? 0) | (1 << (i & 7));
  });
  return out;
}

function fromArrow(kind: string, data: Data, rowCount: number): Column {
  const valid = validity(data, rowCount);
  if (kind.startsWith('array:')) {
    const offsets = sharedOffsets(data, rowCount);
    const child = data.children[0];
    assert(child !== undefined, 'a list has a child');
    const element = scalarFromArrow(kind.slice(6) as ScalarKind, child, offsets[rowCount] ?? 0);
    return { kind: 'array', offsets, element, valid };
  }
  return { ...scalarFromArrow(kind as ScalarKind, data, rowCount), valid };
}

function scalarFromArrow(kind: ScalarKind, data: Data, rows: number): NumberColumn | BytesColumn {
  if (kind === 'varchar' || kind === 'json' || kind === 'bytes') {
    const offsets = sharedOffsets(data, rows);
    const length = offsets[rows] ?? 0;
    return { kind, offsets, data: shared(Uint8Array, data.values as Uint8Array, length) };
  }
  if (kind === 'bool') {
    const bits = data.values as Uint8Array;
    const values = new Uint8Array(new SharedArrayBuffer(rows));
    for (let i = 0; i < rows; i++) values[i] = ((bits[i >>> 3] ?? 0) >>> (i & 7)) & 1;
    return { kind, values };
  }
  const source = data.values as NumberColumn['values'];
  const width = numericArray(kind, 0).BYTES_PER_ELEMENT;
  const buffer = new SharedArrayBuffer(rows * width);
  new Uint8Array(buffer).set(
    new Uint8Array(source.buffer as ArrayBuffer, source.byteOffset, rows * width),
  );
  return { kind, values: numericArray(kind, { buffer, offset: 0, length: rows }) };
}

function validity(data: Data, rowCount: number): Bitset | undefined {
  const bitmap = data.nullBitmap;
  if (bitmap === undefined || bitmap.length === 0 || data.nullCount === 0) return undefined;
  const set = new Uint32Array(new SharedArrayBuffer(bitsetWords(rowCount) * 4));
  const bytes = new Uint8Array(set.buffer);
  bytes.set(bitmap.subarray(0, Math.min(bitmap.length, (rowCount + 7) >>> 3)));
  return set;
}

function sharedOffsets(data: Data, rows: number): Uint32Array {
  const offsets = data.valueOffsets as Int32Array;
  const out = new Uint32Array(new SharedArrayBuffer((rows + 1) * 4));
  if (rows > 0) out.set(offsets.subarray(0, rows + 1));
  return out;
}

function shared<T extends Uint8Array | BigUint64Array>(
  make: new (buffer: SharedArrayBuffer) => T,
  source: T,
  length: number,
): T {
  const width = source.BYTES_PER_ELEMENT;
  const out = new make(new SharedArrayBuffer(length * width));
  (out as Uint8Array).set((source as Uint8Array).subarray(0, length));
  return out;
}
