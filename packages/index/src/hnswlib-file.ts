import { assert, countBits, createBitset, ElanusError, setBit } from '@elanus/core';
import { bytesOf, DEGREE_MAX, DIM_MAX, floatsOf, graphCount } from '@elanus/kernels';
import type { GraphView, Kernels } from '@elanus/kernels';

import type { AdoptedLinks } from './adopted-graph.ts';
import { numberColumn } from './column.ts';
import type { NumberColumn } from './column.ts';
import { levelOf, listsOf } from './graph-build.ts';
import type { IndexHandle } from './handle.ts';
import { EF_CONSTRUCTION_MAX } from './hnsw-build.ts';
import type { HnswParams } from './hnsw-build.ts';
import { GRAPH_ROWS_MAX } from './index-file.ts';
import { graphOf } from './open.ts';

/**
 * Files of hnswlib (`saveIndex`, as 64-bit little-endian machines write it) over float32 rows. It
 * does not say its metric: who reads one has to know.
 *
 *     0   where elements begin in memory, 0      56  links of an upper node, M
 *     8   elements there is room for             64  links of an element, 2 M
 *     16  elements                               72  M
 *     24  bytes of an element                    80  1 / ln M, f64
 *     32  where its label stands                 88  efConstruction
 *     40  where its numbers stand
 *     48  highest layer, i32; 52  element that walks begin at, u32
 *     96  elements: number of links u16, deleted u8, 0, [2 M] u32 links, [dim] f32, label u64
 *         then of each element: bytes of its upper links, u32, and of each layer above the lowest
 *         the number of links u32, [M] u32 links
 */
const HEADER_BYTES = 96;
const LABEL_BYTES = 8;
const LEVELS_MAX = 64;
/** Elements that are read or written in one step: about a millisecond. */
const STEP_BYTES = 1024 * 1024;
const NO_LINK = 0xffffffff;
const NO_ENTRY = 0xffffffff;

/** What an index file of hnswlib holds. */
export interface HnswlibRows {
  /** The rows in the order of the file, float32. */
  readonly column: NumberColumn;
  /** [rowCount] what hnswlib calls each row by. */
  readonly labels: BigUint64Array;
  /** Bit i set = row i was not marked as deleted, as searches take it; undefined: none was. */
  readonly allowed: Uint32Array | undefined;
  /** For a build of an index that keeps the links: `buildSteps({ kind: 'HNSW', ...rows })`. */
  readonly params: HnswParams;
  readonly adopted: AdoptedLinks;
}

/** A file of hnswlib in memory, and the name to blame when it is damaged. */
export interface HnswlibImage {
  readonly bytes: Uint8Array;
  readonly path: string;
}

/** What the header says, checked. */
interface Shape {
  readonly rowCount: number;
  readonly degree: number;
  readonly dim: number;
  readonly stride: number;
  readonly highest: number;
  readonly entry: number;
  readonly efConstruction: number;
}

function refuse(image: HnswlibImage, why: string, offset: number): never {
  throw new ElanusError('file_corrupt', { path: image.path, offset, why });
}

const viewOf = ({ bytes }: HnswlibImage): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function readShape(image: HnswlibImage): Shape {
  const view = viewOf(image);
  if (view.byteLength < HEADER_BYTES) refuse(image, 'shorter than a header of hnswlib', 0);
  const size = (at: number): number => Number(view.getBigUint64(at, true));
  const [rowCount, stride, labelAt, dataAt] = [size(16), size(24), size(32), size(40)];
  const degree = size(72);
  if (size(0) !== 0) refuse(image, 'elements that do not begin at 0', 0);
  if (degree < 2 || degree > DEGREE_MAX) refuse(image, `M is not 2 to ${DEGREE_MAX}`, 72);
  if (size(56) !== degree || size(64) !== 2 * degree) refuse(image, 'links do not fit M', 56);
  const dim = (labelAt - dataAt) / 4;
  if (dataAt !== 4 + degree * 8) refuse(image, 'numbers are not behind the links', 40);
  if (!Number.isInteger(dim) || dim < 1 || dim > DIM_MAX) refuse(image, 'label out of place', 32);
  if (stride !== labelAt + LABEL_BYTES) refuse(image, 'length of an element', 24);
  if (rowCount > GRAPH_ROWS_MAX || rowCount > size(8)) refuse(image, 'number of elements', 16);
  if (HEADER_BYTES + rowCount * (stride + 4) > view.byteLength) refuse(image, 'truncated', 16);
  const [highest, entry] = [view.getInt32(48, true), view.getUint32(52, true)];
  const empty = rowCount === 0;
  if (empty ? highest !== -1 : highest < 0 || highest >= LEVELS_MAX) {
    refuse(image, 'layers out of range', 48);
  }
  if (!empty && entry >= rowCount) refuse(image, 'begins at no element', 52);
  const efConstruction = size(88);
  if (efConstruction < degree) refuse(image, 'efConstruction below M', 88);
  return { rowCount, degree, dim, stride, highest, entry, efConstruction };
}

