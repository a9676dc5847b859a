import type { ColumnElement, SparseRows } from '../../../../packages/index/src/index.ts';
import type { VectorColumn } from '../../../../packages/index/src/index.ts';
import { bytesOf, elementsOf, floatsOf } from '../../../../packages/kernels/src/index.ts';
import type { Kernels } from '../../../../packages/kernels/src/index.ts';

const ROWS = 700;

/** The rows that the golden files of narrower rows and of bits are of: never changed. */
export function narrowRows(kernels: Kernels, element: ColumnElement): VectorColumn {
  const dim = element === 'binary' ? 136 : 20;
  const length = ROWS * dim;
  const rows = kernels.allocate(length * 2);
  const mixed = (i: number): number => (Math.imul(i + 1, 2_654_435_761) >>> 8) & 0xffff;
  if (element === 'binary') {
    const bytes = bytesOf(rows, length / 8);
    for (let i = 0; i < bytes.length; i++) bytes[i] = mixed(i);
  } else if (element === 'int8') {
    const values = elementsOf(rows, element, { length });
    for (let i = 0; i < length; i++) values[i] = mixed(i);
  } else {
    // Numbers from an eighth to four, of both signs.
    const [base, span] = element === 'float16' ? [0x3000, 0x1400] : [0x3e00, 0x280];
    const values = elementsOf(rows, element, { length });
    for (let i = 0; i < length; i++) {
      values[i] = (base + (mixed(i) % span)) | (mixed(i * 31 + 7) & 0x8000);
    }
  }
  return { rows, rowCount: ROWS, dim, element };
}

/** The rows of float32 numbers that golden files are of: never changed. */
export function wideRows(kernels: Kernels): VectorColumn {
  const dim = 20;
  const rows = kernels.allocate(ROWS * dim * 4);
  const values = floatsOf(rows, ROWS * dim);
  for (let i = 0; i < values.length; i++) values[i] = ((i * 7919) % 10_007) / 1024 - 5;
  return { rows, rowCount: ROWS, dim, element: 'float32' };
}

/** Eight numbers in each sparse row, of 97 dimensions: never changed. */
export function sparseRows(kernels: Kernels): SparseRows {
  const entries = ROWS * 8;
  const [offsets, indices, values] = [ROWS + 1, entries, entries].map((length) => {
    const memory = kernels.allocate(length * 4);
    return { memory, words: new Uint32Array(memory.buffer, memory.byteOffset, length) };
  }) as [Words, Words, Words];
  const floats = new Float32Array(values.memory.buffer, values.memory.byteOffset, entries);
  for (let i = 0; i < entries; i++) {
    indices.words[i] = (i % 8) * 12 + ((Math.imul(i, 2_654_435_761) >>> 28) % 12);
    floats[i] = 0.25 + ((i * 7919) % 101) / 64;
  }
  for (let row = 0; row <= ROWS; row++) offsets.words[row] = row * 8;
  const memories = { offsets: offsets.memory, indices: indices.memory, values: values.memory };
  return { element: 'sparse', rowCount: ROWS, dim: 0, entries, ...memories };
}

interface Words {
  readonly memory: ReturnType<Kernels['allocate']>;
  readonly words: Uint32Array;
}

/** The query that the golden file of sparse rows is searched with. */
export function sparseQuery() {
  const indices = Uint32Array.of(3, 15, 40, 90, 5000);
  const values = Float32Array.of(1, 0.5, 2, 0.75, 9);
  return { kind: 'sparse', offsets: Uint32Array.of(0, 5), indices, values } as const;
}
