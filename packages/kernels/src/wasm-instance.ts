import type { RowMemory } from './memory.ts';
import { readWasm } from './wasm-file.ts';

/**
 * One WebAssembly memory, as one thread sees it. Rows lie behind a header of scratch slots:
 *
 *     0        1024            4096                       ROWS_START
 *     | unused | lock words    | slot 0 | slot 1 | ...    | rows ...
 *
 * Threads search one memory at once, so nothing of a call may lie in a fixed place: each call takes
 * a slot by an atomic exchange, keeps arguments, queries, heaps and the stack in it, and gives it
 * back. Slots that no one has taken are never touched and cost address space only.
 */

/** Version of the argument records (native/kernels.h). */
const ABI = 8;
const LOCKS_WORD = 256;
const SLOTS = 16;
const SLOTS_START = 4096;
/** Rows whose norms, terms and bits a slot holds at once; a multiple of 32. */
export const TILE_ROWS = 8192;
/** Queries whose heaps a slot holds at once. */
export const TILE_QUERIES = 1024;
/** Heap entries of a slot, over all its queries. */
export const TILE_ENTRIES = 65_536;
/** Numbers of queries that a slot holds at once. */
export const TILE_FLOATS = 32_768;
/** Bytes of a slot for the scratch of a graph, its allowed rows and its round. */
export const GRAPH_BYTES = 1_572_864;

/** Byte offsets within a slot. */
export const SLOT = (() => {
  let at = 0;
  const take = (bytes: number): number => {
    const start = at;
    at += (bytes + 63) & ~63;
    return start;
  };
  return {
    args: take(256),
    counts: take(TILE_QUERIES * 4),
    tied: take(TILE_QUERIES),
    queryNorms: take(TILE_QUERIES * 4),
    bits: take(TILE_ROWS / 8),
    norms: take(TILE_ROWS * 4),
    terms: take(TILE_ROWS * 4),
    list: take(TILE_ROWS * 4),
    out: take(TILE_ROWS * 4),
    queries: take(TILE_FLOATS * 4),
    scores: take(TILE_ENTRIES * 4),
    rows: take(TILE_ENTRIES * 4),
    graph: take(GRAPH_BYTES),
    stackEnd: take(32_768) + 32_768,
    size: at,
  };
})();

const PAGE = 65_536;
const PAGES_MAX = 65_536;
/** First byte of the rows in a memory: 64-byte aligned, behind all slots. */
export const ROWS_START = SLOTS_START + SLOTS * SLOT.size;
/** Largest allocation: a WebAssembly memory ends at 4 GiB. */
export const ALLOCATION_MAX = PAGES_MAX * PAGE - ROWS_START;

/** The functions of the module; pointers are byte offsets. */
export interface WasmExports {
  readonly __stack_pointer: { value: number };
  abi(): number;
  scan_rows(args: number): void;
  rerank_rows(args: number): void;
  inverse_norms(args: number): void;
  scan_bits(args: number): void;
  score_bits(args: number): void;
  encode_sq8(args: number): void;
  scan_sq8(args: number): void;
  rotate_queries(args: number): void;
  encode_rabitq(args: number): void;
  scan_rabitq(args: number): number;
  search_graph(args: number): number;
  find_links(args: number): number;
  merge_links(args: number): number;
}

/** What this package uses of the global `WebAssembly`; there is no DOM library in the build. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  readonly Memory: new (limits: object) => { readonly buffer: SharedArrayBuffer };
};

/** Rows of another memory, while a call runs that loads some. */
export interface OutsideRows {
  /** Writes a row as float32 to an address. */
  load: ((row: number, to: number) => void) | undefined;
}

/** A memory with this thread's instance of the module and views of all its bytes. */
export interface WasmInstance {
  readonly exports: WasmExports;
  /** What a call asks for that lies in another memory: see wasm-graph.ts. */
  readonly outside: OutsideRows;
  readonly bytes: Uint8Array;
  readonly floats: Float32Array;
  readonly words: Uint32Array;
  readonly locks: Int32Array;
}

