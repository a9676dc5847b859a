/**
 * Wrote the files of narrower rows, lists and bits beside it, once, when they joined version 1:
 *
 *     node --conditions=elanus:source test/golden/v1/index/write-elements.ts
 *
 * As with `write.ts`: not again for the same version.
 */
import { writeFileSync } from 'node:fs';

import { buildSteps, openIndex } from '../../../../packages/index/src/index.ts';
import {
  bytesOf,
  createTopK,
  decodeRows,
  loadKernels,
  sortTopK,
} from '../../../../packages/kernels/src/index.ts';
import { narrowRows } from './narrow-rows.ts';

const kernels = loadKernels();
const FILES = [
  { kind: 'FLAT', metric: 'cosine', element: 'int8' },
  { kind: 'FLAT_SQ8', metric: 'ip', element: 'float16' },
  { kind: 'FLAT_SQ8', metric: 'l2', element: 'int8' },
  { kind: 'HNSW', metric: 'cosine', element: 'bfloat16' },
  { kind: 'IVF_FLAT', metric: 'cosine', element: 'bfloat16' },
  { kind: 'IVF_SQ8', metric: 'ip', element: 'int8' },
  { kind: 'BIN_FLAT', metric: 'jaccard', element: 'binary' },
] as const;

const answers: Record<string, { rows: number[]; scores: number[] }> = {};
for (const { kind, metric, element } of FILES) {
  const column = narrowRows(kernels, element);
  const steps = buildSteps({ kernels, kind, metric, column });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const file = step.value;
  const name = `${kind.toLowerCase()}-${metric}-${element}`;
  writeFileSync(new URL(`${name}.index`, import.meta.url), bytesOf(file.memory, file.bytes));
  const index = openIndex({ kernels, column, image: { ...file, path: name } });
  const { dim, rows } = column;
  const queries =
    element === 'binary'
      ? bytesOf(rows, dim / 8, (3 * dim) / 8).slice()
      : decodeRows(rows, element, { at: 3 * dim, length: dim });
  const top = createTopK(1, 5);
  index.search({ queries, top, ef: 60, nprobe: 7 });
  sortTopK(top, metric);
  answers[name] = { rows: [...top.rows], scores: [...top.scores] };
}
const target = new URL('answers-elements.json', import.meta.url);
writeFileSync(target, `${JSON.stringify(answers, null, 2)}\n`);
