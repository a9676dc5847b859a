/** The kept rows of one vector field of several segments, one behind the other, in new memory. */
import {
  assert,
  concatColumns,
  takeColumn,
  type ObjectStore,
  type SparseColumn,
} from '@elanus/core';
import {
  readVectorHeader,
  readVectors,
  vectorDataBytes,
  type VectorFileHeader,
  type VectorFileShape,
} from '@elanus/format';
import { bytesOf, type Kernels, type RowMemory } from '@elanus/kernels';

/** A file of vectors, and which of its rows stay. */
export interface VectorInput {
  readonly name: string;
  readonly keep: Uint32Array;
}

/** Vectors as their file has them: `memory` begins with the data section. */
export interface GatheredVectors {
  readonly memory: RowMemory;
  readonly shape: VectorFileShape;
  readonly bytes: number;
}

interface OpenInput extends VectorInput {
  readonly header: VectorFileHeader;
}

/** Reads and joins; takes at most `gatherBytes` of memory. @throws ElanusError file_corrupt */
export async function gatherVectors(
  ports: { readonly objects: ObjectStore; readonly kernels: Kernels },
  inputs: readonly VectorInput[],
): Promise<GatheredVectors> {
  const open: OpenInput[] = [];
  for (const input of inputs) {
    open.push({ ...input, header: await readVectorHeader(ports.objects, input.name) });
  }
  const [first] = open;
  assert(first !== undefined, 'a merge has inputs');
  return first.header.type === 'sparse' ? gatherSparse(ports, open) : gatherDense(ports, open);
}

type Ports = Parameters<typeof gatherVectors>[0];

async function gatherDense(
  { objects, kernels }: Ports,
  inputs: readonly OpenInput[],
): Promise<GatheredVectors> {
  const { type, dim } = inputs[0]?.header ?? { type: 'float32', dim: 1 };
  assert(type !== 'sparse', 'a field has one type');
  const rowCount = inputs.reduce((sum, { keep }) => sum + keep.length, 0);
  const shape: VectorFileShape = { type, dim, rowCount };
  const bytes = vectorDataBytes(shape);
  const rowBytes = vectorDataBytes({ type, dim, rowCount: 1 });
  const memory = kernels.allocate(Math.max(4, bytes));
  const out = bytesOf(memory, bytes);
  let at = 0;
  for (const { name, header, keep } of inputs) {
    const whole = keep.length === header.rowCount;
    const target = whole
      ? out.subarray(at, at + header.dataBytes)
      : new Uint8Array(header.dataBytes);
    await readVectors(objects, { name, header, target });
    if (!whole) {
      keep.forEach((row, i) => {
        out.set(target.subarray(row * rowBytes, (row + 1) * rowBytes), at + i * rowBytes);
      });
    }
    at += keep.length * rowBytes;
  }
  return { memory, shape, bytes };
}

async function gatherSparse(
  { objects, kernels }: Ports,
  inputs: readonly OpenInput[],
): Promise<GatheredVectors> {
  const parts = [];
  for (const { name, header, keep } of inputs) {
    const target = new Uint8Array(header.dataBytes);
    await readVectors(objects, { name, header, target });
    parts.push(takeColumn(sparseOf(header, target), keep));
  }
  const joined = concatColumns(parts);
  assert(joined.kind === 'sparse', 'columns keep their kind');
  const { offsets, indices, values } = joined;
  const shape: VectorFileShape = {
    type: 'sparse',
    entries: indices.length,
    rowCount: offsets.length - 1,
  };
  const bytes = vectorDataBytes(shape);
  const memory = kernels.allocate(Math.max(4, bytes));
  const out = bytesOf(memory, bytes);
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of [offsets, indices, values]) {
    out.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return { memory, shape, bytes };
}

/** The data section of a file of sparse vectors as a column. */
function sparseOf({ rowCount, entries }: VectorFileHeader, bytes: Uint8Array): SparseColumn {
  const words = (rowCount + 1) * 4;
  return {
    kind: 'sparse',
    offsets: new Uint32Array(bytes.buffer, 0, rowCount + 1),
    indices: new Uint32Array(bytes.buffer, words, entries),
    values: new Float32Array(bytes.buffer, words + entries * 4, entries),
  };
}
