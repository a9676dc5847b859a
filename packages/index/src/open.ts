import { ElanusError } from '@elanus/core';
import type { Metric } from '@elanus/core';
import { elementBytes, memoryAt, rabitqBits } from '@elanus/kernels';
import type { GraphView, Kernels, RabitqView } from '@elanus/kernels';

import { binaryMetric, bitColumn, columnNorms, floatMetric, numberColumn } from './column.ts';
import type { IndexColumn, NumberColumn } from './column.ts';
import { bitSteps } from './bin-flat.ts';
import type { BitSource } from './bin-flat.ts';
import { bitListSteps } from './bit-lists-search.ts';
import type { BitListSource } from './bit-lists-search.ts';
import { flatSteps } from './flat.ts';
import type { FlatSource } from './flat.ts';
import type { IndexHandle } from './handle.ts';
import { ivfSteps } from './ivf-search.ts';
import type { IvfSource } from './ivf-search.ts';
import { hnswSearch, hnswSteps, PlanMemo, runToEnd, ScratchShelf } from './hnsw-search.ts';
import type { HnswSource } from './hnsw-search.ts';
import { codeStride, indexLayout, isGraphKind, isListKind } from './index-file.ts';
import { readIndexHeader } from './index-file.ts';
import { verifySteps } from './index-file.ts';
import type { IndexFile, IndexHeader, IndexImage, SectionName } from './index-file.ts';
import { filteredCurves, readCurve, WidthMemo } from './recall-curve.ts';
import { sq8Steps } from './sq8-search.ts';
import type { ScanSource, Sq8Source } from './sq8-search.ts';
import { sparseParts } from './sparse-build.ts';
import { readProbeCurve } from './probe-curve.ts';
import { sparseView, wordsAt } from './sparse-rows.ts';
import { sparseSteps } from './sparse-search.ts';
import type { IndexKind, IndexSearch, NumberSearch, VectorIndex } from './vector-index.ts';

type SearchSteps = VectorIndex['searchSteps'];

/** A search in steps, and at once. */
interface Searches {
  readonly steps: SearchSteps;
  readonly atOnce: VectorIndex['search'];
}

function floatSection(file: IndexFile, header: IndexHeader, name: SectionName): Float32Array {
  const { offset, bytes } = indexLayout(header).sections[name];
  return new Float32Array(file.memory.buffer, file.memory.byteOffset + offset, bytes / 4);
}

/** Where the parts of a coded index lie in its memory. */
export function sq8Source(flat: FlatSource, file: IndexFile, header: IndexHeader): Sq8Source {
  const { codes, terms } = indexLayout(header).sections;
  const at = file.memory.byteOffset + terms.offset;
  return {
    ...flat,
    codes: memoryAt(file.memory, codes.offset),
    stride: codeStride(header),
    terms: new Uint32Array(file.memory.buffer, at, header.rowCount),
    norms: header.metric === 'ip' ? floatSection(file, header, 'norms') : undefined,
    grid: header.grid,
    typicalNorm: header.typicalNorm,
    candidatesOfTen: header.candidatesOfTen,
  };
}

/** How a kind keeps the vectors of its nodes, and where; HNSW_FLAT leads to the rows themselves. */
function nodeVectors(
  header: IndexHeader,
  { rows, element = 'float32' }: Pick<NumberColumn, 'rows' | 'element'>,
): Pick<GraphView, 'codec' | 'dim' | 'stride' | 'vectors' | 'terms'> {
  const { kind, dim, metric } = header;
  const { innerTerms, terms, inverseNorms } = indexLayout(header).sections;
  const stride = codeStride(header);
  if (kind === 'HNSW') return { stride, terms: metric === 'ip' ? innerTerms.offset : terms.offset };
  const numbers = { dim, terms: inverseNorms.offset };
  if (kind === 'HNSW_BF16') return { ...numbers, codec: 'bfloat16', stride };
  return { ...numbers, codec: element, stride: dim * elementBytes(element), vectors: rows };
}

