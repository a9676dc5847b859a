/**
 * The packed frame of a column batch: what lies in log records and travels in octet-stream bodies.
 * Little-endian; every section starts at a multiple of 8, so that a frame at an aligned address is
 * read without copying. Layout:
 *
 *     u32 magic  u32 rowCount  u32 columnCount  u32 frameBytes
 *     columnCount x { u32 fieldId  u8 kind  u8 elementKind  u8 flags  u8 0
 *                     u32 extra (dim | rows of elements)  u32 dataBytes }
 *     sections of each column in order: [valid words] [offsets] [element offsets] values | data
 *
 * `dataBytes` is the length of the last section. A frame is written by us or by a client: decoding
 * trusts nothing and never reads outside the bytes given.
 */
import { assert } from './assert.ts';
import { sliceColumn } from './batch.ts';
import { bitsetWords, clearTail } from './bitset.ts';
import {
  columnRows,
  numericArray,
  numericBytes,
  type BytesColumn,
  type Column,
  type ColumnBatch,
  type ColumnKind,
  type NumberColumn,
} from './column.ts';
import { ElanusError } from './errors.ts';
import { fieldId, type FieldId } from './ids.ts';

const MAGIC = 0x31464345; // "ECF1"
const HEAD_BYTES = 16;
const ENTRY_BYTES = 16;
const FLAG_VALID = 1;
const COLUMNS_MAX = 1024;

/** Wire numbers of column kinds; never renumbered. */
const KINDS: readonly ColumnKind[] = [
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
];
const NONE = 255;

const align8 = (n: number): number => (n + 7) & ~7;

/** Bytes `encodeColumns` will produce. */
export function columnFrameBytes(batch: ColumnBatch): number {
  let bytes = HEAD_BYTES + batch.columns.size * ENTRY_BYTES;
  for (const column of batch.columns.values()) {
    for (const section of sections(column)) bytes += align8(section.byteLength);
  }
  return bytes;
}

/** Packs a batch; cost: one copy of its bytes. */
export function encodeColumns(batch: ColumnBatch): Uint8Array {
  const bytes = new Uint8Array(columnFrameBytes(batch));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, batch.rowCount, true);
  view.setUint32(8, batch.columns.size, true);
  view.setUint32(12, bytes.length, true);
  let entry = HEAD_BYTES;
  let at = HEAD_BYTES + batch.columns.size * ENTRY_BYTES;
  for (const [id, column] of batch.columns) {
    const parts = sections(column);
    view.setUint32(entry, id, true);
    view.setUint8(entry + 4, KINDS.indexOf(column.kind));
    view.setUint8(entry + 5, column.kind === 'array' ? KINDS.indexOf(column.element.kind) : NONE);
    view.setUint8(entry + 6, column.kind !== 'vector' && column.valid ? FLAG_VALID : 0);
    view.setUint32(entry + 8, extraOf(column), true);
    view.setUint32(entry + 12, parts[parts.length - 1]?.byteLength ?? 0, true);
    entry += ENTRY_BYTES;
    for (const part of parts) {
      bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
      at += align8(part.byteLength);
    }
  }
  assert(at === bytes.length, 'frame size was predicted');
  return bytes;
}

/**
 * Reads a frame. Values are views on `bytes` when it lies at a multiple of 8, else on one copy.
 * @throws ElanusError invalid_argument on anything that is not a well-formed frame
 */
export function decodeColumns(bytes: Uint8Array): ColumnBatch {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
  const reader = new FrameReader(aligned);
  return reader.read();
}

function extraOf(column: Column): number {
  if (column.kind === 'vector') return column.dim;
  if (column.kind !== 'array') return 0;
  const { offsets } = column;
  return (offsets[offsets.length - 1] ?? 0) - (offsets[0] ?? 0);
}

/** Whether a column's data begins before its first value or goes on behind its last. */
function isWindow(column: Column): boolean {
  if (column.kind === 'vector' || !('offsets' in column)) return false;
  const { offsets } = column;
  const end = column.kind === 'array' ? columnRows(column.element) : column.data.length;
  return offsets[0] !== 0 || offsets[offsets.length - 1] !== end;
}

/** The arrays of a column in frame order; text is rebased to start at 0. */
function sections(given: Column): ArrayBufferView[] {
  if (given.kind === 'vector') return [given.values];
  const column = isWindow(given) ? sliceColumn(given, 0, columnRows(given)) : given;
  assert(column.kind !== 'vector', 'a slice keeps its kind');
  const out: ArrayBufferView[] = column.valid ? [column.valid] : [];
  if (column.kind === 'array') {
    out.push(column.offsets);
    out.push(...sections({ ...column.element, valid: undefined }));
  } else if ('offsets' in column) {
    out.push(column.offsets, column.data);
  } else {
    out.push(column.values);
  }
  return out;
}

