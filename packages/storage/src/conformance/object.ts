/**
 * Goal: what every ObjectStore must do, so that segments above it are proven once. Method: each
 * case opens a fresh, empty store; nothing here knows which store it is.
 */
import type { ObjectListing, ObjectStore } from '@elanus/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { pattern, sameBytes, span, utf8 } from './log-kit.ts';
import { crc32 } from '@elanus/kernels/checksum';

/** A store under test. */
export interface ObjectHarness {
  /** Opens the store, again on the same data each time. */
  open(): Promise<ObjectStore>;
  /** Changes one stored byte of an object, as a failing disk does. */
  flipByte(name: string, offset: number): Promise<void>;
  /** Frees everything. */
  dispose(): Promise<void>;
}

interface Bench {
  harness: ObjectHarness;
  store: ObjectStore;
}

/** Runs all cases against one store. */
export function describeObjectStore(title: string, make: () => Promise<ObjectHarness>): void {
  describe(`ObjectStore conformance: ${title}`, () => {
    const bench = {} as Bench;
    beforeEach(async () => {
      bench.harness = await make();
      bench.store = await bench.harness.open();
    });
    afterEach(async () => {
      await bench.store.close();
      await bench.harness.dispose();
    });
    describe('put', () => {
      putCases(bench);
      partCases(bench);
      onceCases(bench);
    });
    describe('names', () => nameCases(bench));
    describe('read', () => {
      getCases(bench);
      rangeCases(bench);
    });
    describe('stat', () => statCases(bench));
    describe('damage', () => damageCases(bench));
    describe('list', () => listCases(bench));
    describe('remove', () => removeCases(bench));
    describe('reopen and close', () => reopenCases(bench));
  });
}

const refused = (code: string) => ({ code });

async function names(store: ObjectStore, prefix = ''): Promise<string[]> {
  const found: string[] = [];
  for await (const one of store.list(prefix)) found.push(one.name);
  return found;
}

function putCases(bench: Bench): void {
  test('tells name, size and checksum', async () => {
    const stat = await bench.store.put('a', [utf8('hello')]);
    expect(stat).toMatchObject({ name: 'a', size: 5, crc32: crc32(utf8('hello')) });
  });

  test.each([0, 1, 31, 32, 33, 4096, 65_536, 524_288, 524_289, 3_000_000])(
    '%i bytes come back as they were',
    async (length) => {
      const bytes = pattern(length, length + 1);
      await bench.store.put('a', [bytes]);
      expect(sameBytes(await bench.store.get('a'), bytes)).toBe(true);
    },
  );

  test('the time is now', async () => {
    const before = Date.now() - 5000;
    const { modifiedMs } = await bench.store.put('a', [utf8('x')]);
    expect(modifiedMs).toBeGreaterThan(before);
    expect(modifiedMs).toBeLessThan(Date.now() + 5000);
  });

  test('twenty objects at once', async () => {
    await Promise.all(span(1, 20).map((n) => bench.store.put(`d/${n}`, [pattern(50_000, n)])));
    for (const n of span(1, 20)) {
      expect(sameBytes(await bench.store.get(`d/${n}`), pattern(50_000, n))).toBe(true);
    }
  });
}

