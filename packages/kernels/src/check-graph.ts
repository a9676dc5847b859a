import { DIM_MAX, ENTRIES_MAX, floats, memory, need, numberRows, whole, words } from './check.ts';
import { checkBounds, checkTop } from './check.ts';
import { ROW_ELEMENTS } from './element.ts';
import { DEGREE_MAX, graphCount, graphScratchBytes, LEVEL_MAX, OUTCOME_WORDS } from './graph.ts';
import { vectorBytes } from './graph.ts';
import type { FindLinks, GraphView, GraphWalk, MergeLinks, SearchGraph } from './graph.ts';

/** The checks of the graph kernels' arguments: see check.ts. */

const ROW_MAX = 0xffffffff;
const NODE_MAX = 0x7fffffff;
const METRICS: readonly unknown[] = ['l2', 'ip', 'cosine'];

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

/** Graphs that were found sound: they are read-only, and a search passes the same one each time. */
const sound = new WeakSet<GraphView>();

function checkGraph(graph: GraphView): void {
  if (!isObject(graph)) throw new TypeError('graph: expected a GraphView');
  if (sound.has(graph)) return;
  checkParts(graph);
  sound.add(graph);
}

function checkParts(graph: GraphView): void {
  const { rowCount, nodes, degree, stride, metric } = graph;
  whole(rowCount, NODE_MAX, 'graph.rowCount');
  whole(nodes, rowCount, 'graph.nodes');
  if (!METRICS.includes(metric)) throw new TypeError('graph.metric: unknown');
  const codes = checkVectors(graph);
  whole(degree, DEGREE_MAX, 'graph.degree');
  need(degree >= 2, 'graph.degree: out of range');
  let upper = 0;
  for (let l = 1; graphCount(nodes, degree, l) > 0; l++) upper += graphCount(nodes, degree, l);
  const inside = graph.vectors === undefined;
  const parts = [
    ['codes', inside ? rowCount * stride : 0],
    ['terms', codes || metric === 'cosine' ? rowCount * 4 : 0],
    ['links', rowCount * degree * 8],
    ['upperRows', graphCount(nodes, degree, 1) * 4],
    ['upperLinks', upper * degree * 4],
  ] as const;
  for (const [name, bytes] of parts) {
    const at = graph[name];
    whole(at, Number.MAX_SAFE_INTEGER, `graph.${name}`);
    need(at % 4 === 0, `graph.${name}: expected a multiple of 4`);
    memory(graph.memory, at + bytes, `graph.${name}`);
  }
}

/** How vectors are stored; whether they are codes. */
function checkVectors(graph: GraphView): boolean {
  const { codec = 'sq8', dim = 0, stride, vectors, rowCount } = graph;
  if (codec === 'sq8') {
    whole(stride, DIM_MAX, 'graph.stride');
    need(stride >= 64 && stride % 64 === 0, 'graph.stride: out of range');
    need(vectors === undefined, 'graph.vectors: codes lie in the memory of the graph');
    return true;
  }
  if (!ROW_ELEMENTS.includes(codec)) throw new TypeError('graph.codec: unknown');
  whole(dim, DIM_MAX, 'graph.dim');
  need(dim >= 1, 'graph.dim: out of range');
  whole(stride, DIM_MAX * 4, 'graph.stride');
  const least = vectorBytes(codec, dim);
  need(stride >= least && stride % vectorBytes(codec, 1) === 0, 'graph.stride: out of range');
  if (vectors !== undefined) memory(vectors, rowCount * stride, 'graph.vectors');
  return false;
}

function checkScratch(scratch: Uint32Array, bytes: number): void {
  words(scratch, Math.ceil(bytes / 4), 'scratch');
  if (!(scratch.buffer instanceof ArrayBuffer)) throw new TypeError('scratch: shared memory');
  need(scratch.byteOffset % 8 === 0, 'scratch: expected a multiple of 8 bytes');
}

