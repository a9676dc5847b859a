/**
 * Wrote `hnswlib-l2.bin` and `answers-hnswlib.json` beside it, once, with hnswlib-node 3.0.0 from
 * bench/peers (`node bench/peers/install.mjs`): a file as hnswlib's own code writes it.
 *
 *     node --conditions=elanus:source test/golden/v1/index/write-hnswlib.ts
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const ROWS = 600;
const DIM = 12;

/** What is used of hnswlib-node. */
interface Hnswlib {
  readonly HierarchicalNSW: new (
    space: string,
    dim: number,
  ) => {
    initIndex(rows: number, m: number, efConstruction: number, seed: number): void;
    addPoint(point: readonly number[], label: number): void;
    markDelete(label: number): void;
    writeIndexSync(path: string): void;
    setEf(ef: number): void;
    searchKnn(query: readonly number[], k: number): { neighbors: number[]; distances: number[] };
  };
}

const peers = createRequire(new URL('../../../../bench/peers/package.json', import.meta.url));
const { HierarchicalNSW } = peers('hnswlib-node') as Hnswlib;
const rowOf = (row: number): number[] =>
  Array.from({ length: DIM }, (_, j) => ((((row * DIM + j) * 7919) % 10_007) - 5000) / 1024);
const index = new HierarchicalNSW('l2', DIM);
index.initIndex(ROWS + 50, 8, 60, 3);
for (let row = 0; row < ROWS; row++) index.addPoint(rowOf(row), row * 3 + 1000);
for (const row of [17, 64, 599]) index.markDelete(row * 3 + 1000);
index.writeIndexSync(fileURLToPath(new URL('hnswlib-l2.bin', import.meta.url)));
index.setEf(200);
const answers = [3, 17, 300].map((row) => {
  const { neighbors, distances } = index.searchKnn(rowOf(row), 5);
  return { row, labels: neighbors, distances };
});
const text = `${JSON.stringify(answers, null, 2)}\n`;
writeFileSync(new URL('answers-hnswlib.json', import.meta.url), text);
