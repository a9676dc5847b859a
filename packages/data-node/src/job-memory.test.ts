// Goal: a merge knows what it will take before it reads a row. Method: files of known sizes.
import type { VectorShape } from '@elanus/core';
import { expect, test } from 'vitest';
import { gatherBytes, indexBytes, mergeBytes, type FieldMemory } from './job-memory.ts';

const dense: VectorShape = { type: 'float32', dim: 4, metric: 'l2' };
const sparse: VectorShape = { type: 'sparse', dim: 0, metric: 'ip' };
const file = (size: number, whole = true) => ({
  file: { name: 'f', size, crc32: 0 },
  keep: new Uint32Array(0),
  whole,
});
const field = (size: number, more: Partial<FieldMemory> = {}): FieldMemory => ({
  field: 1,
  shape: dense,
  spec: undefined,
  files: [file(size)],
  rowCount: size / 16,
  ...more,
});
const MIB = 1024 * 1024;

test('files of which some rows go are read beside the output', () => {
  expect(gatherBytes({ shape: dense, files: [file(100), file(30)] })).toBe(130);
  expect(gatherBytes({ shape: dense, files: [file(100, false), file(30, false)] })).toBe(230);
  expect(gatherBytes({ shape: sparse, files: [file(100)] })).toBe(400);
});

test('an index takes what its kind says, a sparse one by its values', () => {
  const rows = { rowCount: 1_000, entries: 50 };
  const hnsw = { kind: 'HNSW', params: { m: 8, efConstruction: 64 } } as const;
  const over = { shape: dense, spec: hnsw, metric: 'l2' } as const;
  expect(indexBytes(over, rows)).toBeGreaterThan(1_000 * 8 * 4);
  expect(indexBytes({ ...over, shape: sparse }, rows)).toBe(50 * 32);
});

test('fields come one after the other: the worst of them counts, or the scalars', () => {
  const two = [field(200 * MIB), field(300 * MIB)];
  expect(mergeBytes(two, [])).toBe(300 * MIB);
  const scalars = [{ name: 's', size: 100 * MIB, crc32: 0 }];
  expect(mergeBytes(two, scalars)).toBeGreaterThan(900 * MIB);
  expect(mergeBytes([], [])).toBeGreaterThanOrEqual(32 * MIB);
});
