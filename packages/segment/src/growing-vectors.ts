/** Vectors of a growing chunk: written at their end, in memory that readers and threads share. */
import {
  assert,
  denseBytes,
  denseWidth,
  type Column,
  type DenseArray,
  type FieldId,
  type VectorShape,
} from '@elanus/core';
import type { VectorColumn } from '@elanus/index';
import { floatsOf, type Kernels, type RowMemory } from '@elanus/kernels';
import { denseView, wordsOf, type DenseRows, type SparseRows, type VectorRows } from './view.ts';

/** A vector field as a growing segment must know it. */
export interface VectorField extends VectorShape {
  readonly id: FieldId;
}

/** Vectors of one field in one chunk. */
export interface GrowingVectors {
  readonly field: VectorField;
  /** Appends all rows of `column` at row `at`. */
  append(column: Column, at: number): void;
  /** The vectors now; memory may be longer than the rows. */
  view(): VectorRows;
  /** The full chunk as an index takes it, where codes of it make searches faster. */
  codable(): VectorColumn | undefined;
  /** Gives the memory back. */
  discard(): void;
}

/** Room for `capacity` vectors of a field. */
export function createGrowingVectors(
  kernels: Kernels,
  field: VectorField,
  capacity: number,
): GrowingVectors {
  return field.type === 'sparse'
    ? new GrowingSparse(kernels, field, capacity)
    : new GrowingDense(kernels, field, capacity);
}

/** Bytes of a row of the field: those of a sparse one as they are in `like`. */
export function vectorRowBytes(field: VectorField, like: Column | undefined): number {
  if (field.type !== 'sparse') return denseBytes(field.type, field.dim);
  if (like?.kind !== 'sparse' || like.offsets.length < 2) return 8;
  return 4 + Math.ceil((like.indices.length * 8) / (like.offsets.length - 1));
}

class GrowingDense implements GrowingVectors {
  readonly field: VectorField;
  readonly #kernels: Kernels;
  readonly #capacity: number;
  readonly #rows: DenseRows;
  readonly #values: DenseArray;
  readonly #width: number;

  constructor(kernels: Kernels, field: VectorField, capacity: number) {
    const { type, dim, metric } = field;
    assert(type !== 'sparse', 'dense vectors');
    this.field = field;
    this.#kernels = kernels;
    this.#capacity = capacity;
    this.#width = denseWidth(type, dim);
    const memory = kernels.allocate(capacity * denseBytes(type, dim));
    const inverseNorms =
      metric === 'cosine' ? new Float32Array(new SharedArrayBuffer(capacity * 4)) : undefined;
    this.#rows = { type, dim, memory, inverseNorms };
    this.#values = denseView(this.#rows, capacity).values;
  }

  append(column: Column, at: number): void {
    const { type, dim, memory, inverseNorms } = this.#rows;
    assert(column.kind === 'vector' && column.type === type, 'vectors were checked');
    assert(column.dim === dim, 'dimensions were checked');
    this.#values.set(column.values, at * this.#width);
    if (inverseNorms === undefined || type === 'binary') return;
    const to = at + column.values.length / this.#width;
    this.#kernels.inverseNorms({
      dim,
      element: type,
      rows: memory,
      from: at,
      to,
      out: inverseNorms,
    });
  }

  view(): VectorRows {
    return this.#rows;
  }

  codable(): VectorColumn | undefined {
    const { type, dim, memory } = this.#rows;
    if (type === 'binary') return undefined;
    return { rows: memory, rowCount: this.#capacity, dim, element: type };
  }

  discard(): void {
    this.#kernels.discard(this.#rows.memory);
  }
}

const ENTRIES_MIN = 1_024;

/** Entries move to larger memory as they come; readers keep what they hold. */
class GrowingSparse implements GrowingVectors {
  readonly field: VectorField;
  readonly #kernels: Kernels;
  readonly #offsets: RowMemory;
  readonly #bounds: Uint32Array;
  #indices: RowMemory;
  #values: RowMemory;
  #entries = 0;
  #capacity = ENTRIES_MIN;

  constructor(kernels: Kernels, field: VectorField, capacity: number) {
    this.field = field;
    this.#kernels = kernels;
    this.#offsets = kernels.allocate((capacity + 1) * 4);
    this.#bounds = wordsOf(this.#offsets, capacity + 1);
    this.#indices = kernels.allocate(ENTRIES_MIN * 4);
    this.#values = kernels.allocate(ENTRIES_MIN * 4);
  }

  append(column: Column, at: number): void {
    assert(column.kind === 'sparse', 'vectors were checked');
    const rows = column.offsets.length - 1;
    const first = column.offsets[0] ?? 0;
    const count = (column.offsets[rows] ?? 0) - first;
    const base = this.#entries;
    this.#reserve(base + count);
    wordsOf(this.#indices, base + count).set(column.indices.subarray(first, first + count), base);
    floatsOf(this.#values, base + count).set(column.values.subarray(first, first + count), base);
    for (let i = 1; i <= rows; i++) {
      this.#bounds[at + i] = base + (column.offsets[i] ?? 0) - first;
    }
    this.#entries = base + count;
  }

  view(): SparseRows {
    return {
      type: 'sparse',
      entries: this.#entries,
      offsets: this.#offsets,
      indices: this.#indices,
      values: this.#values,
    };
  }

  codable(): undefined {
    return undefined;
  }

  discard(): void {
    for (const memory of [this.#offsets, this.#indices, this.#values]) {
      this.#kernels.discard(memory);
    }
  }

  #reserve(needed: number): void {
    if (needed <= this.#capacity) return;
    this.#capacity = Math.max(needed, this.#capacity * 2);
    const [indices, values] = [this.#indices, this.#values];
    this.#indices = this.#kernels.allocate(this.#capacity * 4);
    this.#values = this.#kernels.allocate(this.#capacity * 4);
    wordsOf(this.#indices, this.#entries).set(wordsOf(indices, this.#entries));
    floatsOf(this.#values, this.#entries).set(floatsOf(values, this.#entries));
  }
}
