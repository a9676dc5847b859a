// Goal: a merge of scalars joins the rows that stay, and ends when nobody wants it. Method: objects
// in memory, the thread's function run inline.
import { fieldId, type Column, type Field, type FieldId } from '@elanus/core';
import { decodeScalars, type ManifestFile } from '@elanus/format';
import { encodeScalarFiles } from '@elanus/format/scalars';
import { inlinePool, memoryWorld, type OpenWorld } from '@elanus/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { mergeScalars, type ScalarMerge, type ScalarPorts } from './merge-scalars.ts';

const KEY = fieldId(1);
const FIELDS = [
  { id: KEY, name: 'id', type: 'int64', primary: true },
] as unknown as readonly Field[];

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

const ports = (): ScalarPorts => ({
  objects: world.objects,
  pool: inlinePool({ clock: world.clock }),
});

async function merge(signal = new AbortController().signal): Promise<ScalarMerge> {
  const inputs = [
    { file: await segment('a', 10), keep: Uint32Array.of(0, 1, 2) },
    { file: await segment('b', 20), keep: Uint32Array.of(1) },
  ];
  return { inputs, fields: FIELDS, keyField: KEY, signal };
}

test('joins the rows that stay, in order', async () => {
  const { scalars } = await mergeScalars(ports(), await merge());
  const column = decodeScalars(scalars, 'joined').columns.get(KEY);
  const keys = column !== undefined && 'values' in column ? [...column.values] : undefined;
  expect(keys).toEqual([10n, 11n, 12n, 21n]);
});

test('reads nothing more once it is cancelled', async () => {
  const wanted = await merge(AbortSignal.abort());
  await world.objects.remove('a');
  await expect(mergeScalars(ports(), wanted)).rejects.toMatchObject({ name: 'AbortError' });
});
