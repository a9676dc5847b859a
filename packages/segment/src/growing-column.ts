import {
  assert,
  bitsetWords,
  hasBit,
  isVectorColumn,
  numericArray,
  numericBytes,
  setBit,
  validOf,
  type ArrayColumn,
  type Bitset,
  type BytesColumn,
  type Column,
  type NumberColumn,
} from '@elanus/core';

/** A column being written, on shared memory; readers see the rows counted when they looked. */
export interface GrowingColumn {
  /** Appends all rows of `source` at row `at`. */
  append(source: Column, at: number): void;
  /** The column now; arrays may be longer than the rows. */
  view(): Column;
  readonly bytes: number;
}

/** A growing column of fixed capacity in rows; text and list data grow as needed. */
export function createGrowingColumn(like: Column, capacity: number): GrowingColumn {
  assert(!isVectorColumn(like), 'vectors lie in row memory');
  if (like.kind === 'array') return new GrowingArray(like, capacity);
  if ('offsets' in like) return new GrowingBytes(like.kind, capacity);
  return new GrowingNumbers(like.kind, capacity);
}

const sharedBitset = (bits: number): Bitset =>
  new Uint32Array(new SharedArrayBuffer(bitsetWords(bits) * 4));

/** Marks rows `[at, at + count)` present as `source` says. */
function appendValid(
  valid: Bitset,
  source: Column,
  { at, count }: { readonly at: number; readonly count: number },
): void {
  const from = validOf(source);
  for (let i = 0; i < count; i++) {
    if (from === undefined || hasBit(from, i)) setBit(valid, at + i);
  }
}

class GrowingNumbers implements GrowingColumn {
  readonly #kind: NumberColumn['kind'];
  readonly #values: NumberColumn['values'];
  readonly #valid: Bitset;

  constructor(kind: NumberColumn['kind'], capacity: number) {
    this.#kind = kind;
    const buffer = new SharedArrayBuffer(capacity * numericBytes(kind));
    this.#values = numericArray(kind, { buffer, offset: 0, length: capacity });
    this.#valid = sharedBitset(capacity);
  }

  get bytes(): number {
    return this.#values.byteLength + this.#valid.byteLength;
  }

  append(source: Column, at: number): void {
    assert(source.kind === this.#kind, `a column of ${this.#kind}`);
    (this.#values as Float64Array).set(source.values as Float64Array, at);
    appendValid(this.#valid, source, { at, count: source.values.length });
  }

  view(): Column {
    return { kind: this.#kind, values: this.#values, valid: this.#valid };
  }
}

class GrowingBytes implements GrowingColumn {
  readonly #kind: BytesColumn['kind'];
  readonly #offsets: Uint32Array;
  readonly #valid: Bitset;
  #data = new Uint8Array(new SharedArrayBuffer(1024));

  constructor(kind: BytesColumn['kind'], capacity: number) {
    this.#kind = kind;
    this.#offsets = new Uint32Array(new SharedArrayBuffer((capacity + 1) * 4));
    this.#valid = sharedBitset(capacity);
  }

  get bytes(): number {
    return this.#offsets.byteLength + this.#data.byteLength + this.#valid.byteLength;
  }

  append(source: Column, at: number): void {
    assert(source.kind === this.#kind && 'data' in source, `a column of ${this.#kind}`);
    const rows = source.offsets.length - 1;
    const first = source.offsets[0] ?? 0;
    const bytes = (source.offsets[rows] ?? 0) - first;
    const base = this.#offsets[at] ?? 0;
    this.#data = grown(this.#data, base + bytes, (length) => {
      return new Uint8Array(new SharedArrayBuffer(length));
    });
    this.#data.set(source.data.subarray(first, first + bytes), base);
    for (let i = 1; i <= rows; i++) {
      this.#offsets[at + i] = base + (source.offsets[i] ?? 0) - first;
    }
    appendValid(this.#valid, source, { at, count: rows });
  }

  view(): Column {
    return { kind: this.#kind, offsets: this.#offsets, data: this.#data, valid: this.#valid };
  }
}

class GrowingArray implements GrowingColumn {
  readonly #offsets: Uint32Array;
  readonly #valid: Bitset;
  readonly #like: ArrayColumn;
  #element: GrowingColumn;
  #elementCapacity: number;

  constructor(like: ArrayColumn, capacity: number) {
    this.#like = like;
    this.#offsets = new Uint32Array(new SharedArrayBuffer((capacity + 1) * 4));
    this.#valid = sharedBitset(capacity);
    this.#elementCapacity = Math.max(64, capacity);
    this.#element = createGrowingColumn(like.element, this.#elementCapacity);
  }

  get bytes(): number {
    return this.#offsets.byteLength + this.#valid.byteLength + this.#element.bytes;
  }

  append(source: Column, at: number): void {
    assert(source.kind === 'array', 'a column of arrays');
    const rows = source.offsets.length - 1;
    const base = this.#offsets[at] ?? 0;
    const count = source.offsets[rows] ?? 0;
    this.#reserve(base, base + count);
    this.#element.append(source.element, base);
    for (let i = 1; i <= rows; i++) this.#offsets[at + i] = base + (source.offsets[i] ?? 0);
    appendValid(this.#valid, source, { at, count: rows });
  }

  view(): Column {
    const element = this.#element.view();
    assert(element.kind !== 'array' && !isVectorColumn(element), 'elements are scalars');
    return { kind: 'array', offsets: this.#offsets, element, valid: this.#valid };
  }

  #reserve(used: number, needed: number): void {
    if (needed <= this.#elementCapacity) return;
    this.#elementCapacity = Math.max(needed, this.#elementCapacity * 2);
    const next = createGrowingColumn(this.#like.element, this.#elementCapacity);
    next.append(prefix(this.#element.view(), used), 0);
    this.#element = next;
  }
}

/** The first `rows` rows of an oversized scalar column. */
function prefix(column: Column, rows: number): Column {
  if (isVectorColumn(column) || column.kind === 'array') return column;
  if ('offsets' in column) {
    const offsets = column.offsets.subarray(0, rows + 1);
    return { kind: column.kind, offsets, data: column.data };
  }
  return { kind: column.kind, values: column.values.subarray(0, rows) };
}

function grown(
  data: Uint8Array<SharedArrayBuffer>,
  needed: number,
  make: (length: number) => Uint8Array<SharedArrayBuffer>,
): Uint8Array<SharedArrayBuffer> {
  if (needed <= data.length) return data;
  const next = make(Math.max(needed, data.length * 2));
  next.set(data);
  return next;
}
