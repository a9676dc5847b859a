/**
 * Where the columns of an Arrow IPC file lie: its footer, its schema and its one record batch, read
 * without the Arrow library, whose loading alone takes longer than reading a segment.
 *
 *     "ARROW1" 0 0 | ... | message: u32 ffffffff, u32 bytes, flatbuffer | body | ...
 *     footer flatbuffer | u32 footer bytes | "ARROW1"
 */
import { ElanusError } from '@elanus/core';
import { FlatTable, longAt } from './flatbuffer.ts';

/** A run of bytes of the file. */
export interface Span {
  readonly at: number;
  readonly length: number;
}

/** Rows of a column or of its elements. */
export interface ArrowNode {
  readonly length: number;
  readonly nullCount: number;
}

/** A column as the schema names it. */
export interface ArrowField {
  readonly name: string;
  readonly metadata: ReadonlyMap<string, string>;
}

/** What a reader of the one record batch needs; nodes and buffers stand in depth-first order. */
export interface ArrowLayout {
  readonly rowCount: number;
  readonly fields: readonly ArrowField[];
  readonly nodes: readonly ArrowNode[];
  readonly buffers: readonly Span[];
}

const MAGIC = 'ARROW1';
/** Behind the footer: its length and the magic. */
const TAIL_BYTES = 4 + MAGIC.length;
const CONTINUATION = 0xffffffff;
const RECORD_BATCH = 3;
/** Numbers of fields in Arrow's tables: File.fbs, Message.fbs, Schema.fbs. */
const FOOTER = { schema: 1, recordBatches: 3 } as const;
const MESSAGE = { headerType: 1, header: 2 } as const;
const BATCH = { length: 0, nodes: 1, buffers: 2, compression: 3 } as const;
const SCHEMA = { fields: 1 } as const;
const FIELD = { name: 0, metadata: 6 } as const;
const PAIR = { key: 0, value: 1 } as const;
const BLOCK_BYTES = 24;
const STRUCT_BYTES = 16;

/**
 * Reads the layout. Every span lies inside the file and begins at a multiple of 8.
 * @throws ElanusError file_corrupt when it is not an Arrow file of one plain record batch
 */
export function readArrowLayout(bytes: Uint8Array, path: string): ArrowLayout {
  try {
    return layoutOf(bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new ElanusError('file_corrupt', { path, why: 'not an Arrow file' }, { cause });
  }
}

function refuse(why: string): never {
  throw new RangeError(why);
}

function part(bytes: Uint8Array, at: number, length: number): DataView {
  if (at < 0 || at + length > bytes.length) refuse('outside the file');
  return new DataView(bytes.buffer, bytes.byteOffset + at, length);
}

function layoutOf(bytes: Uint8Array): ArrowLayout {
  const tail = part(bytes, bytes.length - TAIL_BYTES, TAIL_BYTES);
  for (let i = 0; i < MAGIC.length; i++) {
    if (tail.getUint8(4 + i) !== MAGIC.charCodeAt(i)) refuse('magic');
  }
  const footerBytes = tail.getUint32(0, true);
  const footerView = part(bytes, bytes.length - TAIL_BYTES - footerBytes, footerBytes);
  const footer = FlatTable.root(footerView);
  const blocks = footer.vector(FOOTER.recordBatches, BLOCK_BYTES);
  if (blocks.length !== 1) refuse('one batch expected');
  // struct Block { i64 offset, i32 metaDataLength, i32 padding, i64 bodyLength }
  const offset = longAt(footerView, blocks.at);
  const metaBytes = footerView.getUint32(blocks.at + 8, true);
  const bodyBytes = longAt(footerView, blocks.at + 16);
  const body = { at: offset + metaBytes, length: bodyBytes };
  part(bytes, body.at, body.length);
  const fields = footer.table(FOOTER.schema)?.tables(SCHEMA.fields) ?? [];
  return { ...batchOf(part(bytes, offset, metaBytes), body), fields: fields.map(fieldOf) };
}

function batchOf(meta: DataView, body: Span): Omit<ArrowLayout, 'fields'> {
  if (meta.getUint32(0, true) !== CONTINUATION) refuse('no message');
  const view = new DataView(meta.buffer, meta.byteOffset + 8, meta.byteLength - 8);
  const message = FlatTable.root(view);
  const batch = message.table(MESSAGE.header);
  if (message.byte(MESSAGE.headerType) !== RECORD_BATCH || batch === undefined) refuse('no batch');
  if (batch.table(BATCH.compression) !== undefined) refuse('compressed');
  const pairs = (field: number): [number, number][] => {
    const { at, length } = batch.vector(field, STRUCT_BYTES);
    return Array.from({ length }, (_, i) => {
      const pair = at + i * STRUCT_BYTES;
      return [longAt(view, pair), longAt(view, pair + 8)];
    });
  };
  const nodes = pairs(BATCH.nodes).map(([length, nullCount]) => ({ length, nullCount }));
  const buffers = pairs(BATCH.buffers).map(([offset, length]) => {
    const at = body.at + offset;
    if (at % 8 !== 0 || offset + length > body.length) refuse('a buffer outside the body');
    return { at, length };
  });
  return { rowCount: batch.long(BATCH.length), nodes, buffers };
}

function fieldOf(field: FlatTable): ArrowField {
  const pairs = field.tables(FIELD.metadata);
  const metadata = new Map(pairs.map((pair) => [pair.text(PAIR.key), pair.text(PAIR.value)]));
  return { name: field.text(FIELD.name), metadata };
}
