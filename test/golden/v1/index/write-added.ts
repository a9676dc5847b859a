/**
 * Wrote the files of kinds that joined version 1 late, each once, when it joined:
 *
 *     node --conditions=elanus:source test/golden/v1/index/write-added.ts
 *
 * A file that is there is left alone, and so is its answer: every later release reads it
 * (packages/index/src/golden.test.ts).
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import { buildSteps, openIndex } from '../../../../packages/index/src/index.ts';
import {
  bytesOf,
  createTopK,
  decodeRows,
  loadKernels,
  sortTopK,
} from '../../../../packages/kernels/src/index.ts';
import { narrowRows, wideRows } from './narrow-rows.ts';

const kernels = loadKernels();
const FILES = [
  { kind: 'HNSW_FLAT', metric: 'l2', element: 'float32' },
  { kind: 'HNSW_FLAT', metric: 'cosine', element: 'int8' },
  { kind: 'HNSW_BF16', metric: 'ip', element: 'float32' },
  { kind: 'IVF_RABITQ', metric: 'l2', element: 'float32' },
  { kind: 'IVF_RABITQ', metric: 'cosine', element: 'bfloat16' },
] as const;

const target = new URL('answers-added.json', import.meta.url);
const answers: Record<string, { rows: number[]; scores: number[] }> = existsSync(target)
  ? JSON.parse(readFileSync(target, 'utf8'))
  : {};
for (const { kind, metric, element } of FILES) {
  const name = `${kind.toLowerCase()}-${metric}-${element}`;
  if (answers[name] !== undefined) continue;
  const column = element === 'float32' ? wideRows(kernels) : narrowRows(kernels, element);
  const steps = buildSteps({ kernels, kind, metric, column });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const file = step.value;
  writeFileSync(new URL(`${name}.index`, import.meta.url), bytesOf(file.memory, file.bytes));
  const index = openIndex({ kernels, column, image: { ...file, path: name } });
  const { dim, rows } = column;
  const queries = decodeRows(rows, element, { at: 3 * dim, length: dim });
  const top = createTopK(1, 5);
  index.search({ queries, top, ef: 60, nprobe: 7 });
  sortTopK(top, metric);
  answers[name] = { rows: [...top.rows], scores: [...top.scores] };
}
writeFileSync(target, `${JSON.stringify(answers, null, 2)}\n`);
