/**
 * Scalar columns at rest: one record batch in an Arrow IPC file, so that other tools read our
 * segments. Our bitsets are Arrow's validity bitmaps; numbers and offsets are taken as they lie.
 * The field's id stands in each Arrow field's metadata, `$ts` is the column of row timestamps. The
 * Arrow library is needed to write them only: see scalar-decoder.ts.
 */
import {
  assert,
  bitsetWords,
  isVectorColumn,
  type Bitset,
  type Column,
  type FieldId,
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
  tableToIPC,
  TimestampMillisecond,
  Uint64,
  Utf8,
} from 'apache-arrow';
import { ID_KEY, KIND_KEY, TIMESTAMPS } from './scalar-names.ts';

/** One named column of a segment. */
export interface NamedColumn {
  readonly id: FieldId;
  readonly name: string;
  readonly column: Column;
}

/** Encodes scalar columns and timestamps; vectors have files of their own. */
export function encodeScalars(input: {
  readonly rowCount: number;
  readonly columns: readonly NamedColumn[];
  readonly timestamps: BigUint64Array;
}): Uint8Array {
  const { rowCount } = input;
  const fields: Field[] = [new Field(TIMESTAMPS, new Uint64(), false)];
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

const bitmapBytes = (set: Bitset | undefined, rowCount: number): Uint8Array | undefined =>
  set === undefined
    ? undefined
    : new Uint8Array(set.buffer as ArrayBuffer, set.byteOffset, bitsetWords(rowCount) * 4);

function toArrow(column: Column, length: number): Data {
  assert(!isVectorColumn(column), 'vectors have files of their own');
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
