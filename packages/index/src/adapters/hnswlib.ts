import type { FloatMetric } from '@elanus/core';

import { rowOf } from '../column.ts';
import type { NumberColumn } from '../column.ts';
import type { ForeignEngine } from './foreign-search.ts';

/** What is used of `hnswlib-node` 3. */
export interface HnswlibModule {
  readonly HierarchicalNSW: new (space: FloatMetric, dim: number) => HnswlibGraph;
}

interface HnswlibGraph {
  initIndex(maxElements: number, m: number, efConstruction: number, seed: number): void;
  addPoint(point: number[], label: number): void;
  searchKnn(
    query: number[],
    count: number,
    filter?: (label: number) => boolean,
  ): { readonly neighbors: readonly number[] };
  setEf(ef: number): void;
  getCurrentCount(): number;
  writeIndexSync(path: string): void;
  readIndexSync(path: string): void;
}

/** Parameters of a graph of hnswlib. */
export interface HnswlibParams {
  /** Links of a node, 2 to 100. Default 16. */
  readonly M?: number | undefined;
  /** Nodes that links are chosen from, 1 to 2,048. Default 200. */
  readonly efConstruction?: number | undefined;
  /** Decides layers. Default 1. */
  readonly seed?: number | undefined;
}

/** Rows between two steps: about a millisecond of a graph of ten thousand. */
const STEP_ROWS = 8;
/** A walk looks for twice the results, and for so many at least, unless it is told. */
const EF_MIN = 64;

function engineOf(graph: HnswlibGraph, column: NumberColumn, links: number): ForeignEngine {
  const { dim, rowCount } = column;
  return {
    filters: true,
    find(query, { count, ef, passes }) {
      graph.setEf(Math.max(count, ef ?? Math.max(EF_MIN, 2 * count)));
      return graph.searchKnn(Array.from(query), count, passes).neighbors;
    },
    save: (path) => graph.writeIndexSync(path),
    // Numbers, links of the base layer, label; a lock and two entries of tables.
    bytes: rowCount * (dim * 4 + links * 8 + 4 + 8 + 110),
  };
}

function whole(name: string, value: number, [min, max]: readonly [number, number]): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`${name}: expected a whole number from ${min} to ${max}`);
}

/** Builds a graph of hnswlib over the rows. @throws RangeError for parameters out of range */
export function* hnswlibSteps(
  { HierarchicalNSW }: HnswlibModule,
  of: {
    readonly column: NumberColumn;
    readonly metric: FloatMetric;
    readonly params: HnswlibParams;
  },
): Generator<undefined, ForeignEngine, undefined> {
  const { column, metric, params } = of;
  const links = whole('M', params.M ?? 16, [2, 100]);
  const width = whole('efConstruction', params.efConstruction ?? 200, [1, 2048]);
  const seed = whole('seed', params.seed ?? 1, [0, 0x7fffffff]);
  const graph = new HierarchicalNSW(metric, column.dim);
  graph.initIndex(Math.max(1, column.rowCount), links, width, seed);
  for (let row = 0; row < column.rowCount; row++) {
    graph.addPoint(Array.from(rowOf(column, row)), row);
    if (row % STEP_ROWS === 0) yield;
  }
  return engineOf(graph, column, links);
}

/** Reads a graph that was saved. hnswlib trusts its files: ask only for one that was checked. */
export function openHnswlib(
  { HierarchicalNSW }: HnswlibModule,
  of: { readonly column: NumberColumn; readonly metric: FloatMetric; readonly path: string },
): ForeignEngine {
  const { column, metric, path } = of;
  const graph = new HierarchicalNSW(metric, column.dim);
  graph.readIndexSync(path);
  if (graph.getCurrentCount() !== column.rowCount) throw new RangeError(`${path}: of other rows`);
  return engineOf(graph, column, 16);
}
