import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ElanusError } from '@elanus/core';
import type { DatabaseSync } from 'node:sqlite';
import { fileError } from '../fs/node.ts';
import { openDatabase } from './sqlite.ts';

/** The file that carries the lock. Nothing ever reads it: see `lockFolder`. */
export const LOCK_FILE = 'lock';

/** The file that names the holder, for people. */
export const PID_FILE = 'lock.pid';

const SQLITE_BUSY = 5;

/**
 * Held locks: a database that nobody refers to is closed by the garbage collector, lock and all.
 */
const heldLocks = new Set<DatabaseSync>();

/** A held lock. */
export interface FolderLock {
  /** Gives the folder free. Twice is fine. */
  release(): void;
}

/**
 * Locks a folder for this process by an exclusive transaction on a file of its own. Only sqlite
 * opens that file: when a process closes any descriptor of a file, the system drops all its locks
 * on it. A dead holder holds nothing, so a lock is never stale. Its pid stands in a third file.
 *
 * @throws ElanusError folder_locked with the holder's pid; read_only, disk_full, io_error
 */
export function lockFolder(folder: string, pid: number): FolderLock {
  const path = join(folder, LOCK_FILE);
  let db: DatabaseSync | undefined;
  try {
    db = openDatabase(path);
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    writeFileSync(join(folder, PID_FILE), `${pid}\n`);
  } catch (error) {
    db?.close();
    throw lockError(error, folder);
  }
  const held = db;
  heldLocks.add(held);
  return {
    release: () => {
      if (heldLocks.delete(held)) held.close();
    },
  };
}

function lockError(error: unknown, folder: string): unknown {
  const { errcode, code } = error as { readonly errcode?: number; readonly code?: string };
  if (errcode === undefined) return fileError(error, folder);
  if ((errcode & 0xff) === SQLITE_BUSY) {
    return new ElanusError('folder_locked', { folder, pid: holder(folder) });
  }
  const why = (error as Error).message;
  const kind = [8, 14].includes(errcode & 0xff) ? 'read_only' : 'io_error';
  return new ElanusError(kind, { path: folder, why: `${code ?? ''} ${why}`.trim() });
}

function holder(folder: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(folder, PID_FILE), 'utf8'), 10);
    return Number.isNaN(pid) ? undefined : pid;
  } catch {
    return undefined;
  }
}
