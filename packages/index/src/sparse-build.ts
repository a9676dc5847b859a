import type { SparseColumn } from '@elanus/core';
import { bytesOf, floatsOf } from '@elanus/kernels';
import type { Kernels, RowMemory } from '@elanus/kernels';

import type { SparseRows } from './column.ts';
import { indexLayout, sealSteps } from './index-file.ts';
import type { IndexFile, IndexHeader, SparseShape } from './index-file.ts';
import { sparseView, wordsAt } from './sparse-rows.ts';

/**
 * The postings of sparse rows, dimension by dimension. Rows are cut into blocks of 16; of each
 * dimension and each block in which it occurs the file keeps the largest number, so that a search
 * knows what a block can reach at most, and the numbers themselves:
 *
 *     dimensions       u32, rising: the indices that occur
 *     dimensionStarts  u32: where the blocks of each begin; one more at the end
 *     blocks           u32, rising within a dimension
 *     blockMax         f32: the largest number of the dimension in the block
 *     blockStarts      u32: where the postings of each block begin; one more at the end
 *     postingRows      u8: rows within the block
 *     postingValues    f32
 */
export const BLOCK_ROWS = 16;

/** Entries that are looked at between two steps: well below a millisecond. */
const STEP_ENTRIES = 8192;
const STEP_DIMENSIONS = 1024;
const TOUCH_BYTES = 1024 * 1024;
const EMPTY = 0xffffffff;

/** Dimensions by their index, numbered as they come: a hash table over typed arrays. */
class DimensionTable {
  #keys = new Uint32Array(1024).fill(EMPTY);
  #numbers = new Uint32Array(1024);
  /** Index of each number. */
  indices = new Uint32Array(512);
  count = 0;

  /** The number of an index; a new one when it is new. */
  numberOf(index: number): number {
    const mask = this.#keys.length - 1;
    let at = Math.imul(index, 2_654_435_769) >>> 7;
    for (; ; at++) {
      const key = this.#keys[at & mask];
      if (key === index) return this.#numbers[at & mask] ?? 0;
      if (key === EMPTY) break;
    }
    if (this.count === this.indices.length) {
      this.#grow();
      return this.numberOf(index);
    }
    this.#keys[at & mask] = index;
    this.#numbers[at & mask] = this.count;
    this.indices[this.count] = index;
    return this.count++;
  }

  #grow(): void {
    const { indices, count } = this;
    this.indices = new Uint32Array(count * 2);
    this.#keys = new Uint32Array(count * 4).fill(EMPTY);
    this.#numbers = new Uint32Array(count * 4);
    this.count = 0;
    for (let i = 0; i < count; i++) this.numberOf(indices[i] ?? 0);
  }
}

/** How often each dimension occurs. */
interface Counts {
  readonly table: DimensionTable;
  /** By number: rows, blocks, and the block that came last, plus one. */
  postings: Uint32Array;
  blocks: Uint32Array;
  last: Uint32Array;
}

function room(counts: Counts, number: number): void {
  if (number < counts.postings.length) return;
  for (const name of ['postings', 'blocks', 'last'] as const) {
    const longer = new Uint32Array(Math.max(1024, counts[name].length * 2));
    longer.set(counts[name]);
    counts[name] = longer;
  }
}

/** Refuses what the rest relies on. @throws RangeError */
function checkRow(rows: SparseColumn, row: number): void {
  const { offsets, indices, values } = rows;
  const from = offsets[row] ?? 0;
  const to = offsets[row + 1] ?? 0;
  if (from > to || to > indices.length) throw new RangeError('rows: offsets out of order');
  for (let i = from; i < to; i++) {
    const value = values[i] ?? 0;
    if (!(value > 0 && value < Infinity))
      throw new RangeError('rows: a number that is not above 0');
    const index = indices[i] ?? 0;
    if (index === EMPTY) throw new RangeError('rows: an index out of range');
    if (i > from && index <= (indices[i - 1] ?? 0)) throw new RangeError('rows: unsorted indices');
  }
}

