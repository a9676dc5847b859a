/**
 * The formats of version 1, each with bytes that this release writes and a reader that tells what
 * bytes mean, as JSON. All inputs are fixed, so that writing again gives the same bytes.
 */
import { decodeColumns, denseWidth, encodeColumns, fieldId, hasBit } from '@elanus/core';
import type { Column, ColumnBatch, CollectionSchema, Field, FieldId } from '@elanus/core';
import type { DenseArray, DenseType, SparseColumn, VectorColumn } from '@elanus/core';
import {
  checkVectorBlock,
  decodeDeltaLog,
  decodeKeys,
  decodeManifest,
  decodeScalars,
  decodeStats,
  decodeVectorChecksums,
  decodeVectorHeader,
  encodeDeltaLog,
  encodeKeys,
  encodeManifest,
  encodeVectorFile,
  keyOrder,
  mayContain,
  VECTOR_HEADER_BYTES,
  type Manifest,
} from '@elanus/format';
import { encodeScalarFiles } from '@elanus/format/scalars';
import {
  decodeMessage,
  decodeRecord,
  encodeHeader,
  encodeRecord,
  metaKeys,
} from '@elanus/protocol';
import type { MessageHeader, MessageKind } from '@elanus/protocol';
import { memoryFs } from '@elanus/storage';
import { fileObjectStore, localLogStore } from '@elanus/storage/local';
import { IdempotencyWindow } from '../../packages/streaming-node/src/shard/idempotency.ts';
import {
  decodeRecovery,
  encodeRecovery,
} from '../../packages/streaming-node/src/shard/recovery-file.ts';

/** One format: how this release writes it, and what it reads. */
export interface Format {
  /** Absent: nobody writes it any more. */
  readonly write?: () => Uint8Array | Promise<Uint8Array>;
  /** What the bytes mean, ready for JSON. */
  readonly read: (bytes: Uint8Array) => unknown;
}

const ROWS = 5;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Texts as a column; undefined is null. */
function texts(
  kind: 'varchar' | 'json' | 'bytes',
  values: readonly (string | undefined)[],
): Column {
  const parts = values.map((value) => encoder.encode(value ?? ''));
  const offsets = new Uint32Array(parts.length + 1);
  parts.forEach((part, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + part.length;
  });
  const data = new Uint8Array(offsets[parts.length] ?? 0);
  parts.forEach((part, i) => data.set(part, offsets[i]));
  const valid = Uint32Array.of(
    values.reduce((sum, v, i) => sum + (v === undefined ? 0 : 2 ** i), 0),
  );
  return values.includes(undefined) ? { kind, offsets, data, valid } : { kind, offsets, data };
}

/** A column of every kind, ids by kind; rows 1 and 3 of some are null. */
function everyColumn(): ReadonlyMap<FieldId, Column> {
  const valid = Uint32Array.of(0b10101);
  const offsets = Uint32Array.of(0, 2, 2, 3, 3, 5);
  const columns: readonly Column[] = [
    { kind: 'int64', values: BigInt64Array.of(5n, -(2n ** 63n), 2n ** 63n - 1n, 0n, 42n) },
    { kind: 'int8', values: Int8Array.of(-128, 0, 127, 1, 2) },
    { kind: 'int16', values: Int16Array.of(-32_768, 0, 32_767, 1, 2), valid },
    { kind: 'int32', values: Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1, 0, 7), valid },
    { kind: 'float', values: Float32Array.of(0.1, 0, -1e38, 0, 1e-38), valid },
    { kind: 'double', values: Float64Array.of(0.1, -0, 1e308, 5e-324, 2) },
    { kind: 'bool', values: Uint8Array.of(1, 0, 1, 0, 0), valid },
    { kind: 'timestamp', values: BigInt64Array.of(0n, 1n, 1_700_000_000_000n, -1n, 2n) },
    texts('varchar', ['', 'é', 'plain', '日本', 'a\u0000b']),
    texts('varchar', ['x', undefined, 'y', undefined, 'z']),
    texts('json', ['{"a":[1,{"b":null}]}', undefined, '"text"', undefined, '12.5']),
    texts('bytes', ['\u0001\u0002', '', 'b', 'c', undefined]),
    { kind: 'array', offsets, element: texts('varchar', ['p', 'q', 'r', 's', 't']) as never },
    {
      kind: 'array',
      offsets,
      element: { kind: 'int32', values: Int32Array.of(1, 2, 3, 4, 5) },
      valid: Uint32Array.of(0b10111),
    },
  ];
  return new Map(columns.map((column, i) => [fieldId(100 + i), column]));
}

