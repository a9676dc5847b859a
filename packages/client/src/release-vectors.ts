import type { ColumnBatch } from '@elanus/core';

/** Smaller arrays cost the garbage collector little. */
const BYTES_MIN = 65_536;
/** Larger arrays would hold this turn: 60 MB take 7 ms to give back. The collector has threads. */
const BYTES_MAX = 16_777_216;

/** `transfer` is younger than some browsers that run the client. */
interface Transferable {
  readonly transfer?: (bytes: number) => ArrayBuffer;
}

/**
 * Gives the memory of captured vectors back at once: their arrays are empty afterwards. Left to the
 * garbage collector, arrays of 3 MB make it run every few writes, which costs a fifth of an insert.
 *
 * Only for a batch that this client has made and whose write has been answered: whoever keeps what
 * a write carried has copied it by then.
 */
export function releaseVectors(batch: ColumnBatch): void {
  for (const column of batch.columns.values()) {
    if (column.kind !== 'vector') continue;
    const { buffer, byteLength } = column.values;
    if (byteLength < BYTES_MIN || byteLength > BYTES_MAX) continue;
    if (byteLength !== buffer.byteLength) continue;
    if (buffer instanceof ArrayBuffer) (buffer as Transferable).transfer?.(0);
  }
}
