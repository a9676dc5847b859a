import type { FieldDefinition } from './schema.ts';
import { takeRoom } from './slab.ts';
import { BINARY_METRICS, METRICS, type Metric } from './metric.ts';

/**
 * What the numbers of a dense vector are. `float16` and `bfloat16` are kept as their 16 bits;
 * `binary` packs eight bits a byte: bit i of a vector is bit `i & 7` of its byte `i >> 3`.
 */
export type DenseType = 'float32' | 'float16' | 'bfloat16' | 'int8' | 'binary';

/** What a vector field holds; `sparse` vectors are ascending indices, each with a value. */
export type VectorType = DenseType | 'sparse';

/** The array that holds the numbers of dense vectors. */
export type DenseArray = Float32Array | Uint16Array | Int8Array | Uint8Array;

const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  binary: Uint8Array,
} as const;

/** Every vector type, in the order shown to people. */
export const VECTOR_TYPES: readonly VectorType[] = [
  'float32',
  'float16',
  'bfloat16',
  'int8',
  'binary',
  'sparse',
];

const SPARSE_METRICS: readonly Metric[] = ['ip'];

/** The metrics that fit a type. */
export function vectorMetrics(type: VectorType): readonly Metric[] {
  if (type === 'sparse') return SPARSE_METRICS;
  return type === 'binary' ? BINARY_METRICS : METRICS;
}

/** The metric of a field that names none. */
function defaultMetric(type: VectorType): Metric {
  if (type === 'sparse') return 'ip';
  return type === 'binary' ? 'hamming' : 'cosine';
}

/** How the vectors of a field look, with the defaults in. */
export interface VectorShape {
  readonly type: VectorType;
  /** 0 for sparse vectors. */
  readonly dim: number;
  readonly metric: Metric;
}

/** The shape of a vector field. */
export function vectorShape(field: Omit<FieldDefinition, 'name'>): VectorShape {
  const { vectorType: type = 'float32', dim = type === 'sparse' ? 0 : 1 } = field;
  return { type, dim, metric: field.metric ?? defaultMetric(type) };
}

/** Elements of one row in its array: one a dimension, or one byte for eight. */
export function denseWidth(type: DenseType, dim: number): number {
  return type === 'binary' ? dim >>> 3 : dim;
}

/** Bytes of one row. */
export function denseBytes(type: DenseType, dim: number): number {
  return denseWidth(type, dim) * ARRAYS[type].BYTES_PER_ELEMENT;
}

/**
 * Room for so many elements, or a view on those that lie in a buffer. A few lie in a slab: see
 * slab.ts for what must not be done with them.
 */
export function denseArray(
  type: DenseType,
  source: number | { readonly buffer: ArrayBufferLike; readonly offset: number; length: number },
): DenseArray {
  const make = ARRAYS[type];
  if (typeof source === 'number') {
    const { buffer, offset } = takeRoom(source * make.BYTES_PER_ELEMENT);
    return new make(buffer, offset, source);
  }
  return new make(source.buffer as ArrayBuffer, source.offset, source.length);
}

/** Whether an array is the one that vectors of the type lie in. */
export function isDenseArray(type: DenseType, value: unknown): value is DenseArray {
  return value instanceof ARRAYS[type];
}
