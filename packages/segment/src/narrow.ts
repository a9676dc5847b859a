/**
 * What a task on a thread reads, and nothing else. Every view that travels is cloned and opened
 * again on the other side: a growing segment of many chunks and fields costs more to send than to
 * search.
 */
import type { FieldId } from '@elanus/core';
import type { CheckedFilter } from '@elanus/expr';
import type { SegmentRead } from './read-set.ts';

const NOTHING = new BigUint64Array(0);

/** What is read of each row. */
export interface Needs {
  readonly filter: CheckedFilter | undefined;
  /** The key, when hits or rows are told by it. */
  readonly keyField: FieldId | undefined;
  /** The vector field that is searched. */
  readonly vectors: FieldId | undefined;
}

/** The reads with what is needed of them. */
export function narrowReads(reads: readonly SegmentRead[], needs: Needs): readonly SegmentRead[] {
  const { filter, keyField, vectors } = needs;
  const fields = new Set(filter?.fields.keys());
  if (keyField !== undefined) fields.add(keyField);
  return reads.map((read) => {
    const { view } = read;
    const chunks = view.chunks.map((chunk) => ({
      rowBase: chunk.rowBase,
      rowCount: chunk.rowCount,
      columns: only(chunk.columns, (id) => fields.has(id)),
      vectors: only(chunk.vectors, (id) => id === vectors),
      codes: only(chunk.codes, (id) => id === vectors),
      scalars: chunk.scalars && only(chunk.scalars, (id) => fields.has(id)),
      timestamps: filter?.readsTimestamp === true ? chunk.timestamps : NOTHING,
    }));
    const indexes = only(view.indexes, (id) => id === vectors);
    return { ...read, view: { ...view, chunks, indexes } };
  });
}

function only<T>(
  all: ReadonlyMap<FieldId, T>,
  wanted: (id: FieldId) => boolean,
): ReadonlyMap<FieldId, T> {
  return new Map([...all].filter(([id]) => wanted(id)));
}