/** The graph of a file; undefined when it has none. */
export function graphOf(
  file: IndexFile,
  header: IndexHeader,
  column: Pick<NumberColumn, 'rows' | 'element'>,
): GraphView | undefined {
  const { graph, rowCount } = header;
  const { metric } = header;
  if (graph === undefined || graph.nodes === 0) return undefined;
  const { sections } = indexLayout(header);
  return {
    memory: file.memory,
    rowCount,
    nodes: graph.nodes,
    degree: graph.degree,
    metric: floatMetric(metric),
    codes: sections.codes.offset,
    links: sections.links.offset,
    upperRows: sections.upperRows.offset,
    upperLinks: sections.upperLinks.offset,
    ...nodeVectors(header, column),
  };
}

/** Where the rows of a graph index and their codes lie, for scans. */
export function scanSource(flat: FlatSource, file: IndexFile, header: IndexHeader): ScanSource {
  const { candidatesOfTen } = header;
  const coded = header.kind === 'HNSW' ? sq8Source(flat, file, header) : undefined;
  return { ...flat, coded, candidatesOfTen };
}

/** Where the parts of a graph index lie in its memory. */
export function hnswSource(flat: FlatSource, file: IndexFile, header: IndexHeader): HnswSource {
  const graph = graphOf(file, header, flat.column);
  const { curve } = indexLayout(header).sections;
  const points = graph === undefined ? [] : readCurve(file, curve.offset);
  return {
    ...scanSource(flat, file, header),
    graph,
    curve: points.filter(({ percent }) => percent === 100),
    filtered: filteredCurves(points),
    scratches: new ScratchShelf(),
    widths: new WidthMemo(),
    plans: new PlanMemo(),
  };
}

/** Where 1-bit codes lie in their memory. */
function bitsOf({ memory }: IndexFile, header: IndexHeader): RabitqView {
  const { codes, factors, listRows, listStarts, centroids, signs } = indexLayout(header).sections;
  return {
    memory,
    rowCount: header.rowCount,
    lists: header.lists ?? 0,
    dim: header.dim,
    codes: codes.offset,
    factors: factors.offset,
    rows: listRows.offset,
    starts: listStarts.offset,
    centroids: centroids.offset,
    signs: signs.offset,
  };
}

/** Where the parts of lists around centroids lie in their memory. */
export function ivfSource(flat: FlatSource, file: IndexFile, header: IndexHeader): IvfSource {
  const { centroids, listStarts, listRows, probeCurve } = indexLayout(header).sections;
  const { lists = 0, dim, rowCount, metric } = header;
  const bits = header.kind === 'IVF_RABITQ' && lists > 0 ? bitsOf(file, header) : undefined;
  return {
    ...flat,
    centroids: {
      rows: memoryAt(file.memory, centroids.offset),
      count: lists,
      dim: bits === undefined ? dim : rabitqBits(dim),
      metric: metric === 'cosine' ? 'ip' : 'l2',
    },
    bits,
    listStarts: wordsAt(file.memory, listStarts.bytes / 4, listStarts.offset),
    listRows: wordsAt(file.memory, lists === 0 ? 0 : rowCount, listRows.offset),
    coded: header.kind === 'IVF_SQ8' ? sq8Source(flat, file, header) : undefined,
    curve: lists === 0 ? [] : readProbeCurve(file.memory, probeCurve),
  };
}

/** Where the parts of lists of bits lie in their memory. */
export function bitListSource(
  flat: BitSource,
  { memory }: IndexFile,
  header: IndexHeader,
): BitListSource {
  const { codes, centroids, listStarts, listRows, probeCurve } = indexLayout(header).sections;
  const { lists = 0, dim, rowCount } = header;
  const metric = flat.metric === 'hamming' ? 'hamming' : 'jaccard';
  return {
    ...flat,
    centroids: { rows: memoryAt(memory, centroids.offset), count: lists, dim, metric },
    listStarts: wordsAt(memory, listStarts.bytes / 4, listStarts.offset),
    listRows: wordsAt(memory, lists === 0 ? 0 : rowCount, listRows.offset),
    listBits: memoryAt(memory, codes.offset),
    curve: lists === 0 ? [] : readProbeCurve(memory, probeCurve),
  };
}

