/**
 * Scalar columns out of an Arrow file of ours: views over the file's own bytes, which lie on shared
 * memory so that threads can filter them. Nothing but bools is copied.
 */
import {
  bitsetWords,
  clearTail,
  ElanusError,
  fieldId,
  numericArray,
  numericBytes,
  type Bitset,
  type BytesColumn,
  type Column,
  type FieldId,
  type NumberColumn,
} from '@elanus/core';
import { readArrowLayout, type ArrowField, type ArrowLayout, type Span } from './arrow-layout.ts';
import { ID_KEY, KIND_KEY, TIMESTAMPS } from './scalar-names.ts';

/** A segment's scalars and row timestamps. */
export interface ScalarFile {
  readonly rowCount: number;
  readonly columns: ReadonlyMap<FieldId, Column>;
  readonly timestamps: BigUint64Array;
}

/** Values looked at between two steps: well below a millisecond. */
const STEP_VALUES = 128 * 1024;

const NUMBERS: ReadonlySet<string> = new Set<NumberColumn['kind']>([
  'bool',
  'int8',
  'int16',
  'int32',
  'int64',
  'float',
  'double',
  'timestamp',
]);
const TEXTS: ReadonlySet<string> = new Set<BytesColumn['kind']>(['varchar', 'json', 'bytes']);

/**
 * Decodes a scalar file step by step, so that a caller on the event loop can let others run between
 * them. The columns are views of `bytes`, which must not change any more; bytes that do not lie on
 * shared memory are copied there first.
 * @throws ElanusError file_corrupt when it is not such a file
 */
export function* decodeScalarSteps(
  bytes: Uint8Array,
  path: string,
): Generator<undefined, ScalarFile> {
  const shared = onSharedMemory(bytes);
  const layout = readArrowLayout(shared, path);
  return yield* new Decoder(shared, layout, path).file();
}

/** `decodeScalarSteps` in one go. Cost: a copy of the bytes, and a look at bools and offsets. */
export function decodeScalars(bytes: Uint8Array, path: string): ScalarFile {
  const steps = decodeScalarSteps(bytes, path);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function onSharedMemory(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const { buffer, byteOffset, length } = bytes;
  if (buffer instanceof SharedArrayBuffer && byteOffset % 8 === 0) {
    return new Uint8Array(buffer, byteOffset, length);
  }
  const copy = new Uint8Array(new SharedArrayBuffer(length));
  copy.set(bytes);
  return copy;
}

class Decoder {
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #layout: ArrowLayout;
  readonly #path: string;
  #node = 0;
  #buffer = 0;

  constructor(bytes: Uint8Array<SharedArrayBuffer>, layout: ArrowLayout, path: string) {
    this.#bytes = bytes;
    this.#layout = layout;
    this.#path = path;
  }

  *file(): Generator<undefined, ScalarFile> {
    const { rowCount, fields, nodes, buffers } = this.#layout;
    const columns = new Map<FieldId, Column>();
    let timestamps: BigUint64Array | undefined;
    for (const field of fields) {
      if (field.name === TIMESTAMPS) {
        this.#valid(rowCount);
        const { at } = this.#take(rowCount * 8);
        timestamps = new BigUint64Array(this.#bytes.buffer, at, rowCount);
      } else {
        const id = Number(field.metadata.get(ID_KEY));
        if (!Number.isInteger(id)) this.#refuse(`column ${field.name} has no id`);
        columns.set(fieldId(id), yield* this.#column(field, rowCount));
      }
      yield;
    }
    if (timestamps === undefined) this.#refuse('no timestamps');
    if (this.#node !== nodes.length || this.#buffer !== buffers.length) this.#refuse('parts left');
    return { rowCount, columns, timestamps };
  }

  #refuse(why: string): never {
    throw new ElanusError('file_corrupt', { path: this.#path, why });
  }

  /** The next buffer, which holds at least so many bytes; its place in the shared memory. */
  #take(need: number): Span {
    const span = this.#layout.buffers[this.#buffer++];
    if (span === undefined || span.length < need) this.#refuse('a column is too short');
    return { at: this.#bytes.byteOffset + span.at, length: span.length };
  }

  /** The next node's rows that have a value; undefined when all have. */
  #valid(rows: number): Bitset | undefined {
    const node = this.#layout.nodes[this.#node++];
    if (node?.length !== rows) this.#refuse('a column of another length');
    const words = bitsetWords(rows);
    const { at } = this.#take(node.nullCount === 0 ? 0 : words * 4);
    if (node.nullCount === 0) return undefined;
    const set = new Uint32Array(this.#bytes.buffer, at, words);
    if (rows % 32 !== 0) clearTail(set, rows);
    return set;
  }

  *#column(field: ArrowField, rows: number): Generator<undefined, Column> {
    const kind = field.metadata.get(KIND_KEY) ?? '';
    const valid = this.#valid(rows);
    if (!kind.startsWith('array:')) return { ...(yield* this.#scalar(kind, rows)), valid };
    const offsets = yield* this.#offsets(rows);
    const elements = offsets[rows] ?? 0;
    this.#valid(elements);
    const element = yield* this.#scalar(kind.slice('array:'.length), elements);
    return { kind: 'array', offsets, element, valid };
  }

  *#scalar(kind: string, rows: number): Generator<undefined, NumberColumn | BytesColumn> {
    if (TEXTS.has(kind)) {
      const offsets = yield* this.#offsets(rows);
      const length = offsets[rows] ?? 0;
      const data = new Uint8Array(this.#bytes.buffer, this.#take(length).at, length);
      return { kind: kind as BytesColumn['kind'], offsets, data };
    }
    if (!NUMBERS.has(kind)) this.#refuse(`columns of ${kind}`);
    if (kind === 'bool') return { kind, values: yield* this.#bools(rows) };
    const number = kind as NumberColumn['kind'];
    const { at } = this.#take(rows * numericBytes(number));
    const { buffer } = this.#bytes;
    return { kind: number, values: numericArray(number, { buffer, offset: at, length: rows }) };
  }

  /** Offsets begin at 0 and never fall: what they point at is then as long as the last says. */
  *#offsets(rows: number): Generator<undefined, Uint32Array> {
    // A column of no rows may have no offsets at all.
    if (rows === 0 && this.#layout.buffers[this.#buffer]?.length === 0) {
      this.#take(0);
      return new Uint32Array(new SharedArrayBuffer(4));
    }
    const { at } = this.#take((rows + 1) * 4);
    const offsets = new Uint32Array(this.#bytes.buffer, at, rows + 1);
    let before = 0;
    if (offsets[0] !== 0) this.#refuse('offsets begin behind 0');
    for (let i = 1; i <= rows; i++) {
      const offset = offsets[i] ?? 0;
      if (offset < before) this.#refuse('offsets fall');
      before = offset;
      if (i % STEP_VALUES === 0) yield;
    }
    return offsets;
  }

  /** Bits become bytes. */
  *#bools(rows: number): Generator<undefined, Uint8Array> {
    const bits = new Uint8Array(this.#bytes.buffer, this.#take((rows + 7) >>> 3).at);
    const values = new Uint8Array(new SharedArrayBuffer(rows));
    for (let i = 0; i < rows; i++) {
      values[i] = ((bits[i >>> 3] ?? 0) >>> (i & 7)) & 1;
      if (i % STEP_VALUES === STEP_VALUES - 1) yield;
    }
    return values;
  }
}
