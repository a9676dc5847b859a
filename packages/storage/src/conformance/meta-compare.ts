import type { MetaCompare } from '@elanus/core';
import { describe, expect, test } from 'vitest';
import { span } from './log-kit.ts';
import { commit, del, keys, put, text, tryPut } from './meta-kit.ts';
import type { MetaBench } from './meta.ts';

/** Conditions, races, limits, lost answers. */
export function compareCases(bench: MetaBench, faults: boolean): void {
  describe('compare', () => {
    oneCases(bench);
    manyCases(bench);
    raceCases(bench);
  });
  describe('limits', () => limitCases(bench));
  if (faults) describe('unknown', () => faultCases(bench));
}

function oneCases(bench: MetaBench): void {
  const present = async (): Promise<{ readonly created: number; readonly modified: number }> => {
    const created = await commit(bench.store, put('a/x', '1'));
    return { created, modified: await commit(bench.store, put('a/x', '2')) };
  };

  test.each([true, false])('exists: %s of a present key', async (exists) => {
    await present();
    const outcome = await tryPut(bench.store, { key: 'a/x', exists });
    expect(outcome.kind).toBe(exists ? 'ok' : 'conflict');
  });

  test.each([true, false])('exists: %s of an absent key', async (exists) => {
    const outcome = await tryPut(bench.store, { key: 'a/x', exists });
    expect(outcome.kind).toBe(exists ? 'conflict' : 'ok');
  });

  test('exists of a deleted key', async () => {
    await present();
    await commit(bench.store, del('a/x'));
    expect((await tryPut(bench.store, { key: 'a/x', exists: true })).kind).toBe('conflict');
    expect((await tryPut(bench.store, { key: 'a/x', exists: false })).kind).toBe('ok');
  });

  test('the right modRevision holds', async () => {
    const { modified } = await present();
    const compare = { key: 'a/x', modRevision: modified };
    expect((await tryPut(bench.store, compare)).kind).toBe('ok');
    expect((await tryPut(bench.store, compare)).kind).toBe('conflict');
  });

  test('modRevision is not createRevision', async () => {
    const { created } = await present();
    const compare = { key: 'a/x', modRevision: created };
    expect((await tryPut(bench.store, compare)).kind).toBe('conflict');
  });

  test('the right createRevision holds, overwritten or not', async () => {
    const { created } = await present();
    const compare = { key: 'a/x', createRevision: created };
    expect((await tryPut(bench.store, compare)).kind).toBe('ok');
    expect((await tryPut(bench.store, compare)).kind).toBe('ok');
  });

  test('createRevision is not modRevision', async () => {
    const { modified } = await present();
    const compare = { key: 'a/x', createRevision: modified };
    expect((await tryPut(bench.store, compare)).kind).toBe('conflict');
  });

  test('createRevision tells a key made again', async () => {
    const { created } = await present();
    await commit(bench.store, del('a/x'));
    await commit(bench.store, put('a/x', '3'));
    const compare = { key: 'a/x', createRevision: created };
    expect((await tryPut(bench.store, compare)).kind).toBe('conflict');
  });

  test('revision 0 is that of an absent key', async () => {
    expect((await tryPut(bench.store, { key: 'b', modRevision: 0 })).kind).toBe('ok');
    expect((await tryPut(bench.store, { key: 'b', createRevision: 0 })).kind).toBe('ok');
    expect((await tryPut(bench.store, { key: 'a/x', modRevision: 0 })).kind).toBe('conflict');
    expect((await tryPut(bench.store, { key: 'a/x', createRevision: 0 })).kind).toBe('conflict');
  });

  test('an absent key has no other revision', async () => {
    await present();
    expect((await tryPut(bench.store, { key: 'b', modRevision: 1 })).kind).toBe('conflict');
    expect((await tryPut(bench.store, { key: 'b', createRevision: 1 })).kind).toBe('conflict');
  });
}

function manyCases(bench: MetaBench): void {
  test.each([0, 1, 2])('of three conditions, number %i fails all', async (bad) => {
    await commit(bench.store, put('b', '1'), put('c', '1'), put('d', '1'));
    const compare: MetaCompare[] = ['b', 'c', 'd'].map((key, i) => ({ key, exists: i !== bad }));
    expect((await tryPut(bench.store, ...compare)).kind).toBe('conflict');
    expect(await bench.store.get('a/x')).toBeUndefined();
  });

  test('three conditions that hold', async () => {
    await commit(bench.store, put('b', '1'), put('c', '1'));
    const outcome = await tryPut(
      bench.store,
      { key: 'b', exists: true },
      { key: 'c', exists: true },
      { key: 'd', exists: false },
    );
    expect(outcome.kind).toBe('ok');
  });

  test('two conditions on one key', async () => {
    const at = await commit(bench.store, put('b', '1'));
    const outcome = await tryPut(
      bench.store,
      { key: 'b', createRevision: at },
      { key: 'b', modRevision: at },
    );
    expect(outcome.kind).toBe('ok');
  });

  test('a conflict applies none of several operations', async () => {
    await commit(bench.store, put('a', '1'));
    const then = [put('b', '2'), del('a'), put('c', '3')];
    const outcome = await bench.store.txn({ compare: [{ key: 'z', exists: true }], then });
    expect(outcome).toEqual({ kind: 'conflict' });
    expect(await keys(bench.store)).toEqual(['a']);
  });

  test('conditions without operations only ask', async () => {
    await commit(bench.store, put('a', '1'));
    const ask = (exists: boolean) => bench.store.txn({ compare: [{ key: 'a', exists }], then: [] });
    expect((await ask(true)).kind).toBe('ok');
    expect((await ask(false)).kind).toBe('conflict');
  });
}

