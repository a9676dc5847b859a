import { graphScratchBytes } from './graph.ts';
import type { GraphView, GraphWalk } from './graph.ts';
import type { RowElement } from './element.ts';
import type { KernelIsa, Kernels } from './kernels.ts';
import { availableIsas } from './load.ts';
import { floatsOf } from './memory.ts';
import { createNativeKernels } from './native.ts';
import type { NativeAddon } from './native.ts';
import { rabitqBits, rabitqSigns } from './rabitq.ts';
import { encodeQuerySq8, sq8Stride } from './sq8.ts';
import { createTopK } from './topk.ts';

/**
 * One right call of every kernel: what tests and the fuzzer make wrong ones of. Never a path of the
 * product.
 */

/** Rows of the chunks below. */
export const ROWS = 100;
/** Numbers of their rows. */
export const DIM = 20;
const BIT_DIM = 104;

/** A right record of arguments for every method. */
export function rightArguments(kernels: Kernels): Record<string, Record<string, unknown>> {
  const rows = kernels.allocate(ROWS * DIM * 4);
  floatsOf(rows, ROWS * DIM).fill(0.5);
  const inverseNorms = new Float32Array(ROWS);
  const stride = sq8Stride(DIM);
  const codes = kernels.allocate(ROWS * stride);
  const coded = { codes, terms: new Uint32Array(ROWS), norms: new Float32Array(ROWS) };
  const query = new Float32Array(DIM).fill(1);
  const placed = encodeQuerySq8(query, { low: 0, step: 1 }, 1);
  const floatRows = { metric: 'cosine', dim: DIM, rows, inverseNorms, rowBase: 0 };
  const span = { from: 0, to: ROWS };
  const allowed = new Uint32Array(4).fill(0xffffffff);
  const bounds = { min: -5, max: 5 };
  const queries = new Float32Array(DIM * 2);
  const listed = { ...floatRows, rowCount: ROWS, list: Uint32Array.of(1, 5, 700), query };
  const codeSpan = { dim: DIM, ...coded, ...span, rowBase: 0, allowed, query: placed.codes };
  const weighed = { queryTerm: placed.term, weight: 1, top: createTopK(1, 5), slot: 0 };
  return {
    scanRows: { ...floatRows, ...span, allowed, queries, bounds, top: createTopK(2, 5) },
    rerankRows: { ...listed, bounds, top: createTopK(2, 5), slot: 1 },
    scoreRows: { ...listed, out: new Float32Array(3) },
    inverseNorms: { dim: DIM, rows, ...span, out: new Float32Array(ROWS) },
    encodeSq8: { dim: DIM, rows, inverseNorms, ...span, low: 0, step: 1, ...coded },
    scanSq8: { ...codeSpan, ...weighed },
    ...bitArguments(kernels),
    ...rabitqArguments(kernels),
    ...graphArguments(kernels),
  };
}

/** Right arguments of the 1-bit codes: 100 rows of 20 numbers in two lists. */
function rabitqArguments(kernels: Kernels): Record<string, Record<string, unknown>> {
  const bits = rabitqBits(DIM);
  const parts = [(ROWS * bits) / 8, ROWS * 8, ROWS * 4, 3 * 4, 2 * bits * 4, rabitqSigns(DIM) * 4];
  const offsets = parts.map((_, i) => parts.slice(0, i).reduce((sum, bytes) => sum + bytes, 0));
  const [codes, factors, places = 0, starts = 0, centroids, signs] = offsets;
  const memory = kernels.allocate(parts.reduce((sum, bytes) => sum + bytes, 0));
  const words = new Uint32Array(memory.buffer, memory.byteOffset + places, ROWS + 3);
  for (let i = 0; i < ROWS; i++) words[i] = i;
  words.set([0, 60, ROWS], (starts - places) / 4);
  const sizes = { rowCount: ROWS, lists: 2, dim: DIM };
  const view = { memory, ...sizes, codes, factors, rows: places, starts, centroids, signs };
  const rows = kernels.allocate(ROWS * DIM * 4);
  const inverseNorms = new Float32Array(ROWS).fill(1);
  const asked = { query: new Float32Array(bits), lists: Uint32Array.of(1, 0, 1) };
  const allowed = new Uint32Array(4).fill(0xffffffff);
  const into = { state: new Uint32Array(2), allowed, top: createTopK(2, 5), slot: 1 };
  const span = { list: 1, from: 60, to: ROWS };
  return {
    rotateQueries: { view, queries: new Float32Array(DIM * 2), out: new Float32Array(bits * 2) },
    encodeRabitq: { view, metric: 'cosine', rows, inverseNorms, ...span },
    scanRabitq: { view, ...asked, ...into },
  };
}

/** Right arguments of the kernels of bits. */
function bitArguments(kernels: Kernels): Record<string, Record<string, unknown>> {
  const rows = kernels.allocate((ROWS * BIT_DIM) / 8);
  const chunk = { metric: 'jaccard', dim: BIT_DIM, rows, rowBase: 0 };
  const allowed = new Uint32Array(4).fill(0xffffffff);
  const queries = new Uint8Array((BIT_DIM / 8) * 2).fill(3);
  const asked = { allowed, queries, bounds: { min: -5, max: 5 }, top: createTopK(2, 5) };
  const list = Uint32Array.of(1, 5, 700);
  const query = queries.subarray(0, BIT_DIM / 8);
  return {
    scanBits: { ...chunk, from: 0, to: ROWS, ...asked },
    scoreBits: { ...chunk, rowCount: ROWS, list, query, out: new Float32Array(3) },
  };
}

