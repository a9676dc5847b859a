// Goal: any batch survives the frame; no bytes make the decoder read outside or throw untyped.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { concatColumns, sliceBatch, takeBatch } from './batch.ts';
import { createBitset, setBit } from './bitset.ts';
import { columnOf, type Column, type ColumnBatch } from './column.ts';
import { columnChunks, decodeChunks, decodeColumns, encodeColumns } from './column-frame.ts';
import { isElanusError } from './errors.ts';
import { fieldId } from './ids.ts';
import { denseArray, denseWidth, type DenseType } from './vector-type.ts';

const encoder = new TextEncoder();

function textColumn(texts: readonly (string | null)[]): Column {
  const parts = texts.map((text) => encoder.encode(text ?? ''));
  const offsets = new Uint32Array(texts.length + 1);
  parts.forEach((part, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + part.length;
  });
  const data = new Uint8Array(offsets[texts.length] ?? 0);
  parts.forEach((part, i) => data.set(part, offsets[i]));
  const valid = createBitset(texts.length);
  texts.forEach((text, i) => {
    if (text !== null) setBit(valid, i);
  });
  return { kind: 'varchar', offsets, data, valid };
}

function dense(type: DenseType, dim: number, rows: number): Column {
  const length = rows * denseWidth(type, dim);
  const values = denseArray(type, length);
  for (let i = 0; i < length; i++) values[i] = i * 37;
  return { kind: 'vector', type, dim, values };
}

/** Sparse vectors with as many entries as `offsets` say. */
function sparse(offsets: Uint32Array): Column {
  const entries = offsets[offsets.length - 1] ?? 0;
  return {
    kind: 'sparse',
    offsets,
    indices: Uint32Array.from({ length: entries }, (_, i) => i * 5),
    values: Float32Array.from({ length: entries }, (_, i) => i + 0.5),
  };
}

const batches = fc
  .array(fc.tuple(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.option(fc.string())), {
    maxLength: 40,
  })
  .map((rows): ColumnBatch => {
    const offsets = new Uint32Array(rows.length + 1);
    rows.forEach((_, i) => {
      offsets[i + 1] = (offsets[i] ?? 0) + (i % 3);
    });
    const elements = Float64Array.from({ length: offsets[rows.length] ?? 0 }, (_, i) => i / 3);
    return {
      rowCount: rows.length,
      columns: new Map<ReturnType<typeof fieldId>, Column>([
        [fieldId(100), { kind: 'int64', values: BigInt64Array.from(rows, (row) => row[0]) }],
        [fieldId(101), textColumn(rows.map((row) => row[1]))],
        [fieldId(102), { kind: 'array', offsets, element: { kind: 'double', values: elements } }],
        [
          fieldId(103),
          {
            kind: 'vector',
            type: 'float32',
            dim: 3,
            values: Float32Array.from({ length: rows.length * 3 }, (_, i) => i),
          },
        ],
        [fieldId(104), dense('float16', 5, rows.length)],
        [fieldId(105), dense('bfloat16', 1, rows.length)],
        [fieldId(106), dense('int8', 3, rows.length)],
        [fieldId(107), dense('binary', 24, rows.length)],
        [fieldId(108), sparse(offsets)],
      ]),
    };
  });

test('chunks share the long columns and are the frame; both are read alike', () => {
  const one = fc.record({
    rows: fc.integer({ min: 1, max: 3_000 }),
    dim: fc.integer({ min: 1, max: 9 }),
    shift: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(one, ({ rows, dim, shift }) => {
      const values = Float32Array.from({ length: (rows + shift) * dim }, (_, i) => i);
      const texts = textColumn(Array.from({ length: rows }, (_, i) => 'x'.repeat(i % 5)));
      const batch: ColumnBatch = {
        rowCount: rows,
        columns: new Map<ReturnType<typeof fieldId>, Column>([
          [
            fieldId(100),
            { kind: 'vector', type: 'float32', dim, values: values.subarray(shift * dim) },
          ],
          [fieldId(101), { kind: 'int8', values: new Int8Array(rows).fill(7) }],
          [fieldId(102), { kind: 'int64', values: new BigInt64Array(rows).fill(-9n) }],
          [fieldId(103), texts],
        ]),
      };
      const chunks = columnChunks(batch);
      const bytes = encodeColumns(batch);
      expect(Buffer.concat(chunks)).toEqual(Buffer.from(bytes));
      const read = decodeChunks(chunks);
      expect(read).toEqual(decodeColumns(bytes));
      const vectors = columnOf(read, fieldId(100));
      const shared = vectors.kind === 'vector' && vectors.values.buffer === values.buffer;
      expect(shared).toBe(rows * dim * 4 >= 4096);
    }),
  );
});

test('a batch survives encoding, at any alignment', () => {
  fc.assert(
    fc.property(batches, fc.integer({ min: 0, max: 9 }), (batch, shift) => {
      const bytes = encodeColumns(batch);
      const moved = new Uint8Array(bytes.length + shift).subarray(shift);
      moved.set(bytes);
      const back = decodeColumns(moved);
      expect(encodeColumns(back)).toEqual(bytes);
    }),
  );
});

test('slices, takes and concatenations agree', () => {
  fc.assert(
    fc.property(batches, fc.nat(40), (batch, at) => {
      const cut = Math.min(at, batch.rowCount);
      const left = sliceBatch(batch, 0, cut);
      const right = sliceBatch(batch, cut, batch.rowCount);
      const all = takeBatch(
        batch,
        Uint32Array.from({ length: batch.rowCount }, (_, i) => i),
      );
      for (const id of batch.columns.keys()) {
        const joined = concatColumns([columnOf(left, id), columnOf(right, id)]);
        const frame = (column: Column) =>
          encodeColumns({ rowCount: batch.rowCount, columns: new Map([[id, column]]) });
        expect(frame(joined)).toEqual(frame(columnOf(all, id)));
      }
    }),
  );
});

test('hostile bytes are refused by a typed error', () => {
  fc.assert(
    fc.property(
      batches,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1 }),
      (b, flips) => {
        const bytes = encodeColumns(b);
        for (const [at, value] of flips) bytes[at % bytes.length] = value;
        try {
          decodeColumns(bytes);
        } catch (error) {
          expect(isElanusError(error, 'invalid_argument')).toBe(true);
        }
      },
    ),
    { numRuns: 500 },
  );
});
