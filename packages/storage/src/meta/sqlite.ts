import type * as module from 'node:sqlite';
import type { DatabaseSync } from 'node:sqlite';

type Sqlite = typeof module;

/**
 * Opens a database file. Node 22 warns that its sqlite is experimental: a library prints nothing,
 * so that one warning is muted while the module loads.
 */
export function openDatabase(path: string): DatabaseSync {
  const emit = process.emitWarning;
  process.emitWarning = () => undefined;
  try {
    const sqlite = process.getBuiltinModule('node:sqlite') as Sqlite;
    return new sqlite.DatabaseSync(path);
  } finally {
    process.emitWarning = emit;
  }
}
