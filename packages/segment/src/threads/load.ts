// Thread entry of loads: decoding scalars needs Arrow, whose loading alone would hold the event
// loop for many turns. What comes back lies on shared memory.
import { decodeScalars, type ScalarFile } from '@elanus/format/scalars';

/** The bytes of a scalar file, and its name for errors. */
export interface DecodeTask {
  readonly bytes: Uint8Array;
  readonly name: string;
}

/** `decodeScalars` on a thread. */
export function decode(task: DecodeTask): ScalarFile {
  return decodeScalars(task.bytes, task.name);
}
