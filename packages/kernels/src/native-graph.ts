import { checkFindLinks, checkMergeLinks, checkSearchGraph } from './check-graph.ts';
import { elementCode, elementsOf } from './element.ts';
import type { ElementArray, RowElement } from './element.ts';
import { codecCode, distancesPerCall } from './graph.ts';
import type { FindLinks, GraphView, MergeLinks, SearchGraph } from './graph.ts';
import { bytesOf, memoryBytes } from './memory.ts';
import type { RowMemory } from './memory.ts';

/** The graph kernels of the addon: see native/addon.cc for the order of the arguments. */
export interface GraphAddon {
  searchGraph(...args: readonly unknown[]): number;
  findLinks(...args: readonly unknown[]): number;
  mergeLinks(...args: readonly unknown[]): number;
}

const METRIC_CODE = { l2: 0, ip: 1, cosine: 2 } as const;
const MODE_CODE = { all: 0, test: 1, 'two-hop': 2 } as const;

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
  /** The rows that were searched last, and a view of them. */
  rows: RowMemory | undefined;
  element: RowElement;
  view: ElementArray;
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
  const rows = { rows: undefined, element: 'float32', view: new Float32Array() } as const;
  const vectors = graph.vectors ? bytesOf(graph.vectors, rowCount * stride) : null;
  const made: PassedGraph = { bytes, numbers, shape, vectors, ...rows };
  known.set(graph, made);
  return made;
}

/** The rows of a search, the same view each time: making one takes longer than reading it. */
function rowsOf(passed: PassedGraph, args: SearchGraph): ElementArray {
  const length = args.graph.rowCount * args.dim;
  const { element = 'float32' } = args;
  const same = passed.rows === args.rows && passed.element === element;
  if (!same || passed.view.length !== length) {
    passed.view = elementsOf(args.rows, element, { length });
    passed.rows = args.rows;
    passed.element = element;
  }
  return passed.view;
}

/** Writes the numbers of a search: see jsSearchGraph in native/addon-graph.h for their order. */
function writeNumbers(to: Float64Array, args: SearchGraph): void {
  const { grid, bounds } = args;
  to[12] = METRIC_CODE[args.metric];
  to[13] = args.dim;
  to[14] = grid.low;
  to[15] = grid.step;
  to[16] = Math.abs(grid.low);
  to[17] = MODE_CODE[args.mode];
  to[18] = args.ef;
  to[19] = args.capacity;
  to[20] = args.candidates;
  to[21] = args.distancesMax;
  to[22] = args.leastShare;
  to[23] = distancesPerCall(args.graph.stride);
  to[24] = bounds?.min ?? -Infinity;
  to[25] = bounds?.max ?? Infinity;
  to[26] = args.rowBase;
  to[27] = args.top.limit;
  to[28] = elementCode(args.element);
}

/** One bounded call of a search: see `Kernels.searchGraph`. */
export function searchGraph(addon: GraphAddon, isa: number, args: SearchGraph): boolean {
  checkSearchGraph(args);
  const { top } = args;
  const passed = passedGraph(args.graph);
  writeNumbers(passed.numbers, args);
  const decided = addon.searchGraph(
    isa,
    passed.bytes,
    passed.numbers,
    passed.vectors,
    args.queries,
    args.mode === 'all' ? null : args.allowed,
    rowsOf(passed, args),
    args.inverseNorms,
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