/** Kinds whose every result is exact, unless a search asks for less. */
const EXACT_KINDS: readonly IndexKind[] = ['FLAT', 'BIN_FLAT', 'SPARSE_INVERTED'];

/** Indexes of this thread by handle: what they read once and the scratch of their walks is kept. */
const opened = new WeakMap<
  IndexHandle,
  { readonly kernels: Kernels; readonly index: VectorIndex }
>();

/**
 * Opens an index that `handle()` of another thread described. Cost: microseconds, and nothing the
 * next time for the same object.
 */
export function openHandle(kernels: Kernels, handle: IndexHandle): VectorIndex {
  const known = opened.get(handle);
  if (known?.kernels === kernels) return known.index;
  const index = openParts(kernels, handle);
  opened.set(handle, { kernels, index });
  return index;
}

function runInSteps(steps: SearchSteps): Searches {
  return { steps, atOnce: (args) => runToEnd(steps(args)) };
}

function bitSearch(kernels: Kernels, { header, column, file }: IndexHandle): SearchSteps {
  const source = { kernels, metric: binaryMetric(header.metric), column: bitColumn(column) };
  const lists = file && isListKind(header.kind) ? bitListSource(source, file, header) : undefined;
  return (args) => {
    const { queries } = args;
    if (!(queries instanceof Uint8Array)) throw new TypeError('queries: expected a Uint8Array');
    if (lists !== undefined) return bitListSteps(lists, { ...args, queries });
    return bitSteps(source, { ...args, queries });
  };
}

/** Refuses queries of bits. */
function numbersOnly<T>(search: (args: NumberSearch) => T): (args: IndexSearch) => T {
  return (args) => {
    const { queries } = args;
    if (!(queries instanceof Float32Array)) {
      throw new TypeError('queries: expected a Float32Array');
    }
    return search(args as NumberSearch);
  };
}

function numberSearch(args: {
  readonly kernels: Kernels;
  readonly handle: IndexHandle;
  readonly inverseNorms: Float32Array | undefined;
}): Searches {
  const { kernels, inverseNorms } = args;
  const { header, file } = args.handle;
  const column = numberColumn(args.handle.column);
  const flat: FlatSource = { kernels, metric: floatMetric(header.metric), column, inverseNorms };
  if (header.kind === 'FLAT_SQ8' && file !== undefined) {
    const source = sq8Source(flat, file, header);
    return runInSteps(numbersOnly((asked) => sq8Steps(source, asked)));
  }
  if (isListKind(header.kind) && file !== undefined) {
    const source = ivfSource(flat, file, header);
    return runInSteps(numbersOnly((asked) => ivfSteps(source, asked)));
  }
  if (isGraphKind(header.kind) && file !== undefined) {
    const source = hnswSource(flat, file, header);
    const steps = numbersOnly((asked) => hnswSteps(source, asked));
    return { steps, atOnce: numbersOnly((asked) => hnswSearch(source, asked)) };
  }
  return runInSteps(numbersOnly((asked) => flatSteps(flat, asked)));
}

function sparseSearch({ header, column, file }: IndexHandle): SearchSteps {
  if (column.element !== 'sparse') throw new RangeError('column: expected sparse rows');
  if (header.metric !== 'ip')
    throw new RangeError(`metric: ${header.metric} is not of sparse rows`);
  const parts = file === undefined ? undefined : sparseParts(file.memory, header);
  const source = { rows: sparseView(column), rowCount: column.rowCount, parts };
  return (args) => {
    const { queries } = args;
    if (ArrayBuffer.isView(queries)) throw new TypeError('queries: expected sparse rows');
    return sparseSteps(source, { ...args, queries });
  };
}

