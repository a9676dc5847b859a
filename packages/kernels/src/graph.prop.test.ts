import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { hasBit } from '@elanus/core';

import {
  createGraphScratch,
  graphCount,
  graphScratchBytes,
  graphStride,
  OUTCOME,
  OUTCOME_WORDS,
  restartScratch,
} from './graph.ts';
import { vectorBytes } from './graph.ts';
import type { GraphMode, GraphView, NodeCodec } from './graph.ts';
import type { Kernels } from './kernels.ts';
import { availableIsas, loadKernels } from './load.ts';
import { floatsOf } from './memory.ts';
import { referenceScan } from './reference.ts';
import { createTopK, sortTopK } from './topk.ts';
import type { TopK } from './topk.ts';

const ISAS = availableIsas();
const METRICS = ['l2', 'ip', 'cosine'] as const;
const MODES = ['all', 'test', 'two-hop', 'scan'] as const;
const NO_LINK = 0xffffffff;

function randomOf(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

interface Shape {
  readonly rowCount: number;
  readonly dim: number;
  readonly degree: number;
  readonly metric: (typeof METRICS)[number];
  /** 'rows': float32 vectors that lie outside of the graph. */
  readonly codec?: 'sq8' | 'bfloat16' | 'rows';
}

interface World {
  readonly kernels: Kernels;
  readonly graph: GraphView;
  readonly words: Uint32Array;
  readonly rows: ReturnType<Kernels['allocate']>;
  readonly values: Float32Array;
  readonly inverseNorms: Float32Array;
  readonly grid: { readonly low: number; readonly step: number };
}

/** Where the parts of a graph lie in a memory of its own. */
function layout(shape: Shape) {
  const { rowCount, degree, dim, codec = 'sq8' } = shape;
  const narrow = codec === 'bfloat16' ? graphStride(dim * 2) : graphStride(dim);
  const stride = codec === 'rows' ? vectorBytes('float32', dim) : narrow;
  let upper = 0;
  for (let l = 1; graphCount(rowCount, degree, l) > 0; l++)
    upper += graphCount(rowCount, degree, l);
  const terms = codec === 'rows' ? 0 : rowCount * stride;
  const links = terms + rowCount * 4;
  const upperRows = links + rowCount * degree * 8;
  const upperLinks = upperRows + graphCount(rowCount, degree, 1) * 4;
  const bytes = upperLinks + upper * degree * 4;
  return { stride, codes: 0, terms, links, upperRows, upperLinks, bytes };
}

/** Coded rows with empty lists; the rows of the upper layers are the first ones. */
function makeWorld(kernels: Kernels, shape: Shape, random: () => number): World {
  const { rowCount, dim, metric, degree } = shape;
  const { bytes, stride, ...at } = layout(shape);
  const memory = kernels.allocate(bytes);
  const rows = kernels.allocate(rowCount * dim * 4);
  const values = floatsOf(rows, rowCount * dim);
  for (let i = 0; i < values.length; i++) values[i] = Math.floor(random() * 33) / 16 - 1;
  const inverseNorms = new Float32Array(rowCount);
  kernels.inverseNorms({ dim, rows, from: 0, to: rowCount, out: inverseNorms });
  const grid = { low: -1.25, step: Math.fround(2.5 / 255) };
  const words = new Uint32Array(memory.buffer, memory.byteOffset, bytes / 4);
  const terms = new Uint32Array(rowCount);
  const innerTerms = new Uint32Array(rowCount);
  const scaled = metric === 'cosine' ? inverseNorms : undefined;
  if ((shape.codec ?? 'sq8') === 'sq8') {
    const shapeOfCodes = { dim, stride, rows, inverseNorms: scaled, codes: memory };
    kernels.encodeSq8({ ...shapeOfCodes, from: 0, to: rowCount, ...grid, terms, innerTerms });
    words.set(metric === 'ip' ? innerTerms : terms, at.terms / 4);
  } else {
    floatsOf(memory, rowCount, at.terms).set(inverseNorms);
  }
  if (shape.codec === 'bfloat16') roundRows(values, { memory, stride, dim });
  words.fill(NO_LINK, at.links / 4);
  const upper = graphCount(rowCount, degree, 1);
  for (let u = 0; u < upper; u++) words[at.upperRows / 4 + u] = u;
  const sizes = { rowCount, nodes: rowCount, stride, degree, metric };
  const graph = { memory, ...sizes, ...at, ...codecOf(shape, rows) };
  return { kernels, graph, words, rows, values, inverseNorms, grid };
}

function codecOf({ codec = 'sq8', dim }: Shape, rows: World['rows']) {
  if (codec === 'sq8') return {};
  if (codec === 'bfloat16') return { codec: codec as NodeCodec, dim };
  return { codec: 'float32' as NodeCodec, dim, vectors: rows };
}

/** The upper halves of the numbers: 1/16 steps up to 1 are bfloat16 numbers exactly. */
function roundRows(
  values: Float32Array,
  to: { readonly memory: World['rows']; readonly stride: number; readonly dim: number },
): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const { memory, stride, dim } = to;
  const halves = new Uint16Array(
    memory.buffer,
    memory.byteOffset,
    (bits.length / dim) * (stride / 2),
  );
  for (const [i, one] of bits.entries()) {
    halves[(Math.floor(i / dim) * stride) / 2 + (i % dim)] = one >>> 16;
  }
}

