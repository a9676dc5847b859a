import type { ColumnBatch, Field, FieldId } from '@elanus/core';
import { isElanusError } from '@elanus/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Dice, randomRow } from '../../../test/expr/generate.ts';
import { batchFrom, columnFrom } from '../../../test/expr/table.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';
import { columnFrameBytes, decodeColumns, encodeColumns } from '@elanus/core';
import { decodeValue, encodeValue } from './wire-value.ts';

function randomBatch(seed: number): ColumnBatch {
  const dice = new Dice(seed);
  const rows = Array.from({ length: dice.below(70) }, (_, i) => randomRow(dice, i));
  const { rowCount, columns } = batchFrom(rows);
  const values = Float32Array.from({ length: rowCount * 3 }, () => dice.below(100) / 7);
  columns.set(121 as FieldId, { kind: 'vector', type: 'float32', dim: 3, values });
  return { rowCount, columns };
}

test('a frame stands for its batch', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 9 }), (seed, shift) => {
      const batch = randomBatch(seed);
      const bytes = encodeColumns(batch);
      expect(bytes.length).toBe(columnFrameBytes(batch));
      expect(decodeColumns(bytes)).toEqual(batch);
      // Bytes that begin anywhere.
      const moved = new Uint8Array(bytes.length + shift);
      moved.set(bytes, shift);
      expect(decodeColumns(moved.subarray(shift))).toEqual(batch);
    }),
    { numRuns: 200 },
  );
});

test('columns that are windows of larger ones', () => {
  const field = { id: 1, name: 's', type: 'varchar' } as unknown as Field;
  const column = columnFrom(field, ['aa', 'b', 'cc', 'd']);
  if (column.kind !== 'varchar') throw new Error('a text column');
  const window = {
    kind: 'varchar' as const,
    offsets: column.offsets.subarray(1, 4),
    data: column.data,
  };
  const columns = new Map([[field.id, window]]);
  const read = decodeColumns(encodeColumns({ rowCount: 2, columns }));
  expect(read.columns.get(field.id)).toEqual({
    kind: 'varchar',
    offsets: Uint32Array.of(0, 1, 3),
    data: new TextEncoder().encode('bcc'),
    valid: undefined,
  });
});

/** Runs what may fail with one of ours only; whatever comes back is read to its end. */
function onlyOurs(body: () => ColumnBatch): void {
  try {
    const batch = body();
    expect(columnFrameBytes(batch)).toBeGreaterThan(0);
    encodeColumns(batch);
  } catch (error) {
    if (!isElanusError(error)) throw error;
  }
}

test('damaged frames end in a batch that holds together, or in one of our errors', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      fc.nat(),
      (seed, changes, cut) => {
        const bytes = encodeColumns(randomBatch(seed % 20));
        for (const [at, value] of changes) bytes[at % Math.min(bytes.length, 400)] = value;
        onlyOurs(() => decodeColumns(bytes));
        onlyOurs(() => decodeColumns(bytes.slice(0, cut % bytes.length)));
      },
    ),
    { numRuns: 3_000 },
  );
});

test('any bytes end in one of our errors', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      onlyOurs(() => decodeColumns(bytes));
      try {
        decodeEnvelope(bytes);
      } catch (error) {
        if (!isElanusError(error)) throw error;
      }
    }),
    { numRuns: 3_000 },
  );
});

test('an envelope stands for its head and body', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.integer()), fc.uint8Array(), (head, body) => {
      const read = decodeEnvelope(encodeEnvelope(head, body));
      expect(read.head).toEqual(JSON.parse(JSON.stringify(head)));
      expect([...read.body]).toEqual([...body]);
    }),
  );
});

test('base64 agrees with the platform, and refuses what is none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64');
      expect(toBase64(bytes)).toBe(text);
      expect([...(fromBase64(text) ?? [])]).toEqual([...bytes]);
      expect([...(fromBase64(Buffer.from(bytes).toString('base64url')) ?? [])]).toEqual([...bytes]);
    }),
  );
  for (const bad of ['a', 'a===', '!!!!', 'aé==', 'ab c', 'a=bc']) {
    expect(fromBase64(bad)).toBe(undefined);
  }
});

test('filter values survive JSON', () => {
  const leaf = fc.oneof(
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 4 }),
  );
  const keys = fc.oneof(fc.string(), fc.constantFrom('$int', '$date', '$bytes', '$object', 'gt'));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(keys, tie('tree'), { maxKeys: 3, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      const sent = JSON.parse(JSON.stringify(encodeValue(value))) as never;
      expect(decodeValue(sent)).toEqual(value);
    }),
    { numRuns: 2_000 },
  );
});