/** A list of links: how many, each an element. */
function checkLinks(
  image: HnswlibImage,
  of: { readonly view: DataView; readonly at: number; readonly width: number; rowCount: number },
): number {
  const { view, at, width, rowCount } = of;
  const count = view.getUint16(at, true);
  if (count > width) refuse(image, 'more links than there is room for', at);
  for (let i = 0; i < count; i++) {
    const link = view.getUint32(at + 4 + i * 4, true);
    if (link >= rowCount) refuse(image, 'a link to no element', at + 4 + i * 4);
  }
  return count;
}

/** Upper layers are read for how high each row stands; gives the levels. */
function* readLevels(image: HnswlibImage, shape: Shape): Generator<undefined, Uint8Array> {
  const { rowCount, degree, stride, highest, entry } = shape;
  const view = viewOf(image);
  const levels = new Uint8Array(rowCount);
  const size = 4 + degree * 4;
  let at = HEADER_BYTES + rowCount * stride;
  for (let row = 0; row < rowCount; row++) {
    if (at + 4 > view.byteLength) refuse(image, 'truncated', at);
    const bytes = view.getUint32(at, true);
    const level = bytes / size;
    if (!Number.isInteger(level) || level > highest) refuse(image, 'length of upper links', at);
    if (at + 4 + bytes > view.byteLength) refuse(image, 'truncated', at);
    for (let l = 0; l < level; l++) {
      checkLinks(image, { view, at: at + 4 + l * size, width: degree, rowCount });
    }
    levels[row] = level;
    at += 4 + bytes;
    if (row % 4096 === 4095) yield;
  }
  if (at !== view.byteLength) refuse(image, 'bytes behind its end', at);
  if (rowCount > 0 && levels[entry] !== highest) refuse(image, 'begins below the top', 52);
  return levels;
}

/** Whether all labels differ. */
function areDistinct(labels: BigUint64Array): boolean {
  const sorted = labels.slice().sort();
  return sorted.every((label, i) => i === 0 || label !== sorted[i - 1]);
}

/**
 * Reads a file of hnswlib, of which nothing is followed before it was compared with what there is.
 * The memory of the rows is the caller's, and has to outlive an index over them.
 *
 * @throws ElanusError file_corrupt for a damaged file, and for one with M above 64
 */
export function* readHnswlib(
  kernels: Kernels,
  image: HnswlibImage,
): Generator<undefined, HnswlibRows, undefined> {
  const shape = readShape(image);
  const { rowCount, degree, dim, stride } = shape;
  const levels = yield* readLevels(image, shape);
  const view = viewOf(image);
  const rows = kernels.allocate(Math.max(4, rowCount * dim * 4));
  const target = bytesOf(rows, rowCount * dim * 4);
  const links = new Uint32Array(rowCount * degree * 2).fill(NO_LINK);
  const labels = new BigUint64Array(rowCount);
  const allowed = createBitset(rowCount);
  const [width, each] = [2 * degree, Math.max(1, Math.floor(STEP_BYTES / stride))];
  for (let row = 0; row < rowCount; row++) {
    const at = HEADER_BYTES + row * stride;
    const count = checkLinks(image, { view, at, width, rowCount });
    for (let i = 0; i < count; i++) links[row * width + i] = view.getUint32(at + 4 + i * 4, true);
    if ((view.getUint8(at + 2) & 1) === 0) setBit(allowed, row);
    const from = at + 4 + width * 4;
    target.set(image.bytes.subarray(from, from + dim * 4), row * dim * 4);
    const numbers = floatsOf(rows, dim, row * dim * 4);
    if (!numbers.every((x) => Number.isFinite(x))) refuse(image, 'a number that is none', from);
    labels[row] = view.getBigUint64(from + dim * 4, true);
    if (row % each === each - 1) yield;
  }
  if (!areDistinct(labels)) refuse(image, 'a label twice', HEADER_BYTES);
  const efConstruction = Math.min(shape.efConstruction, EF_CONSTRUCTION_MAX);
  return {
    column: { rows, rowCount, dim },
    labels,
    allowed: countBits(allowed) < rowCount ? allowed : undefined,
    params: { M: degree, efConstruction },
    adopted: { links, levels },
  };
}

/** An HNSW index, opened, and what its rows are called. */
export interface HnswlibExport {
  readonly handle: IndexHandle;
  /** [rowCount] unlike numbers; default: the numbers of the rows. */
  readonly labels?: BigUint64Array | undefined;
}

/** The header of a file, and where things stand in it. */
function writeShape(graph: Omit<Shape, 'stride'>): { head: Uint8Array; stride: number } {
  const { rowCount, degree, dim, highest, entry, efConstruction } = graph;
  const head = new Uint8Array(HEADER_BYTES);
  const view = new DataView(head.buffer);
  const dataAt = 4 + degree * 8;
  const labelAt = dataAt + dim * 4;
  const stride = labelAt + LABEL_BYTES;
  const sizes = [0, rowCount, rowCount, stride, labelAt, dataAt];
  for (const [i, size] of sizes.entries()) view.setBigUint64(i * 8, BigInt(size), true);
  view.setInt32(48, highest, true);
  view.setUint32(52, entry, true);
  view.setBigUint64(56, BigInt(degree), true);
  view.setBigUint64(64, BigInt(2 * degree), true);
  view.setBigUint64(72, BigInt(degree), true);
  view.setFloat64(80, 1 / Math.log(degree), true);
  view.setBigUint64(88, BigInt(efConstruction), true);
  return { head, stride };
}

