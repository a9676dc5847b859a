import { describe, expect, test } from 'vitest';
import { span } from './log-kit.ts';
import { commit, del, keys, put, revision, sleep, story, updates } from './meta-kit.ts';
import type { MetaBench } from './meta.ts';

/** Watches: hints that miss nothing. */
export function watchCases(bench: MetaBench): void {
  describe('watch', () => {
    seeCases(bench);
    resumeCases(bench);
    endCases(bench);
  });
  describe('compact', () => compactCases(bench));
}

function seeCases(bench: MetaBench): void {
  test('a put that comes later', async () => {
    const at = await revision(bench.store);
    const seen = updates(bench.store, 'a/', { fromRevision: at + 1, count: 1 });
    await sleep(20);
    const done = await commit(bench.store, put('a/x', 'one'));
    const [update] = await seen;
    expect(update?.revision).toBe(done);
    expect(update?.changes).toMatchObject([{ kind: 'put', key: 'a/x', modRevision: done }]);
    expect(new TextDecoder().decode(update?.changes[0]?.value)).toBe('one');
  });

  test('a put that came before', async () => {
    const at = await commit(bench.store, put('a/x', 'one'));
    await commit(bench.store, put('a/x', 'two'));
    const seen = await updates(bench.store, 'a/', { fromRevision: at, count: 2 });
    expect(story(seen)).toEqual(['put a/x', 'put a/x']);
    expect(seen[0]?.revision).toBe(at);
  });

  test('a delete, without a value', async () => {
    await commit(bench.store, put('a/x', 'one'));
    const at = await commit(bench.store, del('a/x'));
    const [update] = await updates(bench.store, 'a/', { fromRevision: at, count: 1 });
    expect(update?.changes).toEqual([
      { kind: 'delete', key: 'a/x', value: undefined, modRevision: at },
    ]);
  });

  test('only what the prefix has', async () => {
    const at = await commit(bench.store, put('b/1', ''), put('a/1', ''), put('c/1', ''));
    await commit(bench.store, put('b/2', ''));
    await commit(bench.store, put('a/2', ''));
    const seen = await updates(bench.store, 'a/', { fromRevision: at, count: 2 });
    expect(story(seen)).toEqual(['put a/1', 'put a/2']);
  });

  test('the empty prefix sees everything', async () => {
    const at = await commit(bench.store, put('b', ''));
    await commit(bench.store, put('a', ''));
    const seen = await updates(bench.store, '', { fromRevision: at, count: 2 });
    expect(story(seen)).toEqual(['put b', 'put a']);
  });

  test('the changes of one transaction come together, in its order', async () => {
    const at = await commit(bench.store, put('a/3', ''), put('a/1', ''), put('a/2', ''));
    await commit(bench.store, del('a/1'), put('a/4', ''));
    const seen = await updates(bench.store, 'a/', { fromRevision: at, count: 2 });
    expect(seen.map((update) => story([update]))).toEqual([
      ['put a/3', 'put a/1', 'put a/2'],
      ['delete a/1', 'put a/4'],
    ]);
  });

  test('neither refused nor empty transactions', async () => {
    const at = await commit(bench.store, put('a/1', ''));
    await bench.store.txn({ compare: [{ key: 'z', exists: true }], then: [put('a/2', '')] });
    await commit(bench.store, del('a/9'));
    await commit(bench.store, put('a/3', ''));
    const seen = await updates(bench.store, 'a/', { fromRevision: at, count: 2 });
    expect(story(seen)).toEqual(['put a/1', 'put a/3']);
  });

  test('150 transactions in order, without a gap', async () => {
    const at = await revision(bench.store);
    const watching = updates(bench.store, 'a/', { fromRevision: at + 1, count: 150 });
    for (const n of span(1, 150)) await commit(bench.store, put(`a/${n}`, ''));
    const seen = await watching;
    expect(story(seen)).toEqual(span(1, 150).map((n) => `put a/${n}`));
    const revisions = seen.map((update) => update.revision);
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
  });

  test('two watches see the same', async () => {
    const at = await revision(bench.store);
    const want = { fromRevision: at + 1, count: 3 };
    const both = [updates(bench.store, 'a/', want), updates(bench.store, 'a/', want)];
    for (const n of span(1, 3)) await commit(bench.store, put(`a/${n}`, ''));
    const [first, second] = await Promise.all(both);
    expect(first).toEqual(second);
  });
}

