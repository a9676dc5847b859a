/**
 * Goal: memory and local metadata are the same machine as a plain map. Method: random transactions,
 * reads and reopenings by seed; the model is a map with a revision.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MetaCompare, MetaOp, MetaStore, Rng } from '@elanus/core';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../conformance/log-kit.ts';
import { seededRng } from '../testing/seeded-rng.ts';
import { testClock } from '../testing/test-clock.ts';
import { localMetaStore } from './local.ts';
import { memoryMetaContent, memoryMetaStore } from './memory.ts';

interface Entry {
  readonly text: string;
  readonly created: number;
  readonly modified: number;
}

class Model {
  readonly entries = new Map<string, Entry>();
  revision = 0;

  holds(compare: MetaCompare): boolean {
    const entry = this.entries.get(compare.key);
    if ('exists' in compare) return compare.exists === (entry !== undefined);
    if ('modRevision' in compare) return compare.modRevision === (entry?.modified ?? 0);
    return compare.createRevision === (entry?.created ?? 0);
  }

  apply(ops: readonly MetaOp[]): void {
    const next = this.revision + 1;
    for (const op of ops) {
      if ('delete' in op) {
        if (this.entries.delete(op.delete)) this.revision = next;
        continue;
      }
      const created = this.entries.get(op.put)?.created ?? next;
      const text = new TextDecoder().decode(op.value);
      this.entries.set(op.put, { text, created, modified: next });
      this.revision = next;
    }
  }

  range(prefix: string): unknown {
    const keys = [...this.entries.keys()].filter((key) => key.startsWith(prefix)).sort();
    const entries = keys.map((key) => ({ key, ...this.entries.get(key) }));
    return { entries, revision: this.revision };
  }
}

const KEYS = ['a', 'a/1', 'a/2', 'ab', 'b', 'b/1', 'c'];

async function step(store: MetaStore, model: Model, rng: Rng): Promise<void> {
  const pick = (below: number): number => rng.u32() % below;
  const key = (): string => KEYS[pick(KEYS.length)] ?? 'a';
  const compare = Array.from({ length: pick(3) }, (): MetaCompare => {
    const on = key();
    const entry = model.entries.get(on);
    if (pick(3) === 0) return { key: on, exists: pick(4) > 0 === (entry !== undefined) };
    if (pick(2) === 0)
      return { key: on, modRevision: (entry?.modified ?? 0) + (pick(4) === 0 ? 1 : 0) };
    return { key: on, createRevision: (entry?.created ?? 0) + (pick(4) === 0 ? 1 : 0) };
  });
  const chosen = new Set(Array.from({ length: pick(4) }, key));
  const then = [...chosen].map(
    (on): MetaOp => (pick(3) === 0 ? { delete: on } : { put: on, value: utf8(`${pick(1000)}`) }),
  );
  const outcome = await store.txn({ compare, then });
  const ok = compare.every((one) => model.holds(one));
  if (ok) model.apply(then);
  expect(outcome).toEqual(ok ? { kind: 'ok', revision: model.revision } : { kind: 'conflict' });
  await same(store, model, ['', 'a', 'a/', 'b/1'][pick(4)] ?? '');
}

async function same(store: MetaStore, model: Model, prefix: string): Promise<void> {
  const { entries, revision } = await store.range(prefix);
  const seen = entries.map(({ key, value, createRevision, modRevision }) => ({
    key,
    text: new TextDecoder().decode(value),
    created: createRevision,
    modified: modRevision,
  }));
  expect({ entries: seen, revision }).toEqual(model.range(prefix));
}

async function run(seed: number, open: () => Promise<MetaStore>): Promise<void> {
  const rng = seededRng(seed);
  const model = new Model();
  let store = await open();
  for (let n = 0; n < 150; n++) {
    await step(store, model, rng);
    if (rng.u32() % 50 === 0) {
      await store.close();
      store = await open();
    }
  }
  await store.close();
}

describe('metadata against a map', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])('memory, seed %i', async (seed) => {
    const data = memoryMetaContent();
    await run(seed, async () => memoryMetaStore({ clock: testClock, data }));
  });

  test.each([1, 2, 3, 4])('local, seed %i', async (seed) => {
    const folder = mkdtempSync(join(tmpdir(), 'elanus-meta-'));
    try {
      await run(seed, () => localMetaStore({ path: join(folder, 'meta.db'), clock: testClock }));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
