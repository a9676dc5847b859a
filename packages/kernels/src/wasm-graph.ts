import { checkFindLinks, checkMergeLinks, checkSearchGraph, checkWalk } from './check-graph.ts';
import { decodeRows, elementBytes, elementCode } from './element.ts';
import {
  codecCode,
  distancesPerCall,
  graphScratchBytes,
  OUTCOME,
  OUTCOME_WORDS,
  ROUND_MAX,
  SCRATCH_STATE_WORDS,
  STATE_QUERY,
} from './graph.ts';
import type { FindLinks, GraphView, GraphWalk, MergeLinks } from './graph.ts';
import type { ScratchShape, SearchGraph } from './graph.ts';
import type { RerankRows } from './kernels.ts';
import { GRAPH_BYTES, instanceOf, SLOT, withSlot, writeArgs } from './wasm-instance.ts';
import type { Field, Instances, WasmInstance, WasmSlot } from './wasm-instance.ts';

/**
 * The graph kernels in WebAssembly. The graph lies in one memory and the rows in another, so a walk
 * gives candidates, which are scored by the kernel of the rows; a walk over the rows themselves
 * asks for each by `load_row`. The scratch of a walk lies in the slot: a query runs to its end in
 * one call, so only the number of the next query is kept outside.
 */

const METRIC_CODE = { l2: 0, ip: 1, cosine: 2 } as const;
const MODE_CODE = { all: 0, test: 1, 'two-hop': 2, scan: 3 } as const;
/** Word of a scratch's state: the size of the pool. */
const STATE_SIZE = 2;

const round8 = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** Whether scratch and allowed rows of a graph fit into a slot. */
export function wasmCanWalk(shape: ScratchShape): boolean {
  const bits = Math.ceil(shape.graph.rowCount / 32) * 4;
  const chosen = shape.build ? ROUND_MAX * shape.graph.degree * 4 * 2 : 0;
  return round8(graphScratchBytes(shape)) + bits + chosen <= GRAPH_BYTES;
}

function needFit(shape: ScratchShape): number {
  if (!wasmCanWalk(shape)) throw new RangeError('graph: too large for WebAssembly; scan its codes');
  return round8(graphScratchBytes(shape));
}

function graphFields(graph: GraphView): readonly Field[] {
  const at = graph.memory.byteOffset;
  const { rowCount, nodes, stride, degree, metric, codec, dim = 0 } = graph;
  const how = [METRIC_CODE[metric], codecCode(codec), dim];
  const codes = graph.vectors === undefined ? at + graph.codes : 0;
  const parts = [graph.terms, graph.links, graph.upperRows, graph.upperLinks];
  return [rowCount, nodes, stride, degree, ...how, codes, ...parts.map((part) => at + part)];
}

/** Runs a call that may load vectors of the graph from another memory. */
function inSlot<T>(instance: WasmInstance, graph: GraphView, call: (slot: WasmSlot) => T): T {
  const { vectors, codec = 'sq8', dim = 0, stride } = graph;
  if (vectors === undefined || codec === 'sq8') return withSlot(instance, call);
  const each = elementBytes(codec);
  instance.outside.load = (row, to) => {
    const numbers = decodeRows(vectors, codec, { at: (row * stride) / each, length: dim });
    instance.floats.set(numbers, to >> 2);
  };
  try {
    return withSlot(instance, call);
  } finally {
    instance.outside.load = undefined;
  }
}

