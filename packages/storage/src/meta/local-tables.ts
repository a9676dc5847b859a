import type { WireError } from '@elanus/core';
import type { DatabaseSync } from 'node:sqlite';
import { rowSum, wholeSum, type SummedRow } from './row-sum.ts';
import { openDatabase } from './sqlite.ts';
import { walDamage } from './wal-check.ts';

/** Version of the tables that this code writes; it opens no newer one. */
export const META_FORMAT = 2;

/** How the database is opened. */
export interface EngineOptions {
  readonly path: string;
  readonly durability: 'process' | 'power';
  /** Something was written before: a file that is absent or empty is damaged. Default false. */
  readonly expected?: boolean | undefined;
}

/** The tables of each version, word for word as sqlite remembers them. */
const TABLES: Readonly<Record<number, readonly string[]>> = {
  0: [],
  1: [
    `CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID`,
    `CREATE TABLE kv (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
    lease TEXT
  ) WITHOUT ROWID`,
    `CREATE INDEX kv_lease ON kv (lease) WHERE lease IS NOT NULL`,
  ],
  2: [
    `CREATE TABLE kv (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
    lease TEXT, sum INTEGER NOT NULL
  ) WITHOUT ROWID`,
    `CREATE TABLE whole (
    revision INTEGER NOT NULL, rows INTEGER NOT NULL, total INTEGER NOT NULL, sum INTEGER NOT NULL
  )`,
  ],
};

/**
 * A failure with its typed form. The thread loads nothing but a few small files and sqlite, so that
 * a database opens fast; the owner makes the real error.
 */
function failure(wire: WireError): Error {
  return new Error(wire.code, { cause: wire });
}

/** What is said of a damaged file. */
export function corrupt(path: string, why: string): Error {
  return failure({ code: 'file_corrupt', details: { path, why } });
}

/** Opens a database file with the tables of this version, made or brought up to date. */
export function openTables(options: EngineOptions): DatabaseSync {
  const { path, durability, expected = false } = options;
  const damage = durability === 'power' ? walDamage(`${path}-wal`) : undefined;
  if (damage !== undefined) throw corrupt(path, damage);
  const db = openDatabase(path);
  try {
    const version = versionOf(db, path);
    if (version === 0 && expected) throw corrupt(path, 'it is missing or empty, its data is not');
    db.exec('PRAGMA journal_mode = WAL');
    // On macOS a plain fsync stays in the drive's cache; elsewhere these two say nothing.
    db.exec('PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1');
    // Tables are safe in every class: a folder without them is not opened again.
    db.exec('PRAGMA synchronous = FULL');
    if (version < META_FORMAT) upgrade(db, version);
    if (durability === 'process') db.exec('PRAGMA synchronous = NORMAL');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** The version that a file says it has and whose tables it has. */
function versionOf(db: DatabaseSync, path: string): number {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
  if (version > META_FORMAT) {
    const details = { what: path, version, supported: META_FORMAT };
    throw failure({ code: 'format_too_new', details });
  }
  const found = db.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid');
  const tables = found.all().map((row) => String(row['sql']));
  if (JSON.stringify(tables) === JSON.stringify(TABLES[version])) return version;
  throw corrupt(path, `its tables are not those of version ${version}`);
}

/** Makes the tables, with the rows of an earlier version, in one transaction. */
function upgrade(db: DatabaseSync, version: number): void {
  db.exec('BEGIN IMMEDIATE');
  let revision = 0;
  let rows: SummedRow[] = [];
  if (version === 1) {
    const state = db.prepare("SELECT value FROM state WHERE name = 'revision'").get();
    revision = Number(state?.['value']);
    const all = db.prepare('SELECT key, value, created, modified, lease FROM kv').all();
    rows = all as unknown as SummedRow[];
    db.exec('DROP TABLE state; DROP TABLE kv');
  }
  for (const table of TABLES[META_FORMAT] ?? []) db.exec(table);
  const put = db.prepare('INSERT INTO kv VALUES (?, ?, ?, ?, ?, ?)');
  let total = 0;
  for (const row of rows) {
    const sum = rowSum(row);
    put.run(row.key, row.value, row.created, row.modified, row.lease, sum);
    total += sum;
  }
  const whole = { revision, rows: rows.length, total };
  const first = db.prepare('INSERT INTO whole VALUES (?, ?, ?, ?)');
  first.run(revision, whole.rows, total, wholeSum(whole));
  db.exec(`PRAGMA user_version = ${META_FORMAT}`);
  db.exec('COMMIT');
}
