/**
 * The packed frame of a column batch: what lies in log records and travels in octet-stream bodies.
 * Little-endian; every section starts at a multiple of 8, so that a frame at an aligned address is
 * read without copying. Layout:
 *
 *     u32 magic  u32 rowCount  u32 columnCount  u32 frameBytes
 *     columnCount x { u32 fieldId  u8 kind  u8 elementKind  u8 flags  u8 0
 *                     u32 extra (dim | rows of elements | entries)  u32 dataBytes }
 *     sections of each column in order:
 *                     [valid words] [offsets] [element offsets | indices] values | data
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
  validOf,
  type ArrayColumn,
  type BytesColumn,
  type Column,
  type ColumnBatch,
  type ColumnKind,
  type NumberColumn,
  type SparseColumn,
  type VectorColumn,
} from './column.ts';
import { ElanusError } from './errors.ts';
import { fieldId, type FieldId } from './ids.ts';
import { denseArray, denseBytes, denseWidth, type DenseType } from './vector-type.ts';

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
  'sparse',
];
const NONE = 255;
/** Wire numbers of vector types, where arrays have their elements'; never renumbered. */
const VECTOR_NUMBERS: Readonly<Record<DenseType, number>> = {
  float32: NONE,
  float16: 0,
  bfloat16: 1,
  int8: 2,
  binary: 3,
};
const DENSE_TYPES = Object.keys(VECTOR_NUMBERS) as readonly DenseType[];

const align8 = (n: number): number => (n + 7) & ~7;

/** Sections below it are copied together: a reference costs more than so few bytes. */
const SHARED_BYTES_MIN = 4096;
const PADDING = new Uint8Array(8);
const NOTHING = new ArrayBuffer(0);

/** Bytes a batch takes as a frame. */
export function columnFrameBytes(batch: ColumnBatch): number {
  let bytes = HEAD_BYTES + batch.columns.size * ENTRY_BYTES;
  for (const column of batch.columns.values()) {
    for (const section of sections(column)) bytes += align8(section.byteLength);
  }
  return bytes;
}

/** Packs a batch; cost: one copy of its bytes. */
export function encodeColumns(batch: ColumnBatch): Uint8Array {
  const { own, sections: all } = writeHead(batch, Infinity);
  let at = HEAD_BYTES + batch.columns.size * ENTRY_BYTES;
  for (const section of all) {
    own.set(bytesOf(section), at);
    at += align8(section.byteLength);
  }
  assert(at === own.length, 'frame size was predicted');
  return own;
}

/**
 * Packs a batch without copying its bulk: the chunks, one behind the other, are the frame. Long
 * sections are views on the batch, which must not change while they are used; a section never
 * lies in two chunks.
 */
export function columnChunks(batch: ColumnBatch): readonly Uint8Array[] {
  const { own, sections: all } = writeHead(batch, SHARED_BYTES_MIN);
  const chunks: Uint8Array[] = [];
  let from = 0;
  let at = HEAD_BYTES + batch.columns.size * ENTRY_BYTES;
  for (const section of all) {
    const { byteLength } = section;
    if (byteLength < SHARED_BYTES_MIN) {
      own.set(bytesOf(section), at);
      at += align8(byteLength);
      continue;
    }
    if (at > from) chunks.push(own.subarray(from, at));
    from = at;
    chunks.push(bytesOf(section));
    if (byteLength % 8 !== 0) chunks.push(PADDING.subarray(byteLength % 8));
  }
  assert(at === own.length, 'frame size was predicted');
  if (at > from) chunks.push(own.subarray(from, at));
  return chunks;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Memory with the head of a frame and room for its sections below `sharedMin` bytes. */
function writeHead(
  batch: ColumnBatch,
  sharedMin: number,
): { readonly own: Uint8Array; readonly sections: readonly ArrayBufferView[] } {
  const all: ArrayBufferView[] = [];
  const ends: number[] = [];
  let frameBytes = HEAD_BYTES + batch.columns.size * ENTRY_BYTES;
  let ownBytes = frameBytes;
  for (const column of batch.columns.values()) {
    for (const section of sections(column)) {
      const bytes = align8(section.byteLength);
      frameBytes += bytes;
      if (section.byteLength < sharedMin) ownBytes += bytes;
      all.push(section);
    }
    ends.push(all.length);
  }
  const own = new Uint8Array(ownBytes);
  const view = new DataView(own.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, batch.rowCount, true);
  view.setUint32(8, batch.columns.size, true);
  view.setUint32(12, frameBytes, true);
  let entry = 0;
  for (const [id, column] of batch.columns) {
    const dataBytes = all[(ends[entry] ?? 0) - 1]?.byteLength ?? 0;
    writeEntry(view, HEAD_BYTES + entry * ENTRY_BYTES, { id, column, dataBytes });
    entry++;
  }
  return { own, sections: all };
}

function writeEntry(
  view: DataView,
  at: number,
  of: { readonly id: FieldId; readonly column: Column; readonly dataBytes: number },
): void {
  const { id, column, dataBytes } = of;
  view.setUint32(at, id, true);
  view.setUint8(at + 4, KINDS.indexOf(column.kind));
  view.setUint8(at + 5, elementNumber(column));
  view.setUint8(at + 6, validOf(column) ? FLAG_VALID : 0);
  view.setUint32(at + 8, extraOf(column), true);
  view.setUint32(at + 12, dataBytes, true);
}

/**
 * Reads a frame. Values are views on `bytes` when it lies at a multiple of 8, else on one copy.
 * @throws ElanusError invalid_argument on anything that is not a well-formed frame
 */
export function decodeColumns(bytes: Uint8Array): ColumnBatch {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
  return new FrameReader([aligned]).read();
}

/**
 * Reads a frame in the chunks that `columnChunks` made; values are views on them.
 * @throws ElanusError invalid_argument on anything that is not a well-formed frame
 */
export function decodeChunks(chunks: readonly Uint8Array[]): ColumnBatch {
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) return decodeColumns(only);
  return new FrameReader(chunks).read();
}

