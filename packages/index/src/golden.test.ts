import { readFileSync } from 'node:fs';

import { bytesOf, createTopK, decodeRows, floatsOf, loadKernels, sortTopK } from '@elanus/kernels';
import { expect, test } from 'vitest';

import { narrowRows, sparseQuery, sparseRows } from '../../../test/golden/v1/index/narrow-rows.ts';
import { wideRows } from '../../../test/golden/v1/index/narrow-rows.ts';
import type { ColumnElement } from './column.ts';
import { openIndex } from './open.ts';

/** Files of released formats are read forever: see test/golden/v1/index/write.ts. */
const folder = new URL('../../../test/golden/v1/index/', import.meta.url);
const ROWS = 700;
const DIM = 20;

interface Answer {
  readonly rows: readonly number[];
  readonly scores: readonly number[];
}
const answersOf = (name: string): readonly [string, Answer][] => {
  const text = readFileSync(new URL(name, folder), 'utf8');
  return Object.entries(JSON.parse(text) as Readonly<Record<string, Answer>>);
};

test.each(answersOf('answers.json'))('version 1, %s', (name, answer) => {
  const kernels = loadKernels();
  const rows = kernels.allocate(ROWS * DIM * 4);
  const values = floatsOf(rows, ROWS * DIM);
  for (let i = 0; i < values.length; i++) values[i] = ((i * 7919) % 10_007) / 1024 - 5;
  const bytes = readFileSync(new URL(`${name}.index`, folder));
  const memory = kernels.allocate(bytes.length);
  bytesOf(memory, bytes.length).set(bytes);
  const image = { memory, bytes: bytes.length, path: name };
  const index = openIndex({ kernels, image, column: { rows, rowCount: ROWS, dim: DIM } });
  expect(`${index.kind}-${index.metric}`.toLowerCase()).toBe(name);
  const top = createTopK(1, 5);
  // A graph of so few rows is walked only when a width is asked for.
  const work = index.search({ queries: values.slice(3 * DIM, 4 * DIM), top, ef: 60 });
  expect(work.plan === 'graph').toBe(index.kind === 'HNSW');
  sortTopK(top, index.metric);
  expect({ rows: [...top.rows], scores: [...top.scores] }).toEqual(answer);
});

const later = [...answersOf('answers-elements.json'), ...answersOf('answers-added.json')];
test.each(later)('version 1, %s', (name, answer) => {
  const kernels = loadKernels();
  const element = name.split('-')[2] as ColumnElement;
  const column = element === 'float32' ? wideRows(kernels) : narrowRows(kernels, element);
  const bytes = readFileSync(new URL(`${name}.index`, folder));
  const memory = kernels.allocate(bytes.length);
  bytesOf(memory, bytes.length).set(bytes);
  const index = openIndex({ kernels, column, image: { memory, bytes: bytes.length, path: name } });
  expect(`${index.kind}-${index.metric}-${element}`.toLowerCase()).toBe(name);
  const { rows, dim } = column;
  const queries =
    element === 'binary'
      ? bytesOf(rows, dim / 8, (3 * dim) / 8).slice()
      : decodeRows(rows, element, { at: 3 * dim, length: dim });
  const top = createTopK(1, 5);
  const work = index.search({ queries, top, ef: 60, nprobe: 7 });
  expect(work.plan === 'graph').toBe(index.kind.startsWith('HNSW'));
  expect(work.plan === 'lists').toBe(index.kind.includes('IVF'));
  sortTopK(top, index.metric);
  expect({ rows: [...top.rows], scores: [...top.scores] }).toEqual(answer);
});

test.each(answersOf('answers-sparse.json'))('version 1, %s', (name, answer) => {
  const kernels = loadKernels();
  const bytes = readFileSync(new URL(`${name}.index`, folder));
  const memory = kernels.allocate(bytes.length);
  bytesOf(memory, bytes.length).set(bytes);
  const image = { memory, bytes: bytes.length, path: name };
  const index = openIndex({ kernels, column: sparseRows(kernels), image });
  const top = createTopK(1, 5);
  expect(index.search({ queries: sparseQuery(), top }).plan).toBe('postings');
  sortTopK(top, 'ip');
  expect({ rows: [...top.rows], scores: [...top.scores] }).toEqual(answer);
});
