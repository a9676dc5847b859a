/**
 * Loading of a flushed segment: its manifest names the files, every byte is checked on the way in,
 * and vectors are read straight into the memory that is searched.
 */
import {
  ElanusError,
  fieldId,
  segmentId,
  type Clock,
  type Field,
  type ErrorCode,
  type FieldId,
  type ObjectStore,
} from '@elanus/core';
import {
  decodeManifest,
  decodeStats,
  readScalars,
  readVectorHeader,
  readVectors,
  type Manifest,
  type ManifestIndex,
  type VectorFileHeader,
} from '@elanus/format';
import type { SegmentStats } from '@elanus/expr';
import { loadIndexKinds, type IndexHandle, type IndexImage } from '@elanus/index';
import { bytesOf, rowsPerCall, type Kernels, type RowMemory } from '@elanus/kernels';
import type { SegmentRecord } from '@elanus/protocol';
import { filterStats } from './prune.ts';
import {
  indexColumn,
  openVectors,
  type ChunkView,
  type SegmentView,
  type VectorRows,
} from '@elanus/segment';

/** What loading needs. */
export interface LoadContext {
  readonly objects: ObjectStore;
  readonly kernels: Kernels;
  readonly clock: Clock;
}

/** A segment in memory. */
export interface LoadedSegment {
  readonly record: SegmentRecord;
  readonly manifest: Manifest;
  readonly view: SegmentView;
  readonly stats: SegmentStats;
  readonly bytes: number;
}

const NO_CODES: ChunkView['codes'] = new Map();

/**
 * Loads a segment, or what is new of it when `held` is the same segment with an older manifest.
 * @throws ElanusError file_corrupt, object_corrupt, object_not_found, format_too_new
 */
export async function loadSegmentFiles(
  context: LoadContext,
  want: { readonly record: SegmentRecord; readonly fields: readonly Field[] },
  held: LoadedSegment | undefined,
): Promise<LoadedSegment> {
  const { record } = want;
  const manifest = decodeManifest(await context.objects.get(record.manifest), record.manifest);
  if (manifest.rowCount !== record.rowCount) {
    throw new ElanusError('file_corrupt', { path: record.manifest, why: 'row count differs' });
  }
  // Everything is read at once: waiting for one file leaves time to check another.
  const images = manifest.indexes.map((index) => readIndex(context, index).catch(withoutIndex));
  for (const image of images) image.catch(() => undefined);
  const [chunk, stats] = await Promise.all([
    held?.view.chunks[0] ?? loadChunk(context, manifest, want.fields),
    held?.stats ?? loadStats(context, manifest, want.fields),
  ]);
  const indexes = new Map<FieldId, IndexHandle>();
  for (const [at, index] of manifest.indexes.entries()) {
    const image = await images[at];
    if (image === undefined) continue;
    const handle = await openImage(context, image, { index, chunk }).catch(withoutIndex);
    if (handle !== undefined) indexes.set(fieldId(index.field), handle);
  }
  const view: SegmentView = {
    segmentId: segmentId(record.segmentId),
    rowCount: manifest.rowCount,
    chunks: [chunk],
    indexes,
  };
  const indexBytes = manifest.indexes.reduce((sum, index) => sum + index.file.size, 0);
  return { record, manifest, view, stats, bytes: chunkBytes(manifest) + indexBytes };
}

async function loadStats(
  context: LoadContext,
  manifest: Manifest,
  fields: readonly Field[],
): Promise<SegmentStats> {
  const { name } = manifest.stats;
  const stored = decodeStats(await context.objects.get(name), name);
  const key = fields.find((field) => field.primary === true);
  return filterStats(stored, key?.id ?? fieldId(0));
}

const INDEX_LOST: ReadonlySet<ErrorCode> = new Set([
  'file_corrupt',
  'object_corrupt',
  'object_not_found',
]);

/**
 * An index is derived: a damaged one is left out, rows are scanned, and the shard has it rebuilt.
 */
function withoutIndex(error: unknown): undefined {
  const { code } = error as Partial<ElanusError>;
  if (code === undefined || !INDEX_LOST.has(code)) throw error;
}

function chunkBytes(manifest: Manifest): number {
  return manifest.scalars.size + manifest.vectors.reduce((sum, v) => sum + v.file.size, 0);
}

async function loadChunk(
  context: LoadContext,
  manifest: Manifest,
  fields: readonly Field[],
): Promise<ChunkView> {
  const reading = manifest.vectors.map(async ({ field, file }) => {
    const id = fieldId(field);
    const cosine = fields.find((candidate) => candidate.id === id)?.metric === 'cosine';
    const rows = await loadVectors(context, file.name, { rows: manifest.rowCount, cosine });
    return [id, rows] as const;
  });
  const [scalars, ...vectors] = await Promise.all([
    readScalars(context, manifest.scalars),
    ...reading,
  ]);
  if (scalars.rowCount !== manifest.rowCount) {
    throw new ElanusError('file_corrupt', {
      path: manifest.scalars.name,
      why: 'row count differs',
    });
  }
  const { columns, timestamps } = scalars;
  const { rowCount } = manifest;
  return { rowBase: 0, rowCount, columns, vectors: new Map(vectors), timestamps, codes: NO_CODES };
}

async function loadVectors(
  context: LoadContext,
  name: string,
  expect: { readonly rows: number; readonly cosine: boolean },
): Promise<VectorRows> {
  const { objects, kernels } = context;
  const header = await readVectorHeader(objects, name);
  if (header.rowCount !== expect.rows) {
    throw new ElanusError('file_corrupt', { path: name, why: 'row count differs' });
  }
  const memory = kernels.allocate(Math.max(header.dataBytes, 4));
  await readVectors(objects, { name, header, target: bytesOf(memory, header.dataBytes) });
  const inverseNorms = expect.cosine ? await loadNorms(context, header, memory) : undefined;
  return openVectors(header, memory, { path: name, inverseNorms });
}

async function loadNorms(
  { kernels, clock }: LoadContext,
  { type, dim, rowCount }: VectorFileHeader,
  rows: RowMemory,
): Promise<Float32Array | undefined> {
  if (type === 'binary' || type === 'sparse') return undefined;
  const out = new Float32Array(new SharedArrayBuffer(rowCount * 4));
  const step = rowsPerCall(dim, 1);
  for (let from = 0; from < rowCount; from += step) {
    const to = Math.min(rowCount, from + step);
    kernels.inverseNorms({ dim, element: type, rows, from, to, out });
    await clock.turn();
  }
  return out;
}

async function readIndex(context: LoadContext, index: ManifestIndex): Promise<IndexImage> {
  const { name: path, size: bytes } = index.file;
  const memory = context.kernels.allocate(bytes);
  await context.objects.readInto(path, 0, bytesOf(memory, bytes));
  return { memory, bytes, path };
}

async function openImage(
  context: LoadContext,
  image: IndexImage,
  of: { readonly index: ManifestIndex; readonly chunk: ChunkView },
): Promise<IndexHandle> {
  const { kernels, clock } = context;
  const vectors = of.chunk.vectors.get(fieldId(of.index.field));
  if (vectors === undefined) {
    throw new ElanusError('file_corrupt', { path: image.path, why: 'index of no vector field' });
  }
  const column = indexColumn(vectors, of.chunk.rowCount);
  const { openIndexSteps } = await loadIndexKinds();
  const steps = openIndexSteps({ kernels, image, column });
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value.handle();
    await clock.turn();
  }
}
