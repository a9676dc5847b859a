import { bytesOf, createTopK, decodeRows, floatsOf, sortTopK } from '@elanus/kernels';
import type { Kernels, TopK } from '@elanus/kernels';

import { rowOf } from './column.ts';
import type { NumberColumn } from './column.ts';
import { flatSteps } from './flat.ts';
import type { FlatSource } from './flat.ts';
import { codeStride, indexLayout, LISTS_MAX } from './index-file.ts';
import type { IndexFile, IndexHeader, SectionName } from './index-file.ts';
import { ivfSteps } from './ivf-search.ts';
import type { IvfSource } from './ivf-search.ts';
import { assignSteps, trainBytes, trainStepCount, trainSteps } from './kmeans.ts';
import type { Centroids, ListShape } from './kmeans.ts';
import { writeProbeCurve } from './probe-curve.ts';
import type { ProbePoint } from './probe-curve.ts';
import { encodeLists, measureBits, rabitqStepCount, writeSigns } from './rabitq-build.ts';
import { CURVE_END, CURVE_LIMITS } from './recall-curve.ts';
import type { IndexKind } from './vector-index.ts';

/** Parameters of lists around centroids. */
export interface IvfParams {
  /**
   * Lists, 1 to 65,536 and at most one a row. Default twice the root of the number of rows; of
   * 1-bit codes the root.
   */
  readonly nlist?: number | undefined;
  /** Decides where centroids begin. Default 1. */
  readonly seed?: number | undefined;
}

/** Rows that measure recall. */
const MEASURED = 128;
/** Rows that are put in their lists between two steps. */
const STEP_ROWS = 4096;

/** The number of lists that parameters ask for. @throws RangeError */
export function listCount(
  kind: IndexKind,
  params: IvfParams | undefined,
  rowCount: number,
): number {
  // A 1-bit code is looked at in a third of the time, so that fewer lists are worth it.
  const usual = (kind === 'IVF_RABITQ' ? 1 : 2) * Math.sqrt(rowCount);
  const nlist = params?.nlist ?? Math.max(1, Math.round(usual));
  if (!Number.isInteger(nlist) || nlist < 1 || nlist > LISTS_MAX) {
    throw new RangeError(`nlist: expected a whole number from 1 to ${LISTS_MAX}`);
  }
  return Math.min(nlist, rowCount);
}

/** The kind whose file, in the order of the rows, a build of lists makes first. */
export const codedKind = (kind: IndexKind): IndexKind => (kind === 'IVF_SQ8' ? 'FLAT_SQ8' : 'FLAT');

/** Results and candidates of the rows that measure recall. */
const MEASURE_BYTES = 4 * 1024 * 1024;

/** Bytes that lists take while they are made, besides the two files. */
export function listBuildBytes(kind: IndexKind, shape: ListShape): number {
  const { count, dim, rowCount } = shape;
  const measured = MEASURED * dim * 4 + MEASURE_BYTES;
  const raw = kind === 'IVF_RABITQ' ? count * dim * 4 : 0;
  return trainBytes(shape) + rowCount * 4 + measured + raw;
}

/** Searches of each row that measures recall, about. */
const MEASURES = 6;

/** About how many steps it takes to make lists, codes left out. */
export function listStepCount(kind: IndexKind, shape: ListShape): number {
  const measured = Math.min(MEASURED, shape.rowCount) * MEASURES;
  return trainStepCount(shape) + (kind === 'IVF_RABITQ' ? rabitqStepCount(shape) : measured);
}

/** What lists are made of: the rows, and their codes in row order in a file of their own. */
export interface IvfTask {
  readonly kernels: Kernels;
  readonly column: NumberColumn;
  readonly coded: { readonly file: IndexFile; readonly header: IndexHeader };
  readonly seed: number;
  readonly file: IndexFile;
  readonly header: IndexHeader;
  /** How the finished parts are searched: see `ivfSource`. */
  readonly sourceOf: (flat: FlatSource, file: IndexFile, header: IndexHeader) => IvfSource;
}

function wordsOf({ memory }: IndexFile, header: IndexHeader, name: SectionName): Uint32Array {
  const { offset, bytes } = indexLayout(header).sections[name];
  return new Uint32Array(memory.buffer, memory.byteOffset + offset, bytes / 4);
}

/** Copies what has an entry for each row into the order of the lists. */
function* placeCodes(task: IvfTask, rows: Uint32Array): Generator<undefined, void, undefined> {
  const { file, header, coded } = task;
  const stride = codeStride(header);
  const section = (of: IndexFile, head: IndexHeader): Uint8Array => {
    const { codes } = indexLayout(head).sections;
    return bytesOf(of.memory, codes.bytes, codes.offset);
  };
  const [from, to] = [section(coded.file, coded.header), section(file, header)];
  const columns = (['terms', 'norms'] as const)
    .map((name) => [wordsOf(coded.file, coded.header, name), wordsOf(file, header, name)] as const)
    .filter(([source]) => source.length > 0);
  for (const [place, row] of rows.entries()) {
    to.set(from.subarray(row * stride, (row + 1) * stride), place * stride);
    for (const [source, target] of columns) target[place] = source[row] ?? 0;
    if (place % STEP_ROWS === 0) yield;
  }
}

