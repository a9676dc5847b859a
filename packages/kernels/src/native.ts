import { createRequire } from 'node:module';

import {
  checkAllocate,
  checkEncodeSq8,
  checkNorms,
  checkRerank,
  checkScanBits,
  checkScanRows,
  checkScanSq8,
  checkScoreBits,
  checkScores,
} from './check.ts';
import { elementCode, elementsOf } from './element.ts';
import type { ElementArray, RowElement } from './element.ts';
import type { EncodeSq8, InverseNorms, KernelIsa, Kernels, ListedBits } from './kernels.ts';
import type { ListedRows, RerankRows, ScanBits, ScanRows, ScanSq8 } from './kernels.ts';
import { bytesOf, memoryBytes } from './memory.ts';
import type { RowMemory } from './memory.ts';
import { findLinks, mergeLinks, searchGraph } from './native-graph.ts';
import type { GraphAddon } from './native-graph.ts';
import { encodeRabitq, rotateQueries, scanRabitq } from './native-rabitq.ts';
import type { RabitqAddon } from './native-rabitq.ts';
import { bitRowsPerCall, rowsPerCall } from './rows-per-call.ts';
import { sq8Stride } from './sq8.ts';
import { heapOf } from './topk.ts';

/** What the addon exports: see native/addon.cc for the order of the arguments. */
export interface NativeAddon extends GraphAddon, RabitqAddon {
  readonly abi: number;
  /** Instruction sets by number; null = this machine has it not. */
  readonly isas: readonly (KernelIsa | null)[];
  scanRows(...args: readonly unknown[]): void;
  rerankRows(...args: readonly unknown[]): void;
  scoreRows(...args: readonly unknown[]): void;
  inverseNorms(...args: readonly unknown[]): void;
  scanBits(...args: readonly unknown[]): void;
  scoreBits(...args: readonly unknown[]): void;
  encodeSq8(...args: readonly unknown[]): void;
  scanSq8(...args: readonly unknown[]): void;
  firstNonFinite(...args: readonly unknown[]): number;
  combine(...args: readonly unknown[]): void;
  popcount(...args: readonly unknown[]): number;
  alignment(bytes: Uint8Array): number;
  useLargePages(bytes: Uint8Array): void;
  gatherPages(bytes: Uint8Array): Promise<void>;
  discard(bytes: Uint8Array): void;
  /** Whether `crc32` may be called here. */
  readonly hasCrc32: boolean;
  crc32(bytes: Uint8Array, seed: number): number;
}

/** The version of the addon's arguments that this file speaks (native/kernels.h). */
const ABI = 8;
const METRIC_CODE = { l2: 0, ip: 1, cosine: 2 } as const;
const BIT_METRIC_CODE = { hamming: 0, jaccard: 1, tanimoto: 2 } as const;
const WORDS_PER_CALL = 1 << 20;

let found: { readonly addon: NativeAddon | undefined } | undefined;

/**
 * The addon of this platform: the one built beside `src`, `dist` or a bundle, else that of the
 * platform's optional package. Undefined where there is none; looked for once. Throws never.
 */
export function loadAddon(): NativeAddon | undefined {
  found ??= { addon: findAddon() };
  return found.addon;
}

/** A package that was chosen when this was installed, before what was built here. */
function placesOf({ platform, arch }: NodeJS.Process): readonly string[] {
  const name = `kernels-${platform}-${arch}`;
  const built = `../build/${name}.node`;
  if (platform !== 'linux') return [`@elanus/${name}`, built];
  return [`@elanus/${name}-gnu`, built, `@elanus/${name}-musl`];
}

function findAddon(): NativeAddon | undefined {
  const load = createRequire(import.meta.url);
  for (const place of placesOf(process)) {
    try {
      const addon = load(place) as NativeAddon;
      if (addon.abi === ABI && typeof addon.gatherPages === 'function') return addon;
    } catch {
      // Not there, or not for this machine: the next place, and WebAssembly behind the last.
    }
  }
  return undefined;
}

/** zlib's CRC-32, for where there is no addon. Loading it takes 3 ms. */
export function loadZlibCrc32(): NativeAddon['crc32'] {
  return process.getBuiltinModule('node:zlib').crc32;
}

function allocate(addon: NativeAddon, bytes: number): RowMemory {
  checkAllocate(bytes);
  const buffer = new SharedArrayBuffer(bytes + 64);
  const misplaced = addon.alignment(new Uint8Array(buffer));
  return { buffer, byteOffset: (64 - misplaced) % 64 };
}

/** The first `count` rows, as the typed array of their element. */
function rowsOf(
  args: {
    readonly dim: number;
    readonly element?: RowElement | undefined;
    readonly rows: RowMemory;
  },
  count: number,
): ElementArray {
  return elementsOf(args.rows, args.element ?? 'float32', { length: count * args.dim });
}

/** Inverse norms of queries, by the same kernel as those of rows. */
function normsOf(
  addon: NativeAddon,
  isa: number,
  { queries, dim }: { readonly queries: Float32Array; readonly dim: number },
): Float32Array {
  const nq = queries.length / dim;
  const out = new Float32Array(nq);
  addon.inverseNorms(isa, elementCode('float32'), dim, queries, 0, nq, out);
  return out;
}

