import {
  checkAllocate,
  checkEncodeSq8,
  checkNorms,
  checkRerank,
  checkScanFloat32,
  checkScanSq8,
  checkScores,
} from './check.ts';
import type { EncodeSq8, Kernels, ListedRows, RerankFloat32 } from './kernels.ts';
import type { ScanFloat32, ScanSq8 } from './kernels.ts';
import { floatsOf } from './memory.ts';
import { andWords, andNotWords, countWords, firstNonFinite, orWords } from './plain.ts';
import { rowsPerCall } from './rows-per-call.ts';
import { sq8Stride } from './sq8.ts';
import { offerTopK } from './topk.ts';
import type { TopK } from './topk.ts';
import { findLinks, mergeLinks, searchGraph, wasmCanWalk } from './wasm-graph.ts';
import {
  createInstances,
  createWasmMemory,
  instanceOf,
  ROWS_START,
  SLOT,
  TILE_ENTRIES,
  TILE_FLOATS,
  TILE_QUERIES,
  TILE_ROWS,
  withSlot,
  writeArgs,
} from './wasm-instance.ts';
import type { Field, Instances, WasmSlot } from './wasm-instance.ts';

const METRIC_CODE = { l2: 0, ip: 1, cosine: 2 } as const;

/** Queries `[at, at + n)` of a result, and which of its heaps a slot holds. */
interface Group {
  readonly top: TopK;
  readonly at: number;
  readonly n: number;
}

/** Copies the heaps of a group into the slot and gives the TopK record. */
function heapsIn(slot: WasmSlot, { top, at, n }: Group): readonly Field[] {
  const { base } = slot;
  const { limit } = top;
  for (let q = 0; q < n; q++) {
    const from = (at + q) * limit;
    const count = Math.min(top.counts[at + q] ?? 0, limit);
    slot.words[((base + SLOT.counts) >> 2) + q] = count;
    slot.bytes[base + SLOT.tied + q] = top.tied[at + q] ?? 0;
    const kept = top.scores.subarray(from, from + count);
    slot.floats.set(kept, ((base + SLOT.scores) >> 2) + q * limit);
    slot.words.set(top.rows.subarray(from, from + count), ((base + SLOT.rows) >> 2) + q * limit);
  }
  return [limit, base + SLOT.scores, base + SLOT.rows, base + SLOT.counts, base + SLOT.tied];
}

/** Copies the heaps of a group back. */
function heapsOut(slot: WasmSlot, { top, at, n }: Group): void {
  const { base } = slot;
  const { limit } = top;
  for (let q = 0; q < n; q++) {
    const count = slot.words[((base + SLOT.counts) >> 2) + q] ?? 0;
    top.counts[at + q] = count;
    top.tied[at + q] = slot.bytes[base + SLOT.tied + q] ?? 0;
    const scores = ((base + SLOT.scores) >> 2) + q * limit;
    const rows = ((base + SLOT.rows) >> 2) + q * limit;
    top.scores.set(slot.floats.subarray(scores, scores + count), (at + q) * limit);
    top.rows.set(slot.words.subarray(rows, rows + count), (at + q) * limit);
  }
}

/** A tile of rows: `from` and `to` count from `start`, a multiple of 32 that norms, terms and bits
 * of the slot begin at. */