function partCases(bench: Bench): void {
  test('parts are concatenated', async () => {
    await bench.store.put('a', ['he', '', 'l', 'lo'].map(utf8));
    expect(new TextDecoder().decode(await bench.store.get('a'))).toBe('hello');
  });

  test('no parts make an empty object', async () => {
    expect(await bench.store.put('a', [])).toMatchObject({ size: 0, crc32: 0 });
    expect((await bench.store.get('a')).length).toBe(0);
  });

  test('parts may come one by one from a generator', async () => {
    const parts = function* (): Generator<Uint8Array> {
      for (const n of span(1, 10)) yield pattern(100_000, n);
    };
    await bench.store.put('a', parts());
    const whole = Buffer.concat(span(1, 10).map((n) => pattern(100_000, n)));
    expect(sameBytes(await bench.store.get('a'), whole)).toBe(true);
  });

  test('parts may come later', async () => {
    const parts = async function* (): AsyncGenerator<Uint8Array> {
      yield utf8('a');
      await new Promise((resolve) => setTimeout(resolve, 5));
      yield utf8('b');
    };
    await bench.store.put('a', parts());
    expect(new TextDecoder().decode(await bench.store.get('a'))).toBe('ab');
  });

  test('parts may be views, also on shared memory', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(4));
    shared.set(utf8('wxyz'));
    await bench.store.put('a', [utf8('--ab--').subarray(2, 4), shared.subarray(1, 3)]);
    expect(new TextDecoder().decode(await bench.store.get('a'))).toBe('abxy');
  });

  test('parts that fail leave nothing behind', async () => {
    const parts = async function* (): AsyncGenerator<Uint8Array> {
      yield pattern(100_000);
      throw new Error('the source broke');
    };
    await expect(bench.store.put('a', parts())).rejects.toThrow('the source broke');
    expect(await bench.store.stat('a')).toBeUndefined();
    expect(await names(bench.store)).toEqual([]);
    await bench.store.put('a', [utf8('second')]);
  });

  test('an object is not visible before it is whole', async () => {
    let seen: unknown = 'not asked';
    const parts = async function* (): AsyncGenerator<Uint8Array> {
      yield pattern(600_000);
      seen = [await bench.store.stat('a'), await names(bench.store)];
      yield pattern(600_000);
    };
    await bench.store.put('a', parts());
    expect(seen).toEqual([undefined, []]);
  });
}

function onceCases(bench: Bench): void {
  test('a name is never written twice', async () => {
    await bench.store.put('a', [utf8('first')]);
    await expect(bench.store.put('a', [utf8('other')])).rejects.toMatchObject(
      refused('object_exists'),
    );
    expect(new TextDecoder().decode(await bench.store.get('a'))).toBe('first');
  });

  test('not even with the same bytes', async () => {
    await bench.store.put('a', [utf8('same')]);
    await expect(bench.store.put('a', [utf8('same')])).rejects.toMatchObject(
      refused('object_exists'),
    );
  });

  test('of two puts at once exactly one succeeds, 10 rounds', async () => {
    for (const n of span(1, 10)) {
      const both = await Promise.allSettled([
        bench.store.put(`k${n}`, [utf8('a')]),
        bench.store.put(`k${n}`, [utf8('b')]),
      ]);
      expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
    }
  });
}

function nameCases(bench: Bench): void {
  test.each(['a', 'A.b_c-9', 'seg/1/vec.bin', '.hidden', 'a/b/c/d/e/f/g', 'x'.repeat(128)])(
    '%s is kept',
    async (name) => {
      await bench.store.put(name, [utf8('x')]);
      expect(await names(bench.store)).toEqual([name]);
      expect((await bench.store.stat(name))?.name).toBe(name);
    },
  );

  test('512 characters are kept', async () => {
    const name = span(1, 4)
      .map(() => 'n'.repeat(127))
      .join('/');
    await bench.store.put(name, [utf8('x')]);
    expect(await names(bench.store)).toEqual([name]);
  });

  const bad = [
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    '../a',
    'a/../b',
    'a/./b',
    'a b',
    'ü',
    'a\\b',
  ];
  test.each([...bad, 'a\u0000', 'x'.repeat(129), 'x/'.repeat(300)])(
    '%j is refused',
    async (name) => {
      const code = refused('invalid_argument');
      await expect(bench.store.put(name, [utf8('x')])).rejects.toMatchObject(code);
      await expect(bench.store.get(name)).rejects.toMatchObject(code);
      await expect(bench.store.stat(name)).rejects.toMatchObject(code);
      await expect(bench.store.remove(name)).rejects.toMatchObject(code);
    },
  );
}

function getCases(bench: Bench): void {
  test('an absent object is not found', async () => {
    const code = refused('object_not_found');
    await expect(bench.store.get('a')).rejects.toMatchObject(code);
    await expect(bench.store.verify('a')).rejects.toMatchObject(code);
    await expect(bench.store.readInto('a', 0, new Uint8Array(1))).rejects.toMatchObject(code);
  });

  test('a folder of objects is not one', async () => {
    await bench.store.put('d/a', [utf8('x')]);
    await expect(bench.store.get('d')).rejects.toMatchObject(refused('object_not_found'));
    expect(await bench.store.stat('d')).toBeUndefined();
  });

  test('bytes belong to the reader', async () => {
    await bench.store.put('a', [utf8('hello')]);
    (await bench.store.get('a')).fill(0);
    expect(new TextDecoder().decode(await bench.store.get('a'))).toBe('hello');
  });
}