function resumeCases(bench: MetaBench): void {
  test('going on at revision + 1 misses nothing and repeats nothing', async () => {
    let from = (await revision(bench.store)) + 1;
    for (const n of span(1, 30)) await commit(bench.store, put(`a/${n}`, ''), put(`a/x${n}`, ''));
    const seen: string[] = [];
    for (const count of [1, 4, 10, 15]) {
      const some = await updates(bench.store, 'a/', { fromRevision: from, count });
      seen.push(...story(some));
      from = (some.at(-1)?.revision ?? 0) + 1;
    }
    expect(seen).toEqual(span(1, 30).flatMap((n) => [`put a/${n}`, `put a/x${n}`]));
  });

  test('list, then watch from its revision + 1, tells the state', async () => {
    await commit(bench.store, put('a/1', ''), put('a/2', ''));
    const { entries, revision: at } = await bench.store.range('a/');
    const state = new Set(entries.map((entry) => entry.key));
    await commit(bench.store, del('a/1'), put('a/3', ''));
    await commit(bench.store, put('a/4', ''));
    for (const update of await updates(bench.store, 'a/', { fromRevision: at + 1, count: 2 })) {
      for (const change of update.changes) {
        if (change.kind === 'put') state.add(change.key);
        else state.delete(change.key);
      }
    }
    expect([...state].sort()).toEqual(await keys(bench.store, 'a/'));
  });

  test('a revision to come is waited for', async () => {
    const at = await commit(bench.store, put('a/1', ''));
    const seen = updates(bench.store, 'a/', { fromRevision: at + 3, count: 1 });
    for (const n of span(2, 5)) await commit(bench.store, put(`a/${n}`, ''));
    expect(story(await seen)).toEqual(['put a/4']);
  });

  test('a watch made after opening again sees what comes', async () => {
    await commit(bench.store, put('a/1', ''));
    await bench.store.close();
    bench.store = await bench.harness.open();
    const at = await revision(bench.store);
    await commit(bench.store, put('a/2', ''));
    const seen = await updates(bench.store, 'a/', { fromRevision: at + 1, count: 1 });
    expect(story(seen)).toEqual(['put a/2']);
  });
}

function endCases(bench: MetaBench): void {
  test('the signal ends a waiting watch without an error', async () => {
    const end = new AbortController();
    const seen: unknown[] = [];
    const options = { fromRevision: (await revision(bench.store)) + 1, signal: end.signal };
    const watching = (async () => {
      for await (const update of bench.store.watch('a/', options)) seen.push(update);
    })();
    await sleep(20);
    end.abort();
    await watching;
    expect(seen).toEqual([]);
  });

  test('a signal that fired before lets nothing through', async () => {
    const at = await commit(bench.store, put('a/x', ''));
    const seen: unknown[] = [];
    const options = { fromRevision: at, signal: AbortSignal.abort() };
    for await (const update of bench.store.watch('a/', options)) seen.push(update);
    expect(seen).toEqual([]);
  });

  test('a watch may be left in the middle', async () => {
    const at = await commit(bench.store, put('a/1', ''));
    await commit(bench.store, put('a/2', ''));
    const options = { fromRevision: at, signal: new AbortController().signal };
    for await (const update of bench.store.watch('a/', options)) {
      expect(update.revision).toBe(at);
      break;
    }
    expect(await commit(bench.store, put('a/3', ''))).toBeGreaterThan(at);
  });

  test('closing the store ends its watches', async () => {
    const options = {
      fromRevision: (await revision(bench.store)) + 1,
      signal: new AbortController().signal,
    };
    const watching = (async () => {
      for await (const update of bench.store.watch('a/', options)) expect(update).toBeNull();
    })();
    await sleep(20);
    await bench.store.close();
    await watching;
  });
}

function compactCases(bench: MetaBench): void {
  const three = async (): Promise<readonly [number, number, number]> => [
    await commit(bench.store, put('a/x', '1')),
    await commit(bench.store, put('a/x', '2')),
    await commit(bench.store, put('a/x', '3')),
  ];

  test('a watch from below is refused', async () => {
    const [first, , third] = await three();
    await bench.store.compact(third);
    const watching = updates(bench.store, 'a/', { fromRevision: first, count: 1 });
    await expect(watching).rejects.toMatchObject({ code: 'revision_compacted' });
  });

  test('a watch from there on is not', async () => {
    const [, , third] = await three();
    await bench.store.compact(third);
    await commit(bench.store, put('a/y', ''));
    const seen = await updates(bench.store, 'a/', { fromRevision: third, count: 2 });
    expect(story(seen)).toEqual(['put a/x', 'put a/y']);
  });

  test('current values and revisions stay', async () => {
    const [first, , third] = await three();
    await bench.store.compact(third);
    const entry = await bench.store.get('a/x');
    expect(entry).toMatchObject({ createRevision: first, modRevision: third });
  });

  test('twice, or lower than before, is fine', async () => {
    const [first, second, third] = await three();
    await bench.store.compact(third);
    await bench.store.compact(third);
    await bench.store.compact(first);
    const watching = updates(bench.store, 'a/', { fromRevision: second, count: 1 });
    await expect(watching).rejects.toMatchObject({ code: 'revision_compacted' });
  });

  test('a watch that is up to date goes on', async () => {
    const [, , third] = await three();
    const watching = updates(bench.store, 'a/', { fromRevision: third + 1, count: 1 });
    await sleep(20);
    await bench.store.compact(third);
    await commit(bench.store, put('a/z', ''));
    expect(story(await watching)).toEqual(['put a/z']);
  });
}
