/**
 * Collection of garbage objects: what no record names. Objects are listed before the references are
 * read, so that what is published meanwhile is never taken for garbage; and young ones are left
 * alone, because a writer may be about to publish them. Who does not lead any more when all is
 * listed removes nothing: what a later leader is about to publish cannot be in the list. S6.
 *
 * Age alone would not do: who wrote files may come to commit them as late as it likes. So what is
 * garbage is marked in the metadata by one sweep and removed by a later one that still finds it
 * unnamed, and a commit that names what is marked is refused: its writer writes anew.
 */
import { segmentAfter, type MetaOp, type ObjectStore } from '@elanus/core';
import { decodeManifest } from '@elanus/format';
import {
  metaKeys,
  type CheckpointRecord,
  type CollectionRecord,
  type GarbageRecord,
  type SegmentRecord,
} from '@elanus/protocol';
import type { CompactionRecord } from './compactions.ts';
import { garbageKey } from './garbage-marks.ts';
import { put, type MetaAccess } from './meta-access.ts';
import { stateOf } from './segments.ts';

/** What one sweep did. */
export interface SweepResult {
  readonly kept: number;
  readonly removed: number;
  readonly removedBytes: number;
  /** Attempts whose objects the next sweep removes, if still nothing names them. */
  readonly marked: number;
  /** Objects that nothing names, and that may yet be named: they are looked at again. */
  readonly young: number;
}

/** Marks are kept for so long: who began to write before that is gone. */
const MARK_MS = 24 * 60 * 60_000;
/** Marks made or forgotten in one transaction. */
const MARKS_PER_TXN = 64;

/**
 * Removes unreferenced objects that were marked by a sweep before this one, and marks those that
 * are older than `graceMs`. Of 0, only while nobody writes: all of them go at once.
 */
export async function sweepObjects(
  ports: { readonly meta: MetaAccess; readonly objects: ObjectStore },
  at: {
    readonly wallMs: number;
    readonly graceMs: number;
    /** Objects of attempts that are known to go on: a build may take hours. */
    readonly isWriting?: ((name: string) => boolean) | undefined;
  },
): Promise<SweepResult> {
  const { meta, objects } = ports;
  const marks = await meta.range<GarbageRecord>(metaKeys.allGarbage);
  const marked = new Set(marks.map(({ key }) => key));
  const listed = [];
  for await (const stat of objects.list('')) listed.push(stat);
  await meta.mustLead();
  const named = await references(meta, objects);
  const found = new Set<string>();
  let removed = 0;
  let removedBytes = 0;
  let young = 0;
  for (const stat of listed) {
    if (named.has(stat.name)) continue;
    // By two clocks that may differ: who is taken for late writes anew, and loses nothing.
    if (stat.modifiedMs > at.wallMs - at.graceMs || at.isWriting?.(stat.name) === true) {
      young++;
      continue;
    }
    const key = garbageKey(stat.name);
    if (at.graceMs > 0 && !marked.has(key)) {
      found.add(key);
      continue;
    }
    await objects.remove(stat.name);
    removed++;
    removedBytes += stat.size;
  }
  await inTxns(
    meta,
    [...found].map((key) => put(key, { markedMs: at.wallMs })),
  );
  const isNamed = new Set([...named].map(garbageKey));
  const over = marks.filter(({ key, record }) => {
    return at.graceMs === 0 || isNamed.has(key) || record.markedMs < at.wallMs - MARK_MS;
  });
  await inTxns(
    meta,
    over.map(({ key }) => ({ delete: key })),
  );
  return { kept: listed.length - removed, removed, removedBytes, marked: found.size, young };
}

async function inTxns(meta: MetaAccess, ops: readonly MetaOp[]): Promise<void> {
  for (let i = 0; i < ops.length; i += MARKS_PER_TXN) {
    await meta.txn([], ops.slice(i, i + MARKS_PER_TXN));
  }
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
