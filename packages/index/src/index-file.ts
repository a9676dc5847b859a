import { crc32 } from '@elanus/kernels/checksum';

import { ElanusError } from '@elanus/core';
import type { Metric } from '@elanus/core';
import { BIT_DIM_MAX, bytesOf, DEGREE_MAX, DIM_MAX, graphCount } from '@elanus/kernels';
import { graphStride, rabitqBits, rabitqSigns, sq8Stride } from '@elanus/kernels';
import type { Kernels, RowMemory, Sq8Grid } from '@elanus/kernels';

import type { ColumnElement } from './column.ts';
import { PROBE_CURVE_BYTES, REFINE_CURVE_BYTES } from './probe-curve.ts';
import type { IndexKind } from './vector-index.ts';

/**
 * The index file. It is the index memory: flat, relocatable, offsets instead of pointers, so that
 * loading is a read and sharing is a handle. Little-endian; sections begin at multiples of 64.
 *
 *     0     magic "ELANUSIX"            48  typical norm of coded rows, f32
 *     8     version, u32                52  candidates that hold ten results, u32
 *     12    reader features, u32        56  bytes of a checksum block, u32
 *     16    writer features, u32        60  number of blocks, u32
 *     20    kind, u32                   64  sections: 4 x (offset u64, bytes u64); 0, 0 = absent
 *     24    metric, u32                 128 offset of the checksums, u64
 *     28    dim, u32                    136 bytes of the file, u64
 *     32    rows, u64                   144 crc32 of the checksums, u32
 *     40    low, step of the grid, f32  148 degree of the graph, u32
 *                                        152 what its upper layers are shares of, u32
 *                                        156 efConstruction, u32; lists: their number
 *                                            at 148; sparse rows: their dimensions, blocks,
 *                                            postings
 *                                        160 more sections: 5 x (offset u64, bytes u64)
 *                                        240 element of the rows, u32
 *                                        244 zeros        252 crc32 of bytes 0 to 251
 *     256   sections: codes, terms, squared norms, inverse norms, terms of inner products, links,
 *           rows of upper nodes, links of upper nodes, recall curve (of lists and of sparse rows:
 *           see below); then crc32 of each block of the bytes from 256 to the checksums
 *
 * A reader checks the header, then that every section is exactly as long as kind, rows and dim say
 * and lies inside the file, then all blocks. An unknown reader feature refuses the file; an unknown
 * writer feature does not. Links are not looked at: a walk compares each with the number of nodes.
 */

const MAGIC = 'ELANUSIX';
/** The newest version that this code reads and the one it writes. */
export const INDEX_FILE_VERSION = 1;
/** Bytes before the first section. */
export const INDEX_HEADER_BYTES = 256;
/** Reader feature: the file holds a graph. */
const GRAPH_FEATURE = 1;
/** Reader feature: the rows are not of float32 numbers. */
const ELEMENT_FEATURE = 2;
const BLOCK_BYTES = 256 * 1024;
const ROWS_MAX = 0xfffffffe;
/** Rows of an index with a graph: links have 31 bits. */
export const GRAPH_ROWS_MAX = 0x7fffffff;
/** Codes of the format: append only. */
const KINDS: readonly IndexKind[] = [
  'FLAT',
  'FLAT_SQ8',
  'HNSW',
  'BIN_FLAT',
  'SPARSE_INVERTED',
  'IVF_FLAT',
  'IVF_SQ8',
  'HNSW_FLAT',
  'HNSW_BF16',
  'BIN_IVF_FLAT',
  'IVF_RABITQ',
];
const METRICS: readonly Metric[] = ['l2', 'ip', 'cosine', 'hamming', 'jaccard', 'tanimoto'];
const ELEMENTS: readonly (ColumnElement | 'sparse')[] = [
  'float32',
  'float16',
  'bfloat16',
  'int8',
  'binary',
  'sparse',
];
/** Sections of kinds over dense rows, in the order in which they lie: nine at most. */
const DENSE_SECTIONS = [
  'codes',
  'terms',
  'norms',
  'inverseNorms',
  'innerTerms',
  'links',
  'upperRows',
  'upperLinks',
  'curve',
] as const;
/** Sections of kinds over sparse rows: see sparse-build.ts. */
const SPARSE_SECTIONS = [
  'dimensions',
  'dimensionStarts',
  'blocks',
  'blockMax',
  'blockStarts',
  'postingRows',
  'postingValues',
] as const;
/**
 * Sections of lists around centroids; codes, terms and norms lie in the order of `listRows`. The
 * codes of rows of bits are those rows.
 */
