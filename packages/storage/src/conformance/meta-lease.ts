import { describe, expect, test } from 'vitest';
import { commit, keys, put, revision, sleep, story, text, until, updates } from './meta-kit.ts';
import type { MetaBench } from './meta.ts';

/** Leases: keys that vanish with their holder. */
export function leaseCases(bench: MetaBench): void {
  describe('lease', () => {
    endCases(bench);
    aliveCases(bench);
    keyCases(bench);
  });
}

/** How long an end may take: stores look at leases now and then. */
const patience = (bench: MetaBench): number => bench.leaseMs * 4 + 1000;

function endCases(bench: MetaBench): void {
  test('keys vanish when it is not kept alive', async () => {
    const lease = await bench.store.grant(bench.leaseMs);
    await commit(bench.store, put('a/x', '1', lease.id), put('a/y', '1'));
    const gone = async () => (await bench.store.get('a/x')) === undefined;
    expect(await until(gone, patience(bench))).toBe(true);
    expect(await keys(bench.store)).toEqual(['a/y']);
  });

  test('keys do not vanish too early', async () => {
    const lease = await bench.store.grant(bench.leaseMs * 3);
    await commit(bench.store, put('a/x', '1', lease.id));
    await sleep(bench.leaseMs);
    expect(await text(bench.store, 'a/x')).toBe('1');
  });

  test('a watch sees the end as deletes', async () => {
    const lease = await bench.store.grant(bench.leaseMs);
    const at = await commit(bench.store, put('a/x', '1', lease.id));
    const seen = await updates(bench.store, 'a/', { fromRevision: at, count: 2 });
    expect(story(seen)).toEqual(['put a/x', 'delete a/x']);
  });

  test('revoking takes all its keys and no others', async () => {
    const lease = await bench.store.grant(60_000);
    const other = await bench.store.grant(60_000);
    await commit(bench.store, put('a/1', '', lease.id), put('a/2', '', lease.id));
    await commit(bench.store, put('b/1', '', other.id), put('b/2', ''));
    await lease.revoke();
    expect(await keys(bench.store)).toEqual(['b/1', 'b/2']);
  });

  test('revoking raises the revision', async () => {
    const lease = await bench.store.grant(60_000);
    const at = await commit(bench.store, put('a/1', '', lease.id));
    await lease.revoke();
    expect(await revision(bench.store)).toBeGreaterThan(at);
  });

  test('revoking one without keys changes nothing', async () => {
    const at = await commit(bench.store, put('a/1', ''));
    const lease = await bench.store.grant(60_000);
    await lease.revoke();
    expect(await revision(bench.store)).toBe(at);
  });

  test('revoking twice is fine', async () => {
    const lease = await bench.store.grant(60_000);
    await lease.revoke();
    await lease.revoke();
    expect(await keys(bench.store)).toEqual([]);
  });
}

function aliveCases(bench: MetaBench): void {
  test('keeping alive holds its keys', async () => {
    const lease = await bench.store.grant(bench.leaseMs);
    await commit(bench.store, put('a/x', '1', lease.id));
    const end = performance.now() + bench.leaseMs * 3;
    while (performance.now() < end) {
      await sleep(bench.leaseMs / 4);
      await lease.keepAlive();
    }
    expect(await text(bench.store, 'a/x')).toBe('1');
  });

  test('a revoked lease cannot be kept alive', async () => {
    const lease = await bench.store.grant(60_000);
    await lease.revoke();
    await expect(lease.keepAlive()).rejects.toMatchObject({ code: 'lease_expired' });
  });

  test('an ended lease cannot be kept alive', async () => {
    const lease = await bench.store.grant(bench.leaseMs);
    await commit(bench.store, put('a/x', '1', lease.id));
    await until(async () => (await bench.store.get('a/x')) === undefined, patience(bench));
    await expect(lease.keepAlive()).rejects.toMatchObject({ code: 'lease_expired' });
  });

  test('leases have names of their own', async () => {
    const leases = [await bench.store.grant(60_000), await bench.store.grant(60_000)];
    expect(new Set(leases.map((lease) => lease.id)).size).toBe(2);
  });
}

function keyCases(bench: MetaBench): void {
  test('a put under an ended lease is refused whole', async () => {
    const lease = await bench.store.grant(60_000);
    await lease.revoke();
    const sent = commit(bench.store, put('a/1', ''), put('a/2', '', lease.id));
    await expect(sent).rejects.toMatchObject({ code: 'lease_expired' });
    expect(await keys(bench.store)).toEqual([]);
  });

  test('a put without a lease frees the key', async () => {
    const lease = await bench.store.grant(60_000);
    await commit(bench.store, put('a/x', '1', lease.id));
    await commit(bench.store, put('a/x', '2'));
    await lease.revoke();
    expect(await text(bench.store, 'a/x')).toBe('2');
  });

  test('a put under another lease moves the key', async () => {
    const first = await bench.store.grant(60_000);
    const second = await bench.store.grant(60_000);
    await commit(bench.store, put('a/x', '1', first.id));
    await commit(bench.store, put('a/x', '2', second.id));
    await first.revoke();
    expect(await text(bench.store, 'a/x')).toBe('2');
    await second.revoke();
    expect(await bench.store.get('a/x')).toBeUndefined();
  });

  test('a leased key can be deleted and compared as any other', async () => {
    const lease = await bench.store.grant(60_000);
    const at = await commit(bench.store, put('a/x', '1', lease.id));
    const txn = { compare: [{ key: 'a/x', createRevision: at }], then: [{ delete: 'a/x' }] };
    expect((await bench.store.txn(txn)).kind).toBe('ok');
    await lease.revoke();
    expect(await keys(bench.store)).toEqual([]);
  });

  test('keys of a lease whose store was closed vanish', async () => {
    const lease = await bench.store.grant(bench.leaseMs);
    await commit(bench.store, put('a/x', '1', lease.id), put('a/y', '1'));
    await bench.store.close();
    bench.store = await bench.harness.open();
    const gone = async () => (await bench.store.get('a/x')) === undefined;
    expect(await until(gone, patience(bench))).toBe(true);
    expect(await keys(bench.store)).toEqual(['a/y']);
  });
}
