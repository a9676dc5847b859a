/**
 * Wrote the file of sparse rows beside it, once, when they joined version 1:
 *
 *     node --conditions=elanus:source test/golden/v1/index/write-sparse.ts
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
import { sparseQuery, sparseRows } from './narrow-rows.ts';

const kernels = loadKernels();
const column = sparseRows(kernels);
const steps = buildSteps({ kernels, kind: 'SPARSE_INVERTED', metric: 'ip', column });
let step = steps.next();
while (step.done !== true) step = steps.next();
const file = step.value;
const name = 'sparse_inverted-ip-sparse';
writeFileSync(new URL(`${name}.index`, import.meta.url), bytesOf(file.memory, file.bytes));
const index = openIndex({ kernels, column, image: { ...file, path: name } });
const top = createTopK(1, 5);
index.search({ queries: sparseQuery(), top });
sortTopK(top, 'ip');
const answer = { rows: [...top.rows], scores: [...top.scores] };
const target = new URL('answers-sparse.json', import.meta.url);
writeFileSync(target, `${JSON.stringify({ [name]: answer }, null, 2)}\n`);
