import { elementBytes, ROW_ELEMENTS } from './element.ts';
import type { RowElement } from './element.ts';
import type { BitRows, EncodeSq8, InverseNorms, ListedBits, ListedRows } from './kernels.ts';
import type { RerankRows, ScanBits, ScanRows, ScanSq8, ScoreBounds } from './kernels.ts';
import type { VectorRows } from './kernels.ts';
import type { RowMemory } from './memory.ts';
import { sq8Stride } from './sq8.ts';
import type { TopK } from './topk.ts';

/**
 * The checks of every kernel's arguments, shared by the native and the WebAssembly kernels. The
 * native door checks once more: it must hold even against a caller that skips this file.
 */

/** The largest dimension that kernels take: exact 8-bit distances fit 32 bits up to here. */
export const DIM_MAX = 32_768;
/** The largest dimension of rows of bits: as many bytes as the largest of rows of numbers. */
export const BIT_DIM_MAX = 262_144;
/** The largest `limit` of a TopK: a candidate list of the largest search, with room. */
export const ENTRIES_MAX = 65_536;
const ROW_MAX = 0xffffffff;

/** Refuses what is out of range. @throws RangeError */
export function need(holds: boolean, text: string): void {
  if (!holds) throw new RangeError(text);
}

/** A whole number from 0 to `max`. @throws TypeError | RangeError */
export function whole(value: number, max: number, name: string): void {
  if (typeof value !== 'number') throw new TypeError(`${name}: expected a number`);
  need(Number.isInteger(value) && value >= 0 && value <= max, `${name}: out of range`);
}

/** A Float32Array of at least `least` numbers. @throws TypeError | RangeError */
export function floats(value: unknown, least: number, name: string): void {
  if (!(value instanceof Float32Array)) throw new TypeError(`${name}: expected a Float32Array`);
  need(value.length >= least, `${name}: too short`);
}

/** A Uint32Array of at least `least` numbers. @throws TypeError | RangeError */
export function words(value: unknown, least: number, name: string): void {
  if (!(value instanceof Uint32Array)) throw new TypeError(`${name}: expected a Uint32Array`);
  need(value.length >= least, `${name}: too short`);
}

/** Memory of at least `bytes` bytes. @throws TypeError | RangeError */
export function memory(value: RowMemory, bytes: number, name: string): void {
  if (!(value?.buffer instanceof SharedArrayBuffer)) {
    throw new TypeError(`${name}: expected memory from allocate()`);
  }
  whole(value.byteOffset, value.buffer.byteLength, `${name}.byteOffset`);
  need(value.byteOffset % 4 === 0, `${name}.byteOffset: expected a multiple of 4`);
  need(value.byteOffset + bytes <= value.buffer.byteLength, `${name}: too short`);
}

function dimension(dim: number): void {
  whole(dim, DIM_MAX, 'dim');
  need(dim >= 1, 'dim: out of range');
}

function span(from: number, to: number): void {
  whole(from, ROW_MAX, 'from');
  whole(to, ROW_MAX, 'to');
  need(from <= to, 'from: after `to`');
}

/** Rows of numbers, `count` of them. @throws TypeError | RangeError */
export function numberRows(
  args: {
    readonly dim: number;
    readonly element?: RowElement | undefined;
    readonly rows: RowMemory;
  },
  count: number,
): void {
  const { element = 'float32' } = args;
  if (!ROW_ELEMENTS.includes(element)) throw new TypeError('element: unknown');
  dimension(args.dim);
  memory(args.rows, count * args.dim * elementBytes(element), 'rows');
}

function vectorRows(args: VectorRows, count: number): void {
  if (!['l2', 'ip', 'cosine'].includes(args.metric)) throw new TypeError('metric: unknown');
  numberRows(args, count);
  whole(args.rowBase, ROW_MAX, 'rowBase');
  need(args.rowBase + count <= ROW_MAX, 'rowBase: row numbers pass 2^32');
  if (args.metric === 'cosine') floats(args.inverseNorms, count, 'inverseNorms');
}

function bitset(allowed: Uint32Array | undefined, to: number): void {
  if (allowed !== undefined) words(allowed, Math.ceil(to / 32), 'allowed');
}

/** Bounds that are numbers. @throws TypeError | RangeError */
export function checkBounds(bounds: ScoreBounds | undefined): void {
  if (bounds === undefined) return;
  const { min, max } = bounds;
  if (typeof min !== 'number' || typeof max !== 'number') {
    throw new TypeError('bounds: expected numbers');
  }
  need(!Number.isNaN(min) && !Number.isNaN(max), 'bounds: NaN');
}

/** A result that takes rows. @throws TypeError | RangeError */
export function checkTop(top: TopK): void {
  if (typeof top !== 'object' || top === null) throw new TypeError('top: expected a TopK');
  whole(top.nq, ROW_MAX, 'top.nq');
  whole(top.limit, ENTRIES_MAX, 'top.limit');
  need(top.nq >= 1 && top.limit >= 1, 'top: empty');
  floats(top.scores, top.nq * top.limit, 'top.scores');
  words(top.rows, top.nq * top.limit, 'top.rows');
  words(top.counts, top.nq, 'top.counts');
  if (!(top.tied instanceof Uint8Array)) throw new TypeError('top.tied: expected a Uint8Array');
  need(top.tied.length >= top.nq, 'top.tied: too short');
  need(!top.sorted, 'top: already sorted');
}

