// Goal: a merge of scalars takes memory only after it was given, gives it back whatever happens,
// and joins the rows that stay. Method: objects in memory, the thread's function run inline.
import { fieldId, type Column, type Field, type FieldId } from '@elanus/core';
import { decodeScalars, type ManifestFile } from '@elanus/format';
import { encodeScalarFiles } from '@elanus/format/scalars';
import { inlinePool, memoryWorld, type OpenWorld } from '@elanus/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MemoryBudget } from './memory-budget.ts';
import { mergeScalars, type ScalarMerge, type ScalarPorts } from './merge-scalars.ts';

const KEY = fieldId(1);
const FIELDS = [
  { id: KEY, name: 'id', type: 'int64', primary: true },
] as unknown as readonly Field[];
const MIB = 1024 * 1024;

let world: OpenWorld;
beforeEach(async () => {
  world = await memoryWorld();
});
afterEach(() => world.close());

async function segment(name: string, first: number): Promise<ManifestFile> {
  const values = BigInt64Array.of(BigInt(first), BigInt(first + 1), BigInt(first + 2));
  const columns = new Map<FieldId, Column>([[KEY, { kind: 'int64', values }]]);
  const timestamps = BigUint64Array.of(1n, 2n, 3n);
  const input = { rowCount: 3, fields: FIELDS, keyField: KEY, columns, timestamps };
  const { size, crc32 } = await world.objects.put(name, [encodeScalarFiles(input).scalars]);
  return { name, size, crc32 };
}

const ports = (memory: MemoryBudget): ScalarPorts => ({
  objects: world.objects,
  pool: inlinePool({ clock: world.clock }),
  memory,
});

async function merge(signal = new AbortController().signal): Promise<ScalarMerge> {
  const inputs = [
    { file: await segment('a', 10), keep: Uint32Array.of(0, 1, 2) },
    { file: await segment('b', 20), keep: Uint32Array.of(1) },
  ];
  return { inputs, fields: FIELDS, keyField: KEY, signal };
}

test('joins the rows that stay; memory is taken until they are written', async () => {
  const memory = new MemoryBudget(64 * MIB);
  let keys: unknown;
  await mergeScalars(ports(memory), await merge(), async ({ scalars }) => {
    expect(memory.freeBytes).toBeLessThan(32 * MIB);
    const column = decodeScalars(scalars, 'joined').columns.get(KEY);
    keys = column !== undefined && 'values' in column ? [...column.values] : undefined;
  });
  expect(keys).toEqual([10n, 11n, 12n, 21n]);
  expect(memory.freeBytes).toBe(64 * MIB);
});

test('is refused before it reads when there is no room', async () => {
  const memory = new MemoryBudget(MIB);
  const wanted = await merge();
  await world.objects.remove('a');
  const merging = mergeScalars(ports(memory), wanted, () => Promise.resolve());
  await expect(merging).rejects.toMatchObject({ code: 'memory_budget' });
  expect(memory.freeBytes).toBe(MIB);
});

test('gives its memory back when it fails, or is cancelled', async () => {
  const memory = new MemoryBudget(64 * MIB);
  const wanted = await merge(AbortSignal.abort());
  await expect(mergeScalars(ports(memory), wanted, () => Promise.resolve())).rejects.toThrow();
  const full = new Error('no space');
  const failing = mergeScalars(ports(memory), await mergeOf('c'), () => Promise.reject(full));
  await expect(failing).rejects.toThrow('no space');
  expect(memory.freeBytes).toBe(64 * MIB);
});

async function mergeOf(name: string): Promise<ScalarMerge> {
  const inputs = [{ file: await segment(name, 1), keep: Uint32Array.of(0) }];
  return { inputs, fields: FIELDS, keyField: KEY, signal: new AbortController().signal };
}
