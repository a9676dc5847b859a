import {
  checkAllocate,
  checkEncodeSq8,
  checkNorms,
  checkRerank,
  checkScanRows,
  checkScanSq8,
  checkScores,
} from './check.ts';
import { elementBytes, elementCode } from './element.ts';
import type { RowElement } from './element.ts';
import type { EncodeSq8, InverseNorms, Kernels, ListedRows, RerankRows } from './kernels.ts';
import type { ScanRows, ScanSq8 } from './kernels.ts';
import { bytesOf } from './memory.ts';
import { andWords, andNotWords, countWords, firstNonFinite, orWords } from './plain.ts';
import { rowsPerCall } from './rows-per-call.ts';
import { sq8Stride } from './sq8.ts';
import { offerTopK } from './topk.ts';
import { scanBits, scoreBits } from './wasm-bits.ts';
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
import type { Instances, WasmSlot } from './wasm-instance.ts';
import { encodeRabitq, rotateQueries, scanRabitq } from './wasm-rabitq.ts';
import { bitsIn, columnIn, forEachTile, heapsIn, heapsOut } from './wasm-tiles.ts';
import type { Group } from './wasm-tiles.ts';

const METRIC_CODE = { l2: 0, ip: 1, cosine: 2 } as const;

/** Bytes of a row of numbers. */
function rowBytes(args: {
  readonly dim: number;
  readonly element?: RowElement | undefined;
}): number {
  return args.dim * elementBytes(args.element ?? 'float32');
}

/** Rows of one call: numbers that are no float32 cost about two of those here. */
function rowsOfCall(
  args: { readonly dim: number; readonly element?: RowElement | undefined },
  nq = 1,
): number {
  const { dim, element = 'float32' } = args;
  return rowsPerCall(element === 'float32' ? dim : 2 * dim, nq);
}

/** Inverse norms of `count` vectors that lie at `from` in the memory, to `to`. */
function normsAt(
  slot: WasmSlot,
  shape: { readonly dim: number; readonly element?: RowElement | undefined },
  spot: { readonly count: number; readonly from: number; readonly to: number },
): void {
  const { count, from, to } = spot;
  const fields = [elementCode(shape.element), shape.dim, from, 0, count, to];
  slot.exports.inverse_norms(writeArgs(slot, fields));
}

function scanGroup(slot: WasmSlot, args: ScanRows, group: Group): void {
  const { dim, metric } = args;
  const queries = slot.base + SLOT.queries;
  const queryNorms = slot.base + SLOT.queryNorms;
  const part = args.queries.subarray(group.at * dim, (group.at + group.n) * dim);
  slot.floats.set(part, queries >> 2);
  if (metric === 'cosine')
    normsAt(slot, { dim }, { count: group.n, from: queries, to: queryNorms });
  const heaps = heapsIn(slot, group);
  const norms = metric === 'cosine' ? args.inverseNorms : undefined;
  const min = { float: args.bounds?.min ?? -Infinity };
  const max = { float: args.bounds?.max ?? Infinity };
  forEachTile(args, rowsOfCall(args, group.n), (tile) => {
    const rows = args.rows.byteOffset + tile.start * rowBytes(args);
    const column = { values: norms ?? new Float32Array(0), offset: SLOT.norms };
    const shape = [METRIC_CODE[metric], elementCode(args.element), dim];
    const head = [...shape, rows, columnIn(slot, tile, column)];
    const span = [tile.from, tile.to, args.rowBase + tile.start];
    const asked = [bitsIn(slot, tile, args.allowed), queries, queryNorms, group.n, min, max];
    slot.exports.scan_rows(writeArgs(slot, [...head, ...span, ...asked, ...heaps]));
  });
  heapsOut(slot, group);
}

function scanRows(instances: Instances, args: ScanRows): void {
  checkScanRows(args);
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
  const size = Math.min(TILE_ROWS, rowsOfCall(args));
  for (let at = 0; at < list.length; at += size) {
    const part = list.subarray(at, at + size);
    slot.words.set(part, (base + SLOT.list) >> 2);
    const shape = [metric, elementCode(args.element), dim];
    const rows = [...shape, args.rows.byteOffset, 0, args.rowCount, args.rowBase];
    const asked = [base + SLOT.list, part.length, base + SLOT.queries, 0, 0, 0];
    const fields = [...rows, ...asked, 0, 0, 0, 0, 0, base + SLOT.out];
    slot.exports.rerank_rows(writeArgs(slot, fields));
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
      normsAt(
        slot,
        { dim: args.dim },
        { count: 1, from: queries, to: slot.base + SLOT.queryNorms },
      );
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

function rerankRows(instances: Instances, args: RerankRows): void {
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
  const source = bytesOf(args.rows, args.to * rowBytes(args));
  const size = Math.min(TILE_ROWS, Math.floor(TILE_FLOATS / dim));
  const low = { float: args.low };
  const inverse = { float: 1 / args.step };
  withSlot(instanceOf(instances, args.codes), (slot) => {
    const { base } = slot;
    const queries = base + SLOT.queries;
    for (let at = args.from; at < args.to; at += size) {
      const end = Math.min(args.to, at + size);
      slot.bytes.set(source.subarray(at * rowBytes(args), end * rowBytes(args)), queries);
      const tile = { start: at, from: 0, to: end - at };
      const scaled = args.inverseNorms;
      const norms = { values: scaled ?? new Float32Array(0), offset: SLOT.norms };
      const scales = scaled === undefined ? 0 : columnIn(slot, tile, norms);
      const shape = [elementCode(args.element), dim, stride];
      const rows = [...shape, queries, scales, 0, end - at, low, inverse];
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

function inverseNorms(instances: Instances, args: InverseNorms): void {
  checkNorms(args);
  withSlot(instanceOf(instances, args.rows), (slot) => {
    const to = slot.base + SLOT.norms;
    forEachTile(args, rowsOfCall(args), (tile) => {
      const first = tile.start + tile.from;
      const count = tile.to - tile.from;
      normsAt(slot, args, { count, from: args.rows.byteOffset + first * rowBytes(args), to });
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
    gatherPages: () => Promise.resolve(),
    // A WebAssembly memory keeps its pages until it is collected.
    discard: () => undefined,
    scanRows: (args) => scanRows(instances, args),
    rerankRows: (args) => rerankRows(instances, args),
    scoreRows: (args) => scoreRows(instances, args),
    inverseNorms: (args) => inverseNorms(instances, args),
    scanBits: (args) => scanBits(instances, args),
    scoreBits: (args) => scoreBits(instances, args),
    encodeSq8: (args) => encodeSq8(instances, args),
    scanSq8: (args) => scanSq8(instances, args),
    rotateQueries: (args) => rotateQueries(instances, args),
    encodeRabitq: (args) => encodeRabitq(instances, args),
    scanRabitq: (args) => scanRabitq(instances, args),
    canWalk: wasmCanWalk,
    searchGraph: (args) => searchGraph(instances, args, (exact) => rerankRows(instances, exact)),
    findLinks: (args) => findLinks(instances, args),
    mergeLinks: (args) => mergeLinks(instances, args),
    firstNonFinite,
    and: andWords,
    or: orWords,
    andNot: andNotWords,
    popcount: countWords,
  };
}
