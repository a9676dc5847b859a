/**
 * Prints a sum of the index file of each kind, built from rows that never change, with the kernels
 * that this Node loads: two machines agree when they print the same.
 */
import { createHash } from 'node:crypto';

import type { ColumnElement } from '../../packages/index/src/column.ts';
import { buildSteps } from '../../packages/index/src/index.ts';
import type { IndexColumn, IndexKind } from '../../packages/index/src/index.ts';
import { bytesOf, floatsOf, loadKernels } from '../../packages/kernels/src/index.ts';
import { narrowRows, sparseRows } from '../../test/golden/v1/index/narrow-rows.ts';

const ROWS = 1500;
const DIM = 20;
const kernels = loadKernels();

function columnOf(element: ColumnElement | 'sparse'): IndexColumn {
  if (element === 'sparse') return sparseRows(kernels);
  if (element !== 'float32') return narrowRows(kernels, element);
  const rows = kernels.allocate(ROWS * DIM * 4);
  const values = floatsOf(rows, ROWS * DIM);
  for (let i = 0; i < values.length; i++) values[i] = ((i * 7919) % 10_007) / 1024 - 5;
  return { rows, rowCount: ROWS, dim: DIM };
}

const ELEMENTS = ['float32', 'float16', 'bfloat16', 'int8', 'binary', 'sparse'] as const;
const METRICS = ['l2', 'ip', 'cosine', 'hamming', 'jaccard', 'tanimoto'] as const;
const KINDS: readonly IndexKind[] = [
  'FLAT',
  'FLAT_SQ8',
  'HNSW',
  'HNSW_FLAT',
  'IVF_FLAT',
  'IVF_SQ8',
  'IVF_RABITQ',
];

function plansOf(element: (typeof ELEMENTS)[number]) {
  if (element === 'sparse') return [{ kind: 'SPARSE_INVERTED', metric: 'ip' } as const];
  const bits = element === 'binary';
  const kinds = bits ? (['BIN_FLAT', 'BIN_IVF_FLAT'] as const) : KINDS;
  const metrics = bits ? METRICS.slice(3) : METRICS.slice(0, 3);
  return kinds.flatMap((kind) => metrics.map((metric) => ({ kind, metric })));
}

for (const element of ELEMENTS) {
  const column = columnOf(element);
  for (const { kind, metric } of plansOf(element)) {
    const steps = buildSteps({ kernels, kind, metric, column });
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    const file = bytesOf(step.value.memory, step.value.bytes);
    const sum = createHash('sha256').update(file).digest('hex').slice(0, 16);
    process.stdout.write(`${kind} ${metric} ${element} ${sum}\n`);
  }
}
