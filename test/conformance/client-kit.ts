import type { Db } from '../../packages/client/src/index.ts';
import { collection, isElanusError, t } from '../../packages/client/src/index.ts';

/**
 * A database under test, as the client suites want it: empty, and with a way to a second client.
 */
export interface ClientSubject {
  readonly db: Db;
  /** Another client of the same database, optionally continuing a session. */
  again(options?: { readonly session?: string }): Promise<Db>;
  close(): Promise<void>;
}

/** How the suites get a database; one for each test. */
export type OpenSubject = () => Promise<ClientSubject>;

let names = 0;

/** A collection name no other test uses. */
export function freshName(stem = 'docs'): string {
  names++;
  return `${stem}_${names}`;
}

/** The collection most tests use: a key, some of every type, one vector. */
export const docsOf = (name: string) =>
  collection(name, {
    id: t.int64({ primary: true }),
    title: t.varchar({ maxLength: 32 }),
    year: t.int32({ nullable: true }),
    price: t.double({ default: 1.5 }),
    ok: t.bool({ nullable: true }),
    tags: t.array(t.varchar({ maxLength: 16 }), { maxCapacity: 4 }),
    meta: t.json<{ n?: { v: number }; kind?: string; list?: number[] }>({ nullable: true }),
    at: t.timestamp({ nullable: true }),
    raw: t.bytes({ nullable: true, maxLength: 8 }),
    vec: t.vector(4, { metric: 'l2' }),
  });

/** Ten rows: row i lies at distance i * i from the origin's row. */
export function tenRows() {
  return Array.from({ length: 10 }, (_, i) => ({
    id: BigInt(i),
    title: `item-${i}`,
    year: i % 3 === 0 ? null : 2015 + i,
    price: i / 2,
    ok: i % 2 === 0,
    tags: i % 2 === 0 ? ['even', `t${i}`] : [],
    meta: i === 9 ? null : { n: { v: i }, kind: i < 5 ? 'low' : 'high', list: [i, i + 1] },
    at: new Date(Date.UTC(2020, 0, 1 + i)),
    raw: Uint8Array.of(i, 255),
    vec: Float32Array.of(i, 0, 0, 0),
  }));
}

export type Docs = Awaited<ReturnType<typeof openDocs>>;
const openDocs = (db: Db) => db.collection(docsOf('x'));

/** What a case of the suite works with. */
export interface ClientCase {
  db(): Db;
  subject(): ClientSubject;
  /** A new collection with the ten rows in it. */
  filled(): Promise<Docs>;
}

/** The keys of rows, as numbers. */
export const ids = (rows: readonly { id: bigint }[]): number[] => rows.map((row) => Number(row.id));

/** The code of the failure a promise ends in, or `none`. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return isElanusError(error) ? error.code : `not ours: ${String(error)}`;
  }
}

/** The details of the failure a promise ends in. */
export async function detailsOf(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    if (isElanusError(error)) return { code: error.code, ...error.details };
    throw error;
  }
  throw new Error('it did not fail');
}
