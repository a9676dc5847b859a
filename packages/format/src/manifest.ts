import { ElanusError, type Metric } from '@elanus/core';

/** One file of a segment. */
export interface ManifestFile {
  /** Full object name. */
  readonly name: string;
  readonly size: number;
  readonly crc32: number;
}

/** An index over one vector field of a segment. */
export interface ManifestIndex {
  readonly field: number;
  readonly kind: string;
  readonly metric: Metric;
  /** What it was built with; older manifests say nothing. */
  readonly params?: Readonly<Record<string, number>>;
  readonly file: ManifestFile;
}

/**
 * The list that makes a segment: immutable, named by the segment's entry in the metadata. A new
 * index or delta log is a new manifest under a new name.
 */
export interface Manifest {
  readonly version: 1;
  /** What a reader, a writer must understand to use the segment; unknown ones refuse. */
  readonly readerFeatures: readonly string[];
  readonly writerFeatures: readonly string[];
  readonly collectionId: number;
  readonly shard: number;
  readonly segmentId: number;
  readonly level: 'L1' | 'L2';
  readonly schemaVersion: number;
  readonly rowCount: number;
  /** Log span [firstSeq, lastSeq] the rows came from, and their timestamps, as decimal strings. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly minTimestamp: string;
  readonly maxTimestamp: string;
  readonly scalars: ManifestFile;
  readonly keys: ManifestFile;
  readonly stats: ManifestFile;
  readonly vectors: readonly { readonly field: number; readonly file: ManifestFile }[];
  readonly indexes: readonly ManifestIndex[];
}

/** The newest manifest this code reads. */
export const MANIFEST_VERSION = 1;
const READER_FEATURES: ReadonlySet<string> = new Set();

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A manifest as JSON bytes. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return encoder.encode(`${JSON.stringify(manifest, null, 1)}\n`);
}

/** Reads a manifest. @throws ElanusError file_corrupt, format_too_new */
export function decodeManifest(bytes: Uint8Array, path: string): Manifest {
  let value: Manifest;
  try {
    value = JSON.parse(decoder.decode(bytes)) as Manifest;
  } catch (cause) {
    throw new ElanusError('file_corrupt', { path, why: 'not JSON' }, { cause });
  }
  const version: number = value.version;
  const unknown = value.readerFeatures?.filter((name) => !READER_FEATURES.has(name)) ?? [];
  if (version > MANIFEST_VERSION || unknown.length > 0) {
    throw new ElanusError('format_too_new', { what: path, version, supported: MANIFEST_VERSION });
  }
  if (version !== 1 || !Number.isInteger(value.rowCount)) {
    throw new ElanusError('file_corrupt', { path, why: 'not a manifest' });
  }
  return value;
}
