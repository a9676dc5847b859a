/** What a wanted recall gives on queries that the index has never seen, and what it costs. */
import type { VectorIndex } from '../../packages/index/src/index.ts';
import { createTopK, type TopK } from '../../packages/kernels/src/index.ts';
import { median, type Figure } from '../bench.ts';
import { QUERIES, type BenchData } from '../index/data.ts';
import { recallOf, timeAt, type Point } from './sweep.ts';

const TARGETS = [0.8, 0.9, 0.95, 0.99] as const;
const PASSES = 3;
/** Widths around every target: finer than those that peers are compared at. */
const WIDTHS = [
  10, 11, 12, 14, 16, 18, 20, 24, 28, 34, 40, 48, 56, 68, 80, 96, 112, 136, 160, 200,
].concat([240, 300, 360, 440, 520]);

interface Pass {
  readonly ms: number;
  readonly rows: number[];
}

function passOf(
  index: VectorIndex,
  data: BenchData,
  asked: { readonly recall?: number; readonly ef?: number },
): Pass {
  const { dim } = data.column;
  const tops = Array.from({ length: QUERIES }, () => createTopK(1, 10));
  const { user, system } = process.threadCpuUsage();
  for (const [q, top] of tops.entries()) {
    index.search({ ...asked, queries: data.queries.subarray(q * dim, (q + 1) * dim), top });
  }
  const after = process.threadCpuUsage();
  const ms = (after.user + after.system - user - system) / 1000;
  return { ms, rows: tops.flatMap((top) => [...top.rows]) };
}

/** Mean recall of the twentieth of the queries that found least. */
function worstTwentieth(rows: readonly number[], truth: TopK): number {
  const each = Array.from({ length: QUERIES }, (_, q) => {
    const found = new Set(rows.slice(q * 10, q * 10 + 10));
    const count = truth.counts[q] ?? 0;
    const hits = truth.rows.subarray(q * 10, q * 10 + count).filter((row) => found.has(row));
    return count === 0 ? 1 : hits.length / count;
  });
  const worst = each.toSorted((a, b) => a - b).slice(0, QUERIES / 20);
  return worst.reduce((sum, one) => sum + one, 0) / worst.length;
}

/** Each target in turns with the widths around it, so that both see the same machine. */
export function targetFigures(data: BenchData, index: VectorIndex, truth: TopK): readonly Figure[] {
  const { name } = data;
  for (let n = 0; n < PASSES; n++) passOf(index, data, { ef: 20 });
  return TARGETS.flatMap((recall) => {
    const times: number[] = [];
    const lines: number[][] = WIDTHS.map(() => []);
    const recalls: number[] = [];
    let rows: readonly number[] = [];
    for (let n = 0; n < PASSES; n++) {
      const asked = passOf(index, data, { recall });
      times.push(asked.ms);
      ({ rows } = asked);
      for (const [i, ef] of WIDTHS.entries()) {
        if ((recalls[i - 2] ?? 0) >= recall) break;
        const pass = passOf(index, data, { ef });
        lines[i]?.push(pass.ms);
        recalls[i] = recallOf(pass.rows, truth);
      }
    }
    const points: Point[] = recalls.map((found, i) => {
      return { ef: WIDTHS[i] ?? 0, recall: found, ms: median(lines[i] ?? []) };
    });
    const found = recallOf(rows, truth);
    // What is found beyond the target is not held against the speed.
    const best = timeAt(points, Math.min(found, points.at(-1)?.recall ?? 1)) ?? Number.NaN;
    const what = `${name}: recall ${recall} asked`;
    const least = timeAt(points, recall) ?? best;
    return [
      { what: `${what}: found`, measured: found, unit: '', atLeast: recall - 0.01 },
      {
        what: `${what}: worst twentieth of the queries`,
        measured: worstTwentieth(rows, truth),
        unit: '',
      },
      {
        what: `${what}: share of the searches a second of the best width for it`,
        measured: least / median(times),
        unit: '',
        atLeast: 0.75,
      },
    ];
  });
}