const VECTORS = Float32Array.from({ length: ROWS * 3 }, (_, i) => Math.fround(i / 7 - 1));

const dense = (type: DenseType, dim: number, values: DenseArray): VectorColumn => ({
  kind: 'vector',
  type,
  dim,
  values,
});
/** 0, 1, -2, the smallest and the largest. */
const FLOAT16 = dense('float16', 1, Uint16Array.of(0, 0x3c00, 0xc000, 1, 0x7bff));
const BFLOAT16 = dense('bfloat16', 1, Uint16Array.of(0, 0x3f80, 0xc000, 1, 0x7f7f));
const INT8 = dense('int8', 2, Int8Array.of(0, 1, -1, 127, -128, 5, 6, 7, 8, 9));
const BINARY = dense('binary', 16, Uint8Array.of(0, 1, 128, 255, 2, 4, 8, 16, 32, 64));
/** Rows of 2, 0, 1, 1 and 3 entries. */
const SPARSE: SparseColumn = {
  kind: 'sparse',
  offsets: Uint32Array.of(0, 2, 2, 3, 4, 7),
  indices: Uint32Array.of(0, 7, 2 ** 32 - 2, 5, 1, 2, 3),
  values: Float32Array.of(0.5, 1e-38, 3e38, 1, 2, 3, 4),
};

const everyVector = (): ReadonlyMap<FieldId, Column> =>
  new Map<FieldId, Column>([
    [fieldId(201), FLOAT16],
    [fieldId(202), BFLOAT16],
    [fieldId(203), INT8],
    [fieldId(204), BINARY],
    [fieldId(205), SPARSE],
  ]);

/** Row `row` of a column, as JSON. */
function cell(column: Column, row: number): unknown {
  if (column.kind === 'vector') {
    const width = denseWidth(column.type, column.dim);
    return [...column.values.subarray(row * width, (row + 1) * width)];
  }
  if (column.kind === 'sparse') {
    const [from, to] = [column.offsets[row], column.offsets[row + 1]];
    return [[...column.indices.subarray(from, to)], [...column.values.subarray(from, to)]];
  }
  if (column.valid !== undefined && !hasBit(column.valid, row)) return null;
  if ('values' in column) {
    const value = column.values[row] ?? 0;
    return Object.is(value, -0) ? '-0' : String(value);
  }
  const [from = 0, to = 0] = [column.offsets[row], column.offsets[row + 1]];
  if (column.kind !== 'array') return Buffer.from(column.data.subarray(from, to)).toString('hex');
  const { element } = column;
  return Array.from({ length: to - from }, (_, i) => cell(element, from + i));
}

function shown(columns: ReadonlyMap<FieldId, Column>, rowCount: number): object {
  const named = [...columns].map(([id, column]) => {
    const values = Array.from({ length: rowCount }, (_, row) => cell(column, row));
    return [`${id} ${column.kind}`, values] as const;
  });
  return { rowCount, ...Object.fromEntries(named) };
}

const shownBatch = ({ rowCount, columns }: ColumnBatch): object => shown(columns, rowCount);

const numbers = (list: Iterable<number | bigint>): string[] => Array.from(list, String);

const columnFrame: Format = {
  write: () => {
    const columns = new Map(everyColumn());
    columns.set(fieldId(200), { kind: 'vector', type: 'float32', dim: 3, values: VECTORS });
    return encodeColumns({ rowCount: ROWS, columns });
  },
  read: (bytes) => shownBatch(decodeColumns(bytes)),
};

const header = (kind: MessageKind): MessageHeader => ({
  kind,
  part: 1,
  parts: 3,
  term: 7,
  n: 4_000_000_000,
  timestamp: 455_000_000_000_000_001n,
  asOf: kind === 'delete' ? 454_999_999_999_999_999n : 0n,
  bodyHash: 0xdead_beef,
  previousHash: 0xcafe_f00d,
  payloadHash: 0x1234_5678,
  collectionId: 12,
  shard: 3,
  schemaVersion: 2,
  segmentId: 2 ** 40 + 5,
  rowCount: ROWS,
  idempotencyKey: 'schlüssel-1',
});

