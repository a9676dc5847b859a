import { ElanusError } from '@elanus/core';
import type { FloatMetric, Metric } from '@elanus/core';
import { decodeElements, elementsOf, rowsPerCall, trainSq8 } from '@elanus/kernels';
import type { Kernels, RowMemory } from '@elanus/kernels';

import { roundSteps } from './bfloat16-rows.ts';
import { adoptSteps } from './adopted-graph.ts';
import type { AdoptedLinks } from './adopted-graph.ts';
import { bitListBuildSteps, bitListStepCount } from './bit-lists-build.ts';
import { binaryMetric, bitColumn, floatMetric, numberColumn } from './column.ts';
import type { IndexColumn, NumberColumn } from './column.ts';
import { codedRows, encodePiece, encodeRows, normsOf, writeFacts } from './coded-rows.ts';
import type { CodedRows } from './coded-rows.ts';
import { calibrate, CANDIDATES_MIN } from './calibration.ts';
import { CALIBRATION_MAX, lead } from './crew.ts';
import type { Crew } from './crew.ts';
import { graphShape, graphSteps } from './hnsw-build.ts';
import type { HnswParams } from './hnsw-build.ts';
import { allocateIndex, indexLayout, isBitKind, isGraphKind } from './index-file.ts';
import { isListKind, sealSteps } from './index-file.ts';
import type { IndexFile, IndexHeader } from './index-file.ts';
import { codedKind, ivfBuildSteps, listCount, listStepCount } from './ivf-build.ts';
import type { IvfParams } from './ivf-build.ts';
import { bitListSource, ivfSource, NO_CODES } from './open.ts';
import { sparseBuildSteps } from './sparse-build.ts';
import type { Sq8Source } from './sq8-search.ts';
import type { IndexKind } from './vector-index.ts';

/** Parameters of the kinds that have some. */
export type IndexParams = HnswParams & IvfParams;

/** What to build. */
export interface IndexPlan {
  readonly kernels: Kernels;
  readonly kind: IndexKind;
  readonly metric: Metric;
  readonly column: IndexColumn;
  /** Graphs and IVF only. */
  readonly params?: IndexParams | undefined;
  /** Memory of the file, when it was reserved before: see `prepareBuild`. */
  readonly file?: IndexFile | undefined;
  /** Graphs: threads that help. */
  readonly crew?: Crew | undefined;
  /** Graphs: links that are kept instead of made, see hnswlib-file.ts. */
  readonly adopted?: AdoptedLinks | undefined;
}

/** A build over rows of numbers. */
interface NumberPlan extends IndexPlan {
  readonly metric: FloatMetric;
  readonly column: NumberColumn;
}

/** Numbers that the grid is trained on: sorting them takes about 5 ms. */
const SAMPLE = 65_536;

/** Numbers spread over rows and dimensions, scaled as they will be encoded. */
function sampleOf(plan: NumberPlan, inverseNorms: Float32Array | undefined): Float32Array {
  const { rows, rowCount, dim, element = 'float32' } = plan.column;
  const values = elementsOf(rows, element, { length: rowCount * dim });
  const picked = values.slice(0, SAMPLE);
  const rowAt = (i: number): number => Math.floor((i * rowCount) / picked.length);
  for (let i = 0; i < picked.length; i++) {
    picked[i] = values[rowAt(i) * dim + ((i * 7919) % dim)] ?? 0;
  }
  const sample = decodeElements(element, picked);
  for (let i = 0; i < sample.length; i++) {
    sample[i] = (sample[i] ?? 0) * (inverseNorms?.[rowAt(i)] ?? 1);
  }
  return sample;
}

/** Mean norm of the rows, from a sample of the squared norms. */
function typicalNorm(norms: Float32Array): number {
  const step = Math.max(1, Math.floor(norms.length / 4096));
  let sum = 0;
  let count = 0;
  for (let i = 0; i < norms.length; i += step) {
    sum += Math.sqrt(norms[i] ?? 0);
    count++;
  }
  const mean = Math.fround(sum / count);
  return Number.isFinite(mean) && mean > 0 ? mean : 1;
}

function* inverseNormSteps(
  plan: NumberPlan,
  out: Float32Array,
): Generator<undefined, void, undefined> {
  const { rows, rowCount, dim, element } = plan.column;
  const size = rowsPerCall(dim, 1);
  for (let from = 0; from < rowCount; from += size) {
    const to = Math.min(rowCount, from + size);
    plan.kernels.inverseNorms({ dim, rows, element, from, to, out });
    yield;
  }
}