/** Visits rows, pausing now and then. */
function* rowSteps(
  rows: SparseColumn,
  visit: (row: number) => void,
): Generator<undefined, void, undefined> {
  const { offsets } = rows;
  let paused = 0;
  for (let row = 0; row + 1 < offsets.length; row++) {
    visit(row);
    const done = (offsets[row + 1] ?? 0) + row;
    if (done - paused < STEP_ENTRIES) continue;
    paused = done;
    yield;
  }
}

function* countSteps(rows: SparseColumn): Generator<undefined, Counts, undefined> {
  const table = new DimensionTable();
  const none = new Uint32Array();
  const counts: Counts = { table, postings: none, blocks: none, last: none };
  yield* rowSteps(rows, (row) => {
    checkRow(rows, row);
    const block = Math.floor(row / BLOCK_ROWS) + 1;
    const to = rows.offsets[row + 1] ?? 0;
    for (let i = rows.offsets[row] ?? 0; i < to; i++) {
      const number = table.numberOf(rows.indices[i] ?? 0);
      room(counts, number);
      counts.postings[number] = (counts.postings[number] ?? 0) + 1;
      if (counts.last[number] === block) continue;
      counts.last[number] = block;
      counts.blocks[number] = (counts.blocks[number] ?? 0) + 1;
    }
  });
  return counts;
}

const DIGIT = 11;

/** Sorts numbers of 32 bits in three passes. */
function* sorted(values: Uint32Array): Generator<undefined, Uint32Array, undefined> {
  let from = values.slice();
  let to = new Uint32Array(values.length);
  for (let shift = 0; shift < 32; shift += DIGIT) {
    const starts = new Uint32Array(2 ** DIGIT + 1);
    const digit = (value: number): number => (value >>> shift) & (2 ** DIGIT - 1);
    for (let i = 0; i < from.length; i++) {
      const next = digit(from[i] ?? 0) + 1;
      starts[next] = (starts[next] ?? 0) + 1;
      if (i % STEP_DIMENSIONS === 0) yield;
    }
    for (let i = 1; i < starts.length; i++) starts[i] = (starts[i] ?? 0) + (starts[i - 1] ?? 0);
    yield;
    for (let i = 0; i < from.length; i++) {
      const value = from[i] ?? 0;
      const at = starts[digit(value)] ?? 0;
      starts[digit(value)] = at + 1;
      to[at] = value;
      if (i % STEP_DIMENSIONS === 0) yield;
    }
    [from, to] = [to, from];
    yield;
  }
  return from;
}

/** The sections of a file, as typed arrays. */
export interface SparseParts {
  readonly dimensions: Uint32Array;
  readonly dimensionStarts: Uint32Array;
  readonly blocks: Uint32Array;
  readonly blockMax: Float32Array;
  readonly blockStarts: Uint32Array;
  readonly postingRows: Uint8Array;
  readonly postingValues: Float32Array;
}

/** Where the parts lie in the memory of a file. */
export function sparseParts(memory: RowMemory, header: IndexHeader): SparseParts {
  const { sections } = indexLayout(header);
  const words = (name: keyof SparseParts): Uint32Array =>
    wordsAt(memory, sections[name].bytes / 4, sections[name].offset);
  const floats = (name: keyof SparseParts): Float32Array =>
    floatsOf(memory, sections[name].bytes / 4, sections[name].offset);
  const { postingRows } = sections;
  const at = memory.byteOffset + postingRows.offset;
  return {
    dimensions: words('dimensions'),
    dimensionStarts: words('dimensionStarts'),
    blocks: words('blocks'),
    blockMax: floats('blockMax'),
    blockStarts: words('blockStarts'),
    postingRows: new Uint8Array(memory.buffer, at, postingRows.bytes),
    postingValues: floats('postingValues'),
  };
}

/**
 * Writes to all memory once, from its start to its end: postings go to as many pages as there are
 * dimensions, and a step that meets thousands of new pages takes long.
 */
