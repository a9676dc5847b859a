import type { MetaCompare, MetaOp, MetaStore, MetaTxnOutcome, MetaUpdate } from '@elanus/core';
import { utf8 } from './log-kit.ts';

/** An operation that puts a text. */
export const put = (key: string, text: string, leaseId?: string): MetaOp =>
  leaseId === undefined
    ? { put: key, value: utf8(text) }
    : { put: key, value: utf8(text), leaseId };

/** An operation that deletes. */
export const del = (key: string): MetaOp => ({ delete: key });

/** Runs a transaction that must succeed; its revision. */
export async function commit(store: MetaStore, ...then: readonly MetaOp[]): Promise<number> {
  const outcome = await store.txn({ compare: [], then });
  if (outcome.kind !== 'ok') throw new Error(`txn was ${outcome.kind}`, { cause: outcome });
  return outcome.revision;
}

/** Puts `a/x` if a condition holds. */
export function tryPut(
  store: MetaStore,
  ...compare: readonly MetaCompare[]
): Promise<MetaTxnOutcome> {
  return store.txn({ compare, then: [put('a/x', 'new')] });
}

/** The value under a key as text. */
export async function text(store: MetaStore, key: string): Promise<string | undefined> {
  const entry = await store.get(key);
  return entry === undefined ? undefined : new TextDecoder().decode(entry.value);
}

/** The keys under a prefix. */
export async function keys(store: MetaStore, prefix = ''): Promise<string[]> {
  return (await store.range(prefix)).entries.map((entry) => entry.key);
}

/** The newest revision. */
export async function revision(store: MetaStore): Promise<number> {
  return (await store.range('')).revision;
}

/** The first `count` updates of a watch. */
export async function updates(
  store: MetaStore,
  prefix: string,
  want: { readonly fromRevision: number; readonly count: number },
): Promise<MetaUpdate[]> {
  const end = new AbortController();
  const seen: MetaUpdate[] = [];
  const options = { fromRevision: want.fromRevision, signal: end.signal };
  for await (const update of store.watch(prefix, options)) {
    seen.push(update);
    if (seen.length === want.count) end.abort();
  }
  return seen;
}

/** `put a/x`, `delete a/x`: the changes of updates, in order. */
export const story = (seen: readonly MetaUpdate[]): string[] =>
  seen.flatMap((update) => update.changes.map((change) => `${change.kind} ${change.key}`));

/** Lets real time pass. */
export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until something holds; false after `ms`. */
export async function until(holds: () => Promise<boolean>, ms: number): Promise<boolean> {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    if (await holds()) return true;
    await sleep(Math.min(20, ms / 20));
  }
  return holds();
}