/** A slot taken for one call. */
export interface WasmSlot extends WasmInstance {
  /** Byte offset of the slot. */
  readonly base: number;
}

/** A record field: an unsigned number, or a float32 one. */
export type Field = number | { readonly float: number };

/** Makes a memory for `bytes` bytes of rows behind the slots. */
export function createWasmMemory(bytes: number): { readonly buffer: SharedArrayBuffer } {
  const pages = Math.ceil((ROWS_START + bytes) / PAGE);
  if (bytes > ALLOCATION_MAX) throw new RangeError('bytes: a WebAssembly memory ends at 4 GiB');
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** Gives the instance of a memory: made once per thread and memory (about 5 us), kept weakly. */
export function createInstances(): (memory: object) => WasmInstance {
  const module = new WebAssembly.Module(readWasm());
  const known = new WeakMap<object, WasmInstance>();
  return (memory) => {
    const found = known.get(memory);
    if (found !== undefined) return found;
    const outside: OutsideRows = { load: undefined };
    const load_row = (row: number, to: number): void => outside.load?.(row >>> 0, to >>> 0);
    const made = new WebAssembly.Instance(module, { env: { memory, load_row } });
    const exports = made.exports as WasmExports;
    if (exports.abi() !== ABI) throw new Error('kernels: kernels.wasm is of other sources');
    const { buffer } = memory as { readonly buffer: SharedArrayBuffer };
    const instance = {
      exports,
      outside,
      bytes: new Uint8Array(buffer),
      floats: new Float32Array(buffer),
      words: new Uint32Array(buffer),
      locks: new Int32Array(buffer, LOCKS_WORD * 4, SLOTS),
    };
    known.set(memory, instance);
    return instance;
  };
}

/** This thread's instance of each memory. */
export type Instances = (memory: object) => WasmInstance;

/** The instance of the memory of some rows. @throws TypeError when it is not WebAssembly's */
export function instanceOf(instances: Instances, rows: RowMemory): WasmInstance {
  if (rows.memory === undefined || rows.byteOffset < ROWS_START) {
    throw new TypeError('memory: not made by the WebAssembly kernels');
  }
  if (rows.memory.buffer?.byteLength !== rows.buffer.byteLength) {
    throw new TypeError('memory: not the one that holds the buffer');
  }
  return instances(rows.memory);
}

/** Rounds of waiting for a slot, a millisecond each, before the call is refused. */
const WAIT_ROUNDS = 5000;

function takeSlot(instance: WasmInstance): number {
  for (let round = 0; round < WAIT_ROUNDS; round++) {
    for (let slot = 0; slot < SLOTS; slot++) {
      if (Atomics.compareExchange(instance.locks, slot, 0, 1) === 0) return slot;
    }
    Atomics.wait(instance.locks, 0, 1, 1);
  }
  throw new Error(`kernels: ${SLOTS} threads hold this memory and none gives it back`);
}

/**
 * Runs `call` with a slot of the memory. A thread that is terminated inside leaves its slot taken:
 * there are 16, and a search thread is ended between calls.
 */
export function withSlot<T>(instance: WasmInstance, call: (slot: WasmSlot) => T): T {
  const taken = takeSlot(instance);
  const base = SLOTS_START + taken * SLOT.size;
  try {
    instance.exports.__stack_pointer.value = base + SLOT.stackEnd;
    return call({ ...instance, base });
  } finally {
    Atomics.store(instance.locks, taken, 0);
  }
}

/** Writes an argument record and returns its address. */
export function writeArgs(slot: WasmSlot, fields: readonly Field[]): number {
  const address = slot.base + SLOT.args;
  let at = address >> 2;
  for (const field of fields) {
    if (typeof field === 'number') slot.words[at] = field;
    else slot.floats[at] = field.float;
    at++;
  }
  return address;
}
