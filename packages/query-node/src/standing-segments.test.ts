import { emptyHits, type Hits, type VectorColumn } from '@elanus/core';
import type { PreparedSearch } from '@elanus/segment';
import { expect, test } from 'vitest';
import { HeldSegments } from './held-segments.ts';
import type { LoadedSegment } from './load.ts';
import { StandingSegments } from './standing-segments.ts';

const hits = emptyHits(1, 10, 'int64');
const prepared = { search: (): Hits => hits } as unknown as PreparedSearch;
const loaded = {} as LoadedSegment;
const queries: VectorColumn = {
  kind: 'vector',
  type: 'float32',
  dim: 1,
  values: Float32Array.of(1),
};
const demand = { guarantee: 0n, at: undefined };
const asked = { queries, nq: 1, demand, caller: undefined };

const changes: Readonly<Record<string, (held: HeldSegments) => void>> = {
  loaded: (held) => held.set(2, loaded),
  'loaded anew': (held) => held.set(1, loaded),
  released: (held) => held.delete(1),
  'all released': (held) => held.clear(),
};

test.each(Object.keys(changes))('a search stands until a segment is %s', (name) => {
  const held = new HeldSegments();
  held.set(1, loaded);
  const standing = new StandingSegments(held, held.changes, prepared);
  expect(standing.again(asked)).toBe(hits);
  expect(held.get(1)).toBe(loaded);
  changes[name]?.(held);
  expect(standing.again(asked)).toBeUndefined();
});
