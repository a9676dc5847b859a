import { createGraphScratch, graphCount, ROUND_MAX } from '@elanus/kernels';
import type { GraphView, Kernels } from '@elanus/kernels';

import { lead } from './crew.ts';
import type { Crew, Stage, Work } from './crew.ts';

/**
 * Links rows in rounds. The rows of a round search the graph as earlier rounds left it and choose
 * links; then each node that was chosen takes the rows that chose it. Both parts can be shared out
 * among threads and give the same links whoever does them: see native/graph-build.h.
 */
export interface GraphBuild {
  readonly kernels: Kernels;
  readonly graph: GraphView;
  readonly efConstruction: number;
  readonly crew: Crew;
}

/** A round is at most this share of what is linked already: its rows do not see each other well. */
const ROUND_SHARE = 8;
const NO_LINK = 0xffffffff;

/** The highest layer of a position. */
export function levelOf(graph: GraphView, position: number): number {
  let level = 0;
  while (position < graphCount(graph.nodes, graph.degree, level + 1)) level++;
  return level;
}

/** What every thread of a build does with a piece of a stage. */
export function workOf(build: GraphBuild): Work {
  const { kernels, graph, crew, efConstruction } = build;
  const scratch = createGraphScratch({ graph, capacity: efConstruction, build: true });
  return (stage, from, to) => {
    const { roundStart, level, layer } = stage;
    if (stage.kind === 'merge') {
      const { targets, starts, sources } = crew;
      return kernels.mergeLinks({ graph, layer, targets, starts, sources, from, to, scratch });
    }
    const span = { roundStart, from: roundStart + from, to: roundStart + to, level };
    const { order, chosen } = crew;
    const asked = { graph, order, ef: efConstruction, chosen, scratch };
    return kernels.findLinks({ ...asked, ...span }) - roundStart;
  };
}

/** Writes the lists of a round's rows in one layer and sorts what they chose by target. */
function scatter(build: GraphBuild, stage: Stage, lists: Uint32Array): number {
  const { crew, graph } = build;
  const { degree } = graph;
  const { roundStart, level, layer, count } = stage;
  const width = layer === 0 ? 2 * degree : degree;
  const pairs = new Float64Array(count * degree);
  let n = 0;
  for (let i = 0; i < count; i++) {
    const node = layer === 0 ? (crew.order[roundStart + i] ?? 0) : roundStart + i;
    const from = (i * (level + 1) + layer) * degree;
    for (let k = 0; k < degree; k++) {
      const target = crew.chosen[from + k] ?? NO_LINK;
      if (target === NO_LINK) break;
      lists[node * width + k] = target;
      pairs[n++] = target * ROUND_MAX + i;
    }
  }
  const sorted = pairs.subarray(0, n).sort();
  let targets = 0;
  let last = -1;
  for (let at = 0; at < n; at++) {
    const pair = sorted[at] ?? 0;
    const target = Math.floor(pair / ROUND_MAX);
    const position = roundStart + (pair % ROUND_MAX);
    if (target !== last) {
      crew.targets[targets] = target;
      crew.starts[targets++] = at;
      last = target;
    }
    crew.sources[at] = layer === 0 ? (crew.order[position] ?? 0) : position;
  }
  crew.starts[targets] = n;
  return targets;
}

/** Where the lists of a layer lie. */
export function listsOf(graph: GraphView, layer: number): Uint32Array {
  const { memory, nodes, degree } = graph;
  if (layer === 0) {
    const at = memory.byteOffset + graph.links;
    return new Uint32Array(memory.buffer, at, graph.rowCount * degree * 2);
  }
  let at = memory.byteOffset + graph.upperLinks;
  for (let l = 1; l < layer; l++) at += graphCount(nodes, degree, l) * degree * 4;
  return new Uint32Array(memory.buffer, at, graphCount(nodes, degree, layer) * degree);
}

/** Empty lists everywhere, and the rows of the upper nodes. */
function prepare(build: GraphBuild): void {
  const { graph, crew } = build;
  for (let layer = 0; layer === 0 || graphCount(graph.nodes, graph.degree, layer) > 0; layer++) {
    listsOf(graph, layer).fill(NO_LINK);
  }
  const upper = graphCount(graph.nodes, graph.degree, 1);
  const at = graph.memory.byteOffset + graph.upperRows;
  new Uint32Array(graph.memory.buffer, at, upper).set(crew.order.subarray(0, upper));
}

/** Positions `[from, to)` to be linked; those before `from` are. */
export interface LinkSpan {
  readonly from: number;
  readonly to: number;
}

/** Links positions in rounds; a step is one bounded native call. */
export function* linkSteps(
  build: GraphBuild,
  span: LinkSpan,
): Generator<undefined, void, undefined> {
  const { graph, crew } = build;
  if (span.from === 0) prepare(build);
  const work = workOf(build);
  for (let start = span.from; start < span.to; ) {
    const level = levelOf(graph, start);
    const edge = level === 0 ? span.to : graphCount(graph.nodes, graph.degree, level);
    const most = Math.min(ROUND_MAX, Math.max(1, Math.floor(start / ROUND_SHARE)));
    const count = Math.min(most, span.to - start, edge - start);
    const round = { roundStart: start, level, nodes: graph.nodes };
    yield* lead(crew, { ...round, kind: 'find', layer: 0, count }, work);
    for (let layer = level; layer >= 0; layer--) {
      const stage = { ...round, kind: 'merge', layer, count } as const;
      const targets = scatter(build, stage, listsOf(graph, layer));
      yield* lead(crew, { ...stage, count: targets }, work);
    }
    start += count;
  }
}

/** Twins that one list chains. */
const CHAIN = 16;

/**
 * Chains twins to the row that the graph links: its last link leads to its first twin, whose list
 * holds the next ones, the last of them the ones after that. So a walk that reaches a row reaches
 * its twins, in row order.
 */
export function chainTwins(graph: GraphView, first: Uint32Array): void {
  const lists = listsOf(graph, 0);
  const width = 2 * graph.degree;
  /** Per first row: the twin whose list takes the next ones, and how many it has. */
  const tails = new Map<number, { row: number; length: number; last: number }>();
  for (let row = 0; row < first.length; row++) {
    const owner = first[row] ?? row;
    if (owner === row) continue;
    const tail = tails.get(owner);
    if (tail === undefined) {
      let at = owner * width;
      const end = at + width - 1;
      while (at < end && lists[at] !== NO_LINK) at++;
      lists[at] = row;
      tails.set(owner, { row, length: 0, last: row });
      continue;
    }
    if (tail.length === Math.min(CHAIN, width)) {
      tail.row = tail.last;
      tail.length = 0;
    }
    lists[tail.row * width + tail.length++] = row;
    tail.last = row;
  }
}