/** Rows of the graph. */
export const LINKED = 40;

/** The same over numbers: rows in their own memory, and rows in bfloat16 within the graph's. */
export function numberGraphArguments(
  kernels: Kernels,
): readonly (readonly [string, Record<string, unknown>])[] {
  const sound = graphArguments(kernels);
  const rows = kernels.allocate(LINKED * DIM * 4);
  const outside = { codec: 'float32', dim: DIM, stride: DIM * 4, vectors: rows };
  const inside = { codec: 'bfloat16', dim: DIM, stride: 64 };
  return [outside, inside].flatMap((codec) =>
    Object.entries(sound).map(([name, args]) => {
      const build = name !== 'searchGraph';
      const walk = args['walk'] as GraphWalk | undefined;
      const graph = { ...(walk?.graph ?? (args['graph'] as GraphView)), ...codec } as GraphView;
      const scratch = new Uint32Array(graphScratchBytes({ graph, capacity: 20, build }) / 4);
      const of = build ? { graph } : { walk: { ...walk, graph } };
      return [name, { ...args, ...of, scratch }] as const;
    }),
  );
}

/** Right arguments of the graph kernels: 40 rows of 20 numbers, all linked to their neighbours. */
export function graphArguments(kernels: Kernels): Record<string, Record<string, unknown>> {
  const links = LINKED * 68;
  const memory = kernels.allocate(links + LINKED * 64 + 1024);
  const words = new Uint32Array(memory.buffer, memory.byteOffset + links, LINKED * 16);
  for (let i = 0; i < words.length; i++) words[i] = (Math.floor(i / 16) + (i % 16)) % LINKED;
  const parts = { codes: 0, terms: LINKED * 64, links };
  const upper = { upperRows: links + LINKED * 64, upperLinks: links + LINKED * 64 + 64 };
  const shape = { rowCount: LINKED, nodes: LINKED, stride: 64, degree: 8, metric: 'cosine' };
  const graph = { memory, ...shape, ...parts, ...upper };
  const rows = kernels.allocate(LINKED * DIM * 4);
  const scratchOf = (capacity: number, build: boolean) =>
    new Uint32Array(graphScratchBytes({ graph, capacity, build }) / 4);
  const where = { graph, metric: 'cosine', dim: DIM, grid: { low: -2, step: 0.02 }, rows };
  const how = {
    mode: 'test',
    ef: 9,
    capacity: 20,
    candidates: 9,
    distancesMax: 5000,
    leastShare: 0,
  };
  const allowed = new Uint32Array(2).fill(0xffffffff);
  const asked = { queries: new Float32Array(DIM * 2).fill(1), allowed, rowBase: 0 };
  const bounds = { min: -5, max: 5 };
  const inverseNorms = new Float32Array(LINKED);
  const scratch = scratchOf(20, false);
  const into = { top: createTopK(2, 5), outcomes: new Uint32Array(8), scratch };
  const round = { roundStart: 5, from: 6, to: 9, level: 0, ef: 20 };
  const order = Uint32Array.from({ length: 9 }, (_, i) => i);
  const lists = { targets: Uint32Array.of(3, 4), starts: Uint32Array.of(0, 1, 2) };
  const merged = { layer: 0, ...lists, sources: Uint32Array.of(8, 9), from: 0, to: 2 };
  return {
    searchGraph: { walk: { ...where, ...how, inverseNorms }, ...asked, bounds, ...into },
    findLinks: {
      graph,
      order,
      ...round,
      chosen: new Uint32Array(32),
      scratch: scratchOf(20, true),
    },
    mergeLinks: { graph, ...merged, scratch: scratchOf(0, true) },
  };
}

type Method = (args: unknown) => unknown;

/** A call of the addon. */
export interface NativeCall {
  readonly name: string;
  readonly args: readonly unknown[];
}

/** Methods whose rows may be of other elements than float32. */
const OF_ELEMENTS = ['scanRows', 'rerankRows', 'scoreRows', 'inverseNorms'].concat(
  'encodeSq8',
  'encodeRabitq',
  'searchGraph',
);

/** The calls that the wrapper makes for right arguments, over rows of one element. */
export function rightCalls(
  addon: NativeAddon,
  isa: KernelIsa = availableIsas()[0] ?? 'sse2',
  element: RowElement = 'float32',
): readonly NativeCall[] {
  const calls: NativeCall[] = [];
  const watched = new Proxy(addon, {
    get: (target, name: keyof NativeAddon) => {
      const value = target[name];
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]) => {
        calls.push({ name, args });
        return (value as (...args: readonly unknown[]) => unknown)(...args);
      };
    },
  });
  const kernels = createNativeKernels(watched, isa);
  const right = [...Object.entries(rightArguments(kernels)), ...numberGraphArguments(kernels)];
  for (const [name, args] of right) {
    if (element !== 'float32' && !OF_ELEMENTS.includes(name)) continue;
    const of = 'walk' in args ? { walk: { ...(args['walk'] as GraphWalk), element } } : { element };
    (kernels as unknown as Record<string, Method>)[name]?.({ ...args, ...of });
  }
  return calls;
}