function refuse(why: string): never {
  throw new ElanusError('invalid_argument', { argument: 'columns', got: why });
}

class FrameReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): ColumnBatch {
    if (this.#bytes.length < HEAD_BYTES) refuse('frame too short');
    if (this.#view.getUint32(0, true) !== MAGIC) refuse('not a column frame');
    const rowCount = this.#view.getUint32(4, true);
    const columnCount = this.#view.getUint32(8, true);
    if (this.#view.getUint32(12, true) !== this.#bytes.length) refuse('frame length differs');
    if (columnCount > COLUMNS_MAX) refuse('too many columns');
    this.#at = HEAD_BYTES + columnCount * ENTRY_BYTES;
    if (this.#at > this.#bytes.length) refuse('frame too short');
    const columns = new Map<FieldId, Column>();
    for (let i = 0; i < columnCount; i++) {
      const entry = HEAD_BYTES + i * ENTRY_BYTES;
      const id = fieldId(this.#view.getUint32(entry, true));
      if (columns.has(id)) refuse(`field ${id} twice`);
      columns.set(id, this.#column(entry, rowCount));
    }
    if (this.#at !== this.#bytes.length) refuse('bytes left over');
    return { rowCount, columns };
  }

  #column(entry: number, rowCount: number): Column {
    const kind = KINDS[this.#view.getUint8(entry + 4)];
    if (kind === undefined) refuse('unknown kind');
    const elementKind = KINDS[this.#view.getUint8(entry + 5)];
    const extra = this.#view.getUint32(entry + 8, true);
    const dataBytes = this.#view.getUint32(entry + 12, true);
    if (kind === 'vector') {
      if (extra === 0 || dataBytes !== rowCount * extra * 4) refuse('vector length');
      const at = this.#take(dataBytes);
      const values = new Float32Array(this.#buffer, at, rowCount * extra);
      return { kind, dim: extra, values };
    }
    const hasValid = (this.#view.getUint8(entry + 6) & FLAG_VALID) !== 0;
    const valid = hasValid ? this.#valid(rowCount) : undefined;
    if (kind !== 'array') return { ...this.#scalar(kind, rowCount, dataBytes), valid };
    if (elementKind === undefined || elementKind === 'array' || elementKind === 'vector') {
      refuse('element kind');
    }
    const offsets = this.#offsets(rowCount, extra);
    return { kind, offsets, element: this.#scalar(elementKind, extra, dataBytes), valid };
  }

  get #buffer(): ArrayBuffer {
    return this.#bytes.buffer as ArrayBuffer;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) refuse('section outside the frame');
    this.#at = at + align8(length);
    if (this.#at > this.#bytes.length) refuse('section outside the frame');
    return this.#bytes.byteOffset + at;
  }

  #valid(rowCount: number): Uint32Array {
    const words = bitsetWords(rowCount);
    const valid = new Uint32Array(this.#buffer, this.#take(words * 4), words);
    const copy = valid.slice();
    clearTail(copy, rowCount);
    return copy;
  }

  #offsets(rowCount: number, last: number): Uint32Array {
    const offsets = new Uint32Array(this.#buffer, this.#take((rowCount + 1) * 4), rowCount + 1);
    if (offsets[0] !== 0 || offsets[rowCount] !== last) refuse('offsets do not span the data');
    for (let i = 0; i < rowCount; i++) {
      if ((offsets[i] ?? 0) > (offsets[i + 1] ?? 0)) refuse('offsets go back');
    }
    return offsets;
  }

  #scalar(
    kind: Exclude<ColumnKind, 'array' | 'vector'>,
    rowCount: number,
    dataBytes: number,
  ): NumberColumn | BytesColumn {
    if (kind === 'varchar' || kind === 'json' || kind === 'bytes') {
      const offsets = this.#offsets(rowCount, dataBytes);
      const data = new Uint8Array(this.#buffer, this.#take(dataBytes), dataBytes);
      return { kind, offsets, data };
    }
    if (dataBytes !== rowCount * numericBytes(kind)) refuse('value length');
    const at = this.#take(dataBytes);
    return {
      kind,
      values: numericArray(kind, { buffer: this.#buffer, offset: at, length: rowCount }),
    };
  }
}