/** Links of every kind: right ones, repeated ones, to itself, out of range, lists cut short. */
function scribble(world: World, random: () => number): void {
  const { graph, words } = world;
  for (let i = graph.links / 4; i < words.length; i++) {
    const kind = random();
    words[i] = kind < 0.02 ? random() * 2 ** 32 : kind < 0.05 ? NO_LINK : random() * graph.rowCount;
  }
}

interface Asked {
  readonly mode: GraphMode;
  readonly ef: number;
  readonly limit: number;
  readonly queries: Float32Array;
  readonly allowed: Uint32Array;
  readonly bounds: { readonly min: number; readonly max: number } | undefined;
}

function search(world: World, shape: Shape, asked: Asked) {
  const { kernels, graph, rows, inverseNorms, grid } = world;
  const { metric, dim } = shape;
  const { mode, ef, limit, queries, allowed, bounds } = asked;
  const nq = queries.length / dim;
  const top = createTopK(nq, limit);
  const outcomes = new Uint32Array(nq * OUTCOME_WORDS);
  const capacity = mode === 'all' && bounds === undefined ? ef : ef * 3 + 20;
  const scratch = createGraphScratch({ graph, capacity, build: false });
  const how = {
    mode,
    ef,
    capacity,
    candidates: Math.max(limit, ef),
    distancesMax: 100_000,
    leastShare: 0.02,
  };
  const into = { queries, allowed, bounds, rowBase: 7, top, outcomes, scratch };
  const args = { walk: { graph, metric, dim, grid, rows, inverseNorms, ...how }, ...into };
  let calls = 1;
  while (!kernels.searchGraph(args)) calls++;
  sortTopK(top, metric);
  return { top, outcomes, calls };
}

function rowsOf(top: TopK, slot = 0): number[] {
  return [...top.rows.subarray(slot * top.limit, slot * top.limit + (top.counts[slot] ?? 0))];
}

const shapes = fc.record({
  rowCount: fc.integer({ min: 1, max: 400 }),
  dim: fc.constantFrom(1, 3, 16, 63, 64, 65, 100, 200),
  degree: fc.integer({ min: 2, max: 20 }),
  metric: fc.constantFrom(...METRICS),
  codec: fc.constantFrom('sq8', 'bfloat16', 'rows'),
});
const searches = fc.record({
  mode: fc.constantFrom(...MODES),
  ef: fc.integer({ min: 1, max: 60 }),
  limit: fc.integer({ min: 1, max: 12 }),
  bounded: fc.boolean(),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
});
const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 });

function askedOf(
  shape: Shape,
  one: typeof searches extends fc.Arbitrary<infer T> ? T : never,
  random: () => number,
): Asked {
  const queries = Float32Array.from({ length: 3 * shape.dim }, () => random() * 2 - 1);
  const allowed = new Uint32Array(Math.ceil(shape.rowCount / 32));
  for (let i = 0; i < allowed.length * 32; i++) {
    if (random() < one.share) allowed[i >>> 5] = (allowed[i >>> 5] ?? 0) | (1 << (i & 31));
  }
  const near = shape.metric === 'l2' ? { min: 0, max: shape.dim / 2 } : { min: 0.1, max: Infinity };
  return { ...one, queries, allowed, bounds: one.bounded ? near : undefined };
}

