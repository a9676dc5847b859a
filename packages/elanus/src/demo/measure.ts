import type { CollectionDetails, Compacted, CompactOptions } from '@elanus/client';
import { count, duration, progress } from '../cli/terminal.ts';
import { finding } from './stage.ts';

/** What is measured: any collection with one vector field. */
export interface Searchable {
  search(options: {
    readonly vector: Float32Array;
    readonly limit: number;
    readonly select: readonly [];
    readonly recall?: number;
  }): Promise<readonly object[]>;
  describe(): Promise<CollectionDetails>;
}

const POLL_MS = 100;
const WAIT_MS = 120_000;
const SOME_AT_ONCE = 8;

/** Waits until no more rows are on their way to an index; a search need not wait for it. */
export async function waitForIndex(collection: Searchable): Promise<void> {
  const startMs = performance.now();
  let details = await collection.describe();
  const shown = progress('  indexing', details.rowCount);
  while (details.indexingRows > 0 && performance.now() - startMs < WAIT_MS) {
    shown.update(details.indexedRows);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    details = await collection.describe();
  }
  shown.clear();
  const { rowCount, indexedRows } = details;
  const rest =
    rowCount === indexedRows ? '' : `; the other ${count(rowCount - indexedRows)} are scanned`;
  const ms = performance.now() - startMs;
  finding('indexed', `${count(indexedRows)} rows ${duration(Math.max(ms, 1))} later${rest}`);
}

/**
 * Merges segments, which happens by itself when nobody writes: asked for, it does not run beside
 * what is measured next.
 */
export async function compactNow(collection: {
  compact(options: CompactOptions): Promise<Compacted>;
}): Promise<void> {
  const startMs = performance.now();
  const shown = progress('  compacting', undefined);
  const onProgress: CompactOptions['onProgress'] = ({ after }) => {
    shown.update(after.segments, 'segments, each with a graph: they become one');
  };
  const { before, after } = await collection.compact({ onProgress });
  shown.clear();
  if (before.segments === after.segments) return;
  const became = `${before.segments} segments became ${after.segments}`;
  finding('compacted', `${became} in ${duration(performance.now() - startMs)}`);
}

type QueryAt = (i: number) => Float32Array;

/** The share of the ten nearest rows that a search as it comes finds. */
export async function measureRecall(
  collection: Searchable,
  query: QueryAt,
  queries: number,
): Promise<number> {
  const shown = progress('  recall', queries);
  let same = 0;
  let all = 0;
  for (let i = 0; i < queries; i++) {
    const options = { vector: query(i), limit: 10, select: [] } as const;
    const exact = await collection.search({ ...options, recall: 1 });
    const found = new Set((await collection.search(options)).map(keyOf));
    same += exact.filter((hit) => found.has(keyOf(hit))).length;
    all += exact.length;
    shown.update(i + 1);
  }
  shown.clear();
  return same / all;
}

/** The key stands first in a hit. */
const keyOf = (hit: object): unknown => Object.values(hit)[0];

/** Searches a second, one at a time and several at once. */
export async function measureSpeed(
  collection: Searchable,
  query: QueryAt,
  forMs: number,
): Promise<readonly { readonly name: string; readonly text: string }[]> {
  const one = await searchFor(collection, query, { forMs, atOnce: 1 });
  const some = await searchFor(collection, query, { forMs, atOnce: SOME_AT_ONCE });
  const text = (rate: number, ms: number): string =>
    `${count(rate)} searches/s, half of them within ${duration(ms)}`;
  return [
    { name: 'one by one', text: text(one.rate, one.medianMs) },
    { name: `${SOME_AT_ONCE} at once`, text: text(some.rate, some.medianMs) },
  ];
}

/** How fast searches were answered. */
export interface Rate {
  /** Searches a second. */
  readonly rate: number;
  readonly medianMs: number;
}

/** Searches for a while, so many at once. */
export async function searchFor(
  collection: Pick<Searchable, 'search'>,
  query: QueryAt,
  plan: { readonly forMs: number; readonly atOnce: number },
): Promise<Rate> {
  const startMs = performance.now();
  const times: number[] = [];
  let next = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() - startMs < plan.forMs) {
      const sentMs = performance.now();
      await collection.search({ vector: query(next++), limit: 10, select: [] });
      times.push(performance.now() - sentMs);
    }
  };
  await Promise.all(Array.from({ length: plan.atOnce }, caller));
  const seconds = (performance.now() - startMs) / 1000;
  times.sort((a, b) => a - b);
  return { rate: times.length / seconds, medianMs: times[times.length >> 1] ?? 0 };
}
