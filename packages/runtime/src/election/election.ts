/**
 * Which of several processes leads: a key in the metadata, held by a lease. It is a hint, for a
 * process that was frozen goes on believing in itself. What protects is the fence: a condition that
 * holds in the metadata while this leadership lasts, and never again.
 */
import {
  isElanusError,
  type Clock,
  type MetaCompare,
  type MetaLease,
  type MetaStore,
} from '@elanus/core';

/** What an election needs to know. */
export interface ElectionOptions {
  readonly meta: MetaStore;
  readonly clock: Clock;
  /** The key that who leads holds. */
  readonly key: string;
  /** Who we are: unlike anybody else, and unlike ourselves in an earlier attempt. */
  readonly id: string;
  /** A leader that is not heard of for so long is none. */
  readonly ttlMs: number;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
}

/** The revision that made the leader's key: no other leadership has it. */
export type Fence = Extract<MetaCompare, { readonly createRevision: number }>;

/** Leadership that was won. */
export interface Leadership {
  /** Holds in every transaction while we lead, whatever clocks say. */
  readonly fence: Fence;
  /** Fires when it may be over. */
  readonly lost: AbortSignal;
  /** Gives it up, so that another need not wait for the lease to end. */
  resign(): Promise<void>;
}

const encoder = new TextEncoder();
/** A lease is kept so many times in its length. */
const KEEPS = 3;
/** Its owner believes in it for this share of its length after it was kept last. */
const TRUST_SHARE = 2 / 3;

/**
 * Waits until we lead; undefined when `signal` fires before.
 * @throws what the metadata store throws
 */
export async function lead(options: ElectionOptions): Promise<Leadership | undefined> {
  const { meta, key, signal } = options;
  while (!signal.aborted) {
    const { entries, revision } = await meta.range(key);
    const isHeld = entries.some((entry) => entry.key === key);
    if (isHeld) await ended(options, revision + 1);
    else {
      const won = await stand(options);
      if (won !== undefined) return won;
    }
  }
  return undefined;
}

/** Waits until the key goes; no longer than a lease, for a watch is a hint too. */
async function ended(options: ElectionOptions, fromRevision: number): Promise<void> {
  const { meta, clock, key, ttlMs, signal } = options;
  const enough = new AbortController();
  const stop = (): void => enough.abort();
  signal.addEventListener('abort', stop, { once: true });
  const cancel = clock.after(ttlMs, stop);
  try {
    for await (const { changes } of meta.watch(key, { fromRevision, signal: enough.signal })) {
      if (changes.some((change) => change.key === key && change.kind === 'delete')) return;
    }
  } catch (error) {
    // What is to be watched is gone: look again.
    if (!isElanusError(error, 'revision_compacted')) throw error;
  } finally {
    cancel();
    stop();
    signal.removeEventListener('abort', stop);
  }
}

/** Tries to take the key; undefined when another was faster. */
async function stand(options: ElectionOptions): Promise<Leadership | undefined> {
  const { meta, clock, key, id, ttlMs } = options;
  const sentMs = clock.monoMs();
  const lease = await meta.grant(ttlMs);
  const value = encoder.encode(id);
  const outcome = await meta.txn({
    compare: [{ key, exists: false }],
    then: [{ put: key, value, leaseId: lease.id }],
  });
  const held = outcome.kind === 'conflict' ? undefined : await meta.get(key);
  if (held === undefined || Buffer.compare(held.value, value) !== 0) {
    await lease.revoke().catch(() => undefined);
    return undefined;
  }
  const { createRevision } = held;
  return new Term(options, { lease, sentMs, fence: { key, createRevision } });
}

/** A leadership, and the lease that is kept for it. */
class Term implements Leadership {
  readonly fence: Fence;
  readonly #options: ElectionOptions;
  readonly #lease: MetaLease;
  readonly #lost = new AbortController();
  /** When the newest keep-alive that was answered had been sent. */
  #keptMs: number;
  #cancel: () => void;

  constructor(
    options: ElectionOptions,
    of: { readonly lease: MetaLease; readonly sentMs: number; readonly fence: Fence },
  ) {
    this.#options = options;
    this.#lease = of.lease;
    this.#keptMs = of.sentMs;
    this.fence = of.fence;
    this.#cancel = this.#later();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async resign(): Promise<void> {
    this.#end();
    await this.#lease.revoke();
  }

  #later(): () => void {
    const { clock, ttlMs } = this.#options;
    return clock.after(ttlMs / KEEPS, () => this.#keep());
  }

  #keep(): void {
    const { clock, ttlMs } = this.#options;
    const sentMs = clock.monoMs();
    if (sentMs - this.#keptMs > ttlMs * TRUST_SHARE) {
      this.#end();
      return;
    }
    this.#cancel = this.#later();
    this.#renew().then(
      (isOurs) => {
        if (isOurs) this.#keptMs = sentMs;
        else this.#end();
      },
      (error: unknown) => {
        if (isElanusError(error, 'lease_expired')) this.#end();
      },
    );
  }

  /** Keeps the lease; a lease that lives does not say that the key still is there. */
  async #renew(): Promise<boolean> {
    const { meta, key } = this.#options;
    await this.#lease.keepAlive();
    return (await meta.get(key))?.createRevision === this.fence.createRevision;
  }

  #end(): void {
    this.#cancel();
    this.#lost.abort();
  }
}
