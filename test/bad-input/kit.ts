import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  collection,
  elanus,
  isElanusError,
  t,
  type Db,
  type ElanusError,
  type ElanusOptions,
  type ErrorCode,
  type ErrorKind,
} from 'elanus';
import { expect } from 'vitest';

/** What a refusal has to look like. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  /** What its text must say besides, so that the caller knows what to do. */
  readonly says?: string | RegExp | undefined;
  /** What its details must hold. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

/** The failure that something ends in; fails the test when it does not fail. */
export async function failure(work: () => unknown): Promise<ElanusError> {
  try {
    await work();
  } catch (error) {
    if (isElanusError(error)) return error;
    throw new Error(`not an error of ours: ${String(error)}`, { cause: error });
  }
  throw new Error('it was not refused');
}

/** Checks that something is refused as the table says. */
export async function expectRefused(work: () => unknown, refusal: Refusal): Promise<ElanusError> {
  const error = await failure(work);
  const { code, kind, details } = error;
  expect({ code, kind }).toEqual({ code: refusal.code, kind: refusal.kind });
  if (refusal.says !== undefined) expect(error.message).toMatch(refusal.says);
  if (refusal.details !== undefined) expect(details).toMatchObject(refusal.details);
  return error;
}

/** The collection most rows of the table are about. */
export const Docs = collection('docs', {
  id: t.int64({ primary: true }),
  title: t.varchar({ maxLength: 32 }),
  year: t.int32({ nullable: true }),
  price: t.double({ default: 1.5 }),
  ok: t.bool({ nullable: true }),
  tags: t.array(t.varchar({ maxLength: 16 }), { maxCapacity: 4 }),
  meta: t.json({ nullable: true }),
  at: t.timestamp({ nullable: true }),
  raw: t.bytes({ nullable: true, maxLength: 8 }),
  vec: t.vector(4, { metric: 'l2' }),
});

/** A row that is fine. */
export const goodRow = (id: number | bigint) => ({
  id: BigInt(id),
  title: `item-${id}`,
  year: 2020,
  tags: ['a'],
  meta: { n: Number(id) },
  vec: Float32Array.of(Number(id), 0, 0, 0),
});

/** Opens a collection with rows 0, 1, 2 in it. */
export async function threeDocs(db: Db) {
  const docs = await db.collection(Docs);
  await docs.insert([goodRow(0), goodRow(1), goodRow(2)]);
  return docs;
}

/** The type of an open `Docs`. */
export type OpenDocs = Awaited<ReturnType<typeof threeDocs>>;

/** Everything stored, as text: equal before and after means that nothing changed. */
export async function everything(docs: OpenDocs): Promise<string> {
  const select = ['id', 'title', 'year', 'price', 'ok', 'tags', 'meta', 'at', 'raw', 'vec', '$ts'];
  const rows = await docs.query({ select: select as never });
  return JSON.stringify(rows, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
}

/** A fresh folder, and how to be rid of it. */
export function tempFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'elanus-bad-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Opens the folder, runs the work, closes. */
export async function withFolder<T>(
  path: string,
  work: (db: Db) => Promise<T>,
  options: ElanusOptions = {},
): Promise<T> {
  const db = await elanus(path, options);
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

/** A process of its own that runs `script` with the arguments. */
export interface Child {
  readonly pid: number;
  /** The next line it prints. */
  line(): Promise<string>;
  /** Writes a line to it. */
  tell(line: string): void;
  /** Writes nothing more to it. */
  end(): void;
  /** Ends it at once, and waits until it is gone. */
  kill(): Promise<void>;
  /** Waits until it has ended by itself. */
  ended(): Promise<number | null>;
}

/** Starts a child; it must be ended. */
export function startChild(script: string, args: readonly string[]): Child {
  const child = spawn(process.execPath, ['--conditions=elanus:source', script, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const waiting: ((line: string) => void)[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const waiter = waiting.shift();
    if (waiter === undefined) lines.push(line);
    else waiter(line);
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  void exit.then((code) => {
    for (const waiter of waiting.splice(0)) waiter(`exit ${code}`);
  });
  return {
    pid: child.pid ?? 0,
    line: () => {
      const line = lines.shift();
      if (line !== undefined) return Promise.resolve(line);
      return new Promise((resolve) => waiting.push(resolve));
    },
    tell: (line) => {
      child.stdin.write(`${line}\n`);
    },
    end: () => {
      child.stdin.end();
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exit;
    },
    ended: () => exit,
  };
}
