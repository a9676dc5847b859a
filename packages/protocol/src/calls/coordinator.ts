import type { CollectionSchema, CompactionStatus, FieldDefinition } from '@elanus/core';
import type { IndexChoice, JobStatus, SchemaDefinition } from '@elanus/core';
import { defineCall } from '../call.ts';
import type { CheckpointRecord, LogRecord, SegmentRecord } from '../record.ts';

/** Changes of a schema, applied in this order. */
export interface SchemaChange {
  readonly drop?: readonly string[];
  readonly rename?: Readonly<Record<string, string>>;
  readonly add?: readonly FieldDefinition[];
  /** Null: rows live for ever. */
  readonly ttlMs?: number | null;
}

/** A collection as the catalog lists it. */
export interface CatalogEntry {
  readonly schema: CollectionSchema;
  readonly aliases: readonly string[];
}

/** One vchannel as its owner must know it to serve it. */
export interface ShardAssignment {
  readonly schema: CollectionSchema;
  readonly shard: number;
  readonly checkpoint: CheckpointRecord | undefined;
  readonly segments: readonly SegmentRecord[];
}

/** Creates a collection; the same definition under the same name is answered as it stands. */
export const createCollection = defineCall<
  { readonly name: string; readonly definition: SchemaDefinition },
  { readonly schema: CollectionSchema; readonly created: boolean }
>('coordinator.catalog.create');

/** The collection a name or alias stands for. */
export const resolveCollection = defineCall<
  { readonly name: string },
  { readonly schema: CollectionSchema }
>('coordinator.catalog.resolve');

/** All collections, by name. */
export const listCollections = defineCall<
  Record<string, never>,
  { readonly entries: readonly CatalogEntry[] }
>('coordinator.catalog.list');

/** Changes a schema: the next version, effective when every vchannel has it in its log. */
export const alterCollection = defineCall<
  { readonly name: string; readonly change: SchemaChange },
  { readonly schema: CollectionSchema }
>('coordinator.catalog.alter');

/**
 * Chooses another index for a vector field; the catalog's record is the one place that says so, and
 * the same choice again changes nothing. Segments follow by build jobs.
 */
export const setIndex = defineCall<
  { readonly name: string; readonly field: string; readonly index: IndexChoice },
  { readonly schema: CollectionSchema }
>('coordinator.catalog.index');

/** The jobs of a collection that run, or have failed and are tried again. */
export const describeJobs = defineCall<
  { readonly collectionId: number },
  { readonly jobs: readonly JobStatus[] }
>('coordinator.job.describe');

/** Asks for a compaction: answered when it is known, not when it is done. */
export const compactCollection = defineCall<{ readonly name: string }, CompactionStatus>(
  'coordinator.compaction.begin',
);

/** How far a compaction is; while it runs, answered when that changes or `waitMs` are over. */
export const describeCompaction = defineCall<
  { readonly id: string; readonly waitMs: number },
  CompactionStatus
>('coordinator.compaction.describe');

/** Ends a compaction; what it has done stays. One that has ended stays as it is. */
export const cancelCompaction = defineCall<{ readonly id: string }, CompactionStatus>(
  'coordinator.compaction.cancel',
);

/** Gives a collection another name. */
export const renameCollection = defineCall<
  { readonly name: string; readonly to: string },
  { readonly schema: CollectionSchema }
>('coordinator.catalog.rename');

/** Points an alias at a collection; `to` undefined removes the alias. */
export const aliasCollection = defineCall<
  { readonly alias: string; readonly to: string | undefined },
  Record<string, never>
>('coordinator.catalog.alias');

/** Drops a collection and everything in it. */
export const dropCollection = defineCall<
  { readonly name: string },
  { readonly collectionId: number }
>('coordinator.catalog.drop');

/** Leases `count` ids that nobody else will get. */
export const leaseIds = defineCall<{ readonly count: number }, { readonly from: number }>(
  'coordinator.ids.lease',
);

/**
 * Saves that timestamps up to `untilMs` may be given. Never goes back, but at the owner's end
 * (`final`): it then knows that none above was given.
 */
export const saveTimestampWindow = defineCall<
  { readonly untilMs: number; readonly final: boolean },
  { readonly untilMs: number }
>('coordinator.timestamps.save');

/** Makes the caller the owner of a pchannel in a new term, and tells it what it holds. */
export const ownChannel = defineCall<
  { readonly pchannel: string; readonly owner: string },
  {
    readonly term: number;
    /** Timestamps up to here may have been given before. */
    readonly savedUntilMs: number;
    readonly shards: readonly ShardAssignment[];
    /** What its log has to hold; undefined: nobody has said so yet. */
    readonly log: LogRecord | undefined;
  }
>('coordinator.channel.own');

/**
 * Saves what the log has to hold from now on; neither number ever goes back. Refused as
 * `channel_moved` in another term.
 */
export const saveLogSpan = defineCall<
  { readonly pchannel: string; readonly term: number } & LogRecord,
  object
>('coordinator.log.save');

/**
 * Commits a flush in one transaction: the segment becomes flushed, deltas replace older ones, the
 * checkpoint moves. Refused as `channel_moved` in another term.
 */
export const commitFlush = defineCall<
  {
    readonly pchannel: string;
    readonly term: number;
    readonly collectionId: number;
    readonly shard: number;
    readonly segment: SegmentRecord | undefined;
    readonly deltas: readonly {
      readonly segmentId: number;
      readonly delta: string;
      readonly firstDeleteAt: string | undefined;
      readonly foldableAt: string | undefined;
    }[];
    /** Undefined: the checkpoint stays. */
    readonly checkpoint: CheckpointRecord | undefined;
  },
  Record<string, never>
>('coordinator.segment.flush');

/** Commits a build: inputs dropped, outputs flushed, in one transaction. */
export const commitBuild = defineCall<
  {
    readonly pchannel: string;
    readonly term: number;
    readonly collectionId: number;
    readonly shard: number;
    readonly inputs: readonly { readonly segmentId: number; readonly manifest: string }[];
    readonly output: SegmentRecord;
  },
  Record<string, never>
>('coordinator.segment.build');

/** A segment's index is damaged: it counts as not built, so that the planner has it built again. */
export const reportIndexLost = defineCall<
  {
    readonly pchannel: string;
    readonly term: number;
    readonly collectionId: number;
    readonly shard: number;
    readonly segmentId: number;
    readonly manifest: string;
  },
  Record<string, never>
>('coordinator.segment.index-lost');
