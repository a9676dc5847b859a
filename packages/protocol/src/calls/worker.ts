import type { Field, IndexChoice, VectorShape } from '@elanus/core';
import { defineCall } from '../call.ts';
import type { SegmentRecord } from '../record.ts';

/**
 * A job of a data node: builds indexes over the inputs' rows and, of several inputs, one output
 * segment. Deletes known at the start are folded where nobody can read before them.
 */
export interface BuildJob {
  readonly jobId: number;
  readonly attempt: string;
  readonly collectionId: number;
  readonly shard: number;
  readonly keyField: number;
  /** Scalar fields of the newest schema, `$meta` included when dynamic. */
  readonly fields: readonly Field[];
  readonly vectors: readonly (VectorShape & {
    readonly field: number;
    readonly index: IndexChoice;
  })[];
  readonly inputs: readonly SegmentRecord[];
  /** Rows deleted at or before this are left out; decimal. */
  readonly horizon: string;
  /** Rows written before this have expired and are left out; decimal, 0: none. */
  readonly expiredBefore: string;
  /** Id of the output; equal to the input's when there is one input. */
  readonly outputId: number;
}

/** Runs a build job to its end. */
export const runBuild = defineCall<
  BuildJob,
  { readonly output: SegmentRecord; readonly origins: string | undefined }
>('data.job.build');