function elementNumber(column: Column): number {
  if (column.kind === 'array') return KINDS.indexOf(column.element.kind);
  return column.kind === 'vector' ? VECTOR_NUMBERS[column.type] : NONE;
}

function extraOf(column: Column): number {
  if (column.kind === 'vector') return column.dim;
  if (column.kind !== 'array' && column.kind !== 'sparse') return 0;
  const { offsets } = column;
  return (offsets[offsets.length - 1] ?? 0) - (offsets[0] ?? 0);
}

/** Whether a column's data begins before its first value or goes on behind its last. */
function isWindow(column: Column): boolean {
  if (column.kind === 'vector' || !('offsets' in column)) return false;
  const { offsets } = column;
  const end = spanEnd(column);
  return offsets[0] !== 0 || offsets[offsets.length - 1] !== end;
}

function spanEnd(column: ArrayColumn | BytesColumn | SparseColumn): number {
  if (column.kind === 'array') return columnRows(column.element);
  return column.kind === 'sparse' ? column.indices.length : column.data.length;
}

/** The arrays of a column in frame order; text is rebased to start at 0. */
function sections(given: Column): ArrayBufferView[] {
  if (given.kind === 'vector') return [given.values];
  const column = isWindow(given) ? sliceColumn(given, 0, columnRows(given)) : given;
  assert(column.kind !== 'vector', 'a slice keeps its kind');
  if (column.kind === 'sparse') return [column.offsets, column.indices, column.values];
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

/** Bytes of a frame where they lie. */
interface Place {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
}

class FrameReader {
  readonly #chunks: readonly Uint8Array[];
  readonly #view: DataView;
  readonly #length: number;
  /** The chunk that is being read, and where it begins in the frame. */
  #chunk = 0;
  #chunkAt = 0;
  #at = 0;

  constructor(chunks: readonly Uint8Array[]) {
    const [head] = chunks;
    this.#chunks = chunks;
    this.#view = head
      ? new DataView(head.buffer, head.byteOffset, head.byteLength)
      : new DataView(new ArrayBuffer(0));
    this.#length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  read(): ColumnBatch {
    const headBytes = this.#view.byteLength;
    if (headBytes < HEAD_BYTES) refuse('frame too short');
    if (this.#view.getUint32(0, true) !== MAGIC) refuse('not a column frame');
    const rowCount = this.#view.getUint32(4, true);
    const columnCount = this.#view.getUint32(8, true);
    if (this.#view.getUint32(12, true) !== this.#length) refuse('frame length differs');
    if (columnCount > COLUMNS_MAX) refuse('too many columns');
    this.#at = HEAD_BYTES + columnCount * ENTRY_BYTES;
    if (this.#at > headBytes) refuse('frame too short');
    const columns = new Map<FieldId, Column>();
    for (let i = 0; i < columnCount; i++) {
      const entry = HEAD_BYTES + i * ENTRY_BYTES;
      const id = fieldId(this.#view.getUint32(entry, true));
      if (columns.has(id)) refuse(`field ${id} twice`);
      columns.set(id, this.#column(entry, rowCount));
    }
    if (this.#at !== this.#length) refuse('bytes left over');
    return { rowCount, columns };
  }

  #column(entry: number, rowCount: number): Column {
    const kind = KINDS[this.#view.getUint8(entry + 4)];
    if (kind === undefined) refuse('unknown kind');
    const elementKind = KINDS[this.#view.getUint8(entry + 5)];
    const extra = this.#view.getUint32(entry + 8, true);
    const dataBytes = this.#view.getUint32(entry + 12, true);
    if (kind === 'vector') {
      return this.#vectors(rowCount, {
        element: this.#view.getUint8(entry + 5),
        dim: extra,
        dataBytes,
      });
    }
    if (kind === 'sparse') return this.#sparse(rowCount, extra, dataBytes);
    const hasValid = (this.#view.getUint8(entry + 6) & FLAG_VALID) !== 0;
    const valid = hasValid ? this.#valid(rowCount) : undefined;
    if (kind !== 'array') return { ...this.#scalar(kind, rowCount, dataBytes), valid };
    if (elementKind === undefined || elementKind === 'array') refuse('element kind');
    if (elementKind === 'vector' || elementKind === 'sparse') refuse('element kind');
    const offsets = this.#offsets(rowCount, extra);
    return { kind, offsets, element: this.#scalar(elementKind, extra, dataBytes), valid };
  }

  #vectors(
    rowCount: number,
    of: { readonly element: number; readonly dim: number; readonly dataBytes: number },
  ): VectorColumn {
    const { dim, dataBytes } = of;
    const type = DENSE_TYPES.find((one) => VECTOR_NUMBERS[one] === of.element);
    if (type === undefined) refuse('unknown vector type');
    if (dim === 0 || (type === 'binary' && dim % 8 !== 0)) refuse('dimension');
    if (dataBytes !== rowCount * denseBytes(type, dim)) refuse('vector length');
    const place = this.#take(dataBytes);
    const length = rowCount * denseWidth(type, dim);
    return { kind: 'vector', type, dim, values: denseArray(type, { ...place, length }) };
  }

  #sparse(rowCount: number, entries: number, dataBytes: number): SparseColumn {
    if (dataBytes !== entries * 4) refuse('value length');
    const offsets = this.#offsets(rowCount, entries);
    const indices = this.#take(dataBytes);
    const values = this.#take(dataBytes);
    return {
      kind: 'sparse',
      offsets,
      indices: new Uint32Array(indices.buffer, indices.offset, entries),
      values: new Float32Array(values.buffer, values.offset, entries),
    };
  }

  /** The next section; it lies in one chunk. */
  #take(length: number): Place {
    let chunk = this.#chunks[this.#chunk];
    while (length > 0 && chunk !== undefined && this.#at >= this.#chunkAt + chunk.length) {
      this.#chunkAt += chunk.length;
      chunk = this.#chunks[++this.#chunk];
    }
    const at = this.#at - this.#chunkAt;
    if (length === 0) return { buffer: NOTHING, offset: 0 };
    if (chunk === undefined || length > chunk.length - at) refuse('section outside the frame');
    this.#at += align8(length);
    if (this.#at > this.#length) refuse('section outside the frame');
    return { buffer: chunk.buffer as ArrayBuffer, offset: chunk.byteOffset + at };
  }

  #valid(rowCount: number): Uint32Array {
    const words = bitsetWords(rowCount);
    const { buffer, offset } = this.#take(words * 4);
    const copy = new Uint32Array(buffer, offset, words).slice();
    clearTail(copy, rowCount);
    return copy;
  }

  #offsets(rowCount: number, last: number): Uint32Array {
    const { buffer, offset } = this.#take((rowCount + 1) * 4);
    const offsets = new Uint32Array(buffer, offset, rowCount + 1);
    if (offsets[0] !== 0 || offsets[rowCount] !== last) refuse('offsets do not span the data');
    for (let i = 0; i < rowCount; i++) {
      if ((offsets[i] ?? 0) > (offsets[i + 1] ?? 0)) refuse('offsets go back');
    }
    return offsets;
  }

  #scalar(
    kind: Exclude<ColumnKind, 'array' | 'vector' | 'sparse'>,
    rowCount: number,
    dataBytes: number,
  ): NumberColumn | BytesColumn {
    if (kind === 'varchar' || kind === 'json' || kind === 'bytes') {
      const offsets = this.#offsets(rowCount, dataBytes);
      const { buffer, offset } = this.#take(dataBytes);
      return { kind, offsets, data: new Uint8Array(buffer, offset, dataBytes) };
    }
    if (dataBytes !== rowCount * numericBytes(kind)) refuse('value length');
    const place = this.#take(dataBytes);
    return { kind, values: numericArray(kind, { ...place, length: rowCount }) };
  }
}
