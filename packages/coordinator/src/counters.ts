import { ElanusError } from '@elanus/core';
import { metaKeys } from '@elanus/protocol';
import { put, unchanged, type MetaAccess } from './meta-access.ts';

interface Counter {
  readonly next: number;
  /** Whose transaction it was: another may have come to the same number. */
  readonly by?: string;
}

const ATTEMPTS = 16;

/** Takes `count` numbers of a counter that begins at 1; nobody gets them again. */
export async function takeNumbers(meta: MetaAccess, name: string, count: number): Promise<number> {
  const key = metaKeys.counter(name);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const held = await meta.get<Counter>(key);
    const from = held?.record.next ?? 1;
    const compare = held === undefined ? { key, exists: false } : unchanged(held);
    const taken: Counter = { next: from + count, by: meta.mark() };
    if (await meta.txn([compare], [put(key, taken)])) return from;
  }
  throw new ElanusError('catalog_conflict', { name });
}

interface Window {
  readonly untilMs: number;
}

/** Saves the end of the timestamp window; goes back only when the owner says it is its end. */
export async function saveWindow(
  meta: MetaAccess,
  request: { readonly untilMs: number; readonly final: boolean },
): Promise<number> {
  const key = metaKeys.counter('timestamp');
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const held = await meta.get<Window>(key);
    const saved = held?.record.untilMs ?? 0;
    const untilMs = request.final ? request.untilMs : Math.max(saved, request.untilMs);
    if (untilMs === saved) return saved;
    const compare = held === undefined ? { key, exists: false } : unchanged(held);
    if (await meta.txn([compare], [put(key, { untilMs })])) return untilMs;
  }
  throw new ElanusError('catalog_conflict', { name: 'timestamp window' });
}

/** The end of the saved window; 0 before the first. Unreadable is an error, never "absent". */
export async function readWindow(meta: MetaAccess): Promise<number> {
  return (await meta.get<Window>(metaKeys.counter('timestamp')))?.record.untilMs ?? 0;
}