const LIST_SECTIONS = [
  'codes',
  'terms',
  'norms',
  'inverseNorms',
  'centroids',
  'listStarts',
  'listRows',
  'probeCurve',
] as const;
/** Sections of lists of 1-bit codes: see rabitq.ts of the kernels. */
const RABITQ_SECTIONS = [
  'codes',
  'factors',
  'signs',
  'inverseNorms',
  'centroids',
  'listStarts',
  'listRows',
  'probeCurve',
] as const;
const ALL_SECTIONS = [
  ...DENSE_SECTIONS,
  ...LIST_SECTIONS.slice(4),
  ...SPARSE_SECTIONS,
  ...RABITQ_SECTIONS.slice(1, 3),
] as const;
/** Bytes of a recall curve: see recall-curve.ts. */
export const CURVE_BYTES = 2048;
/** Places in the header: four in a first table, five in a second one. */
const PLACES = 9;
const FIRST_TABLE = 4;
const ABSENT: Section = { offset: 0, bytes: 0 };

/** A section of the file. */
export type SectionName = (typeof ALL_SECTIONS)[number];

/** Whether a kind has a graph. */
export function isGraphKind(kind: IndexKind): boolean {
  return kind === 'HNSW' || kind === 'HNSW_FLAT' || kind === 'HNSW_BF16';
}

/** Whether a kind is of lists around centroids. */
export function isListKind(kind: IndexKind): boolean {
  const lists: readonly IndexKind[] = ['IVF_FLAT', 'IVF_SQ8', 'BIN_IVF_FLAT', 'IVF_RABITQ'];
  return lists.includes(kind);
}

/** Whether a kind is over rows of bits. */
export function isBitKind(kind: IndexKind): boolean {
  return kind === 'BIN_FLAT' || kind === 'BIN_IVF_FLAT';
}

function namesOf(kind: IndexKind): readonly SectionName[] {
  if (kind === 'IVF_RABITQ') return RABITQ_SECTIONS;
  if (isListKind(kind)) return LIST_SECTIONS;
  return kind === 'SPARSE_INVERTED' ? SPARSE_SECTIONS : DENSE_SECTIONS;
}

/** What stands in the nine places of the header; some kinds have fewer sections. */
function placesOf(
  kind: IndexKind,
  layout: IndexLayout,
): readonly { readonly name: SectionName | 'unused'; readonly section: Section; at: number }[] {
  const names = namesOf(kind);
  return Array.from({ length: PLACES }, (_, i) => {
    const name = names[i] ?? 'unused';
    const at = i < FIRST_TABLE ? 64 + i * 16 : 160 + (i - FIRST_TABLE) * 16;
    return { name, section: name === 'unused' ? ABSENT : layout.sections[name], at };
  });
}

interface Section {
  readonly offset: number;
  readonly bytes: number;
}

/** What an index is, independent of where it lies. */
export interface IndexShape {
  readonly kind: IndexKind;
  readonly metric: Metric;
  readonly dim: number;
  readonly rowCount: number;
  /** How the numbers of the rows are stored; default float32. */
  readonly element?: ColumnElement | 'sparse' | undefined;
  /** HNSW only. */
  readonly graph?: GraphShape | undefined;
  /** SPARSE_INVERTED only. */
  readonly sparse?: SparseShape | undefined;
  /** IVF only: number of lists. */
  readonly lists?: number | undefined;
}

/** The postings of a SPARSE_INVERTED index. */
export interface SparseShape {
  /** Indices that occur in some row. */
  readonly dimensions: number;
  /** Pairs of an index and a block of rows in which it occurs. */
  readonly blocks: number;
  /** Numbers of all rows. */
  readonly postings: number;
}

/** The graph of an HNSW index. */
export interface GraphShape {
  /** M: links of an upper node; a row has up to twice as many. */
  readonly degree: number;
  /** What upper layers are shares of, at most the rows that are linked; 0 = no graph. */
  readonly nodes: number;
  readonly efConstruction: number;
}

