import type {
  ArrayColumn,
  Bitset,
  BytesColumn,
  Column,
  ColumnBatch,
  FieldId,
  NumberColumn,
  VectorColumn,
} from '@elanus/core';
import {
  ElanusError,
  LIMITS,
  bitsetWords,
  clearTail,
  columnRows,
  fieldId,
  numericArray,
  numericBytes,
} from '@elanus/core';

/**
 * The column frame: a ColumnBatch as one run of bytes, little-endian, every array on a multiple of
 * 8 so that readers take views instead of copies.
 *
 *   u32 magic, u32 version, u32 rows, u32 columns, then for each column
 *   u32 field, u8 kind, u8 flags (1: validity follows), u16 zero, and its body:
 *     fixed width   [validity] values
 *     text, bytes   [validity] offsets (rows + 1), data
 *     array         [validity] offsets (rows + 1), u8 element kind + 7 zero, element body
 *     vector        u32 dim, u32 zero, values
 */
const MAGIC = 0x46434c45;
const VERSION = 1;
const HAS_VALID = 1;

/** Codes of the kinds; part of the wire, never renumbered. */
const KINDS = [
  'bool',
  'int8',
  'int16',
  'int32',
  'int64',
  'float',
  'double',
  'timestamp',
  'varchar',
  'json',
  'bytes',
  'array',
  'vector',
] as const;
const ARRAY_CODE = 11;

const align = (at: number): number => (at + 7) & ~7;

/** Bytes `encodeFrame` will make of a batch. */
export function frameBytes(batch: ColumnBatch): number {
  let at = 16;
  for (const column of batch.columns.values()) at = bodyEnd(column, batch.rowCount, at + 8);
  return at;
}

function bodyEnd(column: Column, rows: number, from: number): number {
  let at = from;
  if (column.kind === 'vector') return align(at + 8 + column.values.byteLength);
  if (column.valid !== undefined) at = align(at + 4 * bitsetWords(rows));
  if (column.kind === 'array') {
    at = align(at + 4 * (rows + 1)) + 8;
    return bodyEnd(column.element, span(column.offsets, rows), at);
  }
  if ('offsets' in column) {
    return align(align(at + 4 * (rows + 1)) + span(column.offsets, rows));
  }
  return align(at + rows * numericBytes(column.kind));
}

/** How much the values of all rows take, in elements or bytes. */
function span(offsets: Uint32Array, rows: number): number {
  return (offsets[rows] as number) - (offsets[0] as number);
}

interface Writer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  at: number;
}

/** A batch as bytes. Copies each value once; the result shares nothing with the batch. */
export function encodeFrame(batch: ColumnBatch): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(frameBytes(batch));
  const writer: Writer = { bytes, view: new DataView(bytes.buffer), at: 0 };
  for (const word of [MAGIC, VERSION, batch.rowCount, batch.columns.size]) putWord(writer, word);
  for (const [id, column] of batch.columns) {
    const flags = column.kind !== 'vector' && column.valid !== undefined ? HAS_VALID : 0;
    putWord(writer, id);
    bytes[writer.at] = KINDS.indexOf(column.kind);
    bytes[writer.at + 1] = flags;
    writer.at += 4;
    putBody(writer, column, batch.rowCount);
  }
  return bytes;
}

function putWord(writer: Writer, word: number): void {
  writer.view.setUint32(writer.at, word, true);
  writer.at += 4;
}

function putArray(writer: Writer, values: ArrayBufferView): void {
  const { buffer, byteOffset, byteLength } = values;
  writer.bytes.set(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength), writer.at);
  writer.at = align(writer.at + byteLength);
}

function putBody(writer: Writer, column: Column, rows: number): void {
  if (column.kind === 'vector') {
    putWord(writer, column.dim);
    putWord(writer, 0);
    putArray(writer, column.values);
    return;
  }
  if (column.valid !== undefined) putArray(writer, column.valid.subarray(0, bitsetWords(rows)));
  if (!('offsets' in column)) {
    putArray(writer, column.values.subarray(0, rows));
    return;
  }
  const first = column.offsets[0] as number;
  const total = span(column.offsets, rows);
  const offsets = column.offsets.subarray(0, rows + 1);
  putArray(writer, first === 0 ? offsets : offsets.map((offset) => offset - first));
  if (column.kind !== 'array') {
    putArray(writer, column.data.subarray(first, first + total));
    return;
  }
  writer.bytes[writer.at] = KINDS.indexOf(column.element.kind);
  writer.at += 8;
  putBody(writer, sliceElement(column.element, first, total), total);
}

function sliceElement(
  element: NumberColumn | BytesColumn,
  first: number,
  count: number,
): NumberColumn | BytesColumn {
  if ('offsets' in element) {
    const offsets = element.offsets.subarray(first, first + count + 1);
    return { kind: element.kind, offsets, data: element.data };
  }
  return { kind: element.kind, values: element.values.subarray(first, first + count) };
}

interface Reader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
}

/** Bounds of what a frame may hold; the defaults are those of one request. */
export interface FrameLimits {
  readonly rowsMax?: number;
}

/**
 * The batch that bytes stand for. Trusts nothing: every length, offset and kind is checked before
 * it is used, so that hostile bytes end in an error, never in a wrong read. Arrays are views on the
 * bytes (copied first when they do not begin on a multiple of 8). Does not judge values: whether
 * text is UTF-8 and numbers fit the schema is `checkBatch`'s.
 *
 * @throws invalid_argument
 */
