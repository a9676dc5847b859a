import type { BuiltIndex, CollectionSchema, Metric, SearchEffort } from '@elanus/core';
import type { SegmentPlan, Timestamp } from '@elanus/core';
import { defineCall } from '../call.ts';
import type { SegmentRecord } from '../record.ts';
import type { RowsHead } from '../rows.ts';
import type { VectorsHead } from '../vectors.ts';

/** One shard of one collection. */
export interface ShardAddress {
  readonly collectionId: number;
  readonly shard: number;
}

/**
 * Appends one write to a shard. Bodies: the parts, column frames of at most one record each. For
 * deletes a part holds the key column only.
 */
export const appendWrite = defineCall<
  ShardAddress & {
    readonly kind: 'insert' | 'upsert' | 'delete';
    readonly schemaVersion: number;
    readonly idempotencyKey: string;
    /** What an insert does with keys that exist. */
    readonly onConflict: 'error' | 'skip';
    /** Deletes by filter: the instant the keys were read at. */
    readonly asOf: Timestamp;
    /** Bodies are column frames in chunks: how many each frame has. */
    readonly chunks: readonly number[];
  },
  { readonly count: number; readonly timestamp: Timestamp; readonly replayed: boolean }
>('streaming.wal.append');

/**
 * Whether an insert may go to a shard; nothing is kept. Asked of all shards before any of them
 * appends, so that a key that exists refuses an insert whole. Bodies: [keys], a column frame. A
 * write that was appended under the idempotency key passes: the append will answer for it.
 *
 * Throws key_exists with the row in `keys`, schema_version_stale, idempotency_expired.
 */
export const checkWrite = defineCall<
  ShardAddress & { readonly schemaVersion: number; readonly idempotencyKey: string },
  Record<string, never>
>('streaming.wal.check');

/** What a read demands; see core/consistency.ts. */
export interface ReadDemand {
  /** The newest timestamp that must be seen; 0: any. */
  readonly guarantee: Timestamp;
  /** Read at exactly this instant. */
  readonly at: Timestamp | undefined;
  /** Whatever was acknowledged before the read must be seen, whoever owned the shard then. */
  readonly strong?: boolean;
}

/** A filter as it travels: its canonical text, parsed again where it runs. */
export type FilterText = string | undefined;

/**
 * Searches a shard. Bodies: [queries (see vectors.ts)]. Reply bodies: counts u32, scores f32, then
 * the hits' key and selected fields (`rows`; see rows.ts).
 */
export const searchShard = defineCall<
  ShardAddress & {
    readonly demand: ReadDemand;
    readonly field: number;
    readonly metric: Metric;
    readonly vectors: VectorsHead;
    readonly nq: number;
    readonly limit: number;
    readonly filter: FilterText;
    readonly bounds: { readonly min: number; readonly max: number } | undefined;
    readonly effort: SearchEffort;
    readonly fields: readonly number[];
    readonly withTimestamp: boolean;
    /** Whether the reply says how segments were searched. */
    readonly explain: boolean;
    /** Whether the same is likely to be asked again: then the answer may stand. */
    readonly repeats: boolean;
  },
  {
    readonly at: Timestamp;
    readonly rows: RowsHead;
    readonly explain: ShardExplain | undefined;
  }
>('streaming.shard.search');

/** How a shard answered. */
export interface ShardExplain {
  readonly shard: number;
  readonly where: 'inline' | 'pool';
  readonly waitMs: number;
  readonly searchMs: number;
  readonly retrieveMs: number;
  readonly segments: readonly (SegmentPlan & { readonly state: string })[];
}

/**
 * Reads rows of a shard by ascending key. The reply's bodies are the fields asked (`rows`; see
 * rows.ts). `keys` (a column frame in the bodies) reads exactly those rows, in the order given, the
 * found ones only; `found` then lists their positions.
 */
export const selectShard = defineCall<
  ShardAddress & {
    readonly demand: ReadDemand;
    readonly filter: FilterText;
    /** Keys above this one only; decimal for int64. */
    readonly after: string | undefined;
    readonly limit: number;
    readonly byKeys: boolean;
    readonly fields: readonly number[];
    readonly withTimestamp: boolean;
  },
  { readonly at: Timestamp; readonly found: readonly number[]; readonly rows: RowsHead }
>('streaming.shard.select');

/** Counts rows of a shard. */
export const countShard = defineCall<
  ShardAddress & { readonly demand: ReadDemand; readonly filter: FilterText },
  { readonly at: Timestamp; readonly count: number }
>('streaming.shard.count');

/** Who answers for a channel: a former owner may not know yet that it is one. */
export interface ChannelTerm {
  readonly pchannel: string;
  readonly term: number;
}

/**
 * Opens the shards of a collection that are not open, and takes a newer schema into the logs of
 * those that are. The same version again changes nothing.
 */
export const openShards = defineCall<{ readonly schema: CollectionSchema }, ChannelTerm>(
  'streaming.shard.open',
);

/** Forgets the shards of a dropped collection. */
export const dropShards = defineCall<{ readonly collectionId: number }, ChannelTerm>(
  'streaming.shard.drop',
);

/** Seals and flushes what grows, then waits until it is flushed and loaded. */
export const flushShard = defineCall<ShardAddress, { readonly segments: number }>(
  'streaming.shard.flush',
);

/** State of a shard, for people and tests. */
export interface ShardStatus {
  readonly collectionId: number;
  readonly shard: number;
  readonly rowCount: number;
  readonly growingRows: number;
  readonly unflushedSegments: number;
  readonly segments: readonly {
    readonly segmentId: number;
    readonly state: 'growing' | 'sealed' | 'flushed';
    readonly rows: number;
    readonly deleted: number;
    readonly bytes: number;
    readonly indexed: boolean;
    /** What stands over its rows, where that is known. */
    readonly indexes: readonly BuiltIndex[];
  }[];
  /** Rows on their way to an index: it comes without another write. */
  readonly indexingRows: number;
  /** Since the last record came. */
  readonly idleMs: number;
  readonly memoryBytes: number;
}

/** Describes the shards of a collection. */
export const describeShards = defineCall<
  { readonly collectionId: number },
  { readonly shards: readonly ShardStatus[] }
>('streaming.shard.describe');

/** Commits and uses the output of a build job; see `BuildAdoption`. */
export const adoptBuild = defineCall<
  ShardAddress & {
    readonly inputs: readonly { readonly segmentId: number; readonly manifest: string }[];
    readonly output: SegmentRecord;
    /** What the job went by; decimal. */
    readonly expiredBefore: string;
    /** Object that says where output rows came from; undefined when rows did not move. */
    readonly origins: string | undefined;
  },
  Record<string, never>
>('streaming.shard.adopt');