/** What the header says. */
export interface IndexHeader extends IndexShape {
  readonly grid: Sq8Grid;
  readonly typicalNorm: number;
  readonly candidatesOfTen: number;
}

/** The largest number of lists around centroids. */
export const LISTS_MAX = 65_536;

/** Where everything lies in a file of this shape. */
export interface IndexLayout {
  readonly sections: Readonly<Record<SectionName, Section>>;
  readonly checksums: Section;
  readonly blocks: number;
  /** Bytes of the whole file. */
  readonly bytes: number;
}

const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** Bytes of a row of codes, of numbers as a graph keeps them, of bits as lists do. */
export function codeStride(shape: Pick<IndexShape, 'kind' | 'dim'>): number {
  const { kind, dim } = shape;
  if (kind === 'IVF_RABITQ') return rabitqBits(dim) / 8;
  if (kind === 'HNSW_BF16') return aligned(dim * 2);
  if (isBitKind(kind)) return dim / 8;
  return kind === 'HNSW' ? graphStride(dim) : sq8Stride(dim);
}

function sectionSizes(shape: IndexShape): Partial<Record<SectionName, number>> {
  if (shape.sparse !== undefined) {
    const { dimensions, blocks, postings } = shape.sparse;
    return {
      dimensions: dimensions * 4,
      dimensionStarts: (dimensions + 1) * 4,
      blocks: blocks * 4,
      blockMax: blocks * 4,
      blockStarts: (blocks + 1) * 4,
      postingRows: postings,
      postingValues: postings * 4,
    };
  }
  return denseSizes(shape);
}

function denseSizes(shape: IndexShape): Partial<Record<SectionName, number>> {
  const { kind, metric, rowCount, graph } = shape;
  const coded = kind === 'FLAT_SQ8' || kind === 'HNSW' || kind === 'IVF_SQ8';
  const copied = kind === 'HNSW_BF16' || kind === 'BIN_IVF_FLAT';
  const { lists = 0 } = shape;
  const bits = kind === 'IVF_RABITQ' ? rabitqBits(shape.dim) : 0;
  const { degree, nodes } = graph ?? { degree: 0, nodes: 0 };
  let upper = 0;
  for (let layer = 1; degree > 1 && graphCount(nodes, degree, layer) > 0; layer++) {
    upper += graphCount(nodes, degree, layer);
  }
  return {
    codes: coded || copied || bits > 0 ? rowCount * codeStride(shape) : 0,
    terms: coded ? rowCount * 4 : 0,
    norms: coded && metric === 'ip' ? rowCount * 4 : 0,
    inverseNorms: metric === 'cosine' ? rowCount * 4 : 0,
    innerTerms: kind === 'HNSW' && metric === 'ip' ? rowCount * 4 : 0,
    links: nodes > 0 ? rowCount * degree * 8 : 0,
    upperRows: nodes > 0 ? graphCount(nodes, degree, 1) * 4 : 0,
    upperLinks: upper * degree * 4,
    curve: nodes > 0 ? CURVE_BYTES : 0,
    factors: bits > 0 ? rowCount * 8 : 0,
    signs: bits > 0 ? rabitqSigns(shape.dim) * 4 : 0,
    centroids: lists * (isBitKind(kind) ? shape.dim / 8 : (bits || shape.dim) * 4),
    listStarts: lists > 0 ? (lists + 1) * 4 : 0,
    listRows: lists > 0 ? rowCount * 4 : 0,
    probeCurve: lists > 0 ? (bits > 0 ? REFINE_CURVE_BYTES : PROBE_CURVE_BYTES) : 0,
  };
}

/** Lays out a file: the one place that knows which kind has which sections. */
export function indexLayout(shape: IndexShape): IndexLayout {
  const sizes = sectionSizes(shape);
  let at = INDEX_HEADER_BYTES;
  const sections = {} as Record<SectionName, Section>;
  for (const name of ALL_SECTIONS) {
    const bytes = sizes[name] ?? 0;
    sections[name] = { offset: bytes === 0 ? 0 : at, bytes };
    at += aligned(bytes);
  }
  const blocks = Math.ceil((at - INDEX_HEADER_BYTES) / BLOCK_BYTES);
  const checksums = { offset: at, bytes: blocks * 4 };
  return { sections, checksums, blocks, bytes: at + blocks * 4 };
}