/** Runs `call` over `[from, to)` in pieces: bounded native calls, each from its own entry. */
function inPieces(
  args: { readonly from: number; readonly to: number },
  size: number,
  call: (from: number, to: number) => void,
): void {
  for (let at = args.from; at < args.to; at += size) call(at, Math.min(args.to, at + size));
}

/** A scan of rows, and how many of them one call may read. */
interface Cut {
  readonly span: {
    readonly from: number;
    readonly to: number;
    readonly allowed?: Uint32Array | undefined;
  };
  readonly perCall: number;
}

/** Rows of a piece: the whole span where its filter leaves no more than one call may read. */
function pieceRows(addon: NativeAddon, isa: number, { span, perCall }: Cut): number {
  const { from, to, allowed } = span;
  const rows = to - from;
  if (allowed === undefined || rows <= perCall || rows > WORDS_PER_CALL * 32) return perCall;
  const words = allowed.subarray(from >>> 5, (to + 31) >>> 5);
  return addon.popcount(isa, words) <= perCall ? rows : perCall;
}

function scanRows(addon: NativeAddon, isa: number, args: ScanRows): void {
  checkScanRows(args);
  const { dim, top, queries, bounds, rowBase } = args;
  const cosine = args.metric === 'cosine';
  const rows = rowsOf(args, args.to);
  const queryNorms = cosine ? normsOf(addon, isa, { queries, dim }) : null;
  const fixed = [rowBase, args.allowed, queries, queryNorms];
  const range = [bounds?.min ?? -Infinity, bounds?.max ?? Infinity];
  const result = [top.limit, top.scores, top.rows, top.counts, top.tied];
  const shape = [METRIC_CODE[args.metric], elementCode(args.element), dim];
  const size = pieceRows(addon, isa, { span: args, perCall: rowsPerCall(dim, top.nq) });
  inPieces(args, size, (from, to) => {
    const head = [isa, ...shape, rows, args.inverseNorms, from, to];
    addon.scanRows(...head, ...fixed, ...range, ...result);
  });
}

/** The arguments that rerank and scoreRows share, for list `[from, to)`. */
function listed(addon: NativeAddon, isa: number, args: ListedRows): readonly unknown[] {
  const cosine = args.metric === 'cosine';
  return [
    isa,
    METRIC_CODE[args.metric],
    elementCode(args.element),
    args.dim,
    rowsOf(args, args.rowCount),
    args.inverseNorms,
    args.rowCount,
    args.rowBase,
    args.list,
    args.query,
    cosine ? (normsOf(addon, isa, { queries: args.query, dim: args.dim })[0] ?? 0) : 0,
  ];
}

function rerankRows(addon: NativeAddon, isa: number, args: RerankRows): void {
  checkRerank(args);
  const { list, bounds, dim } = args;
  const range = [bounds?.min ?? -Infinity, bounds?.max ?? Infinity];
  const result = heapOf(args.top, args.slot);
  inPieces({ from: 0, to: list.length }, rowsPerCall(dim, 1), (from, to) => {
    const part = { ...args, list: list.subarray(from, to) };
    addon.rerankRows(...listed(addon, isa, part), ...range, ...result);
  });
}

function scoreRows(
  addon: NativeAddon,
  isa: number,
  args: ListedRows & { readonly out: Float32Array },
): void {
  checkScores(args);
  const { list, out, dim } = args;
  inPieces({ from: 0, to: list.length }, rowsPerCall(dim, 1), (from, to) => {
    const part = { ...args, list: list.subarray(from, to) };
    addon.scoreRows(...listed(addon, isa, part), out.subarray(from, to));
  });
}

function inverseNorms(addon: NativeAddon, isa: number, args: InverseNorms): void {
  checkNorms(args);
  const { dim, out } = args;
  const shape = [elementCode(args.element), dim, rowsOf(args, args.to)];
  inPieces(args, rowsPerCall(dim, 1), (from, to) => {
    addon.inverseNorms(isa, ...shape, from, to, out);
  });
}

function scanBits(addon: NativeAddon, isa: number, args: ScanBits): void {
  checkScanBits(args);
  const { dim, top, queries, bounds, rowBase, allowed } = args;
  const shape = [BIT_METRIC_CODE[args.metric], dim / 8, bytesOf(args.rows, (args.to * dim) / 8)];
  const range = [bounds?.min ?? -Infinity, bounds?.max ?? Infinity];
  const result = [top.limit, top.scores, top.rows, top.counts, top.tied];
  inPieces(args, bitRowsPerCall(dim, top.nq), (from, to) => {
    const head = [isa, ...shape, from, to, rowBase];
    addon.scanBits(...head, allowed, queries, ...range, ...result);
  });
}

