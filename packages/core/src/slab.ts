/**
 * Room for small arrays. An ArrayBuffer of its own costs as much as all else that is made for a
 * search of ten rows, most of it when it is collected; many small arrays share one instead.
 *
 * Arrays made here must not be sent to other threads: the whole slab would be copied with each.
 */
const SLAB_BYTES = 64 * 1024;
/** Larger ones get a buffer of their own. */
const SMALL_BYTES = 8 * 1024;

/** Zeroed bytes in a buffer. */
export interface Room {
  readonly buffer: ArrayBuffer;
  /** A multiple of 8. */
  readonly offset: number;
}

let slab = new ArrayBuffer(0);
let used = 0;

/** Room for some bytes. Memory: lives as long as any array of its slab. */
export function takeRoom(bytes: number): Room {
  if (bytes > SMALL_BYTES) return { buffer: new ArrayBuffer(bytes), offset: 0 };
  if (used + bytes > slab.byteLength) {
    slab = new ArrayBuffer(SLAB_BYTES);
    used = 0;
  }
  const offset = used;
  used = (used + bytes + 7) & ~7;
  return { buffer: slab, offset };
}