describe('graph kernels', () => {
  test('walk whatever the links are, inside of the graph, alike on every instruction set', () => {
    fc.assert(
      fc.property(shapes, searches, seeds, (shape, one, seed) => {
        const got = ISAS.map((isa) => {
          const random = randomOf(seed);
          const world = makeWorld(loadKernels(isa), shape, random);
          scribble(world, random);
          const asked = askedOf(shape, one, random);
          const { top, outcomes } = search(world, shape, asked);
          for (let q = 0; q < 3; q++) {
            const rows = rowsOf(top, q).map((row) => row - 7);
            expect(new Set(rows).size).toBe(rows.length);
            for (const row of rows) {
              expect(row).toBeLessThan(shape.rowCount);
              if (one.mode !== 'all') expect(hasBit(asked.allowed, row)).toBe(true);
            }
          }
          return {
            outcomes: [...outcomes],
            rows: [...top.rows],
            scores: [...top.scores],
            tied: [...top.tied],
          };
        });
        for (const other of got) expect(other).toEqual(got[0]);
      }),
      { numRuns: 150 },
    );
  });

  test('link and merge alike on every instruction set', () => {
    fc.assert(
      fc.property(shapes, seeds, fc.boolean(), (shape, seed, wild) => {
        const got = ISAS.map((isa) => {
          const random = randomOf(seed);
          const world = makeWorld(loadKernels(isa), shape, random);
          if (wild) scribble(world, random);
          link(world, shape, { wild, random });
          return [...world.words];
        });
        for (const other of got) expect(other).toEqual(got[0]);
      }),
      { numRuns: 60 },
    );
  });

  test('links do not depend on how a round is cut, in upper layers either', () => {
    const shape = { rowCount: 500, dim: 12, degree: 3, metric: 'l2' } as const;
    const got = ISAS.flatMap((isa) =>
      [Infinity, 1, 3].map((piece) => {
        const random = randomOf(11);
        const world = makeWorld(loadKernels(isa), shape, random);
        link(world, shape, { wild: false, random, piece });
        return [...world.words];
      }),
    );
    for (const other of got) expect(other).toEqual(got[0]);
  });

  const kinds = METRICS.flatMap((metric) =>
    (['sq8', 'bfloat16', 'rows'] as const).map((codec) => [metric, codec] as const),
  );
  test.each(kinds)('a linked graph leads to all rows, %s, %s', (metric, codec) => {
    for (const isa of ISAS) {
      const random = randomOf(5);
      const shape = { rowCount: 300, dim: 24, degree: 8, metric, codec };
      const world = makeWorld(loadKernels(isa), shape, random);
      link(world, shape, { wild: false, random });
      const queries = Float32Array.from({ length: 24 }, () => random() * 2 - 1);
      const allowed = new Uint32Array(10).fill(0x0f0f0f0f);
      const exact = { ...world, metric, dim: 24, rowBase: 7, from: 0, to: 300 };
      for (const mode of MODES) {
        const asked = { mode, ef: 300, limit: 20, queries, allowed, bounds: undefined };
        const { top, outcomes } = search(world, shape, asked);
        expect(outcomes[0]).toBe(OUTCOME.found);
        const bits = mode === 'all' ? undefined : allowed;
        const all = referenceScan({ ...exact, allowed: bits, bounds: undefined }, queries);
        expect(rowsOf(top)).toEqual(all.slice(0, 20).map((hit) => hit.row));
        if (mode !== 'two-hop') expect(outcomes[1]).toBe(all.length);
      }
    }
  });

  test('searches go on where a call ended', () => {
    const shape = { rowCount: 700, dim: 20_000, degree: 4, metric: 'l2' } as const;
    const found = (isa: (typeof ISAS)[number]) => {
      const random = randomOf(9);
      const world = makeWorld(loadKernels(isa), shape, random);
      for (let i = world.graph.links / 4; i < world.graph.upperRows / 4; i++) {
        world.words[i] = random() * 700;
      }
      const one = { mode: 'all' as const, ef: 400, limit: 10, bounded: false, share: 1 };
      const asked = askedOf(shape, one, random);
      const { top, outcomes, calls } = search(world, shape, asked);
      return { calls, got: [...top.rows, ...top.scores, ...outcomes] };
    };
    const [first, last] = [found(ISAS[0] ?? 'wasm'), found('wasm')];
    expect(first.got).toEqual(last.got);
    if (ISAS[0] !== 'wasm') expect(first.calls).toBeGreaterThan(3);
  });

  test('a scratch of another search, or of nonsense, harms nobody', () => {
    fc.assert(
      fc.property(shapes, searches, seeds, (shape, one, seed) => {
        for (const isa of ISAS) {
          const random = randomOf(seed);
          const world = makeWorld(loadKernels(isa), shape, random);
          scribble(world, random);
          const { queries, allowed } = askedOf(shape, one, random);
          const { graph, grid, rows, inverseNorms, kernels } = world;
          const capacity = one.ef * 3;
          const scratch = createGraphScratch({ graph, capacity, build: false });
          for (let i = 0; i < scratch.length; i++) scratch[i] = random() * (i < 16 ? 90 : 2 ** 32);
          const top = createTopK(3, one.limit);
          const into = { queries, allowed, top, outcomes: new Uint32Array(12), scratch };
          const how = { ...one, capacity, candidates: one.ef, distancesMax: 1000, leastShare: 0 };
          const walk = { graph, grid, rows, inverseNorms, ...shape, ...how };
          const args = { walk, rowBase: 0, ...into };
          for (let call = 0; call < 5; call++) kernels.searchGraph(args);
          for (const row of rowsOf(top)) expect(row).toBeLessThan(shape.rowCount);
        }
      }),
      { numRuns: 100 },
    );
  });
});

