/** Query vectors as bodies of a call: one array for dense ones, three for sparse ones. */
import {
  assert,
  isDenseArray,
  type SparseColumn,
  type VectorColumn,
  type VectorShape,
} from '@elanus/core';

/** What a call's header says of the vectors in its bodies. */
export type VectorsHead = Pick<VectorShape, 'type' | 'dim'>;

/** Vectors as the first bodies of a call. */
export function packVectors(column: VectorColumn | SparseColumn): {
  readonly head: VectorsHead;
  readonly bodies: readonly ArrayBufferView[];
} {
  if (column.kind === 'vector') {
    const { type, dim, values } = column;
    return { head: { type, dim }, bodies: [values] };
  }
  const { offsets, indices, values } = column;
  return { head: { type: 'sparse', dim: 0 }, bodies: [offsets, indices, values] };
}

const NONE: readonly ArrayBufferView[] = [];

/** The vectors of a call, and the bodies behind them. */
export function unpackVectors(
  head: VectorsHead,
  bodies: readonly ArrayBufferView[],
): {
  readonly vectors: VectorColumn | SparseColumn;
  readonly rest: readonly ArrayBufferView[];
} {
  const { type, dim } = head;
  if (type === 'sparse') {
    const [offsets, indices, values, ...rest] = bodies;
    assert(offsets instanceof Uint32Array && indices instanceof Uint32Array, 'sparse vectors');
    assert(values instanceof Float32Array, 'values of sparse vectors');
    return { vectors: { kind: 'sparse', offsets, indices, values }, rest };
  }
  const values = bodies[0];
  assert(isDenseArray(type, values), `vectors of ${type}`);
  const rest = bodies.length === 1 ? NONE : bodies.slice(1);
  return { vectors: { kind: 'vector', type, dim, values }, rest };
}