function blockOf(memory: RowMemory, layout: IndexLayout, block: number): Uint8Array {
  const from = INDEX_HEADER_BYTES + block * BLOCK_BYTES;
  const to = Math.min(layout.checksums.offset, from + BLOCK_BYTES);
  return bytesOf(memory, to - from, from);
}

function headerView(memory: RowMemory): DataView {
  return new DataView(memory.buffer, memory.byteOffset, INDEX_HEADER_BYTES);
}

/** What a reader has to know for a file of this shape. */
function featuresOf({ graph, element = 'float32' }: IndexShape): number {
  return (graph === undefined ? 0 : GRAPH_FEATURE) | (element === 'float32' ? 0 : ELEMENT_FEATURE);
}

/** Writes checksums and header over finished sections. One step per block. */
export function* sealSteps(
  memory: RowMemory,
  header: IndexHeader,
): Generator<undefined, void, undefined> {
  const layout = indexLayout(header);
  const at = memory.byteOffset + layout.checksums.offset;
  const sums = new DataView(memory.buffer, at, layout.checksums.bytes);
  for (let block = 0; block < layout.blocks; block++) {
    sums.setUint32(block * 4, crc32(blockOf(memory, layout, block)), true);
    yield;
  }
  const view = headerView(memory);
  for (let i = 0; i < MAGIC.length; i++) view.setUint8(i, MAGIC.charCodeAt(i));
  view.setUint32(8, INDEX_FILE_VERSION, true);
  view.setUint32(20, KINDS.indexOf(header.kind), true);
  view.setUint32(24, METRICS.indexOf(header.metric), true);
  view.setUint32(28, header.dim, true);
  view.setBigUint64(32, BigInt(header.rowCount), true);
  view.setFloat32(40, header.grid.low, true);
  view.setFloat32(44, header.grid.step, true);
  view.setFloat32(48, header.typicalNorm, true);
  view.setUint32(52, header.candidatesOfTen, true);
  view.setUint32(56, BLOCK_BYTES, true);
  view.setUint32(60, layout.blocks, true);
  const element = ELEMENTS.indexOf(header.element ?? 'float32');
  view.setUint32(12, featuresOf(header), true);
  view.setUint32(240, element, true);
  if (header.graph !== undefined) {
    view.setUint32(148, header.graph.degree, true);
    view.setUint32(152, header.graph.nodes, true);
    view.setUint32(156, header.graph.efConstruction, true);
  }
  if (header.lists !== undefined) view.setUint32(148, header.lists, true);
  if (header.sparse !== undefined) {
    view.setUint32(148, header.sparse.dimensions, true);
    view.setUint32(152, header.sparse.blocks, true);
    view.setUint32(156, header.sparse.postings, true);
  }
  for (const { section, at } of placesOf(header.kind, layout)) {
    view.setBigUint64(at, BigInt(section.offset), true);
    view.setBigUint64(at + 8, BigInt(section.bytes), true);
  }
  view.setBigUint64(128, BigInt(layout.checksums.offset), true);
  view.setBigUint64(136, BigInt(layout.bytes), true);
  view.setUint32(
    144,
    crc32(bytesOf(memory, layout.checksums.bytes, layout.checksums.offset)),
    true,
  );
  view.setUint32(252, crc32(bytesOf(memory, INDEX_HEADER_BYTES - 4)), true);
}

/** An index file in memory: what a build makes, what is written out and read back. */
export interface IndexFile {
  readonly memory: RowMemory;
  /** Bytes of the file; the memory may be longer. */
  readonly bytes: number;
}

/** Index files from this size on lie on large pages where the system has them. */
const LARGE_PAGES_MIN = 4 * 1024 * 1024;

/** Memory for an index file: to build one, or to read one into. */
export function allocateIndex(kernels: Kernels, bytes: number): RowMemory {
  const memory = kernels.allocate(bytes);
  if (bytes >= LARGE_PAGES_MIN) kernels.preferLargePages(memory);
  return memory;
}

