/** How much memory a merge takes at most: known from its manifests, before it reads a row. */
import type { Metric, VectorShape } from '@elanus/core';
import type { ManifestFile } from '@elanus/format';
import { buildBytes, type IndexSpec } from '@elanus/index';
import { scalarMergeBytes } from './merge-scalars.ts';

/** The rows of one vector field that a merge reads, and what it builds over them. */
export interface FieldMemory {
  readonly field: number;
  readonly shape: VectorShape;
  readonly spec: IndexSpec | undefined;
  readonly files: readonly {
    readonly file: ManifestFile;
    /** Rows that stay. */
    readonly keep: Uint32Array;
    /** All of its rows stay. */
    readonly whole: boolean;
  }[];
  /** Rows of the output. */
  readonly rowCount: number;
}

/** Postings, and the tables that gather them, take at most so many bytes for each value. */
const POSTING_BYTES = 32;
/** An index and a value. */
const ENTRY_BYTES = 8;

/** Bytes for rows of all inputs, with a file beside them of which some rows go. */
export function gatherBytes({
  shape,
  files,
}: {
  readonly shape: VectorShape;
  readonly files: readonly Pick<FieldMemory['files'][number], 'file' | 'whole'>[];
}): number {
  const all = files.reduce((sum, { file }) => sum + file.size, 0);
  // Sparse rows are taken and joined beside the output.
  if (shape.type === 'sparse') return all * 4;
  return all + Math.max(0, ...files.map(({ file, whole }) => (whole ? 0 : file.size)));
}

/** Bytes for building an index over rows, besides the rows. */
export function indexBytes(
  over: { readonly shape: VectorShape; readonly spec: IndexSpec; readonly metric: Metric },
  rows: { readonly rowCount: number; readonly entries: number },
): number {
  const { shape, spec, metric } = over;
  if (shape.type === 'sparse') return rows.entries * POSTING_BYTES;
  return buildBytes(spec, { dim: shape.dim, metric, rowCount: rows.rowCount });
}

/** Bytes that a merge takes at its worst: fields come one after the other, scalars at the end. */
export function mergeBytes(
  fields: readonly FieldMemory[],
  scalars: readonly ManifestFile[],
): number {
  const vectors = fields.map((field) => {
    const { shape, spec, files, rowCount } = field;
    const entries = files.reduce((sum, { file }) => sum + file.size, 0) / ENTRY_BYTES;
    const over = spec && { shape, spec, metric: shape.metric };
    return gatherBytes(field) + (over ? indexBytes(over, { rowCount, entries }) : 0);
  });
  return Math.max(scalarMergeBytes(scalars), ...vectors);
}
