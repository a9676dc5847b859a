import { assert } from '@elanus/core';
import { bytesOf, DEGREE_MAX } from '@elanus/kernels';
import type { GraphView } from '@elanus/kernels';

import { createCrew, dismiss, TRUTH_MAX } from './crew.ts';
import type { Crew } from './crew.ts';
import { chainTwins, linkSteps } from './graph-build.ts';
import type { GraphBuild } from './graph-build.ts';
import { findTwins, layeredRows, writeOrder } from './graph-order.ts';
import { GRAPH_ROWS_MAX, indexLayout } from './index-file.ts';
import type { GraphShape, IndexFile, IndexHeader } from './index-file.ts';
import { graphOf, hnswSource } from './open.ts';
import { writeCurve } from './recall-curve.ts';
import type { CurvePoint } from './recall-curve.ts';
import { measure } from './recall-measure.ts';
import type { Measured } from './recall-measure.ts';
import type { ScanSource } from './sq8-search.ts';

/** Parameters of a graph; the defaults are those of Milvus and hnswlib. */
export interface HnswParams {
  /** Links of an upper node, 2 to 64; a row has up to twice as many. Default 16. */
  readonly M?: number | undefined;
  /** Nodes that a row chooses its links from, at least M, at most 2048. Default 200. */
  readonly efConstruction?: number | undefined;
  /** Decides which rows are in the upper layers. Default 1. */
  readonly seed?: number | undefined;
}

/** The largest efConstruction. */
export const EF_CONSTRUCTION_MAX = 2048;
/** Rows that measure recall: a standard error of about half a percent. */
const HELD_OUT = TRUTH_MAX.queries;
/** Up to this dimension rows of equal codes mostly differ, and a walk cannot tell them apart. */
const COARSE_DIM = 4;
/** At most this share of the rows is held out. */
const HELD_OUT_SHARE = 20;
/** Codes that tell so little that a scan of them looks at most rows exactly need no graph. */
const CANDIDATES_SHARE_MAX = 1 / 4;

/** How many of the rows measure recall. */
export function heldOutRows(nodes: number): number {
  return Math.min(HELD_OUT, Math.floor(nodes / HELD_OUT_SHARE));
}

/** Whether codes tell enough for walks by them. */
export function isWorthGraph({ column, candidatesOfTen }: ScanSource): boolean {
  const { rowCount } = column;
  return rowCount > 0 && candidatesOfTen <= rowCount * CANDIDATES_SHARE_MAX;
}

/** M of the parameters, or its default. */
export function graphDegree(params: HnswParams | undefined): number {
  return params?.M ?? 16;
}

/** The graph that parameters ask for, over rows none of which is a twin. @throws RangeError */
export function graphShape(params: HnswParams | undefined, rowCount: number): GraphShape {
  const degree = graphDegree(params);
  const efConstruction = params?.efConstruction ?? 200;
  if (!Number.isInteger(degree) || degree < 2 || degree > DEGREE_MAX) {
    throw new RangeError(`M: expected a whole number from 2 to ${DEGREE_MAX}`);
  }
  const sound = Number.isInteger(efConstruction) && efConstruction >= degree;
  if (!sound || efConstruction > EF_CONSTRUCTION_MAX) {
    throw new RangeError(
      `efConstruction: expected a whole number from M to ${EF_CONSTRUCTION_MAX}`,
    );
  }
  return { degree, nodes: layeredRows(Math.min(rowCount, GRAPH_ROWS_MAX)), efConstruction };
}

/** What a graph is added to: rows, in a file that has room for it and holds their codes. */
export interface GraphTask {
  readonly source: ScanSource;
  readonly file: IndexFile;
  /** As if no row were a twin. */
  readonly header: IndexHeader;
  readonly seed: number;
  readonly crew: Crew | undefined;
}

/** Links all rows, measures recall, chains twins; gives what the header says of the graph. */
export function* graphSteps(task: GraphTask): Generator<undefined, GraphShape, undefined> {
  const { source, file, header } = task;
  const { graph } = header;
  assert(graph !== undefined, 'a header of a graph');
  const { rowCount } = header;
  const few = { ...graph, nodes: 0 };
  const { column } = source;
  const vectors = graphOf(file, header, column);
  if (vectors === undefined || !isWorthGraph(source)) return few;
  const first = yield* findTwins({ codes: vectorBytes(vectors), rowCount, stride: vectors.stride });
  const crew = task.crew ?? createCrew(rowCount, graph.degree);
  const nodes = first.reduce((count, twin, row) => count + (twin === row ? 1 : 0), 0);
  if (column.dim <= COARSE_DIM && nodes * 2 < rowCount) return few;
  const heldOut = heldOutRows(nodes);
  const order = writeOrder({ first, degree: graph.degree, seed: task.seed, heldOut }, crew.order);
  yield;
  const shape = { ...graph, nodes: layeredRows(order.nodes) };
  const view = graphOf(file, { ...header, graph: shape }, column);
  assert(view !== undefined, 'a graph of at least one row');
  const { efConstruction } = graph;
  const build: GraphBuild = { kernels: source.kernels, graph: view, efConstruction, crew };
  try {
    const known = order.nodes - order.heldOut;
    yield* linkSteps(build, { from: 0, to: known });
    const made = { ...task, header: { ...header, graph: shape } };
    yield* measureSteps(made, { crew, order, graph: view, first });
    yield* linkSteps(build, { from: known, to: order.nodes });
  } finally {
    dismiss(crew);
  }
  chainTwins(view, first);
  return shape;
}

/** Measures what walks find, and writes it into the file. */
export function* measureSteps(
  { source, file, header }: GraphTask,
  about: Omit<Measured, 'keep' | 'sourceOf'>,
): Generator<undefined, void, undefined> {
  const { offset } = indexLayout(header).sections.curve;
  const keep = (points: readonly CurvePoint[]): void => writeCurve(file, offset, points);
  keep(yield* measure({ ...about, keep, sourceOf: () => hnswSource(source, file, header) }));
}

/** The vectors of all nodes. */
function vectorBytes({ vectors, memory, codes, rowCount, stride }: GraphView): Uint8Array {
  return vectors ? bytesOf(vectors, rowCount * stride) : bytesOf(memory, rowCount * stride, codes);
}