function scoreBits(addon: NativeAddon, isa: number, args: ListedBits): void {
  checkScoreBits(args);
  const { dim, rowCount, rowBase, list, query, out } = args;
  const rows = bytesOf(args.rows, (rowCount * dim) / 8);
  const shape = [BIT_METRIC_CODE[args.metric], dim / 8, rows, rowCount, rowBase];
  inPieces({ from: 0, to: list.length }, bitRowsPerCall(dim, 1), (from, to) => {
    addon.scoreBits(isa, ...shape, list.subarray(from, to), query, out.subarray(from, to));
  });
}

function encodeSq8(addon: NativeAddon, isa: number, args: EncodeSq8): void {
  checkEncodeSq8(args);
  const { dim, low, terms } = args;
  const stride = args.stride ?? sq8Stride(dim);
  const rows = rowsOf(args, args.to);
  const element = elementCode(args.element);
  const codes = bytesOf(args.codes, args.to * stride);
  const inverse = Math.fround(1 / args.step);
  inPieces(args, rowsPerCall(dim, 1), (from, to) => {
    const head = [isa, element, dim, stride, rows, args.inverseNorms, from, to];
    const out = [codes, terms, args.norms, args.innerTerms];
    addon.encodeSq8(...head, Math.fround(low), inverse, ...out);
  });
}

function scanSq8(addon: NativeAddon, isa: number, args: ScanSq8): void {
  checkScanSq8(args);
  const stride = sq8Stride(args.dim);
  const codes = bytesOf(args.codes, args.to * stride);
  const result = heapOf(args.top, args.slot);
  const query = [args.query, args.queryTerm, args.weight, args.cached === true ? 1 : 0];
  const size = pieceRows(addon, isa, { span: args, perCall: rowsPerCall(args.dim, 1) });
  inPieces(args, size, (from, to) => {
    const head = [isa, stride, codes, args.terms, args.norms, from, to];
    addon.scanSq8(...head, args.rowBase, args.allowed, ...query, ...result);
  });
}

function combine(
  addon: NativeAddon,
  call: { readonly isa: number; readonly operation: number },
  sets: { readonly into: Uint32Array; readonly other: Uint32Array },
): void {
  const { into, other } = sets;
  if (into?.length !== other?.length) throw new RangeError('bitsets: expected one length');
  inPieces({ from: 0, to: into.length }, WORDS_PER_CALL, (from, to) => {
    const parts = [into.subarray(from, to), other.subarray(from, to)];
    addon.combine(call.isa, call.operation, ...parts);
  });
}

const LARGE_PAGE_BYTES = 2 * 1024 * 1024;
/** A few pages at a time: a process that ends waits for one call at most. */
const GATHERED_BYTES = 4 * LARGE_PAGE_BYTES;

async function gatherPages(
  addon: NativeAddon,
  memory: RowMemory,
  signal: AbortSignal | undefined,
): Promise<void> {
  const bytes = bytesOf(memory, memoryBytes(memory));
  for (let at = 0; at < bytes.length && signal?.aborted !== true; at += GATHERED_BYTES) {
    // A page that lies across the end of this part belongs to it.
    await addon.gatherPages(bytes.subarray(at, at + GATHERED_BYTES + LARGE_PAGE_BYTES));
  }
}

/** The kernels of one instruction set of the addon. */
export function createNativeKernels(addon: NativeAddon, isa: KernelIsa): Kernels {
  const code = addon.isas.indexOf(isa);
  if (code < 0) throw new RangeError(`kernels: ${isa} is not available on this machine`);
  return {
    isa,
    native: true,
    allocate: (bytes) => allocate(addon, bytes),
    preferLargePages: (memory) => addon.useLargePages(bytesOf(memory, memoryBytes(memory))),
    gatherPages: (memory, signal) => gatherPages(addon, memory, signal),
    discard: (memory) => addon.discard(bytesOf(memory, memoryBytes(memory))),
    scanRows: (args) => scanRows(addon, code, args),
    rerankRows: (args) => rerankRows(addon, code, args),
    scoreRows: (args) => scoreRows(addon, code, args),
    inverseNorms: (args) => inverseNorms(addon, code, args),
    scanBits: (args) => scanBits(addon, code, args),
    scoreBits: (args) => scoreBits(addon, code, args),
    encodeSq8: (args) => encodeSq8(addon, code, args),
    scanSq8: (args) => scanSq8(addon, code, args),
    rotateQueries: (args) => rotateQueries(addon, code, args),
    encodeRabitq: (args) => encodeRabitq(addon, code, args),
    scanRabitq: (args) => scanRabitq(addon, code, args),
    canWalk: () => true,
    searchGraph: (args) => searchGraph(addon, code, args),
    findLinks: (args) => findLinks(addon, code, args),
    mergeLinks: (args) => mergeLinks(addon, code, args),
    firstNonFinite: (values) => addon.firstNonFinite(code, values),
    and: (into, other) => combine(addon, { isa: code, operation: 0 }, { into, other }),
    or: (into, other) => combine(addon, { isa: code, operation: 1 }, { into, other }),
    andNot: (into, other) => combine(addon, { isa: code, operation: 2 }, { into, other }),
    popcount: (words) => addon.popcount(code, words),
  };
}
