/** Vectors of a segment between memory and their file: the data section is the memory itself. */
import { assert, ElanusError, type FieldId } from '@elanus/core';
import { sparseSections, type VectorFileHeader, type VectorFileShape } from '@elanus/format';
import type { IndexColumn } from '@elanus/index';
import { memoryAt, type RowMemory } from '@elanus/kernels';
import { denseView, sparseView, wordsOf, type SegmentView, type VectorRows } from './view.ts';

/** What `encodeVectorFile` takes: rows in the order of the segment, nothing of them copied. */
export interface VectorsToWrite {
  readonly shape: VectorFileShape;
  readonly pieces: Iterable<ArrayBufferView>;
}

/** The vectors of a field in all chunks of a segment. */
export function fileOfVectors(view: SegmentView, field: FieldId): VectorsToWrite {
  const parts = view.chunks.map((chunk) => {
    const rows = chunk.vectors.get(field);
    assert(rows !== undefined, 'every chunk holds every vector field');
    return { rows, rowCount: chunk.rowCount };
  });
  const { rowCount } = view;
  const [first] = parts;
  assert(first !== undefined, 'a segment that is written has rows');
  if (first.rows.type === 'sparse') return sparseFile(parts, rowCount);
  const { type, dim } = first.rows;
  return { shape: { type, dim, rowCount }, pieces: densePieces(parts) };
}

interface Part {
  readonly rows: VectorRows;
  readonly rowCount: number;
}

function* densePieces(parts: readonly Part[]): Generator<ArrayBufferView> {
  for (const { rows, rowCount } of parts) {
    assert(rows.type !== 'sparse', 'a field has one type');
    yield denseView(rows, rowCount).values;
  }
}

function sparseFile(parts: readonly Part[], rowCount: number): VectorsToWrite {
  const columns = parts.map(({ rows, rowCount: count }) => {
    assert(rows.type === 'sparse', 'a field has one type');
    return sparseView(rows, count);
  });
  const offsets = new Uint32Array(rowCount + 1);
  let row = 0;
  let entries = 0;
  for (const column of columns) {
    for (let i = 1; i < column.offsets.length; i++) {
      offsets[++row] = entries + (column.offsets[i] ?? 0);
    }
    entries = offsets[row] ?? 0;
  }
  const pieces = [
    offsets,
    ...columns.map((column) => column.indices),
    ...columns.map((column) => column.values),
  ];
  return { shape: { type: 'sparse', entries, rowCount }, pieces };
}

/**
 * A file's vectors, read into `memory`, as rows of a chunk.
 *
 * @throws file_corrupt when the offsets of sparse rows do not span their entries
 */
export function openVectors(
  header: VectorFileHeader,
  memory: RowMemory,
  of: { readonly path: string; readonly inverseNorms: Float32Array | undefined },
): VectorRows {
  const { type, dim, entries, rowCount } = header;
  if (type !== 'sparse') return { type, dim, memory, inverseNorms: of.inverseNorms };
  const offsets = wordsOf(memory, rowCount + 1);
  let last = 0;
  for (const offset of offsets) {
    if (offset < last) throw new ElanusError('file_corrupt', { path: of.path, why: OFFSETS });
    last = offset;
  }
  if (offsets[0] !== 0 || last !== entries) {
    throw new ElanusError('file_corrupt', { path: of.path, why: OFFSETS });
  }
  const sections = sparseSections(header);
  const indices = memoryAt(memory, sections.indices);
  const values = memoryAt(memory, sections.values);
  return { type, entries, offsets: memory, indices, values };
}

/** The vectors of a chunk as an index takes them. */
export function indexColumn(rows: VectorRows, rowCount: number): IndexColumn {
  if (rows.type !== 'sparse') {
    return { rows: rows.memory, rowCount, dim: rows.dim, element: rows.type };
  }
  const { entries, offsets, indices, values } = rows;
  return { element: 'sparse', rowCount, dim: 0, entries, offsets, indices, values };
}

const OFFSETS = 'offsets of sparse vectors do not span their entries';
