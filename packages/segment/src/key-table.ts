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

class Part {
  capacity = PART_CAPACITY_MIN;
  count = 0;
  words: Uint32Array;
  segments: Uint32Array;
  rows: Uint32Array;

  constructor(width: number) {
    this.words = new Uint32Array(PART_CAPACITY_MIN * width);
    this.segments = new Uint32Array(PART_CAPACITY_MIN);
    this.rows = new Uint32Array(PART_CAPACITY_MIN);
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
    this.#parts = Array.from({ length: parts }, () => new Part(this.#width));
  }

  /** Keys in the table. */
  get count(): number {
    return this.#count;
  }

  /** Bytes held. */
  get bytes(): number {
    let cells = 0;
    for (const part of this.#parts) cells += part.capacity;
    return cells * (this.#width * 4 + 8);
  }

  get(key: bigint | string): RowLocation | undefined {
    const { part, cell } = this.#find(key);
    const segmentId = part.segments[cell] ?? 0;
    return segmentId === 0 ? undefined : { segmentId, row: part.rows[cell] ?? 0 };
  }

  has(key: bigint | string): boolean {
    const { part, cell } = this.#find(key);
    return part.segments[cell] !== 0;
  }

  /** Points `key` at a row; returns where it pointed before. */
  set(key: bigint | string, location: RowLocation): RowLocation | undefined {
    assert(location.segmentId > 0 && location.segmentId < 2 ** 32, 'segment ids fit 32 bits');
    const { part, cell, index } = this.#find(key);
    const before = part.segments[cell] ?? 0;
    const row = part.rows[cell] ?? 0;
    part.segments[cell] = location.segmentId;
    part.rows[cell] = location.row;
    if (before !== 0) return { segmentId: before, row };
    this.#added(part, cell, index);
    return undefined;
  }

  /**
   * Points int64 keys at rows of one segment, as `set` would one by one; `rows[i]` is the row of
   * `keys[i]`, and rows in `hidden` are left out. Several times cheaper: 0.1 us
   * a key at most, once there is room.
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
    const key = this.#key;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] ?? 0;
      if (hidden !== undefined && hasBit(hidden, row)) continue;
      key[0] = words[i * 2] ?? 0;
      key[1] = words[i * 2 + 1] ?? 0;
      this.#put(this.#hashWords(key, 0), segmentId, row);
    }
  }

  /** Tells of each key where it points. Cheaper than `get` one by one: keys stay numbers. */
  each(span: KeySpan, visit: KeyVisitor): void {
    const load = this.#loader(span.keys);
    for (let i = span.from; i < span.to; i++) {
      const hash = load(i);
      const part = this.#partOf(hash);
      const cell = this.#probe(part, hash);
      visit(i, part.segments[cell] ?? 0, part.rows[cell] ?? 0);
    }
  }

  /**
   * Points key after key at the rows of a segment that begin with `row`, or all at that one when
   * `step` is 0; `replaced` takes those that pointed elsewhere before.
   */
  point(
    span: KeySpan,
    at: RowLocation & { readonly step: 0 | 1 },
    replaced: KeyVisitor | undefined,
  ): void {
    const { segmentId, row, step } = at;
    assert(segmentId > 0 && segmentId < 2 ** 32, 'segment ids fit 32 bits');
    const load = this.#loader(span.keys);
    for (let i = span.from; i < span.to; i++) {
      const hash = load(i);
      const part = this.#partOf(hash);
      const cell = this.#probe(part, hash);
      const before = part.segments[cell] ?? 0;
      const rowBefore = part.rows[cell] ?? 0;
      part.segments[cell] = segmentId;
      part.rows[cell] = row + (i - span.from) * step;
      if (before === 0) this.#added(part, cell, hash >>> this.#shift);
      else replaced?.(i, before, rowBefore);
    }
  }

  /** Forgets the keys that point into a segment. */
  forget(span: KeySpan, segmentId: number): void {
    const load = this.#loader(span.keys);
    for (let i = span.from; i < span.to; i++) {
      const hash = load(i);
      const part = this.#partOf(hash);
      const cell = this.#probe(part, hash);
      if (part.segments[cell] !== segmentId) continue;
      this.#close(part, cell);
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
      return this.#hashWords(key, 0);
    };
  }

  #partOf(hash: number): Part {
    const part = this.#parts[hash >>> this.#shift];
    assert(part !== undefined, 'a part for each hash');
    return part;
  }

  /** Makes room for so many more keys ahead of time: parts that grow take it at once. */
  reserve(count: number): void {
    const each = (this.#count + count) / this.#parts.length;
    while (this.#reserved * LOAD_MIN < each) this.#reserved *= 2;
  }

  /** Points the key in `#key` at a row. */
  #put(hash: number, segmentId: number, row: number): void {
    const part = this.#partOf(hash);
    const cell = this.#probe(part, hash);
    const isNew = part.segments[cell] === 0;
    part.segments[cell] = segmentId;
    part.rows[cell] = row;
    if (isNew) this.#added(part, cell, hash >>> this.#shift);
  }

  /** Counts the key in `#key`, which has just taken a free cell. */
  #added(part: Part, cell: number, index: number): void {
    const { words } = part;
    const width = this.#width;
    for (let w = 0; w < width; w++) words[cell * width + w] = this.#key[w] ?? 0;
    part.count++;
    this.#count++;
    if (part.count > part.capacity * (LOAD_MIN + (LOAD_SPREAD * index) / this.#parts.length))
      this.#grow(index);
  }

  /** Forgets `key`; returns where it pointed. */
  delete(key: bigint | string): RowLocation | undefined {
    const { part, cell } = this.#find(key);
    const segmentId = part.segments[cell] ?? 0;
    if (segmentId === 0) return undefined;
    const location = { segmentId, row: part.rows[cell] ?? 0 };
    this.#close(part, cell);
    part.count--;
    this.#count--;
    return location;
  }

  #find(key: bigint | string): { part: Part; cell: number; index: number } {
    const hash = this.#hash(key);
    const part = this.#partOf(hash);
    return { part, cell: this.#probe(part, hash), index: hash >>> this.#shift };
  }

  /** The key's cell, or the free one it would take. `#key` holds the key's words. */
  #probe(part: Part, hash: number): number {
    const mask = part.capacity - 1;
    const width = this.#width;
    let cell = hash & mask;
    while (part.segments[cell] !== 0) {
      const at = cell * width;
      let same = true;
      for (let w = 0; w < width; w++) {
        if (part.words[at + w] !== this.#key[w]) {
          same = false;
          break;
        }
      }
      if (same) return cell;
      cell = (cell + 1) & mask;
    }
    return cell;
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
    return this.#hashWords(this.#key, 0);
  }

  #hashWords(words: Uint32Array, at: number): number {
    let h = this.#salt ^ (words[at] ?? 0);
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h ^= words[at + 1] ?? 0;
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h = Math.imul(h ^ (h >>> 16), 0x27d4eb2f);
    return (h ^ (h >>> 15)) >>> 0;
  }

  #grow(index: number): void {
    const old = this.#parts[index];
    assert(old !== undefined, 'a part for each hash');
    const part = new Part(this.#width);
    part.capacity = Math.max(old.capacity * 2, this.#reserved);
    part.count = old.count;
    part.words = new Uint32Array(part.capacity * this.#width);
    part.segments = new Uint32Array(part.capacity);
    part.rows = new Uint32Array(part.capacity);
    const mask = part.capacity - 1;
    for (let cell = 0; cell < old.capacity; cell++) {
      if (old.segments[cell] === 0) continue;
      let to = this.#hashWords(old.words, cell * this.#width) & mask;
      while (part.segments[to] !== 0) to = (to + 1) & mask;
      moveCell({ part: old, cell }, { part, cell: to }, this.#width);
    }
    this.#parts[index] = part;
  }

  /** Empties a cell and moves back those behind it that would no longer be found. */
  #close(part: Part, free: number): void {
    const mask = part.capacity - 1;
    let hole = free;
    let cell = (free + 1) & mask;
    while (part.segments[cell] !== 0) {
      const home = this.#hashWords(part.words, cell * this.#width) & mask;
      if (((cell - home) & mask) >= ((cell - hole) & mask)) {
        moveCell({ part, cell }, { part, cell: hole }, this.#width);
        hole = cell;
      }
      cell = (cell + 1) & mask;
    }
    part.segments[hole] = 0;
  }
}

interface Cell {
  readonly part: Part;
  readonly cell: number;
}

function moveCell(from: Cell, to: Cell, width: number): void {
  for (let w = 0; w < width; w++) {
    to.part.words[to.cell * width + w] = from.part.words[from.cell * width + w] ?? 0;
  }
  to.part.segments[to.cell] = from.part.segments[from.cell] ?? 0;
  to.part.rows[to.cell] = from.part.rows[from.cell] ?? 0;
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