interface Tile {
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

function forEachTile(
  args: { readonly from: number; readonly to: number },
  size: number,
  visit: (tile: Tile) => void,
): void {
  const rows = Math.max(32, Math.min(TILE_ROWS, size & ~31));
  for (let at = args.from; at < args.to; ) {
    const start = at - (at % 32);
    const end = Math.min(args.to, start + rows);
    visit({ start, from: at - start, to: end - start });
    at = end;
  }
}

/** Copies the part of a per-row column that a tile needs; gives its address. */
function columnIn(
  slot: WasmSlot,
  tile: Tile,
  column: { readonly values: Float32Array | Uint32Array; readonly offset: number },
): number {
  const address = slot.base + column.offset;
  const part = column.values.subarray(tile.start, tile.start + tile.to);
  if (part instanceof Float32Array) slot.floats.set(part, address >> 2);
  else slot.words.set(part, address >> 2);
  return address;
}

function bitsIn(slot: WasmSlot, tile: Tile, allowed: Uint32Array | undefined): number {
  if (allowed === undefined) return 0;
  const address = slot.base + SLOT.bits;
  const first = tile.start / 32;
  slot.words.set(allowed.subarray(first, first + Math.ceil(tile.to / 32)), address >> 2);
  return address;
}

/** Inverse norms of `count` vectors that lie at `from` in the memory, to `to`. */
function normsAt(slot: WasmSlot, dim: number, spot: { count: number; from: number; to: number }) {
  slot.exports.inverse_norms(spot.from, dim, spot.count, spot.to);
}

function scanGroup(slot: WasmSlot, args: ScanFloat32, group: Group): void {
  const { dim, metric } = args;
  const queries = slot.base + SLOT.queries;
  const queryNorms = slot.base + SLOT.queryNorms;
  const part = args.queries.subarray(group.at * dim, (group.at + group.n) * dim);
  slot.floats.set(part, queries >> 2);
  if (metric === 'cosine') normsAt(slot, dim, { count: group.n, from: queries, to: queryNorms });
  const heaps = heapsIn(slot, group);
  const norms = metric === 'cosine' ? args.inverseNorms : undefined;
  const min = { float: args.bounds?.min ?? -Infinity };
  const max = { float: args.bounds?.max ?? Infinity };
  forEachTile(args, rowsPerCall(dim, group.n), (tile) => {
    const rows = args.rows.byteOffset + tile.start * dim * 4;
    const column = { values: norms ?? new Float32Array(0), offset: SLOT.norms };
    const head = [METRIC_CODE[metric], dim, rows, columnIn(slot, tile, column)];
    const span = [tile.from, tile.to, args.rowBase + tile.start];
    const asked = [bitsIn(slot, tile, args.allowed), queries, queryNorms, group.n, min, max];
    slot.exports.scan_float32(writeArgs(slot, [...head, ...span, ...asked, ...heaps]));
  });
  heapsOut(slot, group);
}

function scanFloat32(instances: Instances, args: ScanFloat32): void {
  checkScanFloat32(args);
  const { top, dim } = args;
  const most = Math.min(TILE_QUERIES, TILE_FLOATS / dim, TILE_ENTRIES / top.limit);
  const n = Math.max(1, Math.floor(most));
  withSlot(instanceOf(instances, args.rows), (slot) => {
    for (let at = 0; at < top.nq; at += n) {
      scanGroup(slot, args, { top, at, n: Math.min(n, top.nq - at) });
    }
  });
}

/** Calls `visit` with the scores of each part of the list; COSINE is scaled by the caller. */
function scoreList(
  slot: WasmSlot,
  args: ListedRows,
  visit: (scores: Float32Array, at: number) => void,
): void {
  const { dim, list } = args;
  const { base } = slot;
  slot.floats.set(args.query, (base + SLOT.queries) >> 2);
  const metric = args.metric === 'l2' ? METRIC_CODE.l2 : METRIC_CODE.ip;
  const size = Math.min(TILE_ROWS, rowsPerCall(dim, 1));
  for (let at = 0; at < list.length; at += size) {
    const part = list.subarray(at, at + size);
    slot.words.set(part, (base + SLOT.list) >> 2);
    const rows = [metric, dim, args.rows.byteOffset, 0, args.rowCount, args.rowBase];
    const asked = [base + SLOT.list, part.length, base + SLOT.queries, 0, 0, 0];
    const fields = [...rows, ...asked, 0, 0, 0, 0, 0, base + SLOT.out];
    slot.exports.rerank_float32(writeArgs(slot, fields));
    const out = (base + SLOT.out) >> 2;
    visit(slot.floats.subarray(out, out + part.length), at);
  }
}

/** Visits each listed row of the chunk with its score. */
function forEachScore(
  instances: Instances,
  args: ListedRows,
  visit: (i: number, row: number, score: number) => void,
): void {
  const norms = args.inverseNorms;
  withSlot(instanceOf(instances, args.rows), (slot) => {
    let queryNorm = 0;
    if (args.metric === 'cosine') {
      const queries = slot.base + SLOT.queries;
      slot.floats.set(args.query, queries >> 2);
      normsAt(slot, args.dim, { count: 1, from: queries, to: slot.base + SLOT.queryNorms });
      queryNorm = slot.floats[(slot.base + SLOT.queryNorms) >> 2] ?? 0;
    }
    scoreList(slot, args, (scores, at) => {
      for (let i = 0; i < scores.length; i++) {
        const row = args.list[at + i] ?? 0;
        const local = (row - args.rowBase) >>> 0;
        if (local >= args.rowCount) continue;
        let score = scores[i] ?? 0;
        if (args.metric === 'cosine') {
          score = Math.fround(Math.fround(score * queryNorm) * (norms?.[local] ?? 0));
          if (Number.isNaN(score)) score = -Infinity;
        }
        visit(at + i, row, score);
      }
    });
  });
}

function rerankFloat32(instances: Instances, args: RerankFloat32): void {
  checkRerank(args);
  const into = { top: args.top, slot: args.slot, metric: args.metric };
  const min = Math.fround(args.bounds?.min ?? -Infinity);
  const max = Math.fround(args.bounds?.max ?? Infinity);
  forEachScore(instances, args, (_, row, score) => {
    if (score >= min && score <= max) offerTopK(into, { score, row });
  });
}

function scoreRows(instances: Instances, args: ListedRows & { readonly out: Float32Array }): void {
  checkScores(args);
  forEachScore(instances, args, (i, _, score) => {
    args.out[i] = score;
  });
}

/** Rows lie in one memory and codes in another, so rows pass through the slot of the codes. */
function encodeSq8(instances: Instances, args: EncodeSq8): void {
  checkEncodeSq8(args);
  const { dim } = args;
  const stride = args.stride ?? sq8Stride(dim);
  const source = floatsOf(args.rows, args.to * dim);
  const size = Math.min(TILE_ROWS, Math.floor(TILE_FLOATS / dim));
  const low = { float: args.low };
  const inverse = { float: 1 / args.step };
  withSlot(instanceOf(instances, args.codes), (slot) => {
    const { base } = slot;
    const queries = base + SLOT.queries;
    for (let at = args.from; at < args.to; at += size) {
      const end = Math.min(args.to, at + size);
      slot.floats.set(source.subarray(at * dim, end * dim), queries >> 2);
      const tile = { start: at, from: 0, to: end - at };
      const scaled = args.inverseNorms;
      const norms = { values: scaled ?? new Float32Array(0), offset: SLOT.norms };
      const scales = scaled === undefined ? 0 : columnIn(slot, tile, norms);
      const rows = [dim, stride, queries, scales, 0, end - at, low, inverse];
      const out = args.norms === undefined ? 0 : base + SLOT.out;
      const codes = args.codes.byteOffset + at * stride;
      const sums = args.innerTerms === undefined ? 0 : base + SLOT.list;
      slot.exports.encode_sq8(writeArgs(slot, [...rows, codes, base + SLOT.terms, sums, out]));
      args.innerTerms?.set(slot.words.subarray(sums >> 2, (sums >> 2) + end - at), at);
      const terms = (base + SLOT.terms) >> 2;
      args.terms.set(slot.words.subarray(terms, terms + end - at), at);
      if (out !== 0) args.norms?.set(slot.floats.subarray(out >> 2, (out >> 2) + end - at), at);
    }
  });
}

function scanSq8(instances: Instances, args: ScanSq8): void {
  checkScanSq8(args);
  const stride = sq8Stride(args.dim);
  const group = { top: args.top, at: args.slot, n: 1 };
  withSlot(instanceOf(instances, args.codes), (slot) => {
    const { base } = slot;
    slot.bytes.set(args.query, base + SLOT.queries);
    const heaps = heapsIn(slot, group);
    const asked = [base + SLOT.queries, args.queryTerm, { float: args.weight }, 0, ...heaps];
    forEachTile(args, rowsPerCall(args.dim, 1), (tile) => {
      const codes = args.codes.byteOffset + tile.start * stride;
      const terms = columnIn(slot, tile, { values: args.terms, offset: SLOT.terms });
      const column = { values: args.norms ?? new Float32Array(0), offset: SLOT.norms };
      const norms = args.norms === undefined ? 0 : columnIn(slot, tile, column);
      const span = [tile.from, tile.to, args.rowBase + tile.start];
      const head = [stride, codes, terms, norms, ...span, bitsIn(slot, tile, args.allowed)];
      slot.exports.scan_sq8(writeArgs(slot, [...head, ...asked]));
    });
    heapsOut(slot, group);
  });
}

function inverseNorms(instances: Instances, args: Parameters<Kernels['inverseNorms']>[0]): void {
  checkNorms(args);
  const { dim } = args;
  withSlot(instanceOf(instances, args.rows), (slot) => {
    const to = slot.base + SLOT.norms;
    forEachTile(args, rowsPerCall(dim, 1), (tile) => {
      const first = tile.start + tile.from;
      const count = tile.to - tile.from;
      normsAt(slot, dim, { count, from: args.rows.byteOffset + first * dim * 4, to });
      args.out.set(slot.floats.subarray(to >> 2, (to >> 2) + count), first);
    });
  });
}

/** The same kernels in WebAssembly: where no addon loads. Bitsets are plain JavaScript there. */
export function createWasmKernels(): Kernels {
  const instances = createInstances();
  return {
    isa: 'wasm',
    native: false,
    allocate: (bytes) => {
      checkAllocate(bytes);
      const memory = createWasmMemory(bytes);
      return { buffer: memory.buffer, memory, byteOffset: ROWS_START };
    },
    preferLargePages: () => undefined,
    // A WebAssembly memory keeps its pages until it is collected.
    discard: () => undefined,
    scanFloat32: (args) => scanFloat32(instances, args),
    rerankFloat32: (args) => rerankFloat32(instances, args),
    scoreRows: (args) => scoreRows(instances, args),
    inverseNorms: (args) => inverseNorms(instances, args),
    encodeSq8: (args) => encodeSq8(instances, args),
    scanSq8: (args) => scanSq8(instances, args),
    canWalk: wasmCanWalk,
    searchGraph: (args) => searchGraph(instances, args, (exact) => rerankFloat32(instances, exact)),
    findLinks: (args) => findLinks(instances, args),
    mergeLinks: (args) => mergeLinks(instances, args),
    firstNonFinite,
    and: andWords,
    or: orWords,
    andNot: andNotWords,
    popcount: countWords,
  };
}
