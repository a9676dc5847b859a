import type { FloatMetric } from '@elanus/core';

import { elementBytes, elementCode } from './element.ts';
import type { RowElement } from './element.ts';
import type { ScoreBounds } from './kernels.ts';
import type { RowMemory } from './memory.ts';
import type { Sq8Grid } from './sq8.ts';
import type { TopK } from './topk.ts';

/**
 * How the vector of a node is stored: as 8-bit codes on a grid, or as numbers of an element. Keys
 * of codes are distances on the grid, those of numbers are their exact scores.
 */
export type NodeCodec = 'sq8' | RowElement;

/**
 * A graph over rows, with their codes in one memory. The base layer links rows; upper layers hold a
 * share of them, numbered so that the nodes of a layer are the first ones of the layer below:
 * layer l has `graphCount(nodes, degree, l)` nodes, and walks begin at node 0 of the top one. A
 * list of links ends at the first number that is no node, so damaged links are a short list, not a
 * crash.
 */
export interface GraphView {
  readonly memory: RowMemory;
  /** Rows of the codes: below 2^31. */
  readonly rowCount: number;
  /** Rows that the graph links by what they are; the others are twins of one of these. */
  readonly nodes: number;
  /** Default 'sq8'. */
  readonly codec?: NodeCodec | undefined;
  /** Numbers of a vector; codes need none. */
  readonly dim?: number | undefined;
  /** Bytes of a vector: of codes `graphStride(dim)`; of numbers their bytes, or more. */
  readonly stride: number;
  /** Links of an upper node, 2 to 64; a row has up to twice as many. */
  readonly degree: number;
  /** What keys are of; of codes, COSINE is a distance on the grid. */
  readonly metric: FloatMetric;
  /** Vectors that are numbers, where they lie outside of the memory: rows as they are. */
  readonly vectors?: RowMemory | undefined;
  /** Byte offsets of the parts in the memory, multiples of 4. */
  readonly codes: number;
  /**
   * [rowCount] u32: `terms` of `encodeSq8`, for IP its `innerTerms`; of numbers, for COSINE only,
   * the inverse norms as f32.
   */
  readonly terms: number;
  /** [rowCount x 2 degree] u32 */
  readonly links: number;
  /** [nodes of layer 1] u32, the row of each upper node. */
  readonly upperRows: number;
  /** [nodes of layer 1 x degree], [nodes of layer 2 x degree], ... u32 */
  readonly upperLinks: number;
}

/**
 * How a walk treats rows that may not be returned. 'all': there are none. 'test': they are walked
 * through and left out. 'two-hop': they are skipped, their links are followed. 'scan': there is no
 * walk; each of the others is looked at.
 */
export type GraphMode = 'all' | 'test' | 'two-hop' | 'scan';

/**
 * How a graph is walked. Made once and asked with as often as searches are alike: what is the same
 * for all of them is checked and passed on once.
 */
export interface GraphWalk {
  readonly graph: GraphView;
  readonly metric: FloatMetric;
  readonly dim: number;
  /** How numbers of the rows are stored; default float32. */
  readonly element?: RowElement | undefined;
  /** The grid of the codes; centred on 0 for IP and COSINE. */
  readonly grid: Sq8Grid;
  /** [graph.rowCount x dim] the rows that the codes are of. */
  readonly rows: RowMemory;
  readonly inverseNorms?: Float32Array | undefined;
  readonly mode: GraphMode;
  /** Results that a walk looks for. */
  readonly ef: number;
  /** Nodes that a walk keeps, at least `ef`: more when some may not be returned. */
  readonly capacity: number;
  /** Results that are scored exactly, from the nearest on. */
  readonly candidates: number;
  /** Distances of one query, after which it gives up. */
  readonly distancesMax: number;
  /**
   * 'two-hop': share of the rows around a query that must be allowed, else it gives up: the nearest
   * allowed rows are then far away, where such a walk hardly comes. 0 = never.
   */
  readonly leastShare: number;
}

/** Searches a graph for the nearest rows of one or more queries. */
export interface SearchGraph {
  readonly walk: GraphWalk;
  /** [top.nq x dim] */
  readonly queries: Float32Array;
  /** Unless every row may be returned (mode 'all'). */
  readonly allowed?: Uint32Array | undefined;
  readonly bounds?: ScoreBounds | undefined;
  readonly rowBase: number;
  readonly top: TopK;
  /** [top.nq x OUTCOME_WORDS] what became of each query; zeroes to begin with. */
  readonly outcomes: Uint32Array;
  /** From `createGraphScratch`; its state says where a search goes on. */
  readonly scratch: Uint32Array;
}