/** A file in memory, and the name to blame when it is damaged. */
export interface IndexImage extends IndexFile {
  readonly path: string;
}

function refuse(image: IndexImage, why: string, offset = 0): never {
  throw new ElanusError('file_corrupt', { path: image.path, offset, why });
}

/** Magic and checksum of the header, then version and features; the rest is not yet trusted. */
function checkEnvelope(image: IndexImage): DataView {
  if (image.bytes < INDEX_HEADER_BYTES) refuse(image, 'shorter than an index header');
  if (image.bytes > image.memory.buffer.byteLength - image.memory.byteOffset) {
    refuse(image, 'shorter than its length says');
  }
  const view = headerView(image.memory);
  const magic = Array.from({ length: 8 }, (_, i) => String.fromCharCode(view.getUint8(i))).join('');
  if (magic !== MAGIC) refuse(image, 'not an index file');
  const version = view.getUint32(8, true);
  if (view.getUint32(252, true) !== crc32(bytesOf(image.memory, INDEX_HEADER_BYTES - 4))) {
    refuse(image, 'header checksum', 252);
  }
  const features = view.getUint32(12, true);
  if (version > INDEX_FILE_VERSION) {
    const supported = INDEX_FILE_VERSION;
    throw new ElanusError('format_too_new', { what: image.path, version, supported });
  }
  if (version < 1) refuse(image, 'no such version', 8);
  if ((features & ~(GRAPH_FEATURE | ELEMENT_FEATURE)) !== 0) {
    const what = `${image.path}, reader features ${features}`;
    throw new ElanusError('format_too_new', { what, version, supported: INDEX_FILE_VERSION });
  }
  return view;
}

function readShape(image: IndexImage, view: DataView): IndexHeader {
  const kind = KINDS[view.getUint32(20, true)] ?? refuse(image, 'unknown kind', 20);
  const metric = METRICS[view.getUint32(24, true)] ?? refuse(image, 'unknown metric', 24);
  const element = readElement(image, view, { kind, metric });
  const dim = view.getUint32(28, true);
  if (!dimFits(element, dim)) refuse(image, 'dimension out of range', 28);
  const rows = view.getBigUint64(32, true);
  if (rows > BigInt(ROWS_MAX)) refuse(image, 'row count out of range', 32);
  const grid = { low: view.getFloat32(40, true), step: view.getFloat32(44, true) };
  const typicalNorm = view.getFloat32(48, true);
  const sound = Number.isFinite(grid.low) && Number.isFinite(grid.step) && grid.step > 0;
  if (!sound || !Number.isFinite(typicalNorm)) refuse(image, 'grid out of range', 40);
  const candidatesOfTen = view.getUint32(52, true);
  const coded = { grid, typicalNorm, candidatesOfTen };
  const shape = { kind, metric, dim, rowCount: Number(rows), element };
  if (hasGraph(view) !== isGraphKind(kind)) refuse(image, 'a graph in a file of another kind', 12);
  if (kind === 'SPARSE_INVERTED') return { ...shape, ...coded, sparse: readSparse(view) };
  if (isListKind(kind))
    return { ...shape, ...coded, lists: readLists(image, view, shape.rowCount) };
  return { ...shape, ...coded, graph: readGraph(image, view) };
}

/** The element of the rows; kind and metric have to be of such rows. */
function readElement(
  image: IndexImage,
  view: DataView,
  { kind, metric }: Pick<IndexShape, 'kind' | 'metric'>,
): ColumnElement | 'sparse' {
  const element = ELEMENTS[view.getUint32(240, true)] ?? refuse(image, 'unknown element', 240);
  const featured = (view.getUint32(12, true) & ELEMENT_FEATURE) !== 0;
  if (featured !== (element !== 'float32')) refuse(image, 'an element without its feature', 240);
  const bits = element === 'binary';
  const sparse = element === 'sparse';
  const strange = bits !== isBitKind(kind) || sparse !== (kind === 'SPARSE_INVERTED');
  const rounded = kind === 'HNSW_BF16' && element !== 'float32';
  if (strange || rounded) refuse(image, 'a kind that is not for such rows', 20);
  if (sparse && metric !== 'ip') refuse(image, 'a metric that is not for such rows', 24);
  const ofBits = metric !== 'l2' && metric !== 'ip' && metric !== 'cosine';
  if (bits !== ofBits) refuse(image, 'a metric that is not for such rows', 24);
  return element;
}

