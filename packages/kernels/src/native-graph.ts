import { checkFindLinks, checkMergeLinks, checkWalk } from './check-graph.ts';
import { checkBounds } from './check.ts';
import { elementCode, elementsOf } from './element.ts';
import type { ElementArray } from './element.ts';
import { codecCode, distancesPerCall } from './graph.ts';
import type { FindLinks, GraphView, GraphWalk, MergeLinks, SearchGraph } from './graph.ts';
import { bytesOf, memoryBytes } from './memory.ts';

/** The graph kernels of the addon: see native/addon.cc for the order of the arguments. */
export interface GraphAddon {
  searchGraph(...args: readonly unknown[]): number;
  findLinks(...args: readonly unknown[]): number;
  mergeLinks(...args: readonly unknown[]): number;
}

const METRIC_CODE = { l2: 0, ip: 1, cosine: 2 } as const;
const MODE_CODE = { all: 0, test: 1, 'two-hop': 2, scan: 3 } as const;

/** Numbers of a graph and of a search in it. */
const SEARCH_NUMBERS = 29;

/** A graph as the addon takes it. */
interface PassedGraph {
  readonly bytes: Uint8Array;
  /** Twelve numbers of the graph, then those of the search that is called. */
  readonly numbers: Float64Array;
  /** The first twelve of them. */
  readonly shape: Float64Array;
  /** Vectors that lie outside. */
  readonly vectors: Uint8Array | null;
  /** The walk that was asked for last: its numbers are written, and this is a view of its rows. */
  walk: GraphWalk | undefined;
  rows: ElementArray;
}

const known = new WeakMap<GraphView, PassedGraph>();

function passedGraph(graph: GraphView): PassedGraph {
  const found = known.get(graph);
  if (found !== undefined) return found;
  const { rowCount, nodes, stride, degree, metric, codec, dim = 0 } = graph;
  const how = [METRIC_CODE[metric], codecCode(codec), dim];
  const sizes = [rowCount, nodes, stride, degree, ...how];
  const parts = [graph.codes, graph.terms, graph.links, graph.upperRows, graph.upperLinks];
  const numbers = new Float64Array(SEARCH_NUMBERS);
  const shape = numbers.subarray(0, sizes.length + parts.length);
  shape.set([...sizes, ...parts]);
  const bytes = bytesOf(graph.memory, memoryBytes(graph.memory));
  const vectors = graph.vectors ? bytesOf(graph.vectors, rowCount * stride) : null;
  const none = { walk: undefined, rows: new Float32Array() };
  const made: PassedGraph = { bytes, numbers, shape, vectors, ...none };
  known.set(graph, made);
  return made;
}

/**
 * Writes what is the same for all searches of a walk: see jsSearchGraph in native/addon-graph.h for
 * the order. A view of the rows takes longer to make than to read.
 */
function passWalk(passed: PassedGraph, walk: GraphWalk): void {
  checkWalk(walk);
  const { graph, grid, dim, element } = walk;
  const to = passed.numbers;
  to[12] = METRIC_CODE[walk.metric];
  to[13] = dim;
  to[14] = grid.low;
  to[15] = grid.step;
  to[16] = Math.abs(grid.low);
  to[17] = MODE_CODE[walk.mode];
  to[18] = walk.ef;
  to[19] = walk.capacity;
  to[20] = walk.candidates;
  to[21] = walk.distancesMax;
  to[22] = walk.leastShare;
  to[23] = distancesPerCall(graph.stride);
  to[28] = elementCode(element);
  passed.rows = elementsOf(walk.rows, element ?? 'float32', { length: graph.rowCount * dim });
  passed.walk = walk;
}

/**
 * One bounded call of a search: see `Kernels.searchGraph`. What differs between searches is checked
 * by the addon alone, which checks it anyway: a walk leaves nothing in the caches, so that reading
 * anything costs more than it seems to.
 */
export function searchGraph(addon: GraphAddon, isa: number, args: SearchGraph): boolean {
  const { walk, top, bounds, queries } = args;
  const passed = passedGraph(walk.graph);
  if (passed.walk !== walk) passWalk(passed, walk);
  if (queries.length !== top.nq * walk.dim || top.sorted) {
    throw new RangeError('queries: expected top.nq x dim numbers, for a result that takes rows');
  }
  checkBounds(bounds);
  const { numbers } = passed;
  numbers[24] = bounds === undefined ? -Infinity : bounds.min;
  numbers[25] = bounds === undefined ? Infinity : bounds.max;
  numbers[26] = args.rowBase;
  numbers[27] = top.limit;
  const decided = addon.searchGraph(
    isa,
    passed.bytes,
    numbers,
    passed.vectors,
    queries,
    walk.mode === 'all' ? null : args.allowed,
    passed.rows,
    walk.inverseNorms,
    args.outcomes,
    args.scratch,
    top.scores,
    top.rows,
    top.counts,
    top.tied,
  );
  return decided === top.nq;
}

/** One bounded call of a round: see `Kernels.findLinks`. */
export function findLinks(addon: GraphAddon, isa: number, args: FindLinks): number {
  checkFindLinks(args);
  const { order, roundStart, from, to, level, ef, scratch } = args;
  const chosen = args.chosen.subarray((from - roundStart) * (level + 1) * args.graph.degree);
  const budget = distancesPerCall(args.graph.stride);
  const span = [order, roundStart, from, to, level, ef, budget];
  const { bytes, shape, vectors } = passedGraph(args.graph);
  return addon.findLinks(isa, bytes, shape, vectors, ...span, chosen, scratch);
}

/** One bounded call of a merge: see `Kernels.mergeLinks`. */
export function mergeLinks(addon: GraphAddon, isa: number, args: MergeLinks): number {
  checkMergeLinks(args);
  const { layer, targets, starts, sources, from, to, scratch } = args;
  const budget = distancesPerCall(args.graph.stride);
  const lists = [layer, targets, starts, sources, from, to, budget];
  const { bytes, shape, vectors } = passedGraph(args.graph);
  return addon.mergeLinks(isa, bytes, shape, vectors, ...lists, scratch);
}
