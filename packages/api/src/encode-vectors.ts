/**
 * Vectors as callers give them, as columns: each type takes its own array as it is, and numbers
 * that it can hold.
 *
 * | type | its own array | or numbers |
 * | --- | --- | --- |
 * | float32 | Float32Array [dim] | finite |
 * | float16, bfloat16 | Uint16Array [dim], their bits | rounded to the nearest, ties to even |
 * | int8 | Int8Array [dim] | whole, -128 to 127 |
 * | binary | Uint8Array [dim / 8], lowest bit first | bytes: whole, 0 to 255 |
 *
 * Base64 text stands for the bytes of that array, little-endian. Sparse vectors: see
 * encode-sparse.ts.
 */
import type { DenseArray, DenseType, SparseColumn, VectorColumn } from '@elanus/core';
import {
  ElanusError,
  denseArray,
  denseWidth,
  findNotFiniteHalf,
  halfToNumber,
  isDenseArray,
  vectorShape,
  writeHalves,
} from '@elanus/core';
import { fromBase64 } from './base64.ts';
import type { Cells } from './cells.ts';
import { cellError, describe, listOf } from './cells.ts';
import { sparseColumn } from './encode-sparse.ts';

/** How a check of many numbers is done. */
export interface FiniteCheck {
  /** Position of the first value that is NaN or infinite, or -1; a plain loop when absent. */
  readonly findNotFinite?: ((values: Float32Array) => number) | undefined;
}

/** Vectors as a column of their field. @throws every error about a vector */
export function vectorColumn(cells: Cells, check: FiniteCheck): VectorColumn | SparseColumn {
  const { type, dim } = vectorShape(cells.field);
  if (type === 'sparse') return sparseColumn(cells);
  const width = denseWidth(type, dim);
  const all = denseArray(type, cells.values.length * width);
  for (let i = 0; i < cells.values.length; i++) {
    const vector = vectorOf(cells, i, type);
    if (vector.length !== width) {
      throw new ElanusError('dimension_mismatch', {
        field: cells.field.name,
        row: cells.firstRow + i,
        expected: type === 'binary' ? `${width} bytes (${dim} bits)` : String(dim),
        got: String(vector.length),
      });
    }
    copyVector(cells, { type, into: all, index: i, vector });
  }
  const at = findBad(type, all, check.findNotFinite);
  if (at >= 0) throw notFinite({ ...cells, type, values: all, at }, dim);
  return { kind: 'vector', type, dim, values: all };
}

/** Values of a column that holds something that is no number, and where. */
export interface BadValue {
  readonly type: DenseType;
  readonly values: DenseArray;
  readonly at: number;
  readonly field: Cells['field'];
  readonly firstRow: number;
}

/** The error about a value that is NaN or infinite: row, and position inside the vector. */
export function notFinite(bad: BadValue, dim: number): Error {
  const { type, values, at, field, firstRow } = bad;
  const half = type === 'float16' || type === 'bfloat16';
  const value = half ? halfToNumber(type, values[at] ?? 0) : values[at];
  return new ElanusError('vector_not_finite', {
    field: field.name,
    row: firstRow + Math.floor(at / dim),
    got: `${value} at ${at % dim}`,
  });
}

/** Position of the first value that is no number, or -1; only floats have such. */
export function findBad(
  type: DenseType,
  values: DenseArray,
  find: FiniteCheck['findNotFinite'],
): number {
  if (values instanceof Float32Array) return (find ?? findNotFinite)(values);
  if (type !== 'float16' && type !== 'bfloat16') return -1;
  return findNotFiniteHalf(type, values as Uint16Array);
}

const EXPECTED: Readonly<Record<DenseType, string>> = {
  float32: 'Float32Array or array of numbers',
  float16: 'Uint16Array of bits, Float32Array or array of numbers',
  bfloat16: 'Uint16Array of bits, Float32Array or array of numbers',
  int8: 'Int8Array or array of whole numbers',
  binary: 'Uint8Array or array of bytes, eight bits each',
};

function vectorOf(cells: Cells, index: number, type: DenseType): ArrayLike<unknown> {
  const value = cells.values[index];
  if (isDenseArray(type, value)) return value;
  if (value === undefined) {
    throw new ElanusError('missing_field', {
      field: cells.field.name,
      row: cells.firstRow + index,
    });
  }
  if (typeof value === 'string') {
    const vector = vectorsOfBase64(type, value);
    if (vector !== undefined) return vector;
  }
  const list = listOf(value);
  if (list !== undefined && !(list instanceof BigInt64Array)) return list;
  throw cellError(cells, { code: 'wrong_type', index, expected: EXPECTED[type] });
}

