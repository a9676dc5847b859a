// Writes small segments of many short rows, merges them, and says how much memory was reserved and
// how much the process took.
import { readFileSync, writeFileSync } from 'node:fs';
import { fieldId, type Column, type Field, type FieldId } from '@elanus/core';
import { encodeManifest, encodeVectorFile, type Manifest, type ManifestFile } from '@elanus/format';
import { encodeScalarFiles } from '@elanus/format/scalars';
import { loadKernels, type RowMemory } from '@elanus/kernels';
import type { BuildJob, SegmentRecord } from '@elanus/protocol';
import { Resident } from '@elanus/runtime';
import { localWorld } from '@elanus/runtime/local';
import { buildJob } from '../packages/data-node/src/build-job.ts';
import { MemoryBudget } from '../packages/data-node/src/memory-budget.ts';

const [folder = '', rowsText = '0', budgetText = '0'] = process.argv.slice(2);
const SEGMENTS = 10;
const DIM = 4;
const [KEY, NUMBER, TEXT, VECTOR] = [fieldId(1), fieldId(2), fieldId(3), fieldId(4)];
const FIELDS = [
  { id: KEY, name: 'id', type: 'int64', primary: true },
  { id: NUMBER, name: 'n', type: 'int32' },
  { id: TEXT, name: 'text', type: 'varchar', maxLength: 32 },
] as unknown as readonly Field[];

const world = await localWorld(folder, { durability: 'process' });
const { objects } = world;

function columnsOf(first: number, rowCount: number): ReadonlyMap<FieldId, Column> {
  const encoder = new TextEncoder();
  const data = new Uint8Array(rowCount * 16);
  const offsets = new Uint32Array(rowCount + 1);
  for (let row = 0, at = 0; row < rowCount; row++) {
    at += encoder.encodeInto(`row ${first + row}`, data.subarray(at)).written;
    offsets[row + 1] = at;
  }
  const ids = BigInt64Array.from({ length: rowCount }, (_, row) => BigInt(first + row));
  const numbers = Int32Array.from({ length: rowCount }, (_, row) => (first + row) % 1_000);
  return new Map<FieldId, Column>([
    [KEY, { kind: 'int64', values: ids }],
    [NUMBER, { kind: 'int32', values: numbers }],
    [TEXT, { kind: 'varchar', offsets, data: data.slice(0, offsets[rowCount]) }],
  ]);
}

async function writeSegment(id: number, first: number, rowCount: number): Promise<SegmentRecord> {
  const name = (file: string): string => `c1/s${id}/t1-a/${file}`;
  const put = async (file: string, parts: Iterable<Uint8Array>): Promise<ManifestFile> => {
    const { size, crc32 } = await objects.put(name(file), parts);
    return { name: name(file), size, crc32 };
  };
  const timestamps = BigUint64Array.from({ length: rowCount }, (_, row) => BigInt(first + row + 1));
  const columns = columnsOf(first, rowCount);
  const input = { rowCount, fields: FIELDS, keyField: KEY, columns, timestamps };
  const encoded = encodeScalarFiles(input);
  const values = Float32Array.from({ length: rowCount * DIM }, (_, i) => (first + i) % 251);
  const shape = { type: 'float32', dim: DIM, rowCount } as const;
  const vectors = await put('vec-4.bin', encodeVectorFile({ ...shape, pieces: [values] }));
  const manifest: Manifest = {
    version: 1,
    readerFeatures: [],
    writerFeatures: [],
    collectionId: 1,
    shard: 0,
    segmentId: id,
    level: 'L1',
    schemaVersion: 1,
    rowCount,
    firstSeq: id,
    lastSeq: id,
    minTimestamp: String(first + 1),
    maxTimestamp: String(first + rowCount),
    scalars: await put('scalars.arrow', [encoded.scalars]),
    keys: await put('keys.bin', [encoded.keys]),
    stats: await put('stats.json', [encoded.stats]),
    vectors: [{ field: VECTOR, file: vectors }],
    indexes: [],
  };
  const { name: named } = await put('manifest.json', [encodeManifest(manifest)]);
  const { minTimestamp } = manifest;
  const record = { segmentId: id, collectionId: 1, shard: 0, state: 'flushed' as const };
  const bytes = encoded.bytes + values.byteLength;
  const rest = { deltaSequence: 0, rowCount, minTimestamp, bytes, indexed: false };
  return { ...record, manifest: named, ...rest };
}

interface Peaks {
  readonly reserved: number;
  readonly resident: number;
}

/** Bytes that the process has held at once since `forget`; Linux knows. */
const peakResident = (): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
const forgetPeak = (): void => writeFileSync('/proc/self/clear_refs', '5');

async function merge(firstId: number, rowCount: number, budgetBytes: number): Promise<Peaks> {
  const inputs: SegmentRecord[] = [];
  const each = rowCount / SEGMENTS;
  for (let n = 0; n < SEGMENTS; n++) inputs.push(await writeSegment(firstId + n, n * each, each));
  const job: BuildJob = {
    jobId: firstId,
    attempt: 'j1-b',
    collectionId: 1,
    shard: 0,
    keyField: KEY,
    fields: FIELDS,
    vectors: [
      { field: VECTOR, type: 'float32', dim: DIM, metric: 'l2', index: { kind: 'flat_sq8' } },
    ] as unknown as BuildJob['vectors'],
    inputs,
    horizon: '0',
    expiredBefore: '0',
    outputId: firstId + SEGMENTS,
  };
  const memory = new MemoryBudget(budgetBytes);
  let reserved = 0;
  const watch = setInterval(() => {
    reserved = Math.max(reserved, budgetBytes - memory.freeBytes);
  }, 1);
  (globalThis as { gc?: () => void }).gc?.();
  forgetPeak();
  const before = process.memoryUsage.rss();
  const resident = new Resident<RowMemory>((rows) => loadKernels('auto').discard(rows));
  const { clock, pools } = world;
  const ports = { objects, clock, pool: pools.build, kernels: 'auto', resident, memory } as const;
  const { output } = await buildJob(ports, job, new AbortController().signal);
  clearInterval(watch);
  if (output.rowCount !== rowCount) throw new Error('rows are missing');
  return { reserved, resident: peakResident() - before };
}

// Threads and code are loaded by a small one.
await merge(1, 10_000, 2 ** 30);
const peaks = await merge(1_000, Number(rowsText), Number(budgetText));
console.log(JSON.stringify(peaks));
await world.close();
