import { Worker } from 'node:worker_threads';
import { ElanusError, fromWireError, isElanusError } from '@elanus/core';
import type {
  Clock,
  MetaEntry,
  MetaLease,
  MetaStore,
  MetaTxn,
  MetaTxnOutcome,
  MetaUpdate,
  WireError,
} from '@elanus/core';
import { closedError } from '../log/append-check.ts';
import { META_THREAD, THREAD_EXEC_ARGV } from '../threads.ts';
import { History } from './history.ts';
import { Leases } from './leases.ts';
import type { EngineOptions, EngineOutcome } from './local-engine.ts';
import type { MetaCall } from './local-thread.ts';
import { checkKey, checkTxn } from './txn-check.ts';

/** How local metadata is kept. */
export interface LocalMetaOptions {
  /** The database file; its folder exists. */
  readonly path: string;
  readonly clock: Clock;
  /** Default `power`. */
  readonly durability?: 'process' | 'power';
  /** Something was written before: a file that is absent or empty is damaged. Default false. */
  readonly expected?: boolean;
}

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Reply = { readonly value: unknown } | { readonly error: WireError };

/** The thread that holds the database. It keeps the process alive only while a call waits. */
class Thread {
  readonly #worker: Worker;
  readonly #waiting: Waiter[] = [];
  #failure: unknown;

  constructor(options: EngineOptions) {
    this.#worker = new Worker(META_THREAD, {
      workerData: options,
      execArgv: [...THREAD_EXEC_ARGV],
    });
    this.#worker.on('message', (reply: Reply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(closedError('metadata')));
  }

  /** Waits for the next answer that nobody waits for yet. */
  answer(): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure as Error);
    this.#worker.ref();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  call(call: MetaCall): Promise<unknown> {
    const answer = this.answer();
    if (this.#failure === undefined) this.#worker.postMessage(call);
    return answer;
  }

  #settle(reply: Reply): void {
    const waiter = this.#waiting.shift();
    if ('error' in reply) waiter?.reject(fromWireError(reply.error));
    else waiter?.resolve(reply.value);
    if (this.#waiting.length === 0) this.#worker.unref();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#failure);
  }

  async close(): Promise<void> {
    if (this.#failure === undefined) await this.call({ kind: 'close' });
    this.#worker.ref();
    await this.#worker.terminate();
  }
}

class LocalMetaStore implements MetaStore {
  readonly #thread: Thread;
  readonly #history: History;
  readonly #leases: Leases;
  #revision: number;
  #closed = false;

  constructor(thread: Thread, revision: number, clock: Clock) {
    this.#thread = thread;
    this.#revision = revision;
    this.#history = new History(revision);
    this.#leases = new Leases(clock, (leaseId) => this.#endLease(leaseId));
  }

  async #call(call: MetaCall): Promise<unknown> {
    if (this.#closed) throw closedError('metadata');
    return this.#thread.call(call);
  }

  async get(key: string): Promise<MetaEntry | undefined> {
    checkKey(key);
    return (await this.#call({ kind: 'get', key })) as MetaEntry | undefined;
  }

  async range(
    prefix: string,
  ): Promise<{ readonly entries: readonly MetaEntry[]; readonly revision: number }> {
    const answer = await this.#call({ kind: 'range', prefix });
    return answer as { entries: readonly MetaEntry[]; revision: number };
  }

  async txn(txn: MetaTxn): Promise<MetaTxnOutcome> {
    checkTxn(txn);
    for (const op of txn.then) {
      if ('put' in op && op.leaseId !== undefined) this.#leases.check(op.leaseId);
    }
    if (this.#closed) throw closedError('metadata');
    let outcome: EngineOutcome;
    try {
      outcome = (await this.#thread.call({ kind: 'txn', txn: captured(txn) })) as EngineOutcome;
    } catch (error) {
      // Rolled back for a known reason, or broken off at some point: then nobody knows.
      if (isElanusError(error, 'disk_full') || isElanusError(error, 'read_only')) throw error;
      return { kind: 'unknown', cause: error };
    }
    if (outcome.revision === undefined) return { kind: 'conflict' };
    this.#record(outcome);
    return { kind: 'ok', revision: outcome.revision };
  }

  #record({ revision, changes }: EngineOutcome): void {
    if (revision === undefined || changes.length === 0) return;
    this.#revision = revision;
    this.#history.add({ revision, changes });
  }

  async #endLease(leaseId: string): Promise<void> {
    if (this.#closed) return;
    try {
      this.#record((await this.#thread.call({ kind: 'endLease', leaseId })) as EngineOutcome);
    } catch {
      // The keys stay until the next opening, which ends every lease.
    }
  }

  watch(
    prefix: string,
    options: { readonly fromRevision: number; readonly signal: AbortSignal },
  ): AsyncIterable<MetaUpdate> {
    return this.#history.watch(prefix, options);
  }

  async grant(ttlMs: number): Promise<MetaLease> {
    if (this.#closed) throw closedError('metadata');
    return this.#leases.grant(ttlMs);
  }

  async compact(revision: number): Promise<void> {
    if (this.#closed) throw closedError('metadata');
    this.#history.compact(Math.min(revision, this.#revision));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#leases.close();
    this.#history.close();
    await this.#thread.close();
  }
}

/** Values by themselves: a message would carry the whole buffer that a view lies in. */
function captured(txn: MetaTxn): MetaTxn {
  const then = txn.then.map((op) => ('put' in op ? { ...op, value: op.value.slice() } : op));
  return { compare: txn.compare, then };
}

/**
 * The embedded metadata: one sqlite file in WAL mode on a thread of its own, so that no sync holds
 * the event loop. The folder must be locked: the file has one owner.
 *
 * @throws ElanusError format_too_new, file_corrupt, read_only, disk_full
 */
export async function localMetaStore(options: LocalMetaOptions): Promise<MetaStore> {
  const { path, clock, durability = 'power', expected } = options;
  const thread = new Thread({ path, durability, expected });
  try {
    const revision = (await thread.answer()) as number;
    return new LocalMetaStore(thread, revision, clock);
  } catch (error) {
    await thread.close().catch(() => undefined);
    throw error instanceof Error ? error : new ElanusError('internal', { why: String(error) });
  }
}
