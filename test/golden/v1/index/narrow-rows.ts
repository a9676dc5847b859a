import type { ColumnElement, VectorColumn } from '../../../../packages/index/src/index.ts';
import { bytesOf, elementsOf } from '../../../../packages/kernels/src/index.ts';
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
