/**
 * Writes a sealed segment's files and its manifest under names of this attempt. Nothing here makes
 * them visible: that is the coordinator's transaction.
 */
import {
  segmentId,
  vectorFields,
  type CollectionId,
  type Field,
  type FieldId,
  type ObjectStore,
  type Pool,
} from '@elanus/core';
import {
  encodeManifest,
  encodeVectorFile,
  objectNames,
  vectorDataBytes,
  type Manifest,
  type ManifestFile,
} from '@elanus/format';
import type { EncodedScalars } from '@elanus/format/scalars';
import type { SegmentRecord } from '@elanus/protocol';
import { fileOfVectors, rowTimestamp, segmentThreads } from '@elanus/segment';
import type { OpenSegment } from './state.ts';

/** A sealed segment to be written. */
export interface SegmentToWrite {
  readonly segment: OpenSegment;
  readonly shard: number;
  readonly keyField: FieldId;
  readonly fields: readonly Field[];
  /** Unique to this try: names are never used twice. */
  readonly attempt: string;
}

/** Writes all files; the record is what the coordinator commits. */
export async function writeSegment(
  ports: { readonly objects: ObjectStore; readonly pool: Pool },
  input: SegmentToWrite,
): Promise<SegmentRecord> {
  const { segment, shard, attempt } = input;
  const { collectionId } = segment.schema;
  const view = segment.rows.view();
  const folder = objectNames.segment(collectionId, segmentId(segment.segmentId), attempt);
  const put = async (name: string, parts: Iterable<Uint8Array>): Promise<ManifestFile> => {
    const { size, crc32 } = await ports.objects.put(folder + name, parts);
    return { name: folder + name, size, crc32 };
  };
  const scalarFields = input.fields.filter((field) => field.type !== 'vector');
  const encoded = (await ports.pool.run({
    entry: segmentThreads.flush,
    name: 'encodeSegment',
    input: { view, fields: scalarFields, keyField: input.keyField },
  })) as EncodedScalars;
  const vectors = [];
  let bytes = encoded.bytes;
  for (const { id } of vectorFields(segment.schema)) {
    const { shape, pieces } = fileOfVectors(view, id);
    const encodedFile = encodeVectorFile({ ...shape, pieces });
    vectors.push({ field: id, file: await put(objectNames.vectors(id), encodedFile) });
    bytes += vectorDataBytes(shape);
  }
  const manifest: Manifest = {
    version: 1,
    readerFeatures: [],
    writerFeatures: [],
    collectionId,
    shard,
    segmentId: segment.segmentId,
    level: 'L1',
    schemaVersion: segment.schema.version,
    rowCount: view.rowCount,
    firstSeq: segment.rows.firstSeq,
    lastSeq: segment.lastSeq,
    minTimestamp: String(view.chunks[0]?.timestamps[0] ?? 0n),
    maxTimestamp: String(segment.maxTimestamp),
    scalars: await put(objectNames.scalars, [encoded.scalars]),
    keys: await put(objectNames.keys, [encoded.keys]),
    stats: await put(objectNames.stats, [encoded.stats]),
    vectors,
    indexes: [],
  };
  const file = await put(objectNames.manifest, [encodeManifest(manifest)]);
  return {
    segmentId: segment.segmentId,
    collectionId: collectionId as CollectionId,
    shard,
    state: 'flushed',
    manifest: file.name,
    deltaSequence: 0,
    rowCount: view.rowCount,
    minTimestamp: manifest.minTimestamp,
    medianTimestamp: String(rowTimestamp(view, view.rowCount >>> 1)),
    bytes,
    indexed: false,
  };
}
