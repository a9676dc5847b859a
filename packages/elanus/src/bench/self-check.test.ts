// Goal: the self-check measures what it says, and its rows are the same for the same seed. Method:
// small ones, against what can be computed here.
import { expect, test } from 'vitest';
import { clusteredRows } from './clustered.ts';
import { selfCheck } from './self-check.ts';

const shape = { rows: 300, queries: 20, dim: 12, seed: 5 };

test('rows are clustered, and depend on the seed only', () => {
  const { rows, queries } = clusteredRows(shape);
  expect(clusteredRows(shape)).toEqual({ rows, queries });
  expect(clusteredRows({ ...shape, seed: 6 }).rows).not.toEqual(rows);
  expect(rows.every(Number.isFinite)).toBe(true);
  const distance = (a: number, b: number): number => {
    let sum = 0;
    for (let i = 0; i < 12; i++) sum += ((rows[a * 12 + i] ?? 0) - (rows[b * 12 + i] ?? 0)) ** 2;
    return sum;
  };
  // Row i and row i + 100 are of one cluster, row i + 1 is of another.
  const nearer = Array.from({ length: 100 }, (_, i) => distance(i, i + 100) < distance(i, i + 1));
  expect(nearer.filter(Boolean).length).toBeGreaterThan(75);
});

test('a check of few rows finds all of them by scan', async () => {
  const steps = new Set<string>();
  const onProgress = (step: string): void => void steps.add(step);
  const result = await selfCheck({ rows: 500, dim: 8, seed: 1, seconds: 0.05, onProgress });
  expect(result).toMatchObject({
    data: { rows: 500, dim: 8, seed: 1 },
    index: { kind: 'none', rows: 0, bytes: 0 },
    recallAt10: 1,
  });
  expect(result.insert.rowsPerSecond).toBeGreaterThan(0);
  expect(result.oneClient.rate).toBeGreaterThan(0);
  expect(result.eightInFlight.medianMs).toBeGreaterThan(0);
  expect(result.memory.rowBytes).toBeGreaterThanOrEqual(500 * 8 * 4);
  expect(result.machine.kernels).not.toBe('none');
  expect([...steps]).toEqual(['making', 'inserting', 'recall', 'searching']);
});

test('a check of enough rows waits for their index', async () => {
  const result = await selfCheck({ rows: 12_000, dim: 16, seed: 1, seconds: 0.05 });
  expect(result.index).toMatchObject({ kind: 'HNSW', rows: 12_000 });
  expect(result.index.bytes).toBeGreaterThan(12_000 * 64);
  expect(result.recallAt10).toBeGreaterThan(0.93);
});
