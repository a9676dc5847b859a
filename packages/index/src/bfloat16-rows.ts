import type { NumberColumn } from './column.ts';
import { codeStride, indexLayout } from './index-file.ts';
import type { IndexFile, IndexHeader } from './index-file.ts';

/** Numbers that are rounded between two steps: about a millisecond. */
const STEP_NUMBERS = 500_000;
const EXPONENT = 0x7f80;
const LARGEST = 0x7f7f;
const SIGN = 0x8000;

/** The nearest bfloat16, of two equally near the even one; never infinity. */
function round(bits: number): number {
  const rounded = ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
  return (rounded & EXPONENT) === EXPONENT ? (rounded & SIGN) | LARGEST : rounded;
}

/**
 * Writes float32 rows in bfloat16 to where a graph keeps the vectors of its nodes, padded with
 * zeros to whole cache lines.
 */
export function* roundSteps(
  { rows, rowCount, dim }: NumberColumn,
  { memory }: IndexFile,
  header: IndexHeader,
): Generator<undefined, void, undefined> {
  const width = codeStride(header) / 2;
  const { offset } = indexLayout(header).sections.codes;
  const from = new Uint32Array(rows.buffer, rows.byteOffset, rowCount * dim);
  const to = new Uint16Array(memory.buffer, memory.byteOffset + offset, rowCount * width);
  const pause = Math.max(1, Math.floor(STEP_NUMBERS / dim));
  for (let row = 0; row < rowCount; row++) {
    const [source, target] = [row * dim, row * width];
    for (let i = 0; i < dim; i++) to[target + i] = round(from[source + i] ?? 0);
    if (row % pause === 0) yield;
  }
}
