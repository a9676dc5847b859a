import { assert } from './assert.ts';
import type { Column } from './column.ts';

/**
 * Whether each key is larger than the one before it (text by its bytes): then none stands twice,
 * and nobody has to remember them to know. A few nanoseconds a row.
 */
export function keysIncrease(keys: Column): boolean {
  if (keys.kind === 'int64') return intsIncrease(keys.values as BigInt64Array);
  assert(keys.kind === 'varchar', 'keys are int64 or varchar');
  const { offsets, data } = keys;
  for (let i = 2; i < offsets.length; i++) {
    const before = data.subarray(offsets[i - 2], offsets[i - 1]);
    if (!isBelow(before, data.subarray(offsets[i - 1], offsets[i]))) return false;
  }
  return true;
}

/** By halves: reading 64-bit integers as such makes an object of each. */
function intsIncrease(values: BigInt64Array): boolean {
  const { buffer, byteOffset, length } = values;
  const high = new Int32Array(buffer, byteOffset, length * 2);
  const low = new Uint32Array(buffer, byteOffset, length * 2);
  for (let at = 2; at < low.length; at += 2) {
    const [h, before] = [high[at + 1] as number, high[at - 1] as number];
    if (h < before || (h === before && (low[at] as number) <= (low[at - 2] as number)))
      return false;
  }
  return true;
}

function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return (a[i] as number) < (b[i] as number);
  }
  return a.length < b.length;
}