/** Links of a list, up to the first that is none. */
function linksOf(list: Uint32Array, count: number): Uint32Array {
  const end = list.findIndex((link) => link >= count);
  return end < 0 ? list : list.subarray(0, end);
}

/** Elements `[from, to)` as hnswlib keeps them. */
function elements(
  of: HnswlibExport & { readonly column: NumberColumn; readonly lists: Uint32Array },
  span: { readonly from: number; readonly to: number; readonly stride: number },
): Uint8Array {
  const { column, lists, labels } = of;
  const { rowCount, dim, rows } = column;
  const { from, to, stride } = span;
  const piece = new Uint8Array((to - from) * stride);
  const view = new DataView(piece.buffer);
  const width = (stride - LABEL_BYTES - dim * 4 - 4) / 4;
  for (let row = from; row < to; row++) {
    const at = (row - from) * stride;
    const links = linksOf(lists.subarray(row * width, (row + 1) * width), rowCount);
    view.setUint16(at, links.length, true);
    for (const [i, link] of links.entries()) view.setUint32(at + 4 + i * 4, link, true);
    piece.set(bytesOf(rows, dim * 4, row * dim * 4), at + 4 + width * 4);
    view.setBigUint64(at + stride - LABEL_BYTES, labels?.[row] ?? BigInt(row), true);
  }
  return piece;
}

/** The upper links of each row, positions made rows. */
function* upperLists(graph: GraphView): Generator<Uint8Array> {
  const { memory, nodes, degree, rowCount } = graph;
  const upper = graphCount(nodes, degree, 1);
  const at = memory.byteOffset + graph.upperRows;
  const upperRows = new Uint32Array(memory.buffer, at, upper);
  const positions = new Map(Array.from(upperRows, (row, position) => [row, position] as const));
  const layers = Array.from({ length: levelOf(graph, 0) }, (_, i) => ({
    lists: listsOf(graph, i + 1),
    count: graphCount(nodes, degree, i + 1),
  }));
  for (let from = 0; from < rowCount; from += 4096) {
    const words: number[] = [];
    for (let row = from; row < Math.min(rowCount, from + 4096); row++) {
      const position = positions.get(row);
      const level = position === undefined ? 0 : levelOf(graph, position);
      words.push(level * (4 + degree * 4));
      for (const { lists, count } of layers.slice(0, level)) {
        const own = (position ?? 0) * degree;
        const links = linksOf(lists.subarray(own, own + degree), count);
        words.push(links.length);
        const rows = Array.from(links, (link) => upperRows[link] ?? 0);
        words.push(...rows, ...Array<number>(degree - rows.length).fill(0));
      }
    }
    yield new Uint8Array(Uint32Array.from(words).buffer);
  }
}

/**
 * Writes an HNSW index of float32 rows by L2 or inner products as a file that hnswlib's `loadIndex`
 * reads (space `l2` or `ip`), in pieces of about a megabyte: all rows, deleted ones with them.
 *
 * @throws RangeError for an index of another kind, metric or element, or without a graph
 */
export function* writeHnswlib(of: HnswlibExport): Generator<Uint8Array, void, undefined> {
  const { header, file } = of.handle;
  const column = numberColumn(of.handle.column);
  const { rowCount, dim, element = 'float32' } = column;
  const { graph: shape, metric } = header;
  if (shape === undefined || file === undefined) throw new RangeError('index: expected HNSW');
  if (element !== 'float32') throw new RangeError(`index: hnswlib has no rows of ${element}`);
  if (metric === 'cosine') throw new RangeError('index: a file of hnswlib has no norms for cosine');
  if (of.labels !== undefined && of.labels.length !== rowCount) {
    throw new RangeError('labels: expected one for each row');
  }
  const { degree, efConstruction } = shape;
  const asked = { rowCount, degree, dim, efConstruction };
  const graph = graphOf(file, header, column);
  if (graph === undefined) {
    if (rowCount > 0) throw new RangeError('index: its rows have no graph');
    yield writeShape({ ...asked, highest: -1, entry: NO_ENTRY }).head;
    return;
  }
  const { memory } = graph;
  const [entry] = new Uint32Array(memory.buffer, memory.byteOffset + graph.upperRows, 1);
  assert(entry !== undefined, 'a graph has a node where walks begin');
  const { head, stride } = writeShape({ ...asked, highest: levelOf(graph, 0), entry });
  yield head;
  const lists = listsOf(graph, 0);
  const each = Math.max(1, Math.floor(STEP_BYTES / stride));
  for (let from = 0; from < rowCount; from += each) {
    yield elements({ ...of, column, lists }, { from, to: Math.min(rowCount, from + each), stride });
  }
  yield* upperLists(graph);
}