function layerOf(graph: GraphView, layer: number, name: string): void {
  whole(layer, LEVEL_MAX, name);
  need(layer === 0 || graphCount(graph.nodes, graph.degree, layer) > 0, `${name}: out of range`);
}

/** Checks how a graph is walked. @throws TypeError | RangeError */
export function checkWalk(walk: GraphWalk): void {
  const { graph, metric, dim, grid } = walk;
  checkGraph(graph);
  if (!METRICS.includes(metric)) throw new TypeError('metric: unknown');
  if (!['all', 'test', 'two-hop', 'scan'].includes(walk.mode)) throw new TypeError('mode: unknown');
  whole(dim, graph.dim ?? graph.stride, 'dim');
  need(dim >= 1 && dim === (graph.dim ?? dim), 'dim: out of range');
  if (!isObject(grid)) throw new TypeError('grid: expected a grid');
  need(Number.isFinite(grid.low), 'grid.low: expected a finite number');
  need(Number.isFinite(grid.step) && grid.step > 0, 'grid.step: expected a positive number');
  whole(walk.ef, ENTRIES_MAX, 'ef');
  whole(walk.capacity, ENTRIES_MAX, 'capacity');
  need(walk.ef >= 1 && walk.capacity >= walk.ef, 'capacity: expected at least ef');
  whole(walk.candidates, ENTRIES_MAX, 'candidates');
  whole(walk.distancesMax, ROW_MAX, 'distancesMax');
  need(walk.leastShare >= 0 && walk.leastShare <= 1, 'leastShare: out of range');
  numberRows(walk, graph.rowCount);
  if (metric === 'cosine') floats(walk.inverseNorms, graph.rowCount, 'inverseNorms');
}

/** Checks what differs between searches of one walk. @throws TypeError | RangeError */
export function checkSearchGraph(args: SearchGraph): void {
  const { walk, top, queries } = args;
  const { graph, dim, capacity } = walk;
  checkTop(top);
  floats(queries, dim, 'queries');
  need(queries.length === top.nq * dim, 'queries: expected top.nq x dim numbers');
  if (args.allowed !== undefined) words(args.allowed, Math.ceil(graph.rowCount / 32), 'allowed');
  else if (walk.mode !== 'all') throw new TypeError('allowed: expected for this mode');
  checkBounds(args.bounds);
  whole(args.rowBase, ROW_MAX, 'rowBase');
  need(args.rowBase + graph.rowCount <= ROW_MAX, 'rowBase: row numbers pass 2^32');
  words(args.outcomes, top.nq * OUTCOME_WORDS, 'outcomes');
  checkScratch(args.scratch, graphScratchBytes({ graph, capacity, build: false }));
}

/** Checks a round of a build. @throws TypeError | RangeError */
export function checkFindLinks(args: FindLinks): void {
  const { graph, order, roundStart, from, to, level } = args;
  checkGraph(graph);
  whole(to, NODE_MAX, 'to');
  whole(from, to, 'from');
  whole(roundStart, from, 'roundStart');
  words(order, to, 'order');
  layerOf(graph, level, 'level');
  whole(args.ef, ENTRIES_MAX, 'ef');
  need(args.ef >= 1, 'ef: out of range');
  words(args.chosen, (to - roundStart) * (level + 1) * graph.degree, 'chosen');
  checkScratch(args.scratch, graphScratchBytes({ graph, capacity: args.ef, build: true }));
}

/** Checks new links. @throws TypeError | RangeError */
export function checkMergeLinks(args: MergeLinks): void {
  const { graph, from, to } = args;
  checkGraph(graph);
  layerOf(graph, args.layer, 'layer');
  whole(to, NODE_MAX, 'to');
  whole(from, to, 'from');
  words(args.targets, to, 'targets');
  words(args.starts, to + 1, 'starts');
  words(args.sources, 0, 'sources');
  checkScratch(args.scratch, graphScratchBytes({ graph, capacity: 0, build: true }));
}