function rangeCases(bench: Bench): void {
  const size = 700_000;

  test.each([
    [0, 1],
    [0, 100],
    [1, 100],
    [4095, 2],
    [524_280, 16],
    [699_999, 1],
    [0, 700_000],
    [350_000, 350_000],
  ])('from %i, %i bytes', async (offset, length) => {
    const bytes = pattern(size, 9);
    await bench.store.put('a', [bytes]);
    const target = new Uint8Array(length);
    await bench.store.readInto('a', offset, target);
    expect(sameBytes(target, bytes.subarray(offset, offset + length))).toBe(true);
  });

  test('an empty range reads nothing', async () => {
    await bench.store.put('a', [utf8('abc')]);
    await bench.store.readInto('a', 3, new Uint8Array(0));
    await bench.store.readInto('a', 0, new Uint8Array(0));
  });

  test.each([
    [0, 4],
    [3, 1],
    [2, 2],
    [1000, 1],
  ])('of 3 bytes, from %i, %i bytes pass the end', async (offset, length) => {
    await bench.store.put('a', [utf8('abc')]);
    const reading = bench.store.readInto('a', offset, new Uint8Array(length));
    await expect(reading).rejects.toMatchObject(refused('object_corrupt'));
  });

  test('into shared memory', async () => {
    await bench.store.put('a', [utf8('abcdef')]);
    const shared = new Uint8Array(new SharedArrayBuffer(8));
    await bench.store.readInto('a', 2, shared.subarray(1, 4));
    expect(Buffer.from(shared).toString('latin1')).toBe('\0cde\0\0\0\0');
  });

  test('32 ranges at once', async () => {
    const bytes = pattern(size, 9);
    await bench.store.put('a', [bytes]);
    const targets = span(0, 31).map(() => new Uint8Array(10_000));
    await Promise.all(targets.map((to, i) => bench.store.readInto('a', i * 10_000, to)));
    expect(sameBytes(Buffer.concat(targets), bytes.subarray(0, 320_000))).toBe(true);
  });
}

function statCases(bench: Bench): void {
  test('an absent object has none', async () => {
    expect(await bench.store.stat('a')).toBeUndefined();
  });

  test('is what put said', async () => {
    const put = await bench.store.put('d/a', [pattern(12_345)]);
    const { modifiedMs, ...rest } = put;
    const stat = await bench.store.stat('d/a');
    expect(stat).toMatchObject(rest);
    expect(Math.abs((stat?.modifiedMs ?? 0) - modifiedMs)).toBeLessThan(2000);
  });

  test('verify passes a sound object', async () => {
    await bench.store.put('a', [pattern(1_200_000)]);
    await bench.store.put('b', []);
    await bench.store.verify('a');
    await bench.store.verify('b');
  });
}

function damageCases(bench: Bench): void {
  test.each([0, 1, 600_000, 1_199_999])('a flipped byte at %i is found', async (offset) => {
    await bench.store.put('a', [pattern(1_200_000)]);
    await bench.harness.flipByte('a', offset);
    const code = refused('object_corrupt');
    await expect(bench.store.verify('a')).rejects.toMatchObject(code);
    await expect(bench.store.get('a')).rejects.toMatchObject(code);
  });

  test('other objects are not blamed', async () => {
    await bench.store.put('a', [pattern(1000)]);
    await bench.store.put('b', [pattern(1000)]);
    await bench.harness.flipByte('a', 10);
    await bench.store.verify('b');
    await expect(bench.store.verify('a')).rejects.toMatchObject(refused('object_corrupt'));
  });
}