const message = (kind: MessageKind): Format => ({
  write: () => Buffer.concat([encodeHeader(header(kind)), encoder.encode('the body')]),
  read: (bytes) => {
    const found = decodeMessage(bytes, 1);
    const { timestamp, asOf } = found.header;
    const plain = { ...found.header, timestamp: String(timestamp), asOf: String(asOf) };
    return { ...plain, body: decoder.decode(found.body) };
  },
});

const LOG_FILE = 'log/p0/0000000000000001.log';

const logFile: Format = {
  write: async () => {
    const fs = memoryFs();
    const logs = localLogStore({ fs, durability: 'power' });
    const stream = await logs.open('p0');
    await stream.append({ subject: 'term', parts: [encoder.encode('first')] });
    await stream.append({ subject: 'c1-0', parts: [new Uint8Array(0)] });
    await stream.append({
      subject: 'c1-0',
      parts: [encoder.encode('in '), encoder.encode('parts')],
    });
    await logs.close();
    return readAll(fs, LOG_FILE);
  },
  read: async (bytes) => {
    const fs = memoryFs();
    await fs.mkdir('log/p0');
    await writeAll(fs, LOG_FILE, bytes);
    const logs = localLogStore({ fs, durability: 'power' });
    const stream = await logs.open('p0');
    const records: object[] = [];
    for await (const entry of stream.scan({ fromSeq: 1 })) {
      records.push({ ...entry, bytes: decoder.decode(entry.bytes) });
    }
    const span = await stream.span();
    await logs.close();
    return { span, records };
  },
};

type MemoryFs = ReturnType<typeof memoryFs>;

async function readAll(fs: MemoryFs, path: string): Promise<Uint8Array> {
  const handle = await fs.open(path, 'read');
  const bytes = new Uint8Array(await handle.size());
  await handle.read(bytes, 0);
  await handle.close();
  return bytes;
}

async function writeAll(fs: MemoryFs, path: string, bytes: Uint8Array): Promise<void> {
  const handle = await fs.open(path, 'create');
  await handle.write(bytes, 0);
  await handle.close();
}

const objectFile: Format = {
  write: async () => {
    const fs = memoryFs();
    const objects = await fileObjectStore({ fs });
    await objects.put('c1/thing', [encoder.encode('an '), encoder.encode('object')]);
    await objects.close();
    return readAll(fs, 'objects/c1/thing');
  },
  read: async (bytes) => {
    const fs = memoryFs();
    await fs.mkdir('objects/c1');
    await writeAll(fs, 'objects/c1/thing', bytes);
    const objects = await fileObjectStore({ fs });
    await objects.verify('c1/thing');
    return decoder.decode(await objects.get('c1/thing'));
  },
};

/** A column frame with vectors of every type but float32. */
const vectorFrame: Format = {
  write: () => encodeColumns({ rowCount: ROWS, columns: everyVector() }),
  read: (bytes) => shownBatch(decodeColumns(bytes)),
};

/** The header of a file of vectors and its rows, every block checked. */
function checkedVectors(bytes: Uint8Array) {
  const head = decodeVectorHeader(bytes, 'golden');
  const end = VECTOR_HEADER_BYTES + head.dataBytes;
  const rows = bytes.slice(VECTOR_HEADER_BYTES, end);
  const sums = decodeVectorChecksums(bytes.subarray(end), 'golden');
  for (let block = 0; block < sums.length; block++) {
    checkVectorBlock(rows, sums, { block, path: 'golden' });
  }
  return { head, rows };
}

const vectorFile: Format = {
  write: () => {
    const pieces = [VECTORS.subarray(0, 6), VECTORS.subarray(6)];
    const shape = { type: 'float32', dim: 3, rowCount: ROWS } as const;
    return Buffer.concat([...encodeVectorFile({ ...shape, pieces })]);
  },
  read: (bytes) => {
    const { head, rows } = checkedVectors(bytes);
    const { type: _float32, entries: _none, ...found } = head;
    return { ...found, values: [...new Float32Array(rows.buffer)] };
  },
};