function raceCases(bench: MetaBench): void {
  test('of two that make one key, exactly one succeeds, 30 rounds', async () => {
    for (let round = 0; round < 30; round++) {
      const key = `k${round}`;
      const make = (value: string) =>
        bench.store.txn({ compare: [{ key, exists: false }], then: [put(key, value)] });
      const outcomes = await Promise.all([make('a'), make('b')]);
      expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(['conflict', 'ok']);
    }
  });

  test('eight counters by compare and retry lose nothing', async () => {
    await commit(bench.store, put('n', '0'));
    const add = async (): Promise<void> => {
      for (;;) {
        const entry = await bench.store.get('n');
        const next = Number(new TextDecoder().decode(entry?.value)) + 1;
        const compare = [{ key: 'n', modRevision: entry?.modRevision ?? 0 }];
        const outcome = await bench.store.txn({ compare, then: [put('n', `${next}`)] });
        if (outcome.kind === 'ok') return;
      }
    };
    await Promise.all(span(1, 8).map(add));
    expect(await text(bench.store, 'n')).toBe('8');
  });

  test('transactions sent at once are all applied, in the order of their revisions', async () => {
    const sent = span(1, 40).map(async (n) => ({
      n,
      at: await commit(bench.store, put('n', `${n}`)),
    }));
    const done = (await Promise.all(sent)).toSorted((a, b) => a.at - b.at);
    expect(new Set(done.map(({ at }) => at)).size).toBe(40);
    expect(await text(bench.store, 'n')).toBe(`${done.at(-1)?.n}`);
  });
}

function limitCases(bench: MetaBench): void {
  const many = (count: number) => span(1, count).map((n) => put(`k/${n}`, 'v'));
  const holds = (count: number): MetaCompare[] =>
    span(1, count).map((n) => ({ key: `k/${n}`, exists: false }));

  test('128 operations fit', async () => {
    await commit(bench.store, ...many(128));
    expect((await keys(bench.store, 'k/')).length).toBe(128);
  });

  test('129 operations are refused whole', async () => {
    const sent = bench.store.txn({ compare: [], then: many(129) });
    await expect(sent).rejects.toMatchObject({ code: 'txn_too_large' });
    expect(await keys(bench.store)).toEqual([]);
  });

  test('128 conditions fit beside 128 operations', async () => {
    const outcome = await bench.store.txn({ compare: holds(128), then: many(128) });
    expect(outcome.kind).toBe('ok');
  });

  test('129 conditions are refused', async () => {
    const sent = bench.store.txn({ compare: holds(129), then: [put('a', '1')] });
    await expect(sent).rejects.toMatchObject({ code: 'txn_too_large' });
    expect(await keys(bench.store)).toEqual([]);
  });

  test.each([
    { title: 'put twice', then: [put('a', '1'), put('a', '2')] },
    { title: 'put and deleted', then: [put('a', '1'), del('a')] },
    { title: 'deleted and put', then: [del('a'), put('b', '1'), put('a', '1')] },
    { title: 'deleted twice', then: [del('a'), del('a')] },
  ])('a key $title is refused', async ({ then }) => {
    const sent = bench.store.txn({ compare: [], then });
    await expect(sent).rejects.toMatchObject({ code: 'txn_duplicate_key' });
    expect(await keys(bench.store)).toEqual([]);
  });

  test('1 MiB of values is refused whole', async () => {
    const value = new Uint8Array(1024 * 1024);
    const sent = bench.store.txn({ compare: [], then: [put('a', '1'), { put: 'b', value }] });
    await expect(sent).rejects.toMatchObject({ code: 'request_too_large' });
    expect(await keys(bench.store)).toEqual([]);
  });

  test('1,000,000 bytes of values fit', async () => {
    const value = new Uint8Array(100_000);
    await commit(bench.store, ...span(1, 10).map((n) => ({ put: `k/${n}`, value })));
    expect((await keys(bench.store)).length).toBe(10);
  });
}

function faultCases(bench: MetaBench): void {
  const write = () =>
    bench.store.txn({ compare: [{ key: 'a', exists: false }], then: [put('a', 'nonce-1')] });

  test('an applied transaction is found by reading back', async () => {
    bench.harness.failNext?.('applied');
    expect((await write()).kind).toBe('unknown');
    expect(await text(bench.store, 'a')).toBe('nonce-1');
    expect((await write()).kind).toBe('conflict');
  });

  test('a lost transaction can be sent again', async () => {
    bench.harness.failNext?.('lost');
    expect((await write()).kind).toBe('unknown');
    expect(await bench.store.get('a')).toBeUndefined();
    expect((await write()).kind).toBe('ok');
  });
}