export function decodeFrame(bytes: Uint8Array, limits: FrameLimits = {}): ColumnBatch {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
  const view = new DataView(aligned.buffer, aligned.byteOffset, aligned.byteLength);
  const reader: Reader = { bytes: aligned, view, at: 0 };
  if (takeWord(reader) !== MAGIC) throw broken('it does not begin like one');
  const version = takeWord(reader);
  if (version !== VERSION) throw broken(`version ${version} is not known`);
  const rowCount = takeWord(reader);
  if (rowCount > (limits.rowsMax ?? LIMITS.writeRowsMax)) throw broken('it has too many rows');
  const count = takeWord(reader);
  if (count > LIMITS.fieldsMax + 2) throw broken('it has too many columns');
  const columns = new Map<FieldId, Column>();
  for (let i = 0; i < count; i++) {
    const id = fieldId(takeWord(reader));
    if (columns.has(id)) throw broken(`field ${id} stands twice`);
    const head = takeWord(reader);
    if (head >>> 9 !== 0) throw broken('unknown flags');
    columns.set(
      id,
      takeBody(reader, { code: head & 0xff, valid: (head >>> 8) & 1, rows: rowCount }),
    );
  }
  if (reader.at !== aligned.length) throw broken('bytes are left over');
  return { rowCount, columns };
}

function broken(why: string): Error {
  return new ElanusError('invalid_argument', {
    argument: 'frame',
    hint: `The column frame cannot be read: ${why}.`,
  });
}

function room(reader: Reader, length: number): number {
  const at = reader.at;
  if (!(length >= 0) || at + length > reader.bytes.length) throw broken('it ends too early');
  reader.at = Math.min(align(at + length), reader.bytes.length);
  return at;
}

function takeWord(reader: Reader): number {
  if (reader.at + 4 > reader.bytes.length) throw broken('it ends too early');
  const word = reader.view.getUint32(reader.at, true);
  reader.at += 4;
  return word;
}

interface BodyHead {
  readonly code: number;
  readonly valid: number;
  readonly rows: number;
}

function takeBody(reader: Reader, head: BodyHead): Column {
  const { rows } = head;
  const kind = KINDS[head.code];
  if (kind === undefined) throw broken(`kind ${head.code} is not known`);
  if (kind === 'vector') return takeVector(reader, head);
  const valid = head.valid === 1 ? takeValid(reader, rows) : undefined;
  if (kind === 'array') return takeArray(reader, rows, valid);
  if (kind === 'varchar' || kind === 'json' || kind === 'bytes') {
    const offsets = takeOffsets(reader, rows);
    const length = offsets[rows] as number;
    const at = room(reader, length);
    return { kind, offsets, data: reader.bytes.subarray(at, at + length), valid };
  }
  const at = room(reader, rows * numericBytes(kind));
  const { buffer, byteOffset } = reader.bytes;
  return {
    kind,
    values: numericArray(kind, { buffer, offset: byteOffset + at, length: rows }),
    valid,
  };
}

function takeVector(reader: Reader, head: BodyHead): VectorColumn {
  const dim = takeWord(reader);
  takeWord(reader);
  if (head.valid !== 0) throw broken('vectors are never null');
  if (dim < LIMITS.dimMin || dim > LIMITS.dimMax) throw broken(`dimension ${dim} is not possible`);
  const at = room(reader, head.rows * dim * 4);
  const { buffer, byteOffset } = reader.bytes;
  const values = new Float32Array(buffer as ArrayBuffer, byteOffset + at, head.rows * dim);
  return { kind: 'vector', dim, values };
}

function takeValid(reader: Reader, rows: number): Bitset {
  const words = bitsetWords(rows);
  const at = room(reader, words * 4);
  const { buffer, byteOffset } = reader.bytes;
  // A copy: bits behind the last row are cleared, and the bytes are not ours to change.
  const valid = new Uint32Array(buffer as ArrayBuffer, byteOffset + at, words).slice();
  clearTail(valid, rows);
  return valid;
}

function takeOffsets(reader: Reader, rows: number): Uint32Array {
  const at = room(reader, 4 * (rows + 1));
  const { buffer, byteOffset } = reader.bytes;
  const offsets = new Uint32Array(buffer as ArrayBuffer, byteOffset + at, rows + 1);
  let last = 0;
  for (let i = 0; i <= rows; i++) {
    const offset = offsets[i] as number;
    if (offset < last) throw broken('offsets run backwards');
    last = offset;
  }
  if (offsets[0] !== 0) throw broken('offsets do not begin at zero');
  return offsets;
}

function takeArray(reader: Reader, rows: number, valid: Bitset | undefined): ArrayColumn {
  const offsets = takeOffsets(reader, rows);
  const elements = offsets[rows] as number;
  const code = takeWord(reader);
  takeWord(reader);
  if (code >= ARRAY_CODE) throw broken('arrays hold scalars only');
  const element = takeBody(reader, { code, valid: 0, rows: elements });
  return { kind: 'array', offsets, element: element as NumberColumn | BytesColumn, valid };
}

/** Throws when columns of a batch disagree about how many rows there are. */
export function checkRagged(batch: ColumnBatch): void {
  for (const [id, column] of batch.columns) {
    const rows = columnRows(column);
    if (rows === batch.rowCount) continue;
    throw new ElanusError('columns_ragged', {
      field: String(id),
      expected: String(batch.rowCount),
      got: String(rows),
    });
  }
}