/** A file of vectors of another type. */
const typedVectorFile = (column: VectorColumn | SparseColumn): Format => ({
  write: () => {
    if (column.kind === 'vector') {
      const { type, dim, values } = column;
      const file = encodeVectorFile({ type, dim, rowCount: ROWS, pieces: [values] });
      return Buffer.concat([...file]);
    }
    const { offsets, indices, values } = column;
    const shape = { type: 'sparse', entries: indices.length, rowCount: ROWS } as const;
    const pieces = [offsets, indices, values];
    return Buffer.concat([...encodeVectorFile({ ...shape, pieces })]);
  },
  read: (bytes) => {
    const { head, rows } = checkedVectors(bytes);
    return { ...head, rows: Buffer.from(rows).toString('hex') };
  },
});

/** The scalar files of a segment with every kind of column. */
function scalarFiles() {
  const columns = everyColumn();
  const fields = [...columns].map(
    ([id, { kind }]) => ({ id, name: `f${id}`, type: kind }) as Field,
  );
  const timestamps = BigUint64Array.of(1n, 2n, 2n, 2n ** 63n, 2n ** 64n - 1n);
  return encodeScalarFiles({ rowCount: ROWS, fields, keyField: fieldId(100), columns, timestamps });
}

const scalars: Format = {
  write: () => scalarFiles().scalars,
  read: (bytes) => {
    const file = decodeScalars(bytes, 'golden');
    return { ...shown(file.columns, file.rowCount), timestamps: numbers(file.timestamps) };
  },
};

const stats: Format = {
  write: () => scalarFiles().stats,
  read: (bytes) => {
    const found = decodeStats(bytes, 'golden');
    const fields = [...found.fields].map(([id, { nullCount, min, max }]) => {
      return [id, nullCount, String(min), String(max)];
    });
    const keys = [5n, -(2n ** 63n), 2n ** 63n - 1n, 0n, 42n];
    const holds = keys.map((key) => mayContain(found.bloom, key));
    const words = numbers(found.bloom);
    return { rowCount: found.rowCount, fields, holds, words };
  },
};

const keysFile = (column: Column): Format => ({
  write: () => encodeKeys(column, keyOrder(column, ROWS)),
  read: (bytes) => {
    const found = decodeKeys(bytes, 'golden', ROWS);
    return { rows: [...found.rows], ...shown(new Map([[fieldId(1), found.keys]]), ROWS) };
  },
});

const deltaLog: Format = {
  write: () =>
    encodeDeltaLog({
      rows: Uint32Array.of(3, 0, 4),
      timestamps: BigUint64Array.of(1n, 455_000_000_000_000_000n, 2n ** 64n - 2n),
    }),
  read: (bytes) => {
    const { rows, timestamps } = decodeDeltaLog(bytes, 'golden', ROWS);
    return { rows: numbers(rows), timestamps: numbers(timestamps) };
  },
};

const file = (name: string) => ({ name: `c1/s2/t1-aa/${name}`, size: 10, crc32: 0xffff_0000 });

const MANIFEST: Manifest = {
  version: 1,
  readerFeatures: [],
  writerFeatures: [],
  collectionId: 1,
  shard: 0,
  segmentId: 2,
  level: 'L2',
  schemaVersion: 3,
  rowCount: ROWS,
  firstSeq: 4,
  lastSeq: 5,
  minTimestamp: '455000000000000000',
  maxTimestamp: '455000000000000009',
  scalars: file('scalars.arrow'),
  keys: file('keys.bin'),
  stats: file('stats.json'),
  vectors: [{ field: 101, file: file('vec-101.bin') }],
  indexes: [{ field: 101, kind: 'FLAT_SQ8', metric: 'cosine', file: file('index-101.bin') }],
};

const manifest: Format = {
  write: () => encodeManifest(MANIFEST),
  read: (bytes) => decodeManifest(bytes, 'golden'),
};

