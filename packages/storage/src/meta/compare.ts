import type { MetaCompare } from '@elanus/core';

/** Whether a condition holds of what is stored under its key. */
export function compareHolds(
  compare: MetaCompare,
  entry: { readonly createRevision: number; readonly modRevision: number } | undefined,
): boolean {
  if ('exists' in compare) return compare.exists === (entry !== undefined);
  if ('modRevision' in compare) return compare.modRevision === (entry?.modRevision ?? 0);
  return compare.createRevision === (entry?.createRevision ?? 0);
}