function listCases(bench: Bench): void {
  const putAll = async (all: readonly string[]): Promise<void> => {
    for (const name of all) await bench.store.put(name, [utf8(name)]);
  };

  test('an empty store lists nothing', async () => {
    expect(await names(bench.store)).toEqual([]);
  });

  test('names come in the order of their bytes', async () => {
    const sorted = ['A', 'a-b', 'a.b', 'a/b', 'a/b-c', 'a/c/d', 'a0', 'a_b', 'b/0', 'b/a'];
    await putAll(sorted.toReversed());
    expect(await names(bench.store)).toEqual(sorted);
  });

  test.each([
    ['seg/1', ['seg/1/a', 'seg/1/b', 'seg/10/a']],
    ['seg/1/', ['seg/1/a', 'seg/1/b']],
    ['seg/', ['seg/1/a', 'seg/1/b', 'seg/10/a', 'seg/2/a']],
    ['seg/1/a', ['seg/1/a']],
    ['seg/3', []],
    ['se', ['seg/1/a', 'seg/1/b', 'seg/10/a', 'seg/2/a', 'sex']],
    ['z', []],
  ])('prefix %s', async (prefix, want) => {
    await putAll(['seg/1/a', 'seg/1/b', 'seg/10/a', 'seg/2/a', 'sex', 'other/x']);
    expect(await names(bench.store, prefix)).toEqual(want);
  });

  test('sizes and times', async () => {
    await bench.store.put('a', [pattern(777)]);
    const found: ObjectListing[] = [];
    for await (const one of bench.store.list('')) found.push(one);
    expect(found).toMatchObject([{ name: 'a', size: 777 }]);
    expect(found[0]?.modifiedMs).toBeGreaterThan(Date.now() - 60_000);
  });

  test('300 objects', async () => {
    const all = span(1, 300).map((n) => `d${n % 7}/${String(n).padStart(3, '0')}`);
    await Promise.all(all.map((name) => bench.store.put(name, [utf8(name)])));
    expect(await names(bench.store)).toEqual(all.toSorted());
  });

  test('a listing may be left early', async () => {
    await putAll(['a', 'b', 'c']);
    for await (const one of bench.store.list('')) {
      expect(one.name).toBe('a');
      break;
    }
    expect(await names(bench.store, 'c')).toEqual(['c']);
  });
}

function removeCases(bench: Bench): void {
  test('a removed object is gone', async () => {
    await bench.store.put('d/a', [utf8('x')]);
    await bench.store.put('d/b', [utf8('x')]);
    await bench.store.remove('d/a');
    expect(await bench.store.stat('d/a')).toBeUndefined();
    await expect(bench.store.get('d/a')).rejects.toMatchObject(refused('object_not_found'));
    expect(await names(bench.store)).toEqual(['d/b']);
  });

  test('removing what is not there is fine', async () => {
    await bench.store.remove('nothing/here');
    await bench.store.put('a', [utf8('x')]);
    await bench.store.remove('a');
    await bench.store.remove('a');
    expect(await names(bench.store)).toEqual([]);
  });

  test('removing a folder of objects removes none', async () => {
    await bench.store.put('d/a', [utf8('x')]);
    await bench.store.remove('d');
    expect(await names(bench.store)).toEqual(['d/a']);
  });

  test('many at once', async () => {
    const all = span(1, 30).map((n) => `d/${n}`);
    await Promise.all(all.map((name) => bench.store.put(name, [utf8('x')])));
    await Promise.all(all.slice(0, 29).map((name) => bench.store.remove(name)));
    expect(await names(bench.store)).toEqual(['d/30']);
  });
}

function reopenCases(bench: Bench): void {
  test('objects are there again', async () => {
    const stat = await bench.store.put('d/a', [pattern(9999)]);
    await bench.store.close();
    bench.store = await bench.harness.open();
    expect(await bench.store.stat('d/a')).toMatchObject({ size: 9999, crc32: stat.crc32 });
    expect(sameBytes(await bench.store.get('d/a'), pattern(9999))).toBe(true);
    await expect(bench.store.put('d/a', [])).rejects.toMatchObject(refused('object_exists'));
  });

  test('after close everything is refused', async () => {
    await bench.store.put('a', [utf8('x')]);
    await bench.store.close();
    const code = refused('unavailable');
    await expect(bench.store.put('b', [])).rejects.toMatchObject(code);
    await expect(bench.store.get('a')).rejects.toMatchObject(code);
    await expect(bench.store.stat('a')).rejects.toMatchObject(code);
    await expect(bench.store.remove('a')).rejects.toMatchObject(code);
    await expect(names(bench.store)).rejects.toMatchObject(code);
  });

  test('closing twice is fine', async () => {
    await bench.store.close();
    await bench.store.close();
    bench.store = await bench.harness.open();
    expect(await names(bench.store)).toEqual([]);
  });
}