/** The array that base64 text holds the bytes of; undefined when it is none. */
export function vectorsOfBase64(type: DenseType, text: string): DenseArray | undefined {
  const bytes = fromBase64(text);
  const size = denseArray(type, 0).BYTES_PER_ELEMENT;
  if (bytes === undefined || bytes.length % size !== 0) return undefined;
  return denseArray(type, { buffer: bytes.buffer, offset: 0, length: bytes.length / size });
}

interface Copying {
  readonly type: DenseType;
  readonly into: DenseArray;
  readonly index: number;
  readonly vector: ArrayLike<unknown>;
}

function copyVector(cells: Cells, job: Copying): void {
  const { type, into, index, vector } = job;
  const base = index * vector.length;
  if (isDenseArray(type, vector)) {
    into.set(vector, base);
    return;
  }
  const numbers = ArrayBuffer.isView(vector) ? (vector as unknown as ArrayLike<number>) : undefined;
  if (numbers !== undefined && type === 'float32') into.set(numbers, base);
  else copyNumbers(cells, job, numbers ?? numbersOf(cells, index, vector));
}

/** A list in which everything is a number. @throws wrong_type with the place in the vector */
function numbersOf(cells: Cells, index: number, vector: ArrayLike<unknown>): ArrayLike<number> {
  for (let k = 0; k < vector.length; k++) {
    const item = vector[k];
    if (typeof item === 'number') continue;
    throw new ElanusError('wrong_type', {
      field: cells.field.name,
      row: cells.firstRow + index,
      expected: 'numbers',
      got: `${describe(item)} at ${k}`,
    });
  }
  return vector as ArrayLike<number>;
}

function copyNumbers(cells: Cells, job: Copying, numbers: ArrayLike<number>): void {
  const { type, into, index } = job;
  const base = index * numbers.length;
  switch (type) {
    case 'float32':
      into.set(numbers, base);
      return;
    case 'float16':
    case 'bfloat16': {
      const at = writeHalves(type, numbers, { into: into as Uint16Array, at: base });
      if (at < 0 || !Number.isFinite(numbers[at])) return;
      throw outOfRange(cells, { index, at, value: numbers[at], expected: `a finite ${type}` });
    }
    case 'int8':
      copyWhole(cells, job, { numbers, low: -128, high: 127 });
      return;
    case 'binary':
      copyWhole(cells, job, { numbers, low: 0, high: 255 });
  }
}

function copyWhole(
  cells: Cells,
  job: Copying,
  of: { readonly numbers: ArrayLike<number>; readonly low: number; readonly high: number },
): void {
  const { numbers, low, high } = of;
  const base = job.index * numbers.length;
  for (let k = 0; k < numbers.length; k++) {
    const value = numbers[k] as number;
    if (Number.isInteger(value) && value >= low && value <= high) {
      job.into[base + k] = value;
      continue;
    }
    const expected = `whole numbers, ${low} to ${high}`;
    throw outOfRange(cells, { index: job.index, at: k, value, expected });
  }
}

function outOfRange(
  cells: Cells,
  bad: { readonly index: number; at: number; value: number | undefined; expected: string },
): Error {
  const finite = Number.isFinite(bad.value);
  return new ElanusError(finite ? 'value_out_of_range' : 'vector_not_finite', {
    field: cells.field.name,
    row: cells.firstRow + bad.index,
    expected: bad.expected,
    got: `${bad.value} at ${bad.at}`,
  });
}

/** Position of the first NaN or infinity, or -1. */
export function findNotFinite(values: Float32Array): number {
  // x - x is 0 for finite x and NaN otherwise: one test at the end instead of one each. Four sums,
  // so that one addition does not wait for the other.
  let [first, second, third, fourth] = [0, 0, 0, 0];
  const fours = values.length & ~3;
  for (let i = 0; i < fours; i += 4) {
    const a = values[i] as number;
    const b = values[i + 1] as number;
    const c = values[i + 2] as number;
    const d = values[i + 3] as number;
    first += a - a;
    second += b - b;
    third += c - c;
    fourth += d - d;
  }
  for (let i = fours; i < values.length; i++)
    first += (values[i] as number) - (values[i] as number);
  if (first + second + third + fourth === 0) return -1;
  return values.findIndex((value) => !Number.isFinite(value));
}