/** Encodes all rows; with a crew, its threads share them out. */
function* encodeSteps(plan: NumberPlan, coded: CodedRows): Generator<undefined, void, undefined> {
  const { crew, column } = plan;
  const count = Math.ceil(column.rowCount / encodeRows(column));
  if (crew === undefined) {
    for (let piece = 0; piece < count; piece++) {
      encodePiece(coded, piece);
      yield;
    }
    return;
  }
  const { source } = coded;
  writeFacts(crew, { coded: source, candidatesOfTen: source.candidatesOfTen }, { limit: 1 });
  const stage = { kind: 'encode', roundStart: 0, level: 0, layer: 0, nodes: 0, count } as const;
  yield* lead(crew, stage, (_, piece) => {
    encodePiece(coded, piece);
    return piece + 1;
  });
}

/** Refuses a kind that does not fit what the column holds. @throws RangeError */
function checkKind({ kind, metric, column }: IndexPlan): void {
  const bits = column.element === 'binary';
  const sparse = column.element === 'sparse';
  if (bits !== isBitKind(kind) || sparse !== (kind === 'SPARSE_INVERTED')) {
    throw new RangeError(`kind: ${kind} is not for such rows`);
  }
  if (kind === 'HNSW_BF16' && (column.element ?? 'float32') !== 'float32') {
    throw new RangeError('kind: HNSW_BF16 is for rows of float32');
  }
  if (sparse && metric !== 'ip') throw new RangeError('metric: sparse rows have inner products');
  if (bits) binaryMetric(metric);
  else floatMetric(metric);
}

/** What the header says before anything was measured. */
function firstHeader(plan: IndexPlan): IndexHeader {
  const { kind, metric, params } = plan;
  const { dim, rowCount, element } = plan.column;
  checkKind(plan);
  const graph = isGraphKind(kind) ? graphShape(params, rowCount) : undefined;
  const lists = isListKind(kind) ? listCount(kind, params, rowCount) : undefined;
  return { kind, metric, dim, rowCount, element, graph, lists, ...NO_CODES };
}

/**
 * Reserves the memory of an index file: a build that gets it as `file` allocates nothing large.
 *
 * The file of sparse rows is as long as they turn out to be: there is none to reserve.
 *
 * @throws RangeError for parameters out of range, or without that much memory
 */
export function reserveFile(plan: IndexPlan): IndexFile {
  if (plan.column.element === 'sparse') throw new RangeError('column: of a size not yet known');
  const { bytes } = indexLayout(firstHeader(plan));
  return { memory: allocateIndex(plan.kernels, bytes), bytes };
}

/**
 * Builds an index file in steps of a few milliseconds. The rows must not change meanwhile.
 * Cost at 60,000 x 784 on one core: FLAT_SQ8 about half a second, HNSW about ten seconds.
 */
export function* buildSteps(plan: IndexPlan): Generator<undefined, IndexFile, undefined> {
  const { kernels, metric, column } = plan;
  if (column.element === 'sparse') {
    checkKind(plan);
    return yield* sparseBuildSteps(kernels, column);
  }
  let header = firstHeader(plan);
  const { memory } = plan.file ?? reserveFile(plan);
  if (column.element !== 'binary') {
    const numbers = { ...plan, metric: floatMetric(metric), column: numberColumn(column) };
    const steps = isListKind(plan.kind) ? listSteps : numberSteps;
    header = yield* steps(numbers, header, memory);
  } else if (isListKind(plan.kind)) {
    const file = { memory, bytes: indexLayout(header).bytes };
    const flat = { kernels, metric: binaryMetric(metric), column: bitColumn(column) };
    const source = bitListSource(flat, file, header);
    yield* bitListBuildSteps(kernels, source, { file, header, seed: plan.params?.seed ?? 1 });
  }
  yield* sealSteps(memory, header);
  return { memory, bytes: indexLayout(header).bytes };
}

/** Lists around centroids: codes are made in the order of rows first, in memory of their own. */
function* listSteps(
  plan: NumberPlan,
  header: IndexHeader,
  memory: RowMemory,
): Generator<undefined, IndexHeader, undefined> {
  const { kernels, column, params } = plan;
  const flat: NumberPlan = {
    ...plan,
    kind: codedKind(plan.kind),
    file: undefined,
    crew: undefined,
  };
  const coded = reserveFile(flat);
  const measured = yield* numberSteps(flat, firstHeader(flat), coded.memory);
  const file = { memory, bytes: indexLayout(header).bytes };
  const made = { kernels, column, coded: { file: coded, header: measured }, file, header };
  const done = yield* ivfBuildSteps({ ...made, seed: params?.seed ?? 1, sourceOf: ivfSource });
  kernels.discard(coded.memory);
  return done;
}