/** A walk's pool as row numbers: those that are candidates for the exact scores. */
function candidatesIn(slot: WasmSlot, { walk, rowBase }: SearchGraph, scratch: number) {
  const { graph, capacity, candidates } = walk;
  const state = scratch >> 2;
  const size = slot.words[state + STATE_SIZE] ?? 0;
  const reach = slot.words[state + 7] ?? 0;
  const bytes = graphScratchBytes({ graph, capacity, build: false });
  const pool = (scratch + bytes - (capacity + 1) * 8) >> 2;
  const list: number[] = [];
  const keys: number[] = [];
  for (let i = 0; i < size; i++) {
    const low = slot.words[pool + 2 * i] ?? 0;
    const high = slot.words[pool + 2 * i + 1] ?? 0;
    if ((low & 2) === 0) continue;
    if (list.length >= candidates && high >>> 1 >= reach) break;
    list.push(((low >>> 2) | ((high & 1) << 30)) + rowBase);
    keys.push(high >>> 1);
  }
  return { list, keys, dropped: walk.mode !== 'scan' || size >= capacity };
}

/** Rows as near as the last candidate may have been dropped unseen: see graph-search.h. */
function markTie(args: SearchGraph, query: number, found: ReturnType<typeof candidatesIn>): void {
  const { top } = args;
  if (!found.dropped || (top.counts[query] ?? 0) < top.limit) return;
  const worst = top.rows[query * top.limit] ?? 0;
  const last = found.keys.at(-1);
  if (found.keys[found.list.indexOf(worst)] === last) top.tied[query] = 1;
}

function walkQuery(slot: WasmSlot, args: SearchGraph, query: number) {
  const { walk, bounds, outcomes } = args;
  const { graph, dim, grid, capacity } = walk;
  const scratch = slot.base + SLOT.graph;
  const bits = scratch + needFit({ graph, capacity, build: false });
  const outcome = slot.base + SLOT.out;
  slot.words.fill(0, scratch >> 2, (scratch >> 2) + SCRATCH_STATE_WORDS);
  slot.words.fill(0, outcome >> 2, (outcome >> 2) + OUTCOME_WORDS);
  slot.floats.set(
    args.queries.subarray(query * dim, (query + 1) * dim),
    (slot.base + SLOT.queries) >> 2,
  );
  const words = walk.mode === 'all' ? 0 : Math.ceil(graph.rowCount / 32);
  if (words > 0 && args.allowed) slot.words.set(args.allowed.subarray(0, words), bits >> 2);
  const budget = distancesPerCall(graph.stride);
  const element = elementCode(walk.element);
  const placed = [
    METRIC_CODE[walk.metric],
    element,
    dim,
    { float: grid.low },
    { float: grid.step },
  ];
  const asked = [{ float: Math.abs(grid.low) }, slot.base + SLOT.queries, 1];
  const how = [MODE_CODE[walk.mode], walk.ef, capacity, walk.candidates, walk.distancesMax];
  const range = [{ float: bounds?.min ?? -Infinity }, { float: bounds?.max ?? Infinity }];
  const exact = [0, 0, args.rowBase, args.top.limit, 0, 0, 0, 0];
  const limits = [{ float: walk.leastShare }, budget, words && bits];
  const head = [...graphFields(graph), ...placed, ...asked, ...how, ...limits];
  const address = writeArgs(slot, [...head, ...range, ...exact, outcome, scratch]);
  const at = outcome >> 2;
  do slot.exports.search_graph(address);
  while (walking(slot, scratch));
  outcomes.set(slot.words.subarray(at, at + OUTCOME_WORDS), query * OUTCOME_WORDS);
  return candidatesIn(slot, args, scratch);
}

/** Whether the query of a slot stands in the middle of a walk. */
function walking(slot: WasmSlot, scratch: number): boolean {
  const phase = slot.words[(scratch >> 2) + 1] ?? 0;
  return phase === 1 || phase === 2;
}

/** Walks that were found right: they are read-only. */
const checked = new WeakSet<GraphWalk>();

