/** Contenders over the same rows, measured in turns, and compared at the same recall. */
import type { TopK } from '../../packages/kernels/src/index.ts';
import { median } from '../bench.ts';
import { QUERIES } from '../index/data.ts';

/** What a pass over all queries took, and the ten rows of each. */
export interface Passed {
  readonly ms: number;
  readonly rows: ArrayLike<number>;
}

/** Something that answers the queries with a width of search. */
export interface Contender {
  readonly name: string;
  search(ef: number): Promise<Passed>;
}

/** A width of search, measured. */
export interface Point {
  readonly ef: number;
  readonly recall: number;
  readonly ms: number;
}

/** What a contender was measured at, for plots. */
export interface Curve {
  readonly name: string;
  readonly points: readonly Point[];
}

/** Widths that are tried, narrow to wide. */
export const WIDTHS = [10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448] as const;

/** Share of the true rows among the ten that each query found. */
export function recallOf(rows: ArrayLike<number>, truth: TopK): number {
  let hits = 0;
  let all = 0;
  for (let q = 0; q < QUERIES; q++) {
    const found = new Set(Array.from({ length: 10 }, (_, i) => rows[q * 10 + i]));
    const count = truth.counts[q] ?? 0;
    for (const row of truth.rows.subarray(q * 10, q * 10 + count)) hits += found.has(row) ? 1 : 0;
    all += count;
  }
  return hits / all;
}

/** Time of a recall between two that were measured; undefined outside of them. */
export function timeAt(points: readonly Point[], recall: number): number | undefined {
  const to = points.findIndex((point) => point.recall >= recall);
  const [a, b] = [points[to - 1], points[to]];
  if (b === undefined) return undefined;
  // The narrowest width finds more: nobody can be asked for less.
  if (a === undefined) return b.ms;
  const part = (recall - a.recall) / (b.recall - a.recall);
  return Math.exp(Math.log(a.ms) * (1 - part) + Math.log(b.ms) * part);
}

/**
 * All contenders at each width in turns, medians of `passes`, until each finds `enough`; the first
 * pass of each warms it up. Points of each, in the order given.
 */
export async function sweep(
  contenders: readonly Contender[],
  truth: TopK,
  options: { readonly passes: number; readonly enough: number },
): Promise<readonly (readonly Point[])[]> {
  const points: Point[][] = contenders.map(() => []);
  for (const { search } of contenders) await search(WIDTHS[2]);
  for (const ef of WIDTHS) {
    const times: number[][] = contenders.map(() => []);
    const recalls: number[] = [];
    const asked = contenders.map((_, i) => (points[i]?.at(-1)?.recall ?? 0) < options.enough);
    for (let n = 0; n < options.passes; n++) {
      for (const [i, { search }] of contenders.entries()) {
        if (asked[i] !== true) continue;
        const { ms, rows } = await search(ef);
        times[i]?.push(ms);
        recalls[i] = recallOf(rows, truth);
      }
    }
    for (const [i, line] of points.entries()) {
      if (asked[i] === true) line.push({ ef, recall: recalls[i] ?? 0, ms: median(times[i] ?? []) });
    }
    if (asked.every((one) => !one)) break;
  }
  return points;
}