/** Checks a query's place in a result. @throws RangeError */
export function checkSlot(top: TopK, slot: number): void {
  checkTop(top);
  whole(slot, top.nq - 1, 'slot');
}

/** Checks an exact scan. @throws TypeError | RangeError */
export function checkScanRows(args: ScanRows): void {
  span(args.from, args.to);
  vectorRows(args, args.to);
  bitset(args.allowed, args.to);
  checkBounds(args.bounds);
  checkTop(args.top);
  floats(args.queries, args.dim, 'queries');
  need(args.queries.length === args.top.nq * args.dim, 'queries: expected top.nq x dim numbers');
}

/** Checks listed rows. @throws TypeError | RangeError */
export function checkListed(args: ListedRows): void {
  whole(args.rowCount, ROW_MAX, 'rowCount');
  vectorRows(args, args.rowCount);
  words(args.list, 0, 'list');
  floats(args.query, args.dim, 'query');
  need(args.query.length === args.dim, 'query: expected dim numbers');
}

/** Checks a rerank. @throws TypeError | RangeError */
export function checkRerank(args: RerankRows): void {
  checkListed(args);
  checkBounds(args.bounds);
  checkSlot(args.top, args.slot);
}

/** Checks the output of `scoreRows`. @throws TypeError | RangeError */
export function checkScores(args: ListedRows & { readonly out: Float32Array }): void {
  checkListed(args);
  floats(args.out, args.list.length, 'out');
}

function bitRows(args: BitRows, count: number): void {
  if (!['hamming', 'jaccard', 'tanimoto'].includes(args.metric)) {
    throw new TypeError('metric: unknown');
  }
  whole(args.dim, BIT_DIM_MAX, 'dim');
  need(args.dim >= 8 && args.dim % 8 === 0, 'dim: expected a multiple of 8');
  memory(args.rows, (count * args.dim) / 8, 'rows');
  whole(args.rowBase, ROW_MAX, 'rowBase');
  need(args.rowBase + count <= ROW_MAX, 'rowBase: row numbers pass 2^32');
}

function bitQueries(queries: unknown, bytes: number, name: string): void {
  if (!(queries instanceof Uint8Array)) throw new TypeError(`${name}: expected a Uint8Array`);
  need(queries.length === bytes, `${name}: expected dim / 8 bytes of each`);
}

/** Checks a scan of bits. @throws TypeError | RangeError */
export function checkScanBits(args: ScanBits): void {
  span(args.from, args.to);
  bitRows(args, args.to);
  bitset(args.allowed, args.to);
  checkBounds(args.bounds);
  checkTop(args.top);
  bitQueries(args.queries, (args.top.nq * args.dim) / 8, 'queries');
}

/** Checks listed rows of bits. @throws TypeError | RangeError */
export function checkScoreBits(args: ListedBits): void {
  whole(args.rowCount, ROW_MAX, 'rowCount');
  bitRows(args, args.rowCount);
  words(args.list, 0, 'list');
  bitQueries(args.query, args.dim / 8, 'query');
  floats(args.out, args.list.length, 'out');
}

/** Checks an encoding. @throws TypeError | RangeError */
export function checkEncodeSq8(args: EncodeSq8): void {
  span(args.from, args.to);
  numberRows(args, args.to);
  const stride = args.stride ?? sq8Stride(args.dim);
  whole(stride, DIM_MAX, 'stride');
  need(stride >= args.dim && stride % 16 === 0, 'stride: out of range');
  memory(args.codes, args.to * stride, 'codes');
  words(args.terms, args.to, 'terms');
  if (args.inverseNorms !== undefined) floats(args.inverseNorms, args.to, 'inverseNorms');
  if (args.norms !== undefined) floats(args.norms, args.to, 'norms');
  if (args.innerTerms !== undefined) words(args.innerTerms, args.to, 'innerTerms');
  need(Number.isFinite(args.low), 'low: expected a finite number');
  need(Number.isFinite(args.step) && args.step > 0, 'step: expected a positive number');
}

/** Checks a scan of codes. @throws TypeError | RangeError */
export function checkScanSq8(args: ScanSq8): void {
  dimension(args.dim);
  span(args.from, args.to);
  memory(args.codes, args.to * sq8Stride(args.dim), 'codes');
  words(args.terms, args.to, 'terms');
  if (args.norms !== undefined) floats(args.norms, args.to, 'norms');
  whole(args.rowBase, ROW_MAX, 'rowBase');
  need(args.rowBase + args.to <= ROW_MAX, 'rowBase: row numbers pass 2^32');
  bitset(args.allowed, args.to);
  if (!(args.query instanceof Int8Array)) throw new TypeError('query: expected an Int8Array');
  need(args.query.length === sq8Stride(args.dim), 'query: expected sq8Stride(dim) codes');
  whole(args.queryTerm, ROW_MAX, 'queryTerm');
  need(!Number.isNaN(Number(args.weight)), 'weight: expected a number');
  checkSlot(args.top, args.slot);
}

/** Checks an allocation. @throws RangeError */
export function checkAllocate(bytes: number): void {
  whole(bytes, Number.MAX_SAFE_INTEGER, 'bytes');
  need(bytes >= 1, 'bytes: out of range');
}

/** Checks rows whose norms are wanted. @throws TypeError | RangeError */
export function checkNorms(args: InverseNorms): void {
  span(args.from, args.to);
  numberRows(args, args.to);
  floats(args.out, args.to, 'out');
}