function dimFits(element: ColumnElement | 'sparse', dim: number): boolean {
  if (element === 'sparse') return dim === 0;
  if (element === 'binary') return dim >= 8 && dim % 8 === 0 && dim <= BIT_DIM_MAX;
  return dim >= 1 && dim <= DIM_MAX;
}

const hasGraph = (view: DataView): boolean => (view.getUint32(12, true) & GRAPH_FEATURE) !== 0;

function readLists(image: IndexImage, view: DataView, rowCount: number): number {
  const lists = view.getUint32(148, true);
  if (lists > Math.min(LISTS_MAX, rowCount) || (lists === 0 && rowCount > 0)) {
    refuse(image, 'lists out of range', 148);
  }
  if ((view.getUint32(152, true) | view.getUint32(156, true)) !== 0) {
    refuse(image, 'numbers of a graph', 152);
  }
  return lists;
}

function readSparse(view: DataView): SparseShape {
  const dimensions = view.getUint32(148, true);
  const blocks = view.getUint32(152, true);
  return { dimensions, blocks, postings: view.getUint32(156, true) };
}

function readGraph(image: IndexImage, view: DataView): GraphShape | undefined {
  const featured = hasGraph(view);
  const degree = view.getUint32(148, true);
  const nodes = view.getUint32(152, true);
  const efConstruction = view.getUint32(156, true);
  if (!featured) {
    if ((degree | nodes | efConstruction) !== 0) refuse(image, 'numbers of a graph', 148);
    return undefined;
  }
  if (degree < 2 || degree > DEGREE_MAX) refuse(image, 'degree out of range', 148);
  const rows = view.getBigUint64(32, true);
  if (BigInt(nodes) > rows || nodes > GRAPH_ROWS_MAX) refuse(image, 'nodes out of range', 152);
  return { degree, nodes, efConstruction };
}

/**
 * Reads the header and compares every offset and length with the layout that its shape demands, so
 * that nothing in a file is ever followed.
 *
 * @throws ElanusError file_corrupt, format_too_new
 */
export function readIndexHeader(image: IndexImage): IndexHeader {
  const view = checkEnvelope(image);
  const header = readShape(image, view);
  const layout = indexLayout(header);
  const same = (at: number, expected: number): boolean =>
    view.getBigUint64(at, true) === BigInt(expected);
  for (const { name, section, at } of placesOf(header.kind, layout)) {
    if (!same(at, section.offset) || !same(at + 8, section.bytes)) {
      refuse(image, `section ${name} is not where it must be`, at);
    }
  }
  if (!same(128, layout.checksums.offset))
    refuse(image, 'checksums are not where they must be', 128);
  if (view.getUint32(56, true) !== BLOCK_BYTES || view.getUint32(60, true) !== layout.blocks) {
    refuse(image, 'checksum blocks', 56);
  }
  if (!same(136, layout.bytes)) refuse(image, 'length', 136);
  if (image.bytes !== layout.bytes) refuse(image, 'truncated, or with bytes behind its end', 136);
  const sums = bytesOf(image.memory, layout.checksums.bytes, layout.checksums.offset);
  if (view.getUint32(144, true) !== crc32(sums)) {
    refuse(image, 'checksum of the checksums', layout.checksums.offset);
  }
  return header;
}

/**
 * Checks every block. One step per block of 256 KiB (about 70 us), so that an open never holds a
 * turn for long.
 *
 * @throws ElanusError file_corrupt with the offset of the block
 */
export function* verifySteps(
  image: IndexImage,
  header: IndexHeader,
): Generator<undefined, void, undefined> {
  const layout = indexLayout(header);
  const at = image.memory.byteOffset + layout.checksums.offset;
  const sums = new DataView(image.memory.buffer, at, layout.checksums.bytes);
  for (let block = 0; block < layout.blocks; block++) {
    if (crc32(blockOf(image.memory, layout, block)) !== sums.getUint32(block * 4, true)) {
      refuse(image, 'block checksum', INDEX_HEADER_BYTES + block * BLOCK_BYTES);
    }
    yield;
  }
}