/** See `Kernels.searchGraph`; `rerank` scores listed rows in the memory of the rows. */
export function searchGraph(
  instances: Instances,
  args: SearchGraph,
  rerank: (args: RerankRows) => void,
): boolean {
  const { walk, top, scratch, outcomes } = args;
  if (!checked.has(walk)) checkWalk(walk);
  checked.add(walk);
  checkSearchGraph(args);
  const { graph, dim } = walk;
  const instance = instanceOf(instances, graph.memory);
  instanceOf(instances, walk.rows);
  const budget = distancesPerCall(graph.stride);
  let query = Math.min(scratch[STATE_QUERY] ?? 0, top.nq);
  for (let spent = 0; query < top.nq && spent < budget; query++) {
    const found = inSlot(instance, graph, (slot) => walkQuery(slot, args, query));
    const at = query * OUTCOME_WORDS;
    spent += outcomes[at + 2] ?? 0;
    scratch[STATE_QUERY] = query + 1;
    if (outcomes[at] !== OUTCOME.found || (outcomes[at + 1] ?? 0) < top.limit) continue;
    const { metric, element, rows, inverseNorms } = walk;
    const shape = { metric, element, dim, rows, inverseNorms };
    const list = Uint32Array.from(found.list);
    const asked = { list, query: args.queries.subarray(query * dim, (query + 1) * dim) };
    const into = { rowBase: args.rowBase, rowCount: graph.rowCount, top, slot: query };
    rerank({ ...shape, ...asked, ...into, bounds: args.bounds });
    markTie(args, query, found);
  }
  return query === top.nq;
}

/** See `Kernels.findLinks`. The round is copied in: earlier rows of it are candidates as well. */
export function findLinks(instances: Instances, args: FindLinks): number {
  checkFindLinks(args);
  const { graph, order, roundStart, from, to, level, ef, chosen } = args;
  if (to - roundStart > ROUND_MAX) throw new RangeError('to: a round has at most 512 rows');
  if (from === to) return to;
  const instance = instanceOf(instances, graph.memory);
  return inSlot(instance, graph, (slot) => {
    const scratch = slot.base + SLOT.graph;
    const out = scratch + needFit({ graph, capacity: ef, build: true });
    const width = (level + 1) * graph.degree;
    const fit = Math.floor((scratch + GRAPH_BYTES - out) / (width * 4));
    const list = slot.base + SLOT.list;
    slot.words.set(order.subarray(roundStart, to), list >> 2);
    const until = Math.min(to, from + Math.max(1, fit));
    const span = [list, roundStart, roundStart, from, until, level, ef];
    const fields = [...span, distancesPerCall(graph.stride), out, scratch];
    const next = slot.exports.find_links(writeArgs(slot, [...graphFields(graph), ...fields]));
    const found = slot.words.subarray(out >> 2, (out >> 2) + (next - from) * width);
    chosen.set(found, (from - roundStart) * width);
    return next;
  });
}

/** Targets of one call: about a millisecond. */
const TARGETS_PER_CALL = 64;

/** See `Kernels.mergeLinks`. */
export function mergeLinks(instances: Instances, args: MergeLinks): number {
  checkMergeLinks(args);
  const { graph, layer, targets, starts, sources, from } = args;
  const to = Math.min(args.to, from + TARGETS_PER_CALL);
  return inSlot(instanceOf(instances, graph.memory), graph, (slot) => {
    const scratch = slot.base + SLOT.graph;
    needFit({ graph, capacity: 0, build: true });
    const head = graphFields(graph);
    const list = (slot.base + SLOT.list) >> 2;
    for (let at = from; at < to; at++) {
      const begin = starts[at] ?? 0;
      const part = sources.subarray(begin, Math.min(starts[at + 1] ?? 0, begin + ROUND_MAX));
      slot.words[list] = targets[at] ?? 0;
      slot.words[list + 1] = 0;
      slot.words[list + 2] = part.length;
      slot.words.set(part, list + 3);
      const lists = [layer, list << 2, (list + 1) << 2, 1, (list + 3) << 2, part.length, 0];
      const fields = [...head, ...lists, distancesPerCall(graph.stride), scratch];
      slot.exports.merge_links(writeArgs(slot, fields));
    }
    return to;
  });
}
