/**
 * The exact table key -> newest row of a shard: what `get`, uniqueness, upsert and delete ask. Open
 * addressing over typed arrays, cut into parts that grow one at a time, so that no insertion ever
 * rehashes more than one part. String keys stand as 128-bit hashes, salted per table.
 *
 * Memory: 16 bytes an int64 key, 24 a string key, over a load of 0.25 to 0.8.
 */
import { assert, hasBit, type Bitset, type Column } from '@elanus/core';
import { keyIn } from './key-column.ts';

/** Where the newest version of a key lies. */
export interface RowLocation {
  readonly segmentId: number;
  readonly row: number;
}

/** Rows `[from, to)` of a key column. */
export interface KeySpan {
  readonly keys: Column;
  readonly from: number;
  readonly to: number;
}

/** Takes a row of a key column and where its key points; segment 0: nowhere. */
export type KeyVisitor = (index: number, segmentId: number, row: number) => void;

/** Parts of a table, a power of two: many, so that none is long to rehash. */
const PARTS = 256;
const PART_CAPACITY_MIN = 16;
/** Parts fill alike, so each grows at a load of its own: never many in one turn. */
const LOAD_MIN = 0.5;
const LOAD_SPREAD = 0.3;

/** A key reduced to words: [w0, w1] for int64, [w0..w3] for strings. */
type KeyWords = Uint32Array;

/** Words of a cell behind those of its key: the segment (0: the cell is free) and the row. */
const LOCATION_WORDS = 2;

/** Cells side by side, each the words of a key and of where it points. */
class Part {
  count = 0;
  /** A power of two. */
  readonly capacity: number;
  readonly load: number;
  /** With more keys than this it grows. */
  readonly room: number;
  readonly cells: Uint32Array;

  constructor(width: number, capacity: number, load: number) {
    this.capacity = capacity;
    this.load = load;
    this.room = Math.floor(capacity * load);
    this.cells = new Uint32Array(capacity * (width + LOCATION_WORDS));
  }
}

/** See the file's header. Segment ids are at least 1: 0 marks a free cell. */
export class KeyTable {
  readonly #width: 2 | 4;
  readonly #salt: number;
  readonly #parts: Part[];
  /** Bits of a hash below those that choose the part. */
  readonly #shift: number;
  readonly #key: KeyWords;
  /** Capacity that a part takes when it first grows: what was reserved. */
  #reserved = PART_CAPACITY_MIN;
  #count = 0;

