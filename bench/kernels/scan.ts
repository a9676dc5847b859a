/**
 * Exact scan of 60,000 x 784 float32 on one thread against a plain sequential C read of the same
 * bytes, interleaved in one run; then 8-bit codes, batches and every instruction set.
 *
 *     node --conditions=elanus:source bench/kernels/scan.ts
 *
 * The target: the exact scan for one query reaches 80 % of the read's rate.
 */
import { join } from 'node:path';

import {
  availableIsas,
  bytesOf,
  createTopK,
  encodeQuerySq8,
  floatsOf,
  loadKernels,
  sq8Stride,
} from '../../packages/kernels/src/index.ts';
import type { KernelIsa } from '../../packages/kernels/src/index.ts';
import { compileNative } from '../native.ts';

const ROWS = 60_000;
const DIM = 784;
const REPS = 15;
const BYTES = ROWS * DIM * 4;

interface Reader {
  readBytes(bytes: Uint8Array): number;
}

/** The C read; undefined without a compiler. */
function compileReader(): Reader | undefined {
  return compileNative<Reader>(join(import.meta.dirname, 'read.cc'));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Runs the tasks in turn, REPS times; gives the median milliseconds of each. */
function interleaved(tasks: Readonly<Record<string, () => void>>): Record<string, number> {
  const names = Object.keys(tasks);
  const times = new Map<string, number[]>(names.map((name) => [name, []]));
  for (let rep = 0; rep < REPS; rep++) {
    for (const name of names) {
      const started = performance.now();
      tasks[name]?.();
      times.get(name)?.push(performance.now() - started);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times.get(name) ?? [])]));
}

function tasksOf(isa: KernelIsa, reader: Reader | undefined): Record<string, () => void> {
  const kernels = loadKernels(isa);
  const rows = kernels.allocate(BYTES);
  const values = floatsOf(rows, ROWS * DIM);
  for (let i = 0; i < values.length; i++) values[i] = ((i * 2654435761) >>> 24) & 255;
  const inverseNorms = new Float32Array(ROWS);
  kernels.inverseNorms({ dim: DIM, rows, from: 0, to: ROWS, out: inverseNorms });
  const stride = sq8Stride(DIM);
  const codes = kernels.allocate(ROWS * stride);
  const terms = new Uint32Array(ROWS);
  const grid = { low: 0, step: 1 };
  const span = { dim: DIM, from: 0, to: ROWS, rowBase: 0 };
  const encode = () => kernels.encodeSq8({ ...span, ...grid, rows, codes, terms });
  encode();
  const scan = (metric: 'l2' | 'ip' | 'cosine', nq: number) => () => {
    const queries = values.subarray(0, nq * DIM);
    const top = createTopK(nq, 10);
    kernels.scanRows({ ...span, metric, rows, inverseNorms, queries, top });
  };
  const query = encodeQuerySq8(values.subarray(0, DIM), grid, 1);
  const asked = { query: query.codes, queryTerm: query.term, weight: 1, slot: 0 };
  const bytes = bytesOf(rows, BYTES);
  return {
    ...(reader === undefined ? {} : { read: () => void reader.readBytes(bytes) }),
    l2: scan('l2', 1),
    ip: scan('ip', 1),
    cosine: scan('cosine', 1),
    'l2 x 16': scan('l2', 16),
    codes: () => kernels.scanSq8({ ...span, ...asked, codes, terms, top: createTopK(1, 30) }),
    encode,
  };
}

const reader = compileReader();
for (const isa of availableIsas()) {
  const times = interleaved(tasksOf(isa, reader));
  const read = times['read'] ?? Number.NaN;
  process.stdout.write(`${isa}\n`);
  for (const [name, ms] of Object.entries(times)) {
    const queries = name === 'l2 x 16' ? 16 : 1;
    const ns = (ms * 1e6) / ROWS / queries;
    const share = ['l2', 'ip', 'cosine'].includes(name)
      ? `  ${((read / ms) * 100).toFixed(0)} % of the read`
      : '';
    const rate = name === 'codes' ? '' : `  ${(BYTES / queries / ms / 1e6).toFixed(1)} GB/s`;
    const spent = `${ms.toFixed(2).padStart(8)} ms  ${ns.toFixed(0).padStart(4)} ns`;
    const unit = queries > 1 ? 'a row and query' : `a row${rate}`;
    process.stdout.write(`  ${name.padEnd(8)} ${spent} ${unit}${share}\n`);
  }
}