/** Codes of all rows, and what was measured of them. */
function* codedSteps(
  plan: NumberPlan,
  file: IndexFile,
  header: IndexHeader,
): Generator<undefined, Sq8Source, undefined> {
  const { kernels, metric, column } = plan;
  const grid = trainSq8(sampleOf(plan, normsOf(file, header)), metric !== 'l2');
  yield;
  const rows = codedRows({ kernels, metric, column }, file, { ...header, grid });
  yield* encodeSteps(plan, rows);
  const { norms } = rows.source;
  const coded = { ...rows.source, typicalNorm: norms === undefined ? 1 : typicalNorm(norms) };
  return { ...coded, candidatesOfTen: yield* calibrate(coded, plan.crew) };
}

/** Writes everything but header and checksums; gives what was measured on the way. */
function* numberSteps(
  plan: NumberPlan,
  first: IndexHeader,
  memory: RowMemory,
): Generator<undefined, IndexHeader, undefined> {
  const { kernels, kind, metric, column } = plan;
  const file = { memory, bytes: indexLayout(first).bytes };
  const inverseNorms = normsOf(file, first);
  if (inverseNorms !== undefined) yield* inverseNormSteps(plan, inverseNorms);
  if (kind === 'FLAT' || column.rowCount === 0) return first;
  const uncoded = kind === 'HNSW_FLAT' || kind === 'HNSW_BF16';
  if (kind === 'HNSW_BF16') yield* roundSteps(column, file, first);
  const coded = uncoded ? undefined : yield* codedSteps(plan, file, first);
  const few = kind === 'HNSW_FLAT' ? 10 : CANDIDATES_MIN;
  const candidatesOfTen = coded?.candidatesOfTen ?? few;
  const { grid, typicalNorm } = coded ?? first;
  const header = { ...first, grid, typicalNorm, candidatesOfTen };
  if (!isGraphKind(kind)) return header;
  const source = { kernels, metric, column, inverseNorms, coded, candidatesOfTen };
  const { crew, params, adopted } = plan;
  const task = { source, file, header, seed: params?.seed ?? 1, crew };
  const steps = adopted === undefined ? graphSteps(task) : adoptSteps(task, adopted);
  return { ...header, graph: yield* steps };
}

/** Kinds that train a grid and measure its codes. */
const CODED_KINDS: readonly IndexKind[] = ['FLAT_SQ8', 'HNSW', 'IVF_SQ8'];

/** About how many steps a build takes. */
function stepsOf(plan: IndexPlan): number {
  const { dim, rowCount } = plan.column;
  if (plan.column.element === 'sparse') return 1 + plan.column.entries / 5000;
  const calls = rowCount / rowsPerCall(dim, 1);
  const norms = plan.metric === 'cosine' ? calls : 0;
  const sealed = indexLayout(firstHeader(plan)).blocks;
  // Encoding takes sixteen steps per call; calibration two passes of all its queries.
  const coded = CODED_KINDS.includes(plan.kind) ? calls * (16 + 2 * CALIBRATION_MAX.queries) : 0;
  // A step links eight rows or merges the links of 32 targets: see crew.ts.
  const linked = isGraphKind(plan.kind) ? rowCount * 0.56 : 0;
  const lists = isListKind(plan.kind) ? listCount(plan.kind, plan.params, rowCount) : 0;
  const shape = { count: lists, dim, rowCount };
  const bits = isBitKind(plan.kind);
  const steps = bits ? bitListStepCount(shape) : listStepCount(plan.kind, shape);
  const listed = lists > 0 ? steps : 0;
  return Math.max(1, norms + coded + linked + listed + sealed);
}

/** How a build is watched and interrupted. */
export interface BuildControl {
  /** Called between steps; resolves when the build may go on. */
  readonly pause: () => Promise<void>;
  readonly signal?: AbortSignal | undefined;
  /** Share of the work done, 0 to 1, after each step; an estimate. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

/** Builds an index file, pausing between steps. @throws ElanusError cancelled */
export async function buildIndex(plan: IndexPlan, control: BuildControl): Promise<IndexFile> {
  const steps = buildSteps(plan);
  const total = stepsOf(plan);
  for (let done = 0; ; done++) {
    if (control.signal?.aborted === true) throw new ElanusError('cancelled', {});
    const step = steps.next();
    if (step.done === true) return step.value;
    control.onProgress?.(Math.min(1, (done + 1) / total));
    await control.pause();
  }
}
