/**
 * A build job: one segment gets indexes, several become one segment with indexes. Reads immutable
 * objects, writes new ones under its attempt, commits nothing: a job that dies leaves only garbage.
 */
import {
  assert,
  encodeColumns,
  indexBuildKey,
  fieldId,
  hasBit,
  createBitset,
  filledBitset,
  segmentId,
  collectionId,
  setBit,
  type BuiltIndex,
  type Clock,
  type Column,
  type FieldId,
  type ObjectStore,
  type Pool,
} from '@elanus/core';
import {
  decodeDeltaLog,
  decodeManifest,
  encodeManifest,
  encodeVectorFile,
  objectNames,
  readScalars,
  readVectorHeader,
  readVectors,
  sparseSections,
  type Manifest,
  type ManifestFile,
  type ManifestIndex,
  type VectorFileHeader,
  type VectorFileShape,
} from '@elanus/format';
import { builderParams, indexSpec, indexThreads, sharedTask } from '@elanus/index';
import type { IndexColumn, IndexFile, IndexSpec } from '@elanus/index';
import { bytesOf, loadKernels, memoryAt, type KernelChoice, type RowMemory } from '@elanus/kernels';
import type { BuildJob, SegmentRecord } from '@elanus/protocol';
import type { Lease, Resident } from '@elanus/runtime';
import { gatherBytes, indexBytes, mergeBytes, type FieldMemory } from './job-memory.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { gatherVectors } from './gather-vectors.ts';
import { mergeScalars } from './merge-scalars.ts';

/** What a job runs on. */
export interface BuildPorts {
  readonly objects: ObjectStore;
  readonly clock: Clock;
  readonly pool: Pool;
  readonly kernels: KernelChoice;
  readonly resident: Resident<RowMemory>;
  /** What builds may take. */
  readonly memory: MemoryBudget;
}

/** A job's result: what the shard commits. */
export interface BuildOutput {
  readonly output: SegmentRecord;
  /** Object that says where output rows came from; undefined when rows did not move. */
  readonly origins: string | undefined;
}

interface IndexedRows {
  readonly column: IndexColumn;
  readonly spec: IndexSpec;
}

interface Input {
  readonly record: SegmentRecord;
  readonly manifest: Manifest;
  readonly keep: Uint32Array;
}

const PUT_BYTES = 1024 * 1024;

/**
 * Runs a job to its end.
 * @throws ElanusError file_corrupt, disk_full, cancelled; memory_budget before it takes any
 */
export async function buildJob(
  ports: BuildPorts,
  job: BuildJob,
  signal: AbortSignal,
): Promise<BuildOutput> {
  const run = new BuildRun(ports, job, signal);
  const [only] = job.inputs;
  assert(only !== undefined, 'a job has inputs');
  // The same segment again keeps its rows.
  return only.segmentId === job.outputId ? run.index(only) : run.merge();
}

class BuildRun {
  readonly #ports: BuildPorts;
  readonly #job: BuildJob;
  readonly #signal: AbortSignal;
  readonly #folder: string;

  constructor(ports: BuildPorts, job: BuildJob, signal: AbortSignal) {
    this.#ports = ports;
    this.#job = job;
    this.#signal = signal;
    const collection = collectionId(job.collectionId);
    this.#folder = objectNames.segment(collection, segmentId(job.outputId), job.attempt);
  }

