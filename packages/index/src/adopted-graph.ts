import { assert } from '@elanus/core';

import { createCrew, dismiss } from './crew.ts';
import { linkSteps, listsOf } from './graph-build.ts';
import { layeredRows, permuted } from './graph-order.ts';
import type { LinkOrder } from './graph-order.ts';
import { heldOutRows, isWorthGraph, measureSteps } from './hnsw-build.ts';
import type { GraphTask } from './hnsw-build.ts';
import type { GraphShape } from './index-file.ts';
import { graphOf } from './open.ts';
import { graphCount } from '@elanus/kernels';

/** Links of rows that were made elsewhere. */
export interface AdoptedLinks {
  /** [rowCount x 2 M] u32: the links of each row; a list ends at the first that is no row. */
  readonly links: Uint32Array;
  /** [rowCount] how high each row stood; the highest ones are in the upper layers here, too. */
  readonly levels: Uint8Array;
}

const NO_LINK = 0xffffffff;

/** The rows of the upper layers first, highest first; then the others, a seeded sample last. */
function writeAdoptedOrder(
  { levels }: AdoptedLinks,
  of: { readonly degree: number; readonly seed: number },
  order: Uint32Array,
): LinkOrder {
  const nodes = levels.length;
  const upper = graphCount(layeredRows(nodes), of.degree, 1);
  const heldOut = Math.min(heldOutRows(nodes), nodes - upper);
  const byLevel = Uint32Array.from(levels, (_, row) => row).sort(
    (a, b) => (levels[b] ?? 0) - (levels[a] ?? 0) || a - b,
  );
  order.set(byLevel);
  const pick = permuted(nodes - upper, of.seed);
  for (let i = 0; i < heldOut; i++) {
    const [from, to] = [upper + pick(i), nodes - 1 - i];
    [order[from], order[to]] = [order[to] ?? 0, order[from] ?? 0];
  }
  return { nodes, upper, heldOut };
}

/** The links without those of some rows and to them. */
function linksWithout(links: Uint32Array, width: number, rows: ReadonlySet<number>): Uint32Array {
  const kept = new Uint32Array(links.length).fill(NO_LINK);
  for (let from = 0; from < links.length; from += width) {
    if (rows.has(from / width)) continue;
    let at = from;
    for (const link of links.subarray(from, from + width)) {
      if (!rows.has(link)) kept[at++] = link;
    }
  }
  return kept;
}

/**
 * Takes over the lowest layer of a graph that was linked elsewhere. The upper ones, a share of
 * 1 / M of the rows, are linked anew: elsewhere they are not as large as layers have to be here.
 * Recall is measured while some rows are left out, so that it is a little less than what is found.
 */
export function* adoptSteps(
  task: GraphTask,
  adopted: AdoptedLinks,
): Generator<undefined, GraphShape, undefined> {
  const { source, file, header, seed } = task;
  const { graph, rowCount } = header;
  assert(graph !== undefined, 'a header of a graph');
  const width = 2 * graph.degree;
  assert(adopted.links.length === rowCount * width, 'links of each row');
  assert(adopted.levels.length === rowCount, 'a level of each row');
  if (!isWorthGraph(source)) return { ...graph, nodes: 0 };
  const view = graphOf(file, header, source.column);
  assert(view !== undefined, 'a graph of at least one row');
  const crew = createCrew(rowCount, graph.degree);
  const order = writeAdoptedOrder(adopted, { degree: graph.degree, seed }, crew.order);
  yield;
  const { efConstruction } = graph;
  const build = { kernels: source.kernels, graph: view, efConstruction, crew };
  const lists = listsOf(view, 0);
  try {
    yield* linkSteps(build, { from: 0, to: order.upper });
    const held = crew.order.subarray(order.nodes - order.heldOut, order.nodes);
    lists.set(linksWithout(adopted.links, width, new Set(held)));
    yield;
    const first = Uint32Array.from({ length: rowCount }, (_, row) => row);
    yield* measureSteps(task, { crew, order, graph: view, first });
  } finally {
    dismiss(crew);
  }
  lists.set(adopted.links);
  return graph;
}
