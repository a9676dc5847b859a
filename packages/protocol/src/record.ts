import { ElanusError, type BuiltIndex, type CollectionSchema } from '@elanus/core';

/**
 * What the coordinator keeps in the metadata store: keys and JSON values. Only the coordinator
 * writes these; everyone else learns them by calls.
 */
export const metaKeys = {
  /** Format of the whole store; a newer one is refused. */
  format: 'elanus/format',
  collection: (id: number): string => `elanus/collection/${pad(id)}`,
  collections: 'elanus/collection/',
  name: (name: string): string => `elanus/name/${encodeURIComponent(name)}`,
  names: 'elanus/name/',
  channel: (pchannel: string): string => `elanus/channel/${pchannel}`,
  log: (pchannel: string): string => `elanus/log/${pchannel}`,
  logs: 'elanus/log/',
  checkpoint: (id: number, shard: number): string => `elanus/checkpoint/${pad(id)}/${shard}`,
  checkpoints: (id: number): string => `elanus/checkpoint/${pad(id)}/`,
  segment: (id: number, shard: number, segment: number): string =>
    `elanus/segment/${pad(id)}/${shard}/${pad(segment)}`,
  segments: (id: number): string => `elanus/segment/${pad(id)}/`,
  allSegments: 'elanus/segment/',
  allCheckpoints: 'elanus/checkpoint/',
  counter: (name: string): string => `elanus/counter/${name}`,
  compaction: (id: string): string => `elanus/compaction/${id.padStart(16, '0')}`,
  compactions: 'elanus/compaction/',
  /** By an object's name, or by the folder in which an attempt wrote a segment. */
  garbage: (name: string): string => `elanus/garbage/${name}`,
  allGarbage: 'elanus/garbage/',
} as const;

/** The newest layout of metadata this code reads and writes. */
export const META_FORMAT = 1;

/** A collection in the catalog. */
export interface CollectionRecord {
  readonly schema: CollectionSchema;
  readonly state: 'live' | 'dropped';
  readonly createdMs: number;
  /** Next field id; ids are never reused. */
  readonly nextFieldId: number;
}

/** What a name stands for: a collection itself, or an alias of one. */
export interface NameRecord {
  readonly collectionId: number;
  readonly alias: boolean;
}

/** What is about to be removed: no commit may name it any more. */
export interface GarbageRecord {
  readonly markedMs: number;
}

/** Who appends to a pchannel. */
export interface ChannelRecord {
  readonly term: number;
  readonly owner: string;
}

/**
 * Where a reader enters a log that several owners wrote to: the term in force there, and the number
 * of the record that comes next in it. Whatever else stands there is a stray.
 */
export interface ChainPoint {
  readonly term: number;
  readonly n: number;
}

/** What a pchannel's log has to hold: less of it is a loss. */
export interface LogRecord {
  /** Nobody needs what is below. */
  readonly firstSeq: number;
  /** At `firstSeq`; absent where nobody knew, in metadata of before. */
  readonly next?: ChainPoint | undefined;
  /** So far it was safe on disk. */
  readonly lastSeq: number;
}

/** Below `seq` the log of a vchannel is not needed: segments and the snapshot hold it. */
export interface CheckpointRecord {
  readonly seq: number;
  /** At `seq`; absent where nobody knew, in metadata of before. */
  readonly next?: ChainPoint | undefined;
  /** Newest timestamp below `seq`, decimal. */
  readonly timestamp: string;
  /** Object with the idempotency keys at `seq`; absent when there were none. */
  readonly recovery?: string;
}

/** A flushed segment. */
export interface SegmentRecord {
  readonly segmentId: number;
  readonly collectionId: number;
  readonly shard: number;
  readonly state: 'flushed' | 'dropped';
  /** Object name of the manifest. */
  readonly manifest: string;
  /** Object name of the newest delta log. */
  readonly delta?: string;
  readonly deltaSequence: number;
  /** Of the oldest delete in it, decimal; older records do not say. */
  readonly firstDeleteAt?: string;
  /** When a fifth of its rows had been deleted, decimal; absent while fewer are. */
  readonly foldableAt?: string;
  readonly rowCount: number;
  /** Of the oldest row, decimal: segments of a shard follow each other by it. */
  readonly minTimestamp: string;
  /** Of the row in the middle, decimal; older records do not say. */
  readonly medianTimestamp?: string;
  readonly bytes: number;
  /** Whether the manifest names an index for every vector field. */
  readonly indexed: boolean;
  /** What they are, while they are there; records of before the first choice say nothing. */
  readonly indexes?: readonly BuiltIndex[];
  readonly droppedMs?: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const pad = (id: number): string => String(id).padStart(12, '0');

/** A record as the store keeps it. */
export function encodeRecord(record: object): Uint8Array {
  return encoder.encode(JSON.stringify(record));
}

/** Reads a record. @throws ElanusError file_corrupt when it is not JSON */
export function decodeRecord<T>(value: Uint8Array, key: string): T {
  try {
    return JSON.parse(decoder.decode(value)) as T;
  } catch (cause) {
    throw new ElanusError('file_corrupt', { path: key, why: 'metadata is not JSON' }, { cause });
  }
}
