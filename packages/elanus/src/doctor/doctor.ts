/**
 * `elanus doctor`: reads everything at rest and compares it with its checksums, the formats and the
 * metadata. Takes the folder's lock, and changes nothing unless it is asked to repair.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ElanusError, isElanusError } from '@elanus/core';
import { META_FORMAT, decodeRecord, metaKeys } from '@elanus/protocol';
import { systemClock } from '@elanus/runtime';
import {
  fileObjectStore,
  localLogStore,
  localMetaStore,
  lockFolder,
  nodeFs,
} from '@elanus/storage/local';
import { checkLog } from './check-log.ts';
import { checkMetadata } from './check-metadata.ts';
import { checkObjects } from './check-objects.ts';
import { Findings, type Damage, type Examined, type Report } from './findings.ts';
import { frozenFs } from './frozen-fs.ts';
import { repairDamage, type Repair } from './repair.ts';

/** How to examine. */
export interface ExamineOptions {
  readonly onProgress?: ((done: Examined) => void) | undefined;
  /** How far the wall clock is past now, in milliseconds; for tests. Default 0. */
  readonly aheadMs?: number | undefined;
}

/** What was mended, and how the folder is now. Plain JSON. */
export interface Repaired extends Report {
  readonly repairs: readonly Repair[];
}

/**
 * Examines a folder that nobody has open.
 * @throws ElanusError file_not_found (no database), folder_locked
 */
export async function examine(where: string, options: ExamineOptions = {}): Promise<Report> {
  const folder = folderOf(where);
  const lock = lockIfPossible(folder);
  try {
    return await look(folder, options);
  } finally {
    lock?.release();
  }
}

/**
 * Examines a folder, mends what can be made anew from what is whole, and examines it again when
 * anything was. See `repair.ts` for what is never touched.
 * @throws ElanusError file_not_found, folder_locked, read_only, format_too_new, disk_full
 */
export async function repair(where: string, options: ExamineOptions = {}): Promise<Repaired> {
  const folder = folderOf(where);
  const lock = lockFolder(folder, process.pid);
  try {
    const before = await look(folder, options);
    if (before.damage.length === 0) return { ...before, repairs: [] };
    const repairs = await mend(folder, before.damage, options.aheadMs ?? 0);
    const after = repairs.length === 0 ? before : await look(folder, options);
    return { ...after, repairs };
  } finally {
    lock.release();
  }
}

/** @throws ElanusError file_not_found */
function folderOf(where: string): string {
  const folder = resolve(where);
  if (['meta.db', 'log', 'objects'].some((name) => existsSync(join(folder, name)))) return folder;
  throw new ElanusError('file_not_found', { path: where, why: 'no database is here' });
}

async function look(folder: string, options: ExamineOptions): Promise<Report> {
  const findings = new Findings();
  const fs = frozenFs(nodeFs(folder));
  const catalog = await checkMetadata(folder, findings);
  const objects = await fileObjectStore({ fs, durability: 'process' });
  const onProgress = options.onProgress ?? (() => undefined);
  await checkObjects({ objects, findings, onProgress }, catalog);
  await objects.close();
  const logs = localLogStore({ fs, durability: 'process' });
  await checkLog(logs, catalog, findings);
  await logs.close();
  return findings.report(folder);
}

async function mend(
  folder: string,
  damage: readonly Damage[],
  aheadMs: number,
): Promise<readonly Repair[]> {
  if (damage.some(({ part }) => part === 'metadata')) return [];
  const meta = await localMetaStore({
    path: join(folder, 'meta.db'),
    clock: systemClock,
    expected: true,
  });
  try {
    const held = await meta.get(metaKeys.format);
    const { version } = held
      ? decodeRecord<{ readonly version: number }>(held.value, held.key)
      : { version: META_FORMAT };
    if (version > META_FORMAT) {
      throw new ElanusError('format_too_new', { what: folder, version, supported: META_FORMAT });
    }
    const objects = await fileObjectStore({ fs: nodeFs(folder) });
    const attempt = `r${randomUUID().slice(0, 13)}`;
    const wallMs = systemClock.wallMs() + aheadMs;
    const repairs = await repairDamage({ meta, objects, wallMs, attempt }, damage);
    await objects.close();
    return repairs;
  } finally {
    await meta.close();
  }
}

/** Nobody can write to a folder that cannot be written, so it needs no lock. */
function lockIfPossible(folder: string): { release(): void } | undefined {
  try {
    return lockFolder(folder, process.pid);
  } catch (error) {
    if (isElanusError(error, 'read_only')) return undefined;
    throw error;
  }
}
