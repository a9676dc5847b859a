import { describe, expect, test } from 'vitest';
import { pattern, sameBytes, span, utf8 } from './log-kit.ts';
import { commit, del, keys, put, revision, text } from './meta-kit.ts';
import type { MetaBench } from './meta.ts';

/** Keys, values, revisions, ranges, opening again. */
export function valueCases(bench: MetaBench): void {
  describe('get and put', () => {
    putCases(bench);
    valueBytesCases(bench);
    keyCases(bench);
  });
  describe('revision', () => revisionCases(bench));
  describe('range', () => rangeCases(bench));
  describe('reopen and close', () => reopenCases(bench));
}

function putCases(bench: MetaBench): void {
  test('an absent key is undefined', async () => {
    expect(await bench.store.get('a/x')).toBeUndefined();
  });

  test('a new key has one revision for both', async () => {
    const at = await commit(bench.store, put('a/x', 'one'));
    const entry = await bench.store.get('a/x');
    expect(entry).toMatchObject({ key: 'a/x', createRevision: at, modRevision: at });
    expect(await text(bench.store, 'a/x')).toBe('one');
  });

  test('an overwritten key keeps its creation', async () => {
    const created = await commit(bench.store, put('a/x', 'one'));
    const modified = await commit(bench.store, put('a/x', 'two'));
    const entry = await bench.store.get('a/x');
    expect(entry).toMatchObject({ createRevision: created, modRevision: modified });
    expect(await text(bench.store, 'a/x')).toBe('two');
  });

  test('a deleted key is gone', async () => {
    await commit(bench.store, put('a/x', 'one'));
    await commit(bench.store, del('a/x'));
    expect(await bench.store.get('a/x')).toBeUndefined();
  });

  test('deleting what is not there is ok', async () => {
    const outcome = await bench.store.txn({ compare: [], then: [del('a/x')] });
    expect(outcome.kind).toBe('ok');
  });

  test('a key made again has a new creation', async () => {
    await commit(bench.store, put('a/x', 'one'));
    await commit(bench.store, del('a/x'));
    const again = await commit(bench.store, put('a/x', 'two'));
    const entry = await bench.store.get('a/x');
    expect(entry).toMatchObject({ createRevision: again, modRevision: again });
  });

  test('a transaction puts and deletes several keys', async () => {
    await commit(bench.store, put('a/x', '1'), put('a/y', '2'));
    await commit(bench.store, del('a/x'), put('a/z', '3'));
    expect(await keys(bench.store)).toEqual(['a/y', 'a/z']);
  });
}

function valueBytesCases(bench: MetaBench): void {
  test('an empty value is not an absent one', async () => {
    await commit(bench.store, { put: 'a/x', value: new Uint8Array(0) });
    expect((await bench.store.get('a/x'))?.value.length).toBe(0);
  });

  test('every byte comes back', async () => {
    const value = Uint8Array.from(span(0, 255));
    await commit(bench.store, { put: 'a/x', value });
    expect(sameBytes((await bench.store.get('a/x'))?.value, value)).toBe(true);
  });

  test('a value of 500 KB comes back', async () => {
    const value = pattern(500_000, 2);
    await commit(bench.store, { put: 'a/x', value });
    expect(sameBytes((await bench.store.get('a/x'))?.value, value)).toBe(true);
  });

  test('values are captured at the call', async () => {
    const value = utf8('before');
    const sent = bench.store.txn({ compare: [], then: [{ put: 'a/x', value }] });
    value.set(utf8('after!'));
    await sent;
    expect(await text(bench.store, 'a/x')).toBe('before');
  });

  test('a value may be a view into a larger buffer', async () => {
    await commit(bench.store, { put: 'a/x', value: utf8('xxinsidexx').subarray(2, 8) });
    expect(await text(bench.store, 'a/x')).toBe('inside');
  });

  test('values belong to the reader', async () => {
    await commit(bench.store, put('a/x', 'one'));
    (await bench.store.get('a/x'))?.value.fill(0);
    (await bench.store.range('a/')).entries[0]?.value.fill(0);
    expect(await text(bench.store, 'a/x')).toBe('one');
  });
}

function keyCases(bench: MetaBench): void {
  test.each(['k', '/a/b/', 'A.b_c-d:e', '%*?"\'\\', '~', 'x'.repeat(512)])(
    'key %s is kept',
    async (key) => {
      await commit(bench.store, put(key, 'v'));
      expect((await bench.store.get(key))?.key).toBe(key);
      expect(await keys(bench.store)).toEqual([key]);
    },
  );

  test.each(['', ' ', 'a b', 'ü', 'a\n', '\u0000', 'x'.repeat(513)])(
    'key %j is refused',
    async (key) => {
      const refused = { code: 'invalid_argument' };
      await expect(bench.store.get(key)).rejects.toMatchObject(refused);
      const sent = bench.store.txn({ compare: [], then: [put(key, 'v')] });
      await expect(sent).rejects.toMatchObject(refused);
      expect(await keys(bench.store)).toEqual([]);
    },
  );
}

