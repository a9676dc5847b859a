/**
 * `elanus doctor`: reads everything at rest and compares it with its checksums, the formats and the
 * metadata. Takes the folder's lock, and changes nothing.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ElanusError, isElanusError } from '@elanus/core';
import { fileObjectStore, localLogStore, lockFolder, nodeFs } from '@elanus/storage';
import { checkLog } from './check-log.ts';
import { checkMetadata } from './check-metadata.ts';
import { checkObjects } from './check-objects.ts';
import { Findings, type Examined, type Report } from './findings.ts';
import { frozenFs } from './frozen-fs.ts';

/** How to examine. */
export interface ExamineOptions {
  readonly onProgress?: ((done: Examined) => void) | undefined;
}

/**
 * Examines a folder that nobody has open.
 * @throws ElanusError file_not_found (no database), folder_locked
 */
export async function examine(where: string, options: ExamineOptions = {}): Promise<Report> {
  const folder = resolve(where);
  if (!['meta.db', 'log', 'objects'].some((name) => existsSync(join(folder, name)))) {
    throw new ElanusError('file_not_found', { path: where, why: 'no database is here' });
  }
  const lock = lockIfPossible(folder);
  try {
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
  } finally {
    lock?.release();
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