/** Finds links for the rows of one round of a build; changes nothing but `chosen`. */
export interface FindLinks {
  readonly graph: GraphView;
  /** The row of each position; the first ones are `upperRows`. */
  readonly order: Uint32Array;
  /** Positions before it are linked already. */
  readonly roundStart: number;
  /** Positions `[from, to)` of the round, all of one highest layer. */
  readonly from: number;
  readonly to: number;
  /** The highest layer of these positions. */
  readonly level: number;
  /** Nodes that a search keeps to choose links from. */
  readonly ef: number;
  /** [positions of the round x (level + 1) x degree], base layer first, ended by 0xffffffff. */
  readonly chosen: Uint32Array;
  readonly scratch: Uint32Array;
}

/** Adds the rows of a round to the lists of the nodes that they chose, in one layer. */
export interface MergeLinks {
  readonly graph: GraphView;
  readonly layer: number;
  /** Nodes whose lists change, each once. */
  readonly targets: Uint32Array;
  /** [targetCount + 1] where the new links of each target begin in `sources`. */
  readonly starts: Uint32Array;
  readonly sources: Uint32Array;
  /** Targets `[from, to)`. */
  readonly from: number;
  readonly to: number;
  readonly scratch: Uint32Array;
}

/** Words of `outcomes` per query: outcome, candidates, distances, nodes visited. */
export const OUTCOME_WORDS = 4;
/** The first word of an outcome. */
export const OUTCOME = {
  /** Not decided yet. */
  pending: 0,
  /** Walked to the end; scored when there were at least `top.limit` candidates. */
  found: 1,
  /** The query does not fit on the grid: not walked. */
  outside: 2,
  /**
   * More than `distancesMax` distances, a filter against the query, or a graph without a way in.
   */
  gaveUp: 3,
} as const;
/** The largest degree of a graph. */
export const DEGREE_MAX = 64;
/** Most rows that one target may get in a round; a round is never larger. */
export const ROUND_MAX = 512;
/** Most layers above the base layer. */
export const LEVEL_MAX = 31;
/** Distances that kernels compute together (native/kernels.h). */
const BATCH = 1024;
const STATE_WORDS = 16;

/** Bytes of a row of codes in a graph: whole cache lines. */
export function graphStride(dim: number): number {
  return (dim + 63) & ~63;
}

/** Nodes of an upper layer. */
export function graphCount(nodes: number, degree: number, layer: number): number {
  let count = nodes;
  for (let l = 0; l < layer; l++) count = Math.floor(count / degree);
  return layer === 1 && nodes > 0 ? Math.max(1, count) : count;
}

/** The number of a codec in the kernels (native/kernels.h). */
export function codecCode(codec: NodeCodec = 'sq8'): number {
  return codec === 'sq8' ? 0 : 1 + elementCode(codec);
}

/** Bytes of a vector of numbers, tight. */
export function vectorBytes(codec: RowElement, dim: number): number {
  return dim * elementBytes(codec);
}

/** What decides how large a scratch is. */
export interface ScratchShape {
  readonly graph: Pick<GraphView, 'rowCount' | 'stride' | 'degree' | 'codec' | 'dim'>;
  /** Of searches; a build needs none. */
  readonly capacity: number;
  readonly build: boolean;
}

/** Bytes of a scratch (twin of graphScratchBytes in native/kernels.h). */
export function graphScratchBytes({ graph, capacity, build }: ScratchShape): number {
  const kept = build ? Math.max(capacity, BATCH) : capacity;
  const { codec = 'sq8', dim = 0 } = graph;
  const codes = codec === 'sq8';
  const asked = codes ? graph.stride * 2 : Math.ceil((dim * 4) / 64) * 64;
  const prepared = asked * ((build ? 2 * graph.degree + 1 : 1) + (codes ? 0 : 1));
  const visited = Math.ceil(graph.rowCount / 512) * 64;
  return STATE_WORDS * 4 + prepared + BATCH * 12 + visited + (kept + 1) * 8;
}

/**
 * Memory that a thread needs to walk graphs of this shape: an eighth of a byte for each row and
 * some kilobytes. Keep and use it again; `restartScratch` begins another search.
 */
export function createGraphScratch(shape: ScratchShape): Uint32Array {
  return new Uint32Array(new ArrayBuffer(Math.ceil(graphScratchBytes(shape) / 8) * 8));
}

/** Makes a scratch forget the search that it was used for. */
export function restartScratch(scratch: Uint32Array): void {
  scratch.fill(0, 0, STATE_WORDS);
}

/** Word of the scratch that counts the queries that are decided (native/graph.h). */
export const STATE_QUERY = 0;
/** Words of the scratch before everything else. */
export const SCRATCH_STATE_WORDS = STATE_WORDS;

/** Distances of one native call: about 3 ms of random reads. */
export function distancesPerCall(stride: number): number {
  return Math.max(256, Math.floor(12_000_000 / Math.max(stride, 192)));
}