/** Links rows in rounds, as packages/index does. */
function link(
  world: World,
  shape: Shape,
  how: { readonly wild: boolean; readonly random: () => number; readonly piece?: number },
): void {
  const { wild, random, piece = Infinity } = how;
  const { kernels, graph, words } = world;
  const { rowCount, degree } = shape;
  const order = Uint32Array.from({ length: rowCount }, (_, i) => i);
  const scratch = createGraphScratch({ graph, capacity: 40, build: true });
  for (let start = wild ? Math.floor(rowCount / 2) : 0; start < rowCount; ) {
    let level = 0;
    while (start < graphCount(rowCount, degree, level + 1)) level++;
    const edge = level === 0 ? rowCount : graphCount(rowCount, degree, level);
    const to = Math.min(edge, start + Math.max(1, Math.floor(start / 8)));
    const chosen = new Uint32Array((to - start) * (level + 1) * degree);
    const round = { graph, order, roundStart: start, to, level, ef: 40, chosen, scratch };
    for (let at = start; at < to; ) {
      at = kernels.findLinks({ ...round, from: at, to: Math.min(to, at + piece) });
    }
    let lists = graph.links / 4;
    for (let layer = 0; layer <= level; layer++) {
      const width = layer === 0 ? 2 * degree : degree;
      const asked = new Map<number, number[]>();
      for (let node = start; node < to; node++) {
        const from = ((node - start) * (level + 1) + layer) * degree;
        const own = [...chosen.subarray(from, from + degree)].filter((x) => x !== NO_LINK);
        words.set(own, lists + node * width);
        for (const x of own) asked.set(x, [...(asked.get(x) ?? []), node]);
      }
      const targets = Uint32Array.from([...asked.keys()].sort((a, b) => a - b));
      const sources = Uint32Array.from([...targets].flatMap((x) => asked.get(x) ?? []));
      let sum = 0;
      const starts = Uint32Array.from([
        0,
        ...[...targets].map((x) => (sum += asked.get(x)?.length ?? 0)),
      ]);
      const merged = { graph, layer, targets, starts, sources, to: targets.length, scratch };
      for (let at = 0; at < targets.length; ) at = kernels.mergeLinks({ ...merged, from: at });
      lists =
        layer === 0 ? graph.upperLinks / 4 : lists + graphCount(rowCount, degree, layer) * degree;
    }
    start = to;
  }
  restartScratch(scratch);
  expect(random()).toBeLessThan(1);
}

test('a scratch is as large as the native kernels ask for', () => {
  const kernels = loadKernels();
  const shape = { rowCount: 100, dim: 5, degree: 3, metric: 'l2' } as const;
  const world = makeWorld(kernels, shape, randomOf(3));
  const { graph, grid, rows } = world;
  const bytes = graphScratchBytes({ graph, capacity: 9, build: false });
  const top = createTopK(1, 1);
  const how = {
    mode: 'all',
    ef: 9,
    capacity: 9,
    candidates: 9,
    distancesMax: 10,
    leastShare: 0,
  } as const;
  const into = { queries: new Float32Array(5), top, outcomes: new Uint32Array(4), rowBase: 0 };
  const args = { walk: { graph, grid, rows, metric: 'l2' as const, dim: 5, ...how }, ...into };
  const exact = new Uint32Array(bytes / 4);
  expect(kernels.searchGraph({ ...args, scratch: exact })).toBe(true);
  const short = new Uint32Array(bytes / 4 - 1);
  expect(() => kernels.searchGraph({ ...args, scratch: short })).toThrow(RangeError);
});
