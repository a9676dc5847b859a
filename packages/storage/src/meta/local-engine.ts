import type { MetaChange, MetaEntry, MetaTxn, WireError } from '@elanus/core';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { compareHolds } from './compare.ts';
import { openDatabase } from './sqlite.ts';

/** Version of the tables that this code writes; it opens no newer one. */
export const META_FORMAT = 1;

/**
 * A failure with its typed form. The thread loads nothing but this file and sqlite, so that a
 * database opens fast; the owner makes the real error.
 */
function failure(wire: WireError): Error {
  return new Error(wire.code, { cause: wire });
}

/** How the database is opened. */
export interface EngineOptions {
  readonly path: string;
  readonly durability: 'process' | 'power';
}

/** What a transaction did; no revision: a compare failed. */
export interface EngineOutcome {
  readonly revision: number | undefined;
  readonly changes: readonly MetaChange[];
}

const TABLES = `
  CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS kv (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
    lease TEXT
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS kv_lease ON kv (lease) WHERE lease IS NOT NULL;`;

interface Row {
  readonly key: string;
  readonly value: Uint8Array;
  readonly created: number;
  readonly modified: number;
}

const toEntry = (row: Row): MetaEntry => ({
  key: row.key,
  value: row.value,
  createRevision: row.created,
  modRevision: row.modified,
});

/** The store itself, synchronous; lives on a thread of its own. */
export class MetaEngine {
  readonly #db: DatabaseSync;
  readonly #one: StatementSync;
  readonly #from: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #leased: StatementSync;
  readonly #setRevision: StatementSync;
  #revision: number;

  /** @throws format_too_new by `failure`, or what sqlite throws */
  constructor(options: EngineOptions) {
    const db = open(options);
    this.#db = db;
    this.#one = db.prepare('SELECT key, value, created, modified FROM kv WHERE key = ?');
    this.#from = db.prepare(
      'SELECT key, value, created, modified FROM kv WHERE key >= ? ORDER BY key',
    );
    // Node 22 binds an empty array as NULL.
    this.#put = db.prepare(
      `INSERT INTO kv (key, value, created, modified, lease) VALUES (?, coalesce(?, x''), ?, ?, ?)
       ON CONFLICT (key) DO UPDATE
       SET value = excluded.value, modified = excluded.modified, lease = excluded.lease`,
    );
    this.#delete = db.prepare('DELETE FROM kv WHERE key = ?');
    this.#leased = db.prepare('SELECT key, lease FROM kv WHERE lease IS NOT NULL');
    this.#setRevision = db.prepare("UPDATE state SET value = ? WHERE name = 'revision'");
    const state = db.prepare("SELECT value FROM state WHERE name = 'revision'").get();
    this.#revision = Number(state?.['value']);
    this.endLease(undefined);
  }

  get revision(): number {
    return this.#revision;
  }

  /** sqlite's own word for how it syncs: 2 is FULL, 1 NORMAL. */
  synchronous(): number {
    return Number(this.#db.prepare('PRAGMA synchronous').get()?.['synchronous']);
  }

  get(key: string): MetaEntry | undefined {
    const row = this.#one.get(key) as unknown as Row | undefined;
    return row === undefined ? undefined : toEntry(row);
  }

  range(prefix: string): readonly MetaEntry[] {
    const entries: MetaEntry[] = [];
    for (const found of this.#from.iterate(prefix)) {
      const row = found as unknown as Row;
      if (!row.key.startsWith(prefix)) break;
      entries.push(toEntry(row));
    }
    return entries;
  }

  txn(txn: MetaTxn): EngineOutcome {
    return this.#atomic(() => {
      for (const compare of txn.compare) {
        if (!compareHolds(compare, this.get(compare.key))) {
          return { revision: undefined, changes: [] };
        }
      }
      return this.#apply(txn.then);
    });
  }

  #apply(ops: MetaTxn['then']): EngineOutcome {
    const modRevision = this.#revision + 1;
    const changes: MetaChange[] = [];
    for (const op of ops) {
      if ('delete' in op) {
        if (this.#delete.run(op.delete).changes === 0) continue;
        changes.push({ kind: 'delete', key: op.delete, value: undefined, modRevision });
        continue;
      }
      this.#put.run(op.put, op.value, modRevision, modRevision, op.leaseId ?? null);
      changes.push({ kind: 'put', key: op.put, value: op.value, modRevision });
    }
    if (changes.length === 0) return { revision: this.#revision, changes };
    this.#setRevision.run(modRevision);
    return { revision: modRevision, changes };
  }

  /** Deletes the keys of a lease; undefined: of every lease, for none outlives the process. */
  endLease(leaseId: string | undefined): EngineOutcome {
    return this.#atomic(() => {
      const rows = this.#leased.all();
      const ended = rows.filter((row) => leaseId === undefined || row['lease'] === leaseId);
      return this.#apply(ended.map((row) => ({ delete: String(row['key']) })));
    });
  }

  #atomic(work: () => EngineOutcome): EngineOutcome {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const outcome = work();
      this.#db.exec('COMMIT');
      this.#revision = outcome.revision ?? this.#revision;
      return outcome;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#db.close();
  }
}

function open(options: EngineOptions): DatabaseSync {
  const db = openDatabase(options.path);
  try {
    const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
    if (version > META_FORMAT) {
      throw failure({
        code: 'format_too_new',
        details: { what: options.path, version, supported: META_FORMAT },
      });
    }
    db.exec('PRAGMA journal_mode = WAL');
    // On macOS a plain fsync stays in the drive's cache; elsewhere these two say nothing.
    db.exec('PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1');
    db.exec(`PRAGMA synchronous = ${options.durability === 'power' ? 'FULL' : 'NORMAL'}`);
    if (version === META_FORMAT) return db;
    db.exec('BEGIN IMMEDIATE');
    db.exec(TABLES);
    db.exec("INSERT OR IGNORE INTO state (name, value) VALUES ('revision', 0)");
    db.exec(`PRAGMA user_version = ${META_FORMAT}`);
    db.exec('COMMIT');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** sqlite's primary result codes that mean something to callers. */
const CODES: Readonly<Record<number, 'disk_full' | 'read_only' | 'file_corrupt'>> = {
  8: 'read_only',
  11: 'file_corrupt',
  13: 'disk_full',
  14: 'read_only',
  26: 'file_corrupt',
};

/** What failed, as it travels to the owner of the thread. */
export function engineFailure(error: unknown, path: string): WireError {
  const { cause, errcode, message } = error as {
    readonly cause?: WireError;
    readonly errcode?: unknown;
    readonly message?: unknown;
  };
  if (cause?.code !== undefined) return cause;
  const why = String(message ?? error);
  if (typeof errcode !== 'number') return { code: 'internal', details: { why } };
  return { code: CODES[errcode & 0xff] ?? 'io_error', details: { path, why } };
}
