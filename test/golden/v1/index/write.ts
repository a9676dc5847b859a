/**
 * Wrote the index files beside it, once, when version 1 of the format was made:
 *
 *     node --conditions=elanus:source test/golden/v1/index/write.ts
 *
 * The files are read by every later release (packages/index/src/golden.test.ts). Do not run it
 * again for the same version: a changed byte means another version.
 */
import { writeFileSync } from 'node:fs';

import { buildSteps, openIndex } from '../../../../packages/index/src/index.ts';
import {
  bytesOf,
  createTopK,
  floatsOf,
  loadKernels,
  sortTopK,
} from '../../../../packages/kernels/src/index.ts';

const ROWS = 700;
const DIM = 20;
const kernels = loadKernels();
const rows = kernels.allocate(ROWS * DIM * 4);
const values = floatsOf(rows, ROWS * DIM);
for (let i = 0; i < values.length; i++) values[i] = ((i * 7919) % 10_007) / 1024 - 5;
const column = { rows, rowCount: ROWS, dim: DIM };

const answers: Record<string, { rows: number[]; scores: number[] }> = {};
for (const kind of ['FLAT', 'FLAT_SQ8', 'HNSW'] as const) {
  for (const metric of ['l2', 'ip', 'cosine'] as const) {
    const steps = buildSteps({ kernels, kind, metric, column });
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    const file = step.value;
    const name = `${kind.toLowerCase()}-${metric}`;
    writeFileSync(new URL(`${name}.index`, import.meta.url), bytesOf(file.memory, file.bytes));
    const index = openIndex({ kernels, column, image: { ...file, path: name } });
    const top = createTopK(1, 5);
    // A graph of so few rows is walked only when a width is asked for.
    index.search({ queries: values.slice(3 * DIM, 4 * DIM), top, ef: 60 });
    sortTopK(top, metric);
    answers[name] = { rows: [...top.rows], scores: [...top.scores] };
  }
}
writeFileSync(new URL('answers.json', import.meta.url), `${JSON.stringify(answers, null, 2)}\n`);