  /** Builds the indexes of one segment; its rows stay where they are. */
  async index(record: SegmentRecord): Promise<BuildOutput> {
    const manifest = decodeManifest(await this.#get(record.manifest), record.manifest);
    const indexes: ManifestIndex[] = [];
    const { rowCount } = manifest;
    for (const { field, file } of manifest.vectors) {
      const spec = this.#spec(field, rowCount);
      if (spec === undefined) continue;
      const held = manifest.indexes.find((index) => index.field === field);
      // Damaged ones do not count as indexed: those are built again whatever they were.
      if (record.indexed && held !== undefined && isOfSpec(held, spec)) {
        indexes.push(held);
        continue;
      }
      const header = await readVectorHeader(this.#ports.objects, file.name);
      const rows =
        this.#ports.resident.lease(file.name) ?? (await this.#readRows(file.name, header));
      try {
        const column = columnOf(header, rows.value);
        const free = this.#ports.memory.reserve(this.#indexBytes(field, { column, spec }));
        try {
          indexes.push(await this.#buildIndex(field, { column, spec }));
        } finally {
          free();
        }
      } finally {
        rows.release();
      }
    }
    const next = await this.#putManifest({ ...manifest, indexes });
    const built = { indexed: true, indexes: this.#built(indexes) };
    return { output: { ...record, manifest: next.name, ...built }, origins: undefined };
  }

  #vector(field: number): BuildJob['vectors'][number] {
    const vector = this.#job.vectors.find((candidate) => candidate.field === field);
    assert(vector !== undefined, 'the job names each vector field');
    return vector;
  }

  /**
   * What is built over so many rows of a field, besides what else is taken; undefined: they are
   * scanned as they are.
   */
  #spec(field: number, rowCount: number, takenBytes = 0): IndexSpec | undefined {
    const { type, dim, metric, index } = this.#vector(field);
    const memoryBytes = Math.max(0, this.#ports.memory.freeBytes - takenBytes);
    return indexSpec({ choice: index, type, dim, metric, rowCount, memoryBytes });
  }

  #indexBytes(field: number, { column, spec }: IndexedRows): number {
    const shape = this.#vector(field);
    const entries = column.element === 'sparse' ? column.entries : 0;
    return indexBytes({ shape, spec, metric: shape.metric }, { ...column, entries });
  }

  /** The indexes as the catalog lists them; a field that needs none has a FLAT one of no bytes. */
  #built(indexes: readonly ManifestIndex[]): readonly BuiltIndex[] {
    return this.#job.vectors.map(({ field, type, index }) => {
      const choice = indexBuildKey(index);
      const built = indexes.find((one) => one.field === field);
      if (built === undefined) {
        const kind = type === 'binary' ? 'BIN_FLAT' : 'FLAT';
        return { field, choice, kind, params: {}, bytes: 0 };
      }
      const { kind, params = {}, file } = built;
      return { field, choice, kind, params, bytes: file.size };
    });
  }

  /** Rows of a file in memory of their own. */
  async #readRows(name: string, header: VectorFileHeader): Promise<Lease<RowMemory>> {
    const { objects, kernels, memory } = this.#ports;
    const free = memory.reserve(header.dataBytes);
    const value = loadKernels(kernels).allocate(Math.max(4, header.dataBytes));
    const release = (): void => {
      loadKernels(kernels).discard(value);
      free();
    };
    try {
      await readVectors(objects, { name, header, target: bytesOf(value, header.dataBytes) });
    } catch (error) {
      release();
      throw error;
    }
    return { value, release };
  }

  /**
   * Joins the inputs' kept rows, in order, into one segment. What it takes at its worst is reserved
   * before it reads a row: then nothing is done for nothing.
   */
  async merge(): Promise<BuildOutput> {
    const inputs: Input[] = [];
    for (const record of this.#job.inputs) inputs.push(await this.#input(record));
    const rowCount = inputs.reduce((sum, input) => sum + input.keep.length, 0);
    const fields = this.#job.vectors.map(({ field }) => this.#fieldMemory(inputs, field, rowCount));
    const scalars = inputs.map(({ manifest }) => manifest.scalars);
    const free = this.#ports.memory.reserve(mergeBytes(fields, scalars));
    try {
      return await this.#merge(inputs, fields);
    } finally {
      free();
    }
  }

  #fieldMemory(inputs: readonly Input[], field: number, rowCount: number): FieldMemory {
    const shape = this.#vector(field);
    const files = inputs.map(({ manifest, keep }) => {
      const file = manifest.vectors.find((candidate) => candidate.field === field)?.file;
      assert(file !== undefined, 'each segment has each vector field');
      return { file, keep, whole: keep.length === manifest.rowCount };
    });
    const taken = gatherBytes({ shape, files });
    const spec = rowCount === 0 ? undefined : this.#spec(field, rowCount, taken);
    return { field, shape, spec, files, rowCount };
  }

  async #merge(inputs: readonly Input[], fields: readonly FieldMemory[]): Promise<BuildOutput> {
    const rowCount = inputs.reduce((sum, input) => sum + input.keep.length, 0);
    const vectors: Manifest['vectors'][number][] = [];
    const indexes: ManifestIndex[] = [];
    let bytes = 0;
    for (const field of fields) {
      const merged = await this.#mergeVectors(field);
      vectors.push(merged.file);
      if (merged.index !== undefined) indexes.push(merged.index);
      bytes += merged.bytes;
    }
    const scalars = await this.#mergeScalars(inputs);
    bytes += scalars.bytes;
    const last = inputs[inputs.length - 1]?.manifest;
    const first = inputs[0]?.manifest;
    assert(first !== undefined && last !== undefined, 'a merge has inputs');
    const manifest = await this.#putManifest({
      ...last,
      segmentId: this.#job.outputId,
      level: 'L2',
      rowCount,
      firstSeq: first.firstSeq,
      minTimestamp: scalars.times.minTimestamp ?? first.minTimestamp,
      ...scalars.files,
      vectors,
      indexes,
    });
    const { collectionId: collection, shard, outputId } = this.#job;
    const output: SegmentRecord = {
      segmentId: outputId,
      collectionId: collection,
      shard,
      state: 'flushed',
      manifest: manifest.name,
      deltaSequence: 0,
      rowCount,
      minTimestamp: first.minTimestamp,
      ...scalars.times,
      bytes,
      indexed: true,
      indexes: this.#built(indexes),
    };
    const origins = await this.#put('origins.bin', [encodeOrigins(inputs)]);
    return { output, origins: origins.name };
  }

  #get(name: string): Promise<Uint8Array> {
    this.#signal.throwIfAborted();
    return this.#ports.objects.get(name);
  }

  async #put(name: string, parts: Iterable<Uint8Array>): Promise<ManifestFile> {
    this.#signal.throwIfAborted();
    const { size, crc32 } = await this.#ports.objects.put(this.#folder + name, parts);
    return { name: this.#folder + name, size, crc32 };
  }

  #putManifest(manifest: Manifest): Promise<ManifestFile> {
    return this.#put(objectNames.manifest, [encodeManifest(manifest)]);
  }

  /** An input with the rows left out that nobody may read any more: deleted ones, expired ones. */
  async #input(record: SegmentRecord): Promise<Input> {
    const manifest = decodeManifest(await this.#get(record.manifest), record.manifest);
    const gone = createBitset(record.rowCount);
    gone.set(filledBitset(await this.#expired(manifest)));
    if (record.delta !== undefined) {
      const log = decodeDeltaLog(await this.#get(record.delta), record.delta, record.rowCount);
      const horizon = BigInt(this.#job.horizon);
      log.rows.forEach((row, i) => {
        if ((log.timestamps[i] ?? 0n) <= horizon) setBit(gone, row);
      });
    }
    const keep = new Uint32Array(record.rowCount);
    let kept = 0;
    for (let row = 0; row < record.rowCount; row++) if (!hasBit(gone, row)) keep[kept++] = row;
    return { record, manifest, keep: keep.subarray(0, kept) };
  }

  /** How many rows of an input have expired: its first ones. */
  async #expired(manifest: Manifest): Promise<number> {
    const before = BigInt(this.#job.expiredBefore);
    const { minTimestamp, maxTimestamp, rowCount, scalars } = manifest;
    if (BigInt(minTimestamp) >= before) return 0;
    if (BigInt(maxTimestamp) < before) return rowCount;
    const free = this.#ports.memory.reserve(scalars.size * 2);
    try {
      const { timestamps } = await readScalars(this.#ports, scalars);
      const first = timestamps.findIndex((timestamp) => timestamp >= before);
      return first < 0 ? rowCount : first;
    } finally {
      free();
    }
  }

  /** Writes all kept rows' scalars, with their keys and statistics. */
  async #mergeScalars(inputs: readonly Input[]) {
    const { fields, keyField } = this.#job;
    const files = inputs.map(({ manifest, keep }) => ({ file: manifest.scalars, keep }));
    const merge = { inputs: files, fields, keyField, signal: this.#signal };
    const merged = await mergeScalars(this.#ports, merge);
    const { scalars, keys, stats, bytes, minTimestamp, medianTimestamp } = merged;
    const written = {
      scalars: await this.#put(objectNames.scalars, [scalars]),
      keys: await this.#put(objectNames.keys, [keys]),
      stats: await this.#put(objectNames.stats, [stats]),
    };
    const times = {
      ...(minTimestamp !== undefined && { minTimestamp: String(minTimestamp) }),
      ...(medianTimestamp !== undefined && { medianTimestamp: String(medianTimestamp) }),
    };
    return { files: written, bytes, times };
  }

  /** Writes all kept rows of a field, and an index over them. */
  async #mergeVectors({ field, files, spec }: FieldMemory) {
    const { objects, kernels: choice } = this.#ports;
    const kernels = loadKernels(choice);
    const inputs = files.map(({ file, keep }) => ({ name: file.name, keep }));
    const gathered = await gatherVectors({ objects, kernels }, inputs);
    try {
      const { memory: rows, shape, bytes } = gathered;
      const encoded = encodeVectorFile({ ...shape, pieces: [bytesOf(rows, bytes)] });
      const file = await this.#put(objectNames.vectors(fieldId(field)), encoded);
      const column = columnOf(shape, rows);
      const index = spec && (await this.#buildIndex(field, { column, spec }));
      return { file: { field, file }, index, bytes };
    } finally {
      kernels.discard(gathered.memory);
    }
  }

  async #buildIndex(field: number, over: IndexedRows): Promise<ManifestIndex> {
    const { metric } = this.#vector(field);
    const { column, spec } = over;
    const { kind, params } = spec;
    const control = new Int32Array(new SharedArrayBuffer(8));
    const cancel = (): void => {
      Atomics.store(control, 1, 1);
    };
    this.#signal.addEventListener('abort', cancel, { once: true });
    try {
      const { kernels, pool } = this.#ports;
      const built = builderParams(spec);
      const input = sharedTask({ kernels, kind, metric, column, control, params: built });
      const entry = indexThreads.build;
      const building = pool.run({ entry, name: 'build', input });
      // Threads that have nothing else to do help; what they do changes nothing in the index.
      for (let helper = 1; helper < pool.threads && input.crew !== undefined; helper++) {
        void pool.run({ entry, name: 'help', input }).catch(() => undefined);
      }
      const file = (await building) as IndexFile | undefined;
      this.#signal.throwIfAborted();
      assert(file !== undefined, 'a build that was not cancelled has a file');
      const bytes = bytesOf(file.memory, file.bytes);
      const put = await this.#put(objectNames.index(fieldId(field)), pieces(bytes));
      loadKernels(this.#ports.kernels).discard(file.memory);
      return { field, kind, metric, params, file: put };
    } finally {
      this.#signal.removeEventListener('abort', cancel);
    }
  }
}

/** Whether an index that stands is the one that would be built. */
function isOfSpec(index: ManifestIndex, spec: IndexSpec): boolean {
  const { kind, params = {} } = index;
  return kind === spec.kind && JSON.stringify(params) === JSON.stringify(spec.params);
}

/** The data section of a file of vectors as an index takes it. */
function columnOf(shape: VectorFileShape | VectorFileHeader, memory: RowMemory): IndexColumn {
  const { rowCount } = shape;
  if (shape.type !== 'sparse')
    return { rows: memory, rowCount, dim: shape.dim, element: shape.type };
  const { entries } = shape;
  const sections = sparseSections({ rowCount, entries });
  const indices = memoryAt(memory, sections.indices);
  const values = memoryAt(memory, sections.values);
  return { element: 'sparse', rowCount, dim: 0, entries, offsets: memory, indices, values };
}

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PUT_BYTES) yield bytes.subarray(at, at + PUT_BYTES);
}

/** Per output row: the input segment's id, and the row there. Read by the shard that adopts. */
function encodeOrigins(inputs: readonly Input[]): Uint8Array {
  const rowCount = inputs.reduce((sum, input) => sum + input.keep.length, 0);
  const segments = new Float64Array(rowCount);
  const rows = new Int32Array(rowCount);
  let at = 0;
  for (const { record, keep } of inputs) {
    segments.fill(record.segmentId, at, at + keep.length);
    rows.set(keep, at);
    at += keep.length;
  }
  const columns = new Map<FieldId, Column>([
    [fieldId(1), { kind: 'double', values: segments }],
    [fieldId(2), { kind: 'int32', values: rows }],
  ]);
  return encodeColumns({ rowCount, columns });
}