  /** `parts`: a power of two above one; fewer for a table that stays small: it is made sooner. */
  constructor(kind: 'int64' | 'varchar', salt: number, parts: number = PARTS) {
    this.#width = kind === 'int64' ? 2 : 4;
    this.#salt = salt >>> 0;
    this.#key = new Uint32Array(this.#width);
    this.#shift = Math.clz32(parts) + 1;
    this.#parts = Array.from({ length: parts }, (_, index) => {
      return new Part(this.#width, PART_CAPACITY_MIN, LOAD_MIN + (LOAD_SPREAD * index) / parts);
    });
  }

  /** Keys in the table. */
  get count(): number {
    return this.#count;
  }

  /** Bytes held. */
  get bytes(): number {
    let bytes = 0;
    for (const part of this.#parts) bytes += part.cells.byteLength;
    return bytes;
  }

  get(key: bigint | string): RowLocation | undefined {
    const { part, at } = this.#find(key);
    const segmentId = this.#segmentAt(part, at);
    return segmentId === 0 ? undefined : { segmentId, row: this.#rowAt(part, at) };
  }

  has(key: bigint | string): boolean {
    const { part, at } = this.#find(key);
    return this.#segmentAt(part, at) !== 0;
  }

  /** Points `key` at a row; returns where it pointed before. */
  set(key: bigint | string, location: RowLocation): RowLocation | undefined {
    assert(location.segmentId > 0 && location.segmentId < 2 ** 32, 'segment ids fit 32 bits');
    const { part, at, index } = this.#find(key);
    const before = this.#segmentAt(part, at);
    const row = this.#rowAt(part, at);
    this.#point(part, at, location);
    if (before !== 0) return { segmentId: before, row };
    this.#added(part, at, index);
    return undefined;
  }

  /**
   * Points int64 keys at rows of one segment, as `set` would one by one; `rows[i]` is the row of
   * `keys[i]`, and rows in `hidden` are left out. Several times cheaper, before V8 has compiled it
   * too: one loop that calls nothing but what is short.
   */
  setMany(
    keys: BigInt64Array,
    rows: Uint32Array,
    to: { readonly segmentId: number; readonly hidden: Bitset | undefined },
  ): void {
    const { segmentId, hidden } = to;
    assert(this.#width === 2 && keys.length === rows.length, 'an int64 key for each row');
    assert(segmentId > 0 && segmentId < 2 ** 32, 'segment ids fit 32 bits');
    const words = new Uint32Array(keys.buffer, keys.byteOffset, keys.length * 2);
    const salt = this.#salt;
    const shift = this.#shift;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] ?? 0;
      if (hidden !== undefined && hasBit(hidden, row)) continue;
      const low = words[i * 2] ?? 0;
      const high = words[i * 2 + 1] ?? 0;
      const hash = hashWords(salt, low, high);
      const part = this.#partOf(hash);
      const { cells } = part;
      const mask = part.capacity - 1;
      let cell = hash & mask;
      let at = cell * 4;
      while (cells[at + 2] !== 0 && (cells[at] !== low || cells[at + 1] !== high)) {
        cell = (cell + 1) & mask;
        at = cell * 4;
      }
      const isNew = cells[at + 2] === 0;
      cells[at + 2] = segmentId;
      cells[at + 3] = row;
      if (!isNew) continue;
      cells[at] = low;
      cells[at + 1] = high;
      this.#count++;
      if (++part.count > part.room) this.#grow(hash >>> shift);
    }
  }

  /** Tells of each key where it points. Cheaper than `get` one by one: keys stay numbers. */
  each(span: KeySpan, visit: KeyVisitor): void {
    const load = this.#loader(span.keys);
    for (let i = span.from; i < span.to; i++) {
      const hash = load(i);
      const part = this.#partOf(hash);
      const at = this.#probe(part, hash);
      visit(i, this.#segmentAt(part, at), this.#rowAt(part, at));
    }
  }

  /**
   * Points key after key at the rows of a segment that begin with `row`, or all at that one when
   * `step` is 0; `replaced` takes those that pointed elsewhere before.
   */
  point(
    span: KeySpan,
    to: RowLocation & { readonly step: 0 | 1 },
    replaced: KeyVisitor | undefined,
  ): void {
    const { segmentId, row, step } = to;
    assert(segmentId > 0 && segmentId < 2 ** 32, 'segment ids fit 32 bits');
    const load = this.#loader(span.keys);
    for (let i = span.from; i < span.to; i++) {
      const hash = load(i);
      const part = this.#partOf(hash);
      const at = this.#probe(part, hash);
      const before = this.#segmentAt(part, at);
      const rowBefore = this.#rowAt(part, at);
      this.#point(part, at, { segmentId, row: row + (i - span.from) * step });
      if (before === 0) this.#added(part, at, hash >>> this.#shift);
      else replaced?.(i, before, rowBefore);
    }
  }

  /** Forgets the keys that point into a segment. */
  forget(span: KeySpan, segmentId: number): void {
    const load = this.#loader(span.keys);
    for (let i = span.from; i < span.to; i++) {
      const hash = load(i);
      const part = this.#partOf(hash);
      const at = this.#probe(part, hash);
      if (this.#segmentAt(part, at) !== segmentId) continue;
      this.#close(part, at);
      part.count--;
      this.#count--;
    }
  }

  /** Fills `#key` with a row's key and returns its hash. */
  #loader(keys: Column): (index: number) => number {
    if (keys.kind !== 'int64') return (index) => this.#hash(keyIn(keys, index));
    assert(this.#width === 2, 'keys of one kind');
    const { buffer, byteOffset, length } = keys.values;
    const words = new Uint32Array(buffer, byteOffset, length * 2);
    const key = this.#key;
    return (index) => {
      key[0] = words[index * 2] ?? 0;
      key[1] = words[index * 2 + 1] ?? 0;
      return hashWords(this.#salt, key[0] ?? 0, key[1] ?? 0);
    };
  }

  #partOf(hash: number): Part {
    const part = this.#parts[hash >>> this.#shift];
    assert(part !== undefined, 'a part for each hash');
    return part;
  }

  /** Makes room for so many more keys ahead of time; in a table with keys, as its parts grow. */
  reserve(count: number): void {
    const each = (this.#count + count) / this.#parts.length;
    if (this.#reserved * LOAD_MIN >= each) return;
    while (this.#reserved * LOAD_MIN < each) this.#reserved *= 2;
    if (this.#count > 0) return;
    for (const [i, { load }] of this.#parts.entries()) {
      this.#parts[i] = new Part(this.#width, this.#reserved, load);
    }
  }

  #segmentAt(part: Part, at: number): number {
    return part.cells[at + this.#width] ?? 0;
  }

  #rowAt(part: Part, at: number): number {
    return part.cells[at + this.#width + 1] ?? 0;
  }

  #point(part: Part, at: number, { segmentId, row }: RowLocation): void {
    part.cells[at + this.#width] = segmentId;
    part.cells[at + this.#width + 1] = row;
  }

  /** Counts the key in `#key`, which has just taken a free cell. */
  #added(part: Part, at: number, index: number): void {
    const width = this.#width;
    for (let w = 0; w < width; w++) part.cells[at + w] = this.#key[w] ?? 0;
    this.#count++;
    if (++part.count > part.room) this.#grow(index);
  }

  /** Forgets `key`; returns where it pointed. */
  delete(key: bigint | string): RowLocation | undefined {
    const { part, at } = this.#find(key);
    const segmentId = this.#segmentAt(part, at);
    if (segmentId === 0) return undefined;
    const location = { segmentId, row: this.#rowAt(part, at) };
    this.#close(part, at);
    part.count--;
    this.#count--;
    return location;
  }

  #find(key: bigint | string): { part: Part; at: number; index: number } {
    const hash = this.#hash(key);
    const part = this.#partOf(hash);
    return { part, at: this.#probe(part, hash), index: hash >>> this.#shift };
  }

  /** Where the key's cell begins, or the free one that it would take. `#key` holds its words. */
  #probe({ cells, capacity }: Part, hash: number): number {
    const mask = capacity - 1;
    const width = this.#width;
    const stride = width + LOCATION_WORDS;
    let cell = hash & mask;
    for (;;) {
      const at = cell * stride;
      if (cells[at + width] === 0) return at;
      let same = true;
      for (let w = 0; same && w < width; w++) same = cells[at + w] === this.#key[w];
      if (same) return at;
      cell = (cell + 1) & mask;
    }
  }

  /** Fills `#key` and returns a 32-bit hash of it. */
  #hash(key: bigint | string): number {
    if (typeof key === 'bigint') {
      assert(this.#width === 2, 'keys of one kind');
      this.#key[0] = Number(BigInt.asUintN(32, key));
      this.#key[1] = Number(BigInt.asUintN(32, key >> 32n));
    } else {
      assert(this.#width === 4, 'keys of one kind');
      hash128(key, this.#salt, this.#key);
    }
    return hashWords(this.#salt, this.#key[0] ?? 0, this.#key[1] ?? 0);
  }

  #grow(index: number): void {
    const old = this.#parts[index];
    assert(old !== undefined, 'a part for each hash');
    const capacity = Math.max(old.capacity * 2, this.#reserved);
    const part = new Part(this.#width, capacity, old.load);
    part.count = old.count;
    const stride = this.#width + LOCATION_WORDS;
    const end = capacity * stride;
    for (let from = 0; from < old.cells.length; from += stride) {
      if (this.#segmentAt(old, from) === 0) continue;
      let to = this.#homeOf(part, old.cells, from);
      while (this.#segmentAt(part, to) !== 0) to = to + stride === end ? 0 : to + stride;
      for (let w = 0; w < stride; w++) part.cells[to + w] = old.cells[from + w] ?? 0;
    }
    this.#parts[index] = part;
  }

  /** Where the cell begins that the key at `at` of some cells has in a part when all is free. */
  #homeOf(part: Part, cells: Uint32Array, at: number): number {
    const hash = hashWords(this.#salt, cells[at] ?? 0, cells[at + 1] ?? 0);
    return (hash & (part.capacity - 1)) * (this.#width + LOCATION_WORDS);
  }

  /** Empties a cell and moves back those behind it that would no longer be found. */
  #close(part: Part, free: number): void {
    const { cells } = part;
    const stride = this.#width + LOCATION_WORDS;
    const next = (at: number): number => (at + stride === cells.length ? 0 : at + stride);
    const behind = (at: number, from: number): number =>
      at >= from ? at - from : at - from + cells.length;
    let hole = free;
    for (let at = next(free); this.#segmentAt(part, at) !== 0; at = next(at)) {
      if (behind(at, this.#homeOf(part, cells, at)) < behind(at, hole)) continue;
      cells.copyWithin(hole, at, at + stride);
      hole = at;
    }
    cells[hole + this.#width] = 0;
  }
}

/** A 32-bit hash of two words. Source: murmur3's finalizer, keyed. */
function hashWords(salt: number, low: number, high: number): number {
  let h = salt ^ low;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h ^= high;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x27d4eb2f);
  return (h ^ (h >>> 15)) >>> 0;
}

/**
 * Four salted lanes over UTF-16 units, mixed crosswise. Source: cyrb53's shape, four lanes wide.
 */
function hash128(text: string, salt: number, out: Uint32Array): void {
  let a = 0xdeadbeef ^ salt;
  let b = 0x41c6ce57 ^ Math.imul(salt, 0x9e3779b1);
  let c = 0x85ebca6b ^ Math.imul(salt, 0xc2b2ae35);
  let d = 0x27d4eb2f ^ (salt >>> 7);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x9e3779b1);
    b = Math.imul(b ^ unit, 0x5f356495);
    c = Math.imul((c ^ unit) + (a >>> 15), 0x32b2ae35 | 1);
    d = Math.imul((d ^ unit) + (b >>> 13), 0x7feb352d);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(c ^ (c >>> 13), 0xc2b2ae35);
  c = Math.imul(c ^ (c >>> 16), 0x85ebca6b) ^ Math.imul(d ^ (d >>> 13), 0xc2b2ae35);
  d = Math.imul(d ^ (d >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  out[0] = a;
  out[1] = b;
  out[2] = c ^ text.length;
  out[3] = d;
}