function revisionCases(bench: MetaBench): void {
  test('each transaction raises it', async () => {
    const seen = [];
    for (const key of ['a', 'b', 'a']) seen.push(await commit(bench.store, put(key, 'v')));
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
  });

  test('one transaction has one revision', async () => {
    const at = await commit(bench.store, put('a', '1'), put('b', '2'), put('c', '3'));
    const { entries } = await bench.store.range('');
    expect(entries.map((entry) => entry.modRevision)).toEqual([at, at, at]);
  });

  test('a range tells the newest', async () => {
    const at = await commit(bench.store, put('a', '1'));
    expect(await revision(bench.store)).toBe(at);
    const next = await commit(bench.store, put('b', '1'));
    expect((await bench.store.range('a')).revision).toBe(next);
  });

  test('a transaction that changes nothing leaves it', async () => {
    const at = await commit(bench.store, put('a', '1'));
    expect(await commit(bench.store)).toBe(at);
    expect(await commit(bench.store, del('nothing'))).toBe(at);
    expect(await revision(bench.store)).toBe(at);
  });

  test('a refused transaction leaves it', async () => {
    const at = await commit(bench.store, put('a', '1'));
    await bench.store.txn({ compare: [{ key: 'a', exists: false }], then: [put('b', '1')] });
    expect(await revision(bench.store)).toBe(at);
  });
}

function rangeCases(bench: MetaBench): void {
  test('an empty store has no entries', async () => {
    expect((await bench.store.range('')).entries).toEqual([]);
  });

  test('the empty prefix is everything', async () => {
    await commit(bench.store, put('b', '1'), put('a', '1'), put('~', '1'));
    expect(await keys(bench.store)).toEqual(['a', 'b', '~']);
  });

  test('a prefix selects', async () => {
    await commit(bench.store, put('a/1', ''), put('a/2', ''), put('ab', ''), put('b/1', ''));
    expect(await keys(bench.store, 'a/')).toEqual(['a/1', 'a/2']);
    expect(await keys(bench.store, 'a')).toEqual(['a/1', 'a/2', 'ab']);
  });

  test('a prefix is not a path', async () => {
    await commit(bench.store, put('seg/1', ''), put('seg/10', ''), put('seg/2', ''));
    expect(await keys(bench.store, 'seg/1')).toEqual(['seg/1', 'seg/10']);
  });

  test('a prefix that nothing has', async () => {
    await commit(bench.store, put('a/1', ''));
    expect(await keys(bench.store, 'b')).toEqual([]);
    expect(await keys(bench.store, 'a/11')).toEqual([]);
  });

  test('order is that of bytes', async () => {
    const sorted = ['a!', 'a-', 'a/', 'a0', 'aZ', 'a_', 'aa', 'a~', 'b'];
    await commit(bench.store, ...sorted.toReversed().map((key) => put(key, '')));
    expect(await keys(bench.store)).toEqual(sorted);
  });

  test('the last printable character is inside', async () => {
    await commit(bench.store, put('a~', ''), put('a~~~', ''), put('b', ''));
    expect(await keys(bench.store, 'a')).toEqual(['a~', 'a~~~']);
    expect(await keys(bench.store, 'a~')).toEqual(['a~', 'a~~~']);
  });

  test('600 keys come whole and sorted', async () => {
    const all = span(1, 600).map((n) => `k/${String(n).padStart(4, '0')}`);
    for (let i = 0; i < 600; i += 100) {
      await commit(bench.store, ...all.slice(i, i + 100).map((key) => put(key, key)));
    }
    const { entries } = await bench.store.range('k/');
    expect(entries.map((entry) => entry.key)).toEqual(all);
    expect(new TextDecoder().decode(entries[599]?.value)).toBe('k/0600');
  });

  test('entries carry their revisions', async () => {
    const first = await commit(bench.store, put('a', '1'), put('b', '1'));
    const second = await commit(bench.store, put('b', '2'));
    const { entries } = await bench.store.range('');
    expect(entries.map((entry) => [entry.createRevision, entry.modRevision])).toEqual([
      [first, first],
      [first, second],
    ]);
  });
}

function reopenCases(bench: MetaBench): void {
  const reopen = async (): Promise<void> => {
    await bench.store.close();
    bench.store = await bench.harness.open();
  };

  test('entries are there with their revisions', async () => {
    await commit(bench.store, put('a', '1'));
    await commit(bench.store, put('a', '2'), put('b', '3'));
    await commit(bench.store, del('b'));
    const before = await bench.store.range('');
    await reopen();
    expect((await bench.store.range('')).entries).toEqual(before.entries);
  });

  test('revisions go on rising', async () => {
    const before = await commit(bench.store, put('a', '1'));
    await reopen();
    expect(await commit(bench.store, put('a', '2'))).toBeGreaterThan(before);
  });

  test('comparisons go on as before', async () => {
    const at = await commit(bench.store, put('a', '1'));
    await reopen();
    const txn = { compare: [{ key: 'a', modRevision: at }], then: [put('a', '2')] };
    expect((await bench.store.txn(txn)).kind).toBe('ok');
    expect((await bench.store.txn(txn)).kind).toBe('conflict');
  });

  test('after close everything is refused', async () => {
    await bench.store.close();
    const refused = { code: 'unavailable' };
    await expect(bench.store.get('a')).rejects.toMatchObject(refused);
    await expect(bench.store.range('a')).rejects.toMatchObject(refused);
    await expect(commit(bench.store, put('a', '1'))).rejects.toMatchObject(refused);
    await expect(bench.store.grant(10_000)).rejects.toMatchObject(refused);
  });

  test('closing twice is fine', async () => {
    await bench.store.close();
    await bench.store.close();
    await reopen();
    expect(await keys(bench.store)).toEqual([]);
  });
}
