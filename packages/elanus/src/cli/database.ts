import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type Collection, type Db } from '@elanus/client';
import { httpTransport } from '@elanus/client/http';
import { ElanusError } from '@elanus/core';
import { note } from './terminal.ts';

/** Arguments of every command that talks to a database. */
export const databaseArgs = {
  db: {
    type: 'string',
    description: 'Folder, or URL of a server (ELANUS_DB)',
    valueHint: 'folder|url',
    default: process.env['ELANUS_DB'] ?? './data',
  },
  token: {
    type: 'string',
    description: 'Bearer token of a server (ELANUS_TOKEN)',
    valueHint: 'token',
  },
  json: { type: 'boolean', description: 'Print JSON', default: false },
} as const;

/** Which database a command means. */
export interface Where {
  readonly db: string;
  readonly token?: string | undefined;
}

/** Whether a folder holds a database. */
export function isDatabase(folder: string): boolean {
  return existsSync(join(folder, 'meta.db'));
}

/**
 * Runs `work` with the database open, and closes it whatever happens. A folder is never made by
 * looking at it. Ctrl-C closes the database first, so that the folder is left sound at once.
 *
 * @throws ElanusError file_not_found when the folder holds no database
 */
export async function withDatabase<T>(where: Where, work: (db: Db) => Promise<T>): Promise<T> {
  if (!/^[a-z]+:\/\//.test(where.db) && where.db !== ':memory:' && !isDatabase(where.db)) {
    const why = 'no database is here; `elanus serve` and `elanus demo` make one';
    throw new ElanusError('file_not_found', { path: where.db, why });
  }
  const db = await openAt(where);
  const stop = (): void => {
    note('stopping');
    void db.close().finally(() => process.exit(130));
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    return await work(db);
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    await db.close();
  }
}

/** A server needs the client only: the engine is loaded for folders. */
async function openAt({ db, token = process.env['ELANUS_TOKEN'] }: Where): Promise<Db> {
  if (/^https?:\/\//.test(db)) return connect(httpTransport(db, { token }));
  const { elanus } = await import('../open.ts');
  return elanus(db);
}

/** Opens a collection by name and hands it over, as `withDatabase` does the database. */
export function withCollection<T>(
  where: Where & { readonly collection: string },
  work: (collection: Collection) => Promise<T>,
): Promise<T> {
  return withDatabase(where, async (db) =>
    work((await db.collection(where.collection)) as unknown as Collection),
  );
}