/** The search of a handle, by what its column holds. */
function searchOf(
  kernels: Kernels,
  handle: IndexHandle,
  inverseNorms: Float32Array | undefined,
): Searches {
  const { element } = handle.column;
  if (element === 'sparse') return runInSteps(sparseSearch(handle));
  if (element === 'binary') return runInSteps(bitSearch(kernels, handle));
  return numberSearch({ kernels, handle, inverseNorms });
}

function openParts(kernels: Kernels, handle: IndexHandle): VectorIndex {
  const { header, file } = handle;
  const { kind, metric, dim, rowCount } = header;
  const filed = file === undefined ? undefined : floatSection(file, header, 'inverseNorms');
  const inverseNorms = metric === 'cosine' ? (handle.inverseNorms ?? filed) : undefined;
  const { steps, atOnce } = searchOf(kernels, handle, inverseNorms);
  return {
    kind,
    metric,
    dim,
    rowCount,
    bytes: file?.bytes ?? inverseNorms?.byteLength ?? 0,
    capabilities: { exact: EXACT_KINDS.includes(kind), filter: true, range: true },
    search: atOnce,
    searchSteps: steps,
    handle: () => handle,
  };
}

/** An index file with the column it belongs to. */
export interface OpenIndex {
  readonly kernels: Kernels;
  readonly image: IndexImage;
  readonly column: IndexColumn;
}

/**
 * Opens an index file in steps of one checksum block each. The file has to be of the same rows: the
 * column is compared by shape.
 *
 * @throws ElanusError file_corrupt, format_too_new
 */
export function* openIndexSteps(args: OpenIndex): Generator<undefined, VectorIndex, undefined> {
  const { image, column, kernels } = args;
  const header = readIndexHeader(image);
  const { dim, rowCount, element = 'float32' } = column;
  const same = header.dim === dim && header.rowCount === rowCount;
  if (!same || (header.element ?? 'float32') !== element) {
    const shape = `${header.rowCount} x ${header.dim} x ${header.element ?? 'float32'}`;
    const why = `an index of ${shape} for a column of other shape`;
    throw new ElanusError('file_corrupt', { path: image.path, why });
  }
  yield* verifySteps(image, header);
  const file = { memory: image.memory, bytes: image.bytes };
  return openHandle(kernels, { header, column, file });
}

/** Opens an index file at once: about 0.3 ms per MB. @throws ElanusError as `openIndexSteps` */
export function openIndex(args: OpenIndex): VectorIndex {
  const steps = openIndexSteps(args);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The handle of a file that was built a moment ago: nothing of it is checked. */
export function builtHandle(file: IndexFile, column: IndexColumn): IndexHandle {
  return { header: readIndexHeader({ ...file, path: 'built in memory' }), column, file };
}

/** An exact index without a file, over rows as they are: growing and unindexed segments. */
export function flatIndex(args: {
  readonly kernels: Kernels;
  readonly metric: Metric;
  readonly column: IndexColumn;
  /** COSINE: norms kept by the caller; computed here when absent. */
  readonly inverseNorms?: Float32Array | undefined;
}): VectorIndex {
  const { kernels, metric, column } = args;
  const { dim, rowCount, element } = column;
  const kind = element === 'binary' ? ('BIN_FLAT' as const) : ('FLAT' as const);
  const header = { kind, metric, dim, rowCount, element, ...NO_CODES };
  if (metric !== 'cosine') return openHandle(kernels, { header, column });
  const inverseNorms = args.inverseNorms ?? columnNorms(kernels, numberColumn(column));
  return openHandle(kernels, { header, column, inverseNorms });
}

/** The header's coding fields of an index that has no codes. */
export const NO_CODES = { grid: { low: 0, step: 1 }, typicalNorm: 1, candidatesOfTen: 0 } as const;
