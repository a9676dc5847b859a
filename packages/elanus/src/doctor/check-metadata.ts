import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { ElanusError, type MetaStore } from '@elanus/core';
import {
  decodeRecord,
  metaKeys,
  type CheckpointRecord,
  type CollectionRecord,
  type LogRecord,
  type SegmentRecord,
} from '@elanus/protocol';
import { systemClock } from '@elanus/runtime';
import { localMetaStore } from '@elanus/storage/local';
import type { Findings } from './findings.ts';

/** What the metadata says is there. */
export interface Catalog {
  readonly segments: readonly SegmentRecord[];
  readonly checkpoints: readonly CheckpointRecord[];
  /** What each log has to hold, by its name. */
  readonly logs: ReadonlyMap<string, LogRecord>;
}

const META = 'meta.db';
const CURE =
  'Collections, segments and checkpoints are recorded here only: restore it from a backup.';

/**
 * Reads the metadata from a copy: opening a database rolls its journal in, and nothing may change.
 * The folder's lock is held, so nobody writes to the files meanwhile.
 */
export async function checkMetadata(
  folder: string,
  findings: Findings,
): Promise<Catalog | undefined> {
  const copy = mkdtempSync(join(tmpdir(), 'elanus-doctor-'));
  try {
    for (const name of [META, `${META}-wal`, `${META}-mark`]) {
      if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(copy, name));
    }
    return await findings.try({ part: 'metadata', what: META, cure: CURE }, async () => {
      checkPages(join(copy, META));
      const path = join(copy, META);
      const how = { clock: systemClock, durability: 'power', expected: true } as const;
      const meta = await localMetaStore({ path, ...how });
      try {
        return await readCatalog(meta, findings);
      } finally {
        await meta.close();
      }
    });
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** sqlite's own check of every page. @throws ElanusError file_corrupt */
function checkPages(path: string): void {
  const db = openQuietly(path);
  try {
    const answer = String(db.prepare('PRAGMA integrity_check').get()?.['integrity_check']);
    if (answer !== 'ok') throw new ElanusError('file_corrupt', { path: META, why: answer });
  } finally {
    db.close();
  }
}

/** Node 22 warns that its sqlite is experimental: nobody asked. */
function openQuietly(path: string): DatabaseSync {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    const sqlite = process.getBuiltinModule('node:sqlite');
    return new sqlite.DatabaseSync(path);
  } finally {
    process.emitWarning = emitWarning;
  }
}

async function readCatalog(meta: MetaStore, findings: Findings): Promise<Catalog> {
  const read = async <T>(prefix: string): Promise<T[]> => {
    const { entries } = await meta.range(prefix);
    return entries.map(({ key, value }) => decodeRecord<T>(value, key));
  };
  const collections = await read<CollectionRecord>(metaKeys.collections);
  findings.collections = collections.filter(({ state }) => state === 'live').length;
  const segments = await read<SegmentRecord>(metaKeys.allSegments);
  findings.segments = segments.filter(({ state }) => state === 'flushed').length;
  const checkpoints = await read<CheckpointRecord>(metaKeys.allCheckpoints);
  const logs = new Map<string, LogRecord>();
  for (const { key, value } of (await meta.range(metaKeys.logs)).entries) {
    logs.set(key.slice(metaKeys.logs.length), decodeRecord(value, key));
  }
  return { segments, checkpoints, logs };
}
