/**
 * Collection of garbage objects: what no record names. Objects are listed before the references are
 * read, so that what is published meanwhile is never taken for garbage; and young ones are left
 * alone, because a writer may be about to publish them. Who does not lead any more when all is
 * listed removes nothing: what a later leader is about to publish cannot be in the list. S6.
 */
import { segmentAfter, type ObjectStore } from '@elanus/core';
import { decodeManifest } from '@elanus/format';
import {
  metaKeys,
  type CheckpointRecord,
  type CollectionRecord,
  type SegmentRecord,
} from '@elanus/protocol';
import type { CompactionRecord } from './compactions.ts';
import type { MetaAccess } from './meta-access.ts';
import { stateOf } from './segments.ts';

/** What one sweep did. */
export interface SweepResult {
  readonly kept: number;
  readonly removed: number;
  readonly removedBytes: number;
}

/** Removes unreferenced objects older than `graceMs`; 0 only while nobody writes. */
export async function sweepObjects(
  ports: { readonly meta: MetaAccess; readonly objects: ObjectStore },
  at: { readonly wallMs: number; readonly graceMs: number },
): Promise<SweepResult> {
  const { meta, objects } = ports;
  const listed = [];
  for await (const stat of objects.list('')) listed.push(stat);
  await meta.mustLead();
  // Ages are by the store's clock: ours may be ahead of it, and what is young would look old.
  const newestMs = listed.reduce((newest, { modifiedMs }) => Math.max(newest, modifiedMs), 0);
  const nowMs = Math.min(at.wallMs, at.graceMs === 0 ? at.wallMs : newestMs);
  const named = await references(meta, objects);
  let removed = 0;
  let removedBytes = 0;
  for (const stat of listed) {
    if (named.has(stat.name) || stat.modifiedMs > nowMs - at.graceMs) continue;
    await objects.remove(stat.name);
    removed++;
    removedBytes += stat.size;
  }
  return { kept: listed.length - removed, removed, removedBytes };
}

/** What may be forgotten. */
export interface Forgettable {
  /** Segments that were dropped by then. */
  readonly droppedBeforeMs: number;
  /** Of a collection that was dropped: whether all know of it. */
  readonly isDropped: (collectionId: number) => boolean;
}

/** Forgets records of dropped segments and collections, whose objects the sweep then takes. */
export async function sweepRecords(
  meta: MetaAccess,
  { droppedBeforeMs, isDropped }: Forgettable,
): Promise<number> {
  let forgotten = 0;
  const collections = await meta.range<CollectionRecord>(metaKeys.collections);
  const gone = new Set(
    collections
      .filter(({ record }) => record.state === 'dropped' && isDropped(record.schema.collectionId))
      .map(({ record }) => {
        return record.schema.collectionId as number;
      }),
  );
  for (const { key, record } of await meta.range<SegmentRecord>(metaKeys.allSegments)) {
    const event = gone.has(record.collectionId) ? 'drop' : 'sweep';
    if (event === 'sweep' && (record.droppedMs ?? 0) > droppedBeforeMs) continue;
    if (segmentAfter(stateOf(record, 'dropped'), event) === undefined) continue;
    await meta.txn([], [{ delete: key }]);
    forgotten++;
  }
  const compactions = await meta.range<CompactionRecord>(metaKeys.compactions);
  for (const { key, record } of collections) {
    const { collectionId } = record.schema;
    if (!gone.has(collectionId)) continue;
    const checkpoints = await meta.range(metaKeys.checkpoints(collectionId));
    for (const asked of compactions) {
      if (asked.record.collectionId === collectionId) await meta.txn([], [{ delete: asked.key }]);
    }
    await meta.txn([], [{ delete: key }, ...checkpoints.map((held) => ({ delete: held.key }))]);
    forgotten++;
  }
  return forgotten;
}

/** Names of all objects that some live record needs. */
async function references(meta: MetaAccess, objects: ObjectStore): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const { record } of await meta.range<CheckpointRecord>(metaKeys.allCheckpoints)) {
    if (record.recovery !== undefined) names.add(record.recovery);
  }
  for (const { record } of await meta.range<SegmentRecord>(metaKeys.allSegments)) {
    names.add(record.manifest);
    if (record.delta !== undefined) names.add(record.delta);
    const manifest = decodeManifest(await objects.get(record.manifest), record.manifest);
    const { scalars, keys, stats, vectors, indexes } = manifest;
    for (const file of [scalars, keys, stats]) names.add(file.name);
    for (const { file } of [...vectors, ...indexes]) names.add(file.name);
  }
  return names;
}
