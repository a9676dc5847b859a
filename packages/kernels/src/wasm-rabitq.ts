import { checkEncodeRabitq, checkRotate, checkScanRabitq } from './check-rabitq.ts';
import { elementBytes, elementCode } from './element.ts';
import { bytesOf } from './memory.ts';
import { placesOf } from './native-rabitq.ts';
import { RABITQ_BUDGET, rabitqBits, rabitqRowsPerCall } from './rabitq.ts';
import type { EncodeRabitq, RabitqView, RotateQueries, ScanRabitq } from './rabitq.ts';
import {
  GRAPH_BYTES,
  instanceOf,
  SLOT,
  TILE_FLOATS,
  TILE_ROWS,
  withSlot,
  writeArgs,
} from './wasm-instance.ts';
import type { Field, Instances, WasmSlot } from './wasm-instance.ts';
import { heapsIn, heapsOut } from './wasm-tiles.ts';

/**
 * The 1-bit codes in WebAssembly: rows pass through the slot of the memory that holds the codes.
 */

const METRIC_CODE = { l2: 0, ip: 1, cosine: 2 } as const;

function viewFields(view: RabitqView): readonly Field[] {
  const at = view.memory.byteOffset;
  const { codes, factors, rows, starts, centroids, signs } = view;
  const parts = [codes, factors, rows, starts, centroids, signs].map((part) => at + part);
  return [view.rowCount, view.lists, view.dim, rabitqBits(view.dim), ...parts];
}

/** See `Kernels.rotateQueries`. */
export function rotateQueries(instances: Instances, args: RotateQueries): void {
  checkRotate(args);
  const { view, queries, out } = args;
  const bits = rabitqBits(view.dim);
  withSlot(instanceOf(instances, view.memory), (slot) => {
    const [from, to] = [slot.base + SLOT.queries, slot.base + SLOT.scores];
    for (let at = 0; at * view.dim < queries.length; at++) {
      slot.floats.set(queries.subarray(at * view.dim, (at + 1) * view.dim), from >> 2);
      slot.exports.rotate_queries(writeArgs(slot, [...viewFields(view), from, 1, to]));
      out.set(slot.floats.subarray(to >> 2, (to >> 2) + bits), at * bits);
    }
  });
}

/** Copies rows, and their inverse norms, one after the other into the slot. */
function rowsIn(slot: WasmSlot, args: EncodeRabitq, places: Uint32Array): void {
  const { view, element = 'float32', inverseNorms } = args;
  const bytes = view.dim * elementBytes(element);
  const { base } = slot;
  for (const [i, row] of places.entries()) {
    slot.words[((base + SLOT.list) >> 2) + i] = i;
    slot.bytes.set(bytesOf(args.rows, bytes, row * bytes), base + SLOT.queries + i * bytes);
    slot.floats[((base + SLOT.norms) >> 2) + i] = inverseNorms?.[row] ?? 0;
  }
}

/** See `Kernels.encodeRabitq`. */
export function encodeRabitq(instances: Instances, args: EncodeRabitq): void {
  checkEncodeRabitq(args);
  const { view, metric, element, inverseNorms, list, from, to } = args;
  const most = Math.min(TILE_ROWS, rabitqRowsPerCall(view.dim), TILE_FLOATS / view.dim);
  const size = Math.max(1, Math.floor(most));
  const places = placesOf(view);
  withSlot(instanceOf(instances, view.memory), (slot) => {
    const { base } = slot;
    const norms = inverseNorms === undefined ? 0 : base + SLOT.norms;
    for (let at = from; at < to; at += size) {
      const part = places.subarray(at, Math.min(to, at + size));
      // Places of rows that there are not stay as they are.
      if (part.some((row) => row >= view.rowCount)) continue;
      rowsIn(slot, args, part);
      const rows = [METRIC_CODE[metric], elementCode(element), base + SLOT.queries, norms];
      const span = [part.length, list, at, at + part.length, base + SLOT.list];
      const fields = [...viewFields(view), ...rows, ...span, base + SLOT.scores];
      slot.exports.encode_rabitq(writeArgs(slot, fields));
    }
  });
}

/** One bounded call of a scan: see `Kernels.scanRabitq`. */
export function scanRabitq(instances: Instances, args: ScanRabitq): boolean {
  checkScanRabitq(args);
  const { view, query, lists, state, allowed } = args;
  const words = Math.ceil(view.rowCount / 32);
  if (allowed !== undefined && words * 4 > GRAPH_BYTES) {
    throw new RangeError('allowed: too large for WebAssembly');
  }
  const done = state[0] ?? 0;
  if (done >= lists.length) return true;
  return withSlot(instanceOf(instances, view.memory), (slot) => {
    const { base } = slot;
    const group = { top: args.top, at: args.slot, n: 1 };
    const heaps = heapsIn(slot, group);
    const part = lists.subarray(done, done + TILE_ROWS);
    slot.floats.set(query, (base + SLOT.queries) >> 2);
    slot.words.set(part, (base + SLOT.list) >> 2);
    slot.words.set([0, state[1] ?? 0], (base + SLOT.out) >> 2);
    const bits = allowed === undefined ? 0 : base + SLOT.graph;
    if (allowed !== undefined) slot.words.set(allowed.subarray(0, words), bits >> 2);
    const asked = [base + SLOT.queries, base + SLOT.list, part.length, base + SLOT.out];
    const fields = [...viewFields(view), ...asked, RABITQ_BUDGET, bits, ...heaps];
    slot.exports.scan_rabitq(writeArgs(slot, fields));
    state[0] = done + (slot.words[(base + SLOT.out) >> 2] ?? 0);
    state[1] = slot.words[((base + SLOT.out) >> 2) + 1] ?? 0;
    heapsOut(slot, group);
    return (state[0] ?? 0) >= lists.length;
  });
}
