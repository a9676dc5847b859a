/**
 * Wrote the file of lists of bits beside it, once, when they joined version 1:
 *
 *     node --conditions=elanus:source test/golden/v1/index/write-bit-lists.ts
 *
 * As with `write.ts`: not again for the same version.
 */
import { writeFileSync } from 'node:fs';

import { buildSteps, openIndex } from '../../../../packages/index/src/index.ts';
import {
  bytesOf,
  createTopK,
  loadKernels,
  sortTopK,
} from '../../../../packages/kernels/src/index.ts';
import { narrowRows } from './narrow-rows.ts';

const kernels = loadKernels();

const column = narrowRows(kernels, 'binary');
const { dim, rows } = column;
const answers: Record<string, { rows: number[]; scores: number[] }> = {};
for (const metric of ['hamming', 'tanimoto'] as const) {
  const steps = buildSteps({ kernels, kind: 'BIN_IVF_FLAT', metric, column });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const file = step.value;
  const name = `bin_ivf_flat-${metric}-binary`;
  writeFileSync(new URL(`${name}.index`, import.meta.url), bytesOf(file.memory, file.bytes));
  const index = openIndex({ kernels, column, image: { ...file, path: name } });
  const top = createTopK(1, 5);
  const queries = bytesOf(rows, dim / 8, (3 * dim) / 8).slice();
  index.search({ queries, top, nprobe: 7 });
  sortTopK(top, metric);
  answers[name] = { rows: [...top.rows], scores: [...top.scores] };
}
const target = new URL('answers-bit-lists.json', import.meta.url);
writeFileSync(target, `${JSON.stringify(answers, null, 2)}\n`);
