import { assert, type Column, type FieldId } from '@elanus/core';
import { chunkOf, type ChunkView, type SegmentView } from './view.ts';

const decoder = new TextDecoder();

/** Text copied out of shared memory: decoders refuse shared views. */
function decodeText(bytes: Uint8Array): string {
  return decoder.decode(new Uint8Array(bytes));
}

/** Key `index` of a key column. */
export function keyIn(column: Column, index: number): bigint | string {
  if (column.kind === 'int64') return (column.values as BigInt64Array)[index] ?? 0n;
  assert(column.kind === 'varchar', 'keys are int64 or varchar');
  return decodeText(column.data.subarray(column.offsets[index], column.offsets[index + 1]));
}

/** The key column of a chunk. */
export function keyColumn(chunk: ChunkView, field: FieldId): Column {
  const column = chunk.columns.get(field);
  assert(column !== undefined, 'every chunk holds its keys');
  return column;
}

/** The key of a row of a segment. */
export function keyOfRow(view: SegmentView, field: FieldId, row: number): bigint | string {
  const chunk = chunkOf(view, row);
  return keyIn(keyColumn(chunk, field), row - chunk.rowBase);
}
