/** The kept rows' scalars of several segments, joined on a thread. */
import { fieldId, type Field, type ObjectStore, type Pool } from '@elanus/core';
import type { ManifestFile } from '@elanus/format';
import type { MergedScalars } from './threads/merge.ts';
import { onSharedMemory } from './shared-bytes.ts';
import { dataThreads } from './threads.ts';

/** What the join runs on. */
export interface ScalarPorts {
  readonly objects: ObjectStore;
  readonly pool: Pool;
}

/** What is joined: files of scalars, which of their rows stay, and the fields of the output. */
export interface ScalarMerge {
  readonly inputs: readonly { readonly file: ManifestFile; readonly keep: Uint32Array }[];
  readonly fields: readonly Field[];
  readonly keyField: number;
  readonly signal: AbortSignal;
}

/**
 * Copies of the scalars that lie in memory at once: the files as they were read, the rows that
 * stay, all rows in a column each, the new file in pieces and as a whole, keys and their order; and
 * what the collector has not taken yet. Measured: `pnpm bench compaction`.
 */
const COPIES = 9;
/** ... and besides, however little there is. */
const FIXED_BYTES = 32 * 1024 * 1024;

/** Bytes that joining these files takes at most. */
export function scalarMergeBytes(files: readonly ManifestFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0) * COPIES + FIXED_BYTES;
}

/**
 * Joins; takes at most `scalarMergeBytes` of memory. @throws ElanusError file_corrupt, cancelled
 */
export async function mergeScalars(
  { objects, pool }: ScalarPorts,
  { inputs, fields, keyField, signal }: ScalarMerge,
): Promise<MergedScalars> {
  const files = [];
  for (const { file, keep } of inputs) {
    signal.throwIfAborted();
    const { name } = file;
    files.push({ name, keep, scalars: onSharedMemory(await objects.get(name)) });
  }
  const input = { inputs: files, fields, keyField: fieldId(keyField) };
  const task = { entry: dataThreads.merge, name: 'merge', input };
  return (await pool.run(task, { signal })) as MergedScalars;
}