const recovery: Format = {
  write: () => {
    const window = new IdempotencyWindow();
    window.remember('a', {
      count: 3,
      timestamp: 455_000_000_000_000_000n,
      payloadHash: 0xffff_ffff,
    });
    window.remember('schlüssel', { count: 0, timestamp: 455_000_000_000_000_001n, payloadHash: 1 });
    window.remember('later', { count: 9, timestamp: 455_000_000_000_000_009n, payloadHash: 2 });
    return encodeRecovery(window, 455_000_000_000_000_001n) ?? new Uint8Array(0);
  },
  read: (bytes) => {
    const window = new IdempotencyWindow();
    decodeRecovery(bytes, window);
    return [...window.entries()].map(([key, { count, timestamp, payloadHash }]) => {
      return { key, count, timestamp: String(timestamp), payloadHash };
    });
  },
};

const SCHEMA = {
  collectionId: 1,
  name: 'wörter / words',
  version: 2,
  fields: [
    { id: 100, name: 'id', type: 'int64', primary: true, as: 'string' },
    { id: 101, name: 'vec', type: 'vector', dim: 3, metric: 'cosine' },
    { id: 102, name: 'tags', type: 'array', element: { type: 'varchar', maxLength: 8 } },
  ],
  dynamic: true,
  shards: 2,
} as unknown as CollectionSchema;

/** Every kind of metadata record under its key. */
const RECORDS: readonly (readonly [string, object])[] = [
  [metaKeys.format, { version: 1 }],
  [metaKeys.collection(1), { schema: SCHEMA, state: 'live', createdMs: 1, nextFieldId: 103 }],
  [metaKeys.name(SCHEMA.name), { collectionId: 1, alias: false }],
  [metaKeys.name('alias'), { collectionId: 1, alias: true }],
  [metaKeys.channel('p0'), { term: 3, owner: 'node-1' }],
  [metaKeys.checkpoint(1, 0), { seq: 9, timestamp: '455', recovery: 'c1/recovery/0-t1-aa.bin' }],
  [
    metaKeys.segment(1, 0, 2),
    {
      segmentId: 2,
      collectionId: 1,
      shard: 0,
      state: 'flushed',
      manifest: 'c1/s2/t1-aa/manifest.json',
      delta: 'c1/s2/t1-aa/t1-bb-delta-1.bin',
      deltaSequence: 1,
      rowCount: ROWS,
      minTimestamp: '455',
      bytes: 1_000,
      indexed: true,
    },
  ],
];

const metadata: Format = {
  write: () => {
    const lines = RECORDS.map(
      ([key, record]) => `${key} ${decoder.decode(encodeRecord(record))}\n`,
    );
    return encoder.encode(lines.join(''));
  },
  read: (bytes) =>
    decoder
      .decode(bytes)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const key = line.slice(0, line.indexOf(' '));
        return [key, decodeRecord(encoder.encode(line.slice(key.length + 1)), key)];
      }),
};

const textKeys = texts('varchar', ['b', '', 'é', 'a\u0000', '日本']);
const intKeys: Column = {
  kind: 'int64',
  values: BigInt64Array.of(5n, -1n, 2n ** 63n - 1n, 0n, 4n),
};

/** All formats by the name of their file. */
export const FORMATS: Readonly<Record<string, Format>> = {
  'column-frame.bin': columnFrame,
  'message-insert.bin': message('insert'),
  'message-delete.bin': message('delete'),
  'message-drop.bin': message('drop'),
  'log-file.log': logFile,
  'object-file.bin': { read: objectFile.read },
  'object-file-2.bin': objectFile,
  'vectors.bin': vectorFile,
  'column-frame-vectors.bin': vectorFrame,
  'vectors-float16.bin': typedVectorFile(FLOAT16),
  'vectors-bfloat16.bin': typedVectorFile(BFLOAT16),
  'vectors-int8.bin': typedVectorFile(INT8),
  'vectors-binary.bin': typedVectorFile(BINARY),
  'vectors-sparse.bin': typedVectorFile(SPARSE),
  'scalars.arrow': scalars,
  'stats.json': stats,
  'keys-int64.bin': keysFile(intKeys),
  'keys-varchar.bin': keysFile(textKeys),
  'delta-log.bin': deltaLog,
  'manifest.json': manifest,
  'recovery.bin': recovery,
  'metadata.txt': metadata,
};
