import type { MetaChange, MetaEntry, MetaTxn, WireError } from '@elanus/core';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { compareHolds } from './compare.ts';
import { HighMark } from './high-mark.ts';
import { corrupt, openTables, type EngineOptions } from './local-tables.ts';
import { rowSum, wholeSum, type SummedRow, type Whole } from './row-sum.ts';

export type { EngineOptions } from './local-tables.ts';

/** What a transaction did; no revision: a compare failed. */
export interface EngineOutcome {
  readonly revision: number | undefined;
  readonly changes: readonly MetaChange[];
}

interface Row extends SummedRow {
  readonly sum: number;
}

const COLUMNS = 'key, value, created, modified, lease, sum';

const toEntry = (row: Row): MetaEntry => ({
  key: row.key,
  value: row.value,
  createRevision: row.created,
  modRevision: row.modified,
});

/**
 * The store itself, synchronous; lives on a thread of its own. sqlite has no checksums: each row
 * carries one, and one more stands for all of them, so that none is changed, lost or added unseen.
 */
export class MetaEngine {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #one: StatementSync;
  readonly #from: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #setWhole: StatementSync;
  readonly #mark: HighMark | undefined;
  #whole: Whole;
  /** What it is once the transaction that runs is committed. */
  #next: Whole;

  /** @throws format_too_new, file_corrupt as the cause of an error; or what sqlite throws */
  constructor(options: EngineOptions) {
    const db = openTables(options);
    this.#path = options.path;
    this.#db = db;
    this.#one = db.prepare(`SELECT ${COLUMNS} FROM kv WHERE key = ?`);
    this.#from = db.prepare(`SELECT ${COLUMNS} FROM kv WHERE key >= ? ORDER BY key`);
    // Node 22 binds an empty array as NULL.
    this.#put = db.prepare(
      `INSERT OR REPLACE INTO kv (${COLUMNS}) VALUES (?, coalesce(?, x''), ?, ?, ?, ?)`,
    );
    this.#delete = db.prepare('DELETE FROM kv WHERE key = ?');
    this.#setWhole = db.prepare('UPDATE whole SET revision = ?, rows = ?, total = ?, sum = ?');
    try {
      this.#whole = this.#checked();
      this.#next = this.#whole;
      this.#mark = this.#openMark(options);
      this.endLease(undefined);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** @throws file_corrupt as the cause of an error: more was acknowledged than is there */
  #openMark({ path, durability }: EngineOptions): HighMark | undefined {
    const file = `${path}-mark`;
    if (durability === 'process') {
      HighMark.remove(file);
      return undefined;
    }
    const mark = HighMark.open(file);
    const goOn = `remove ${file} to go on with what is there`;
    if (mark === undefined) throw corrupt(file, `it is damaged; ${goOn}`);
    if (mark.revision <= this.revision) return mark;
    const lost = `it ends at revision ${this.revision}, and ${mark.revision} was acknowledged`;
    throw corrupt(path, `${lost}: its journal is cut short or gone; ${goOn}`);
  }

  get revision(): number {
    return this.#whole.revision;
  }

  /** Reads every row once, in order. @throws file_corrupt as the cause of an error */
  #checked(): Whole {
    const { revision, rows, total, sum } = this.#db
      .prepare('SELECT * FROM whole')
      .get() as unknown as Whole & { readonly sum: number };
    const said = { revision, rows, total };
    if (wholeSum(said) !== sum) throw corrupt(this.#path, 'the sum of all rows is damaged');
    let found: Whole = { revision, rows: 0, total: 0 };
    let last: string | undefined;
    for (const row of this.#rows('')) {
      if (last !== undefined && row.key <= last) throw corrupt(this.#path, 'rows are out of order');
      last = row.key;
      found = { revision, rows: found.rows + 1, total: found.total + row.sum };
    }
    if (found.rows === rows && found.total === total) return said;
    throw corrupt(this.#path, `it holds ${found.rows} rows, and others than its ${rows}`);
  }

  #sound(row: Row): Row {
    if (rowSum(row) === row.sum) return row;
    throw corrupt(this.#path, `the row ${JSON.stringify(row.key)} is damaged`);
  }

  #row(key: string): Row | undefined {
    const row = this.#one.get(key) as unknown as Row | undefined;
    return row === undefined ? undefined : this.#sound(row);
  }

  *#rows(from: string): Generator<Row> {
    for (const row of this.#from.iterate(from)) yield this.#sound(row as unknown as Row);
  }

  /** sqlite's own word for how it syncs: 2 is FULL, 1 NORMAL. */
  synchronous(): number {
    return Number(this.#db.prepare('PRAGMA synchronous').get()?.['synchronous']);
  }

  get(key: string): MetaEntry | undefined {
    const row = this.#row(key);
    return row === undefined ? undefined : toEntry(row);
  }

  range(prefix: string): readonly MetaEntry[] {
    const entries: MetaEntry[] = [];
    for (const row of this.#rows(prefix)) {
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
    const modRevision = this.revision + 1;
    const changes: MetaChange[] = [];
    let { rows, total } = this.#whole;
    for (const op of ops) {
      const before = this.#row('delete' in op ? op.delete : op.put);
      if (before !== undefined) {
        rows--;
        total -= before.sum;
      }
      if ('delete' in op) {
        if (before === undefined) continue;
        this.#delete.run(op.delete);
        changes.push({ kind: 'delete', key: op.delete, value: undefined, modRevision });
        continue;
      }
      const { put: key, value } = op;
      const created = before?.created ?? modRevision;
      const row = { key, value, created, modified: modRevision, lease: op.leaseId ?? null };
      const sum = rowSum(row);
      this.#put.run(key, value, created, modRevision, row.lease, sum);
      rows++;
      total += sum;
      changes.push({ kind: 'put', key, value, modRevision });
    }
    if (changes.length === 0) return { revision: this.revision, changes };
    const whole = { revision: modRevision, rows, total };
    this.#setWhole.run(modRevision, rows, total, wholeSum(whole));
    this.#next = whole;
    return { revision: modRevision, changes };
  }

  /** Deletes the keys of a lease; undefined: of every lease, for none outlives the process. */
  endLease(leaseId: string | undefined): EngineOutcome {
    return this.#atomic(() => {
      const ended: { readonly delete: string }[] = [];
      for (const { key, lease } of this.#rows('')) {
        const isEnded = leaseId === undefined || lease === leaseId;
        if (lease !== null && isEnded) ended.push({ delete: key });
      }
      return this.#apply(ended);
    });
  }

  #atomic(work: () => EngineOutcome): EngineOutcome {
    this.#db.exec('BEGIN IMMEDIATE');
    this.#next = this.#whole;
    try {
      const outcome = work();
      this.#db.exec('COMMIT');
      const isNew = this.#whole !== this.#next;
      this.#whole = this.#next;
      if (isNew) this.#mark?.raise(this.revision);
      return outcome;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#db.close();
    this.#mark?.close();
  }
}

/** sqlite's primary result codes that mean something to callers. */
const CODES: Readonly<Record<number, 'disk_full' | 'read_only' | 'file_corrupt'>> = {
  1: 'file_corrupt',
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