/** Puts rows in their lists, rising. */
export function* fillLists(
  lists: Uint32Array,
  starts: Uint32Array,
  rows: Uint32Array,
): Generator<undefined, void, undefined> {
  starts.fill(0);
  for (const list of lists) starts[list + 1] = (starts[list + 1] ?? 0) + 1;
  for (let i = 1; i < starts.length; i++) starts[i] = (starts[i] ?? 0) + (starts[i - 1] ?? 0);
  yield;
  const next = starts.slice();
  for (const [row, list] of lists.entries()) {
    const place = next[list] ?? 0;
    next[list] = place + 1;
    rows[place] = row;
    if (row % (STEP_ROWS * 16) === 0) yield;
  }
}

/** Share of the true neighbours that were found, each query's own row left out. */
function recallOf(found: TopK, truth: TopK, own: readonly number[]): number {
  let [hits, all] = [0, 0];
  for (const [q, row] of own.entries()) {
    const at = q * truth.limit;
    const rows = new Set(found.rows.subarray(at, at + (found.counts[q] ?? 0)));
    for (const one of truth.rows.subarray(at, at + (truth.counts[q] ?? 0))) {
      if (one === row) continue;
      hits += rows.has(one) ? 1 : 0;
      all++;
    }
  }
  return all === 0 ? 1 : hits / all;
}

/** Searches of more and more lists, with rows as queries, until they find nearly everything. */
function* measure(source: IvfSource): Generator<undefined, ProbePoint[], undefined> {
  const { rowCount, dim } = source.column;
  const count = Math.min(MEASURED, rowCount);
  const own = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * rowCount) / count));
  const queries = new Float32Array(count * dim);
  for (const [i, row] of own.entries()) queries.set(rowOf(source.column, row), i * dim);
  const points: ProbePoint[] = [];
  for (const limit of CURVE_LIMITS) {
    // One more than asked for: the own row is left out.
    if (limit + 1 > rowCount) break;
    const truth = createTopK(count, limit + 1);
    yield* flatSteps(source, { queries, top: truth });
    sortTopK(truth, source.metric);
    for (let nprobe = 1; ; nprobe = Math.min(source.centroids.count, Math.ceil(nprobe * 1.5))) {
      const top = createTopK(count, limit + 1);
      yield* ivfSteps(source, { queries, top, nprobe });
      const recall = recallOf(top, truth, own);
      points.push({ limit, nprobe, recall });
      if (recall >= CURVE_END || nprobe === source.centroids.count) break;
    }
  }
  return points;
}

/** Room for centroids as they are trained: the file holds them rotated. */
function rawCentroids({ kernels, column }: IvfTask, { centroids }: IvfSource): Centroids {
  const { dim } = column;
  return { ...centroids, rows: kernels.allocate(centroids.count * dim * 4), dim };
}

/** Fills the file of an IVF index from rows and their codes; gives what was measured. */
export function* ivfBuildSteps(task: IvfTask): Generator<undefined, IndexHeader, undefined> {
  const { kernels, column, coded, file, seed } = task;
  const { grid, typicalNorm, candidatesOfTen } = coded.header;
  const header = { ...task.header, grid, typicalNorm, candidatesOfTen };
  const { rowCount, dim, rows, element = 'float32' } = column;
  const cosine = header.metric === 'cosine';
  const norms = (of: IndexFile, head: IndexHeader): Float32Array => {
    const { offset, bytes } = indexLayout(head).sections.inverseNorms;
    return floatsOf(of.memory, bytes / 4, offset);
  };
  norms(file, header).set(norms(coded.file, coded.header));
  if (rowCount === 0) return header;
  const inverseNorms = cosine ? norms(file, header) : undefined;
  const metric = header.metric;
  if (metric !== 'l2' && metric !== 'ip' && metric !== 'cosine') return header;
  const source = task.sourceOf({ kernels, metric, column, inverseNorms }, file, header);
  const bits = header.kind === 'IVF_RABITQ' ? source.bits : undefined;
  const centroids = bits === undefined ? source.centroids : rawCentroids(task, source);
  yield* trainSteps(kernels, column, { centroids, seed, scales: inverseNorms });
  const lists = new Uint32Array(rowCount);
  const rowsAt = (from: number, count: number): Float32Array =>
    decodeRows(rows, element, { at: from * dim, length: count * dim });
  yield* assignSteps(kernels, centroids, { count: rowCount, rowsAt, lists });
  yield* fillLists(lists, source.listStarts, source.listRows);
  if (source.coded !== undefined) yield* placeCodes(task, source.listRows);
  const { probeCurve } = indexLayout(header).sections;
  if (bits === undefined) {
    writeProbeCurve(file.memory, probeCurve, yield* measure(source));
    return header;
  }
  const rotated = { ...source, bits };
  writeSigns(bits, seed);
  yield* encodeLists(rotated, centroids);
  kernels.discard(centroids.rows);
  writeProbeCurve(file.memory, probeCurve, yield* measureBits(rotated));
  return header;
}
