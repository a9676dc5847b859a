/**
 * `elanus doctor --repair`: mends what can be made anew from bytes that were checked, and nothing
 * else. Rows, vectors, deletes, manifests, metadata and the log are never touched: what is damaged
 * there is lost, and who owns the folder decides. A crash in the middle leaves what can be repaired
 * again.
 */
import {
  LIMITS,
  collectionId,
  primaryField,
  segmentId,
  timestampMs,
  type MetaStore,
  type ObjectStore,
} from '@elanus/core';
import {
  decodeManifest,
  decodeScalars,
  encodeKeys,
  encodeManifest,
  encodeStats,
  keyOrder,
  measureStats,
  objectNames,
  type Manifest,
  type ManifestFile,
} from '@elanus/format';
import { crc32 } from '@elanus/kernels/checksum';
import {
  decodeRecord,
  encodeRecord,
  metaKeys,
  type CheckpointRecord,
  type CollectionRecord,
  type SegmentRecord,
} from '@elanus/protocol';
import type { Damage, Part } from './findings.ts';

/** Something that was mended. Plain JSON. */
export interface Repair {
  readonly what: string;
  readonly how: string;
}

/** What a repair works on. The folder's lock is held. */
export interface RepairPorts {
  readonly meta: MetaStore;
  readonly objects: ObjectStore;
  readonly wallMs: number;
  /** Part of the names of new objects: no attempt before had it. */
  readonly attempt: string;
}

interface Entry<T> {
  readonly key: string;
  readonly modRevision: number;
  readonly record: T;
}

/**
 * Mends what it can of the damage that was found; what it leaves out is found again.
 * @throws ElanusError disk_full, read_only
 */
export async function repairDamage(
  ports: RepairPorts,
  damage: readonly Damage[],
): Promise<Repair[]> {
  const of = (part: Part): boolean => damage.some((one) => one.part === part);
  // Without the metadata nobody knows what is what.
  if (of('metadata')) return [];
  const repairs: Repair[] = [];
  const damaged = new Map(damage.map(({ what, part }) => [what, part]));
  for (const entry of await entriesOf<SegmentRecord>(ports.meta, metaKeys.allSegments)) {
    if (damaged.has(entry.record.manifest)) continue;
    repairs.push(...(await repairSegment(ports, entry, damaged)));
  }
  for (const entry of await entriesOf<CheckpointRecord>(ports.meta, metaKeys.allCheckpoints)) {
    const { recovery } = entry.record;
    if (recovery === undefined || damaged.get(recovery) !== 'recovery') continue;
    repairs.push(...(await dropRecovery(ports, entry)));
  }
  if (of('manifest')) return repairs;
  for (const { part, what } of damage) {
    if (part !== 'unnamed') continue;
    await ports.objects.remove(what);
    repairs.push({ what, how: 'removed: nothing names it' });
  }
  return repairs;
}

async function entriesOf<T>(meta: MetaStore, prefix: string): Promise<Entry<T>[]> {
  const { entries } = await meta.range(prefix);
  return entries.map(({ key, value, modRevision }) => ({
    key,
    modRevision,
    record: decodeRecord<T>(value, key),
  }));
}

/** Replaces a record unless it has changed meanwhile. True = replaced. */
async function replace<T extends object>(
  meta: MetaStore,
  { key, modRevision }: Entry<T>,
  record: T,
): Promise<boolean> {
  const compare = [{ key, modRevision }];
  const { kind } = await meta.txn({ compare, then: [{ put: key, value: encodeRecord(record) }] });
  return kind === 'ok';
}

async function repairSegment(
  ports: RepairPorts,
  entry: Entry<SegmentRecord>,
  damaged: ReadonlyMap<string, Part>,
): Promise<Repair[]> {
  const { manifest: name } = entry.record;
  const manifest = decodeManifest(await ports.objects.get(name), name);
  const repairs: Repair[] = [];
  const lost = [manifest.keys, manifest.stats].filter((file) => damaged.has(file.name));
  if (lost.length > 0 && !damaged.has(manifest.scalars.name)) {
    repairs.push(...(await remake(ports, manifest, lost)));
  }
  if (manifest.indexes.some(({ file }) => damaged.has(file.name))) {
    repairs.push(...(await dropIndexes(ports, entry, { manifest, damaged })));
  }
  return repairs;
}

/** Makes keys and statistics anew; only the very bytes that the manifest names take their place. */
async function remake(
  { meta, objects }: RepairPorts,
  manifest: Manifest,
  lost: readonly ManifestFile[],
): Promise<Repair[]> {
  const { keys, scalars, rowCount } = manifest;
  const collectionKey = metaKeys.collection(manifest.collectionId);
  const [collection] = await entriesOf<CollectionRecord>(meta, collectionKey);
  if (collection === undefined) return [];
  const keyField = primaryField(collection.record.schema).id;
  const { columns } = decodeScalars(await objects.get(scalars.name), scalars.name);
  const key = columns.get(keyField);
  if (key === undefined) return [];
  const repairs: Repair[] = [];
  for (const file of lost) {
    const bytes =
      file === keys
        ? encodeKeys(key, keyOrder(key, rowCount))
        : encodeStats(measureStats(columns, keyField, rowCount));
    if (bytes.length !== file.size || crc32(bytes) !== file.crc32) continue;
    await objects.remove(file.name);
    await objects.put(file.name, [bytes]);
    repairs.push({ what: file.name, how: 'made anew from the scalars, equal byte for byte' });
  }
  return repairs;
}

/** Names the segment's files anew, without its damaged indexes: the database builds them again. */
async function dropIndexes(
  { meta, objects, attempt }: RepairPorts,
  entry: Entry<SegmentRecord>,
  found: { readonly manifest: Manifest; readonly damaged: ReadonlyMap<string, Part> },
): Promise<Repair[]> {
  const { record } = entry;
  const { manifest, damaged } = found;
  const isLost = ({ file }: Manifest['indexes'][number]): boolean => damaged.has(file.name);
  const of = collectionId(record.collectionId);
  const folder = objectNames.segment(of, segmentId(record.segmentId), attempt);
  const name = folder + objectNames.manifest;
  const indexes = manifest.indexes.filter((index) => !isLost(index));
  await objects.put(name, [encodeManifest({ ...manifest, indexes })]);
  if (!(await replace(meta, entry, { ...record, manifest: name, indexed: false }))) return [];
  const repairs: Repair[] = [];
  for (const { file } of manifest.indexes.filter(isLost)) {
    await objects.remove(file.name);
    const how = 'dropped: the database builds it anew when it is opened, and scans until then';
    repairs.push({ what: file.name, how });
  }
  await objects.remove(record.manifest);
  return repairs;
}

/** Drops a snapshot of idempotency keys once each of them has left the window. */
async function dropRecovery(
  { meta, objects, wallMs }: RepairPorts,
  entry: Entry<CheckpointRecord>,
): Promise<Repair[]> {
  const { recovery, ...rest } = entry.record;
  const writtenMs = timestampMs(BigInt(rest.timestamp));
  if (recovery === undefined || wallMs - writtenMs <= LIMITS.idempotencyWindowMs) return [];
  if (!(await replace<CheckpointRecord>(meta, entry, rest))) return [];
  await objects.remove(recovery);
  const how = 'dropped: retries of writes as old as these are refused or made anew in any case';
  return [{ what: recovery, how }];
}