function* touchSteps(memory: RowMemory, bytes: number): Generator<undefined, void, undefined> {
  for (let at = 0; at < bytes; at += TOUCH_BYTES) {
    bytesOf(memory, Math.min(TOUCH_BYTES, bytes - at), at).fill(0);
    yield;
  }
}

/** Writes the dimensions in order; gives where blocks and postings of each begin, by number. */
function* writeDimensions(
  parts: SparseParts,
  counts: Counts,
): Generator<undefined, { readonly block: Uint32Array; readonly posting: Uint32Array }, undefined> {
  const { table } = counts;
  const order = yield* sorted(table.indices.subarray(0, table.count));
  const block = new Uint32Array(table.count);
  const posting = new Uint32Array(table.count);
  let [blocks, postings] = [0, 0];
  for (const [i, index] of order.entries()) {
    const number = table.numberOf(index);
    parts.dimensions[i] = index;
    parts.dimensionStarts[i] = blocks;
    block[number] = blocks;
    posting[number] = postings;
    blocks += counts.blocks[number] ?? 0;
    postings += counts.postings[number] ?? 0;
    if (i % STEP_DIMENSIONS === 0) yield;
  }
  parts.dimensionStarts[order.length] = blocks;
  parts.blockStarts[blocks] = postings;
  return { block, posting };
}

function* writePostings(
  rows: SparseColumn,
  parts: SparseParts,
  counts: Counts,
): Generator<undefined, void, undefined> {
  const next = yield* writeDimensions(parts, counts);
  const { table, last } = counts;
  last.fill(0);
  yield* rowSteps(rows, (row) => {
    const block = Math.floor(row / BLOCK_ROWS);
    const to = rows.offsets[row + 1] ?? 0;
    for (let i = rows.offsets[row] ?? 0; i < to; i++) {
      const number = table.numberOf(rows.indices[i] ?? 0);
      const value = rows.values[i] ?? 0;
      const posting = next.posting[number] ?? 0;
      next.posting[number] = posting + 1;
      parts.postingRows[posting] = row % BLOCK_ROWS;
      parts.postingValues[posting] = value;
      if (last[number] !== block + 1) {
        last[number] = block + 1;
        const at = next.block[number] ?? 0;
        next.block[number] = at + 1;
        parts.blocks[at] = block;
        parts.blockStarts[at] = posting;
        parts.blockMax[at] = value;
        continue;
      }
      const at = (next.block[number] ?? 0) - 1;
      parts.blockMax[at] = Math.max(parts.blockMax[at] ?? 0, value);
    }
  });
}

/**
 * Builds the file of a SPARSE_INVERTED index in steps below a millisecond. Its size is known after
 * a first pass over the rows: about 5 bytes for each of their numbers, 12 for each dimension of a
 * block.
 *
 * @throws RangeError for rows that are unsorted, or hold numbers that are not finite and above 0
 */
export function* sparseBuildSteps(
  kernels: Kernels,
  column: SparseRows,
): Generator<undefined, IndexFile, undefined> {
  const rows = sparseView(column);
  const counts = yield* countSteps(rows);
  const shape: SparseShape = {
    dimensions: counts.table.count,
    blocks: counts.blocks.reduce((sum, one) => sum + one, 0),
    postings: counts.postings.reduce((sum, one) => sum + one, 0),
  };
  const header = sparseHeader(column, shape);
  const { bytes } = indexLayout(header);
  const memory = kernels.allocate(bytes);
  yield* touchSteps(memory, bytes);
  yield* writePostings(rows, sparseParts(memory, header), counts);
  yield* sealSteps(memory, header);
  return { memory, bytes };
}

/** What the header of such a file says. */
export function sparseHeader(column: SparseRows, sparse: SparseShape): IndexHeader {
  const { rowCount } = column;
  const coded = { grid: { low: 0, step: 1 }, typicalNorm: 1, candidatesOfTen: 0 };
  const kind = 'SPARSE_INVERTED';
  return { kind, metric: 'ip', dim: 0, rowCount, element: 'sparse', ...coded, sparse };
}
