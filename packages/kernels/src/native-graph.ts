import { checkFindLinks, checkMergeLinks, checkSearchGraph } from './check-graph.ts';
import { distancesPerCall } from './graph.ts';
import type { FindLinks, GraphView, MergeLinks, SearchGraph } from './graph.ts';
import { bytesOf, floatsOf, memoryBytes } from './memory.ts';
import type { RowMemory } from './memory.ts';

/** The graph kernels of the addon: see native/addon.cc for the order of the arguments. */
export interface GraphAddon {
  searchGraph(...args: readonly unknown[]): number;
  findLinks(...args: readonly unknown[]): number;
  mergeLinks(...args: readonly unknown[]): number;
}

const METRIC_CODE = { l2: 0, ip: 1, cosine: 2 } as const;
const MODE_CODE = { all: 0, test: 1, 'two-hop': 2 } as const;

/** A graph as the addon takes it. */
interface PassedGraph {
  /** Its memory and ten numbers. */
  readonly parts: readonly [Uint8Array, Float64Array];
  /** The rows that were searched last, and a view of them. */
  rows: RowMemory | undefined;
  floats: Float32Array;
}

const known = new WeakMap<GraphView, PassedGraph>();

function passedGraph(graph: GraphView): PassedGraph {
  const found = known.get(graph);
  if (found !== undefined) return found;
  const shape = [graph.rowCount, graph.nodes, graph.stride, graph.degree, graph.inner ? 1 : 0];
  const parts = [graph.codes, graph.terms, graph.links, graph.upperRows, graph.upperLinks];
  const bytes = bytesOf(graph.memory, memoryBytes(graph.memory));
  const made: PassedGraph = {
    parts: [bytes, Float64Array.of(...shape, ...parts)],
    rows: undefined,
    floats: new Float32Array(),
  };
  known.set(graph, made);
  return made;
}

function graphOf(graph: GraphView): readonly [Uint8Array, Float64Array] {
  return passedGraph(graph).parts;
}

/** The rows of a search, the same view each time: making one takes longer than reading it. */
function rowsOf(passed: PassedGraph, args: SearchGraph): Float32Array {
  const length = args.graph.rowCount * args.dim;
  if (passed.rows !== args.rows || passed.floats.length !== length) {
    passed.floats = floatsOf(args.rows, length);
    passed.rows = args.rows;
  }
  return passed.floats;
}

/** One bounded call of a search: see `Kernels.searchGraph`. */
export function searchGraph(addon: GraphAddon, isa: number, args: SearchGraph): boolean {
  checkSearchGraph(args);
  const { graph, grid, bounds, top } = args;
  const passed = passedGraph(graph);
  const [bytes, numbers] = passed.parts;
  const decided = addon.searchGraph(
    isa,
    bytes,
    numbers,
    METRIC_CODE[args.metric],
    args.dim,
    grid.low,
    grid.step,
    Math.abs(grid.low),
    args.queries,
    MODE_CODE[args.mode],
    args.ef,
    args.capacity,
    args.candidates,
    args.distancesMax,
    args.leastShare,
    distancesPerCall(graph.stride),
    args.mode === 'all' ? null : args.allowed,
    bounds?.min ?? -Infinity,
    bounds?.max ?? Infinity,
    rowsOf(passed, args),
    args.inverseNorms,
    args.rowBase,
    args.outcomes,
    args.scratch,
    top.limit,
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
  return addon.findLinks(isa, ...graphOf(args.graph), ...span, chosen, scratch);
}

/** One bounded call of a merge: see `Kernels.mergeLinks`. */
export function mergeLinks(addon: GraphAddon, isa: number, args: MergeLinks): number {
  checkMergeLinks(args);
  const { layer, targets, starts, sources, from, to, scratch } = args;
  const budget = distancesPerCall(args.graph.stride);
  const lists = [layer, targets, starts, sources, from, to, budget];
  return addon.mergeLinks(isa, ...graphOf(args.graph), ...lists, scratch);
}
