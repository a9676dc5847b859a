/** The part of a shared `WebAssembly.Memory` that matters here; there is no DOM library. */
export interface SharedWasmMemory {
  readonly buffer: SharedArrayBuffer;
}

/**
 * A piece of shared memory that kernels read: vectors, codes, a whole index file. Made by
 * `Kernels.allocate`, sent to threads as it is (structured clone shares, never copies), written by
 * JavaScript through the views below. `memory` is there when WebAssembly kernels made it; native
 * kernels can read it as well, but not the other way round.
 */
export interface RowMemory {
  readonly buffer: SharedArrayBuffer;
  readonly memory?: SharedWasmMemory | undefined;
  /** First byte; a multiple of 4. */
  readonly byteOffset: number;
}

/** `length` float32 numbers of the memory from byte `at` on (default: the start). */
export function floatsOf(
  memory: RowMemory,
  length: number,
  at = 0,
): Float32Array<SharedArrayBuffer> {
  return new Float32Array(memory.buffer, memory.byteOffset + at, length);
}

/** `length` bytes of the memory from byte `at` on (default: the start). */
export function bytesOf(memory: RowMemory, length: number, at = 0): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(memory.buffer, memory.byteOffset + at, length);
}

/** The same memory from byte `at` on: a section of an index file, a later chunk. No copy. */
export function memoryAt(memory: RowMemory, at: number): RowMemory {
  return { ...memory, byteOffset: memory.byteOffset + at };
}

/** Bytes of the memory from its start to the end of the buffer. */
export function memoryBytes(memory: RowMemory): number {
  return memory.buffer.byteLength - memory.byteOffset;
}
